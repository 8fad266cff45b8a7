"""The structure of a zip file: members one behind the other, and what is told of each twice.

The format is https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Invariant: nothing is
unpacked, and no place outside the file is believed.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cellcutter.store import manifest

_LOCAL = struct.Struct("<4s5H3I2H")  # of a member: magic, versions and flags, sizes, lengths
_END = struct.Struct("<4s4H2IH")  # of the file
_FAR = 0xFFFFFFFF
_FAR_COUNT = 0xFFFF
_OURS: dict[str, set[object]] = {
    "create_system": {3},
    "create_version": {20, 45},
    "external_attr": {0o644 << 16},
    "internal_attr": {0},
    "volume": {0},
    "reserved": {0},
    "comment": {b""},
}


@dataclass(frozen=True)
class Member:
    """A member of a zip file.

    Parameters
    ----------
    name : str
    start : int
        Where its content begins; -1 where it cannot be read.
    nbytes : int
    checksum : int
        CRC-32.
    problem : str
        What is wrong with it; nothing where it is as it must be.
    """

    name: str
    start: int
    nbytes: int
    checksum: int
    problem: str


def members_of(path: Path) -> tuple[list[Member], list[str]]:
    """Return the members of a zip file, and what is wrong with the file as a whole.

    Raises
    ------
    OSError
    zipfile.BadZipFile
        It has no list of its members, as a file that was cut off.
    """
    faults: list[str] = []
    path.open("rb").close()
    try:
        with zipfile.ZipFile(path) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            directory = archive.start_dir
    except (NotImplementedError, ValueError, struct.error, OverflowError, OSError) as error:
        raise zipfile.BadZipFile(str(error)) from error
    # other programs leave room, dates and modes, which say nothing
    ours = any(info.filename == manifest.NAME for info in infos)
    found, end, is_end = [], 0, True  # of a member that is not as it must be, no end is known
    with path.open("rb") as file:
        for info in infos:
            member = _member(file, info, directory, strict=ours)
            if info.header_offset < end:
                problem = "a place found that another member has"
                member = Member(member.name, -1, member.nbytes, member.checksum, problem)
            elif ours and is_end and info.header_offset > end:
                faults.append(f"{info.header_offset - end} bytes before {info.filename} found")
            found.append(member)
            is_end = member.start >= 0
            end = max(end, member.start + member.nbytes if is_end else info.header_offset + 1)
        if ours and is_end and end != directory:
            faults.append(f"members end at {end}, their list begins at {directory}")
        if ours:
            faults += _end(file, len(infos))
    return found, faults


def _member(file: BinaryIO, info: zipfile.ZipInfo, limit: int, *, strict: bool) -> Member:
    def made(start: int, problem: str) -> Member:
        return Member(info.filename, start, info.file_size, info.CRC, problem)

    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        return made(-1, "compressed or encrypted in the zip file, stored as it is expected")
    if not 0 <= info.header_offset <= limit - _LOCAL.size or info.file_size != info.compress_size:
        return made(-1, "a place outside the zip file found, one inside expected")
    file.seek(info.header_offset)
    local = _LOCAL.unpack(file.read(_LOCAL.size))
    magic, version, flags, method, clock, date, checksum, packed, size, named, more = local
    start = info.header_offset + _LOCAL.size + named + more
    if magic != b"PK\3\4" or start + info.file_size > limit:
        return made(-1, "a place outside the zip file found, one inside expected")
    name, extra = file.read(named), file.read(more)
    encoded = info.filename.encode("utf-8" if flags & 0x800 else "cp437", "replace")
    problem = "" if encoded == name else f"another name found before its content: {name!r}"
    if strict and not problem:
        nbytes = info.file_size
        far = struct.pack("<2H2Q", 1, 16, nbytes, nbytes) if _FAR in (packed, size) else b""
        wanted = (info.extract_version, info.flag_bits, info.compress_type, info.CRC)
        same = (version, flags, method, checksum) == wanted and extra == far
        sizes = {packed, size} <= {nbytes, _FAR}
        told = all(getattr(info, each) in values for each, values in _OURS.items())
        dates = (clock, date) == (0, 0x21) and info.date_time == (1980, 1, 1, 0, 0, 0)
        if not (same and sizes and told and dates):
            problem = "another head found in the zip file than was written"
    return made(start, problem)


def _end(file: BinaryIO, number: int) -> list[str]:
    """Return what is wrong with the last bytes of a file that we have written."""
    file.seek(-_END.size, 2)
    magic, disk, first, here, count, _, _, comment = _END.unpack(file.read(_END.size))
    counts = {here, count} <= {number, _FAR_COUNT}
    if magic != b"PK\5\6" or disk or first or comment or not counts:
        return ["another end of the zip file found than was written"]
    return []
