"""The text of a table's file, whether it is compressed or not; what is no text is named."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from cellcutter.errors import TableError
from cellcutter.read.sniff import kind_of

PARQUET = b"PAR1"
_HEAD = 4096  # bytes that are looked at
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = ";\t|"
_WHAT_TO_DO = "save it as CSV in UTF-8, with commas"


@contextmanager
def opened(path: Path, expected: str) -> Iterator[TextIO]:
    """Open the text of a file; lines end in a line feed, whatever they end in in the file.

    Files that gzip, bzip2, xz, zip or zstd have compressed are read too, whatever their names.
    Bytes that are no UTF-8 come as surrogates: they may lie in a column that nobody asked for.

    Parameters
    ----------
    path : Path
    expected : str
        What the file should be, for messages.

    Raises
    ------
    TableError
        The file cannot be read, is damaged, or is no text.
    """
    try:
        check_regular(path, expected)
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            unpacked = _unpacked(stack, path, file, expected)
            start = unpacked.peek(_HEAD)[:_HEAD]
            _check_text(path, start, expected)
            yield io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape")
    except (
        EOFError,
        NotImplementedError,
        zlib.error,
        lzma.LZMAError,
        gzip.BadGzipFile,
        zipfile.BadZipFile,
    ) as error:
        raise TableError(f"{path}: a damaged file found ({error}), {expected} expected") from error
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}; {expected} expected") from error


def check_regular(path: Path, expected: str) -> None:
    """Make sure that a path, if there is something, is a file.

    Raises
    ------
    TableError
        It is something else, such as a folder.
    """
    if "\0" in str(path):
        raise TableError(f"{str(path)!r}: a name with NUL found, {expected} expected")
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise TableError(f"{path}: {found} found, {expected} expected")


def starts_with(path: Path, start: bytes) -> bool:
    """Tell whether a file has some first bytes."""
    with path.open("rb") as file:
        return file.read(len(start)) == start


def check_separator(name: str, first: Sequence[str]) -> None:
    """Make sure that the columns of a table are not separated by something other than commas.

    Parameters
    ----------
    name : str
        Of the table, for messages.
    first : sequence of str
        The fields of the first row.

    Raises
    ------
    TableError
    """
    line = first[0] if len(first) == 1 else ""
    separator = next((s for s in _SEPARATORS if s in line), None)
    if separator:
        raise TableError(
            f"{name}: columns separated by {separator!r} found, ',' expected: {_WHAT_TO_DO}"
        )


def _unpacked(stack: ExitStack, path: Path, file: BinaryIO, expected: str) -> io.BufferedReader:
    """Return the bytes of a file as they are before they are compressed."""
    start = file.read(8)
    file.seek(0)
    plain: IO[bytes] | None = None
    for magic, open_ in _PACKED.items():
        if start.startswith(magic):
            plain = stack.enter_context(open_(file))
    if start.startswith(b"PK\3\4"):
        plain = stack.enter_context(_member(path, file, expected))
    if plain is None:
        return cast(io.BufferedReader, file)
    return io.BufferedReader(cast(io.RawIOBase, plain), 1 << 20)


def _zstd(file: BinaryIO) -> IO[bytes]:
    import zstandard

    class Reader(io.RawIOBase):
        """What zstandard reads, with its errors as those of a damaged file."""

        _inner = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            try:
                return int(self._inner.readinto(buffer))
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from error

    return cast("IO[bytes]", Reader())


_PACKED: dict[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast("IO[bytes]", lzma.LZMAFile(file)),  # noqa: SIM115
    b"\x28\xb5\x2f\xfd": _zstd,
}


@contextmanager
def _member(path: Path, file: BinaryIO, expected: str) -> Iterator[IO[bytes]]:
    """Open the one file inside a zip file."""
    with zipfile.ZipFile(file) as archive:
        names = [n for n in archive.namelist() if n[-1:] != "/" and not n.startswith("__MACOSX/")]
        if any(name.startswith("xl/") for name in names):
            raise TableError(f"{path}: an xlsx table found, {expected} expected: {_WHAT_TO_DO}")
        if len(names) != 1:
            raise TableError(
                f"{path}: a zip file of {len(names)} files found, {expected} expected, or a zip "
                "file with nothing else in it"
            )
        if archive.getinfo(names[0]).flag_bits & 1:
            raise TableError(f"{path}: a zip file with a password found, {expected} expected")
        with archive.open(names[0]) as member:
            yield member


def _check_text(path: Path, start: bytes, expected: str) -> None:
    """Make sure that some first bytes are text."""
    if start.startswith(_UTF16) or (start[1:2] == b"\0" and b"\0" not in start[::2]):
        kind: str | None = "text in UTF-16"
    elif start.startswith(b"\xd0\xcf\x11\xe0"):
        kind = "an old Excel table (xls)"
    elif b"\0" in start or start.startswith((PARQUET, b"\x89HDF", b"%PDF", b"\x89PNG")):
        kind = kind_of(path) or "bytes that are no text"
    else:
        return
    raise TableError(f"{path}: {kind} found, {expected} expected: {_WHAT_TO_DO}")
