"""Pure: the list of a store's files with their SHA-256, in the format of ``sha256sum``.

Invariant: the same files make the same list, whose own SHA-256 is the store's identity. It has no
date, names are in the order of their bytes, and it does not name itself. ``sha256sum -c`` reads it
(https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NAME = "manifest-sha256.txt"
_LINE = re.compile(rb"(\\?)([0-9a-f]{64})  ([^\0]+)")
_ESCAPED = {b"\\": b"\\\\", b"\n": b"\\n"}
_MEANT = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Parameters
    ----------
    digests : dict
        The SHA-256 of each file, by name.
    faults : list of str
        What is wrong with the manifest itself.
    """

    digests: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def written(digests: Mapping[str, bytes]) -> bytes:
    """Return the manifest of files.

    Parameters
    ----------
    digests : mapping
        The SHA-256 of each file, by name.
    """
    names = sorted((os.fsencode(name), digest) for name, digest in digests.items())
    return b"".join(_line(name, digest) for name, digest in names)


def read(content: bytes) -> Manifest:
    """Return what a manifest says, and what is wrong with it."""
    found = Manifest()
    before = b""
    *lines, rest = content.split(b"\n")
    if rest or not lines:
        found.faults.append("its last line does not end, as it must")
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            found.faults.append(f"line {number}: no SHA-256 and name found, both expected")
            continue
        escaped, digest, name = match.groups()
        if escaped:
            name = re.sub(rb"\\[\\nr]", lambda pair: _MEANT[pair[0]], name)
        if name <= before:
            found.faults.append(f"line {number}: not in the order of names")
        before = name
        text = os.fsdecode(name)
        if text in found.digests:
            found.faults.append(f"line {number}: {text} is there twice")
        elif text == NAME or not is_inside(text):
            found.faults.append(f"line {number}: {text} found, a file of the store expected")
        else:
            found.digests[text] = bytes.fromhex(digest.decode())
    return found


def is_inside(name: str) -> bool:
    """Tell whether a name is one of a file below a folder."""
    try:
        if b"\0" in os.fsencode(name):
            return False
    except UnicodeEncodeError:
        return False
    return not any(part in ("", ".", "..") for part in name.split("/"))


def identity(content: bytes) -> str:
    """Return the identity of the store that has a manifest: ``sha256:`` and 64 digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _line(name: bytes, digest: bytes) -> bytes:
    """Return a line; where a name has to be escaped, a backslash before it says so."""
    escaped = re.sub(rb"[\\\n]", lambda found: _ESCAPED[found[0]], name)
    mark = b"" if escaped == name else b"\\"
    return b"%b%b  %b\n" % (mark, digest.hex().encode(), escaped)
