"""What a file is that is no image we read, in a user's words: by its first bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_STARTS = (
    (b"\x89HDF", "an HDF5 file (such as h5ad or Imaris)"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a file compressed with gzip"),
    (b"BZh", "a file compressed with bzip2"),
    (b"\xfd7zXZ", "a file compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with zstd"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ZISRAWFILE", "a Zeiss CZI file"),
    (b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (b"\x70\0\0\0", "a Leica LIF file"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"RIFF", "a WebP picture"),
)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,2}[^/]")
ZARR_ZIP = "a zip file of a Zarr store"
_HEAD = 4096  # bytes that are looked at


def is_address(name: str) -> bool:
    """Tell whether a name is a web address (``https://...``, ``s3://...``), not a path."""
    return bool(_ADDRESS.match(name))


def kind_of(path: Path) -> str | None:
    """Return what a file is, in a user's words; None for a TIFF, or where that is not known."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    if not head:
        return "an empty file"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    return _kind_of_text(head)


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return "a damaged zip file"
    if any(name.rpartition("/")[2] in ("zarr.json", ".zgroup", ".zarray") for name in names):
        return ZARR_ZIP
    if any(name.startswith("xl/") for name in names):
        return "an xlsx table"
    return "a zip file without a Zarr image"


def _kind_of_text(head: bytes) -> str | None:
    if b"\0" in head:
        return None
    try:
        text = head.decode("utf-8-sig", "ignore").lstrip()
    except UnicodeDecodeError:
        return None
    if len(text) < 0.8 * len(head):
        return None
    first = text.split("\n", 1)[0]
    if text.startswith("<"):
        return "a web page" if "<html" in text.lower() else "an XML file"
    if text.startswith(("{", "[")):
        return "a JSON file"
    for separator, name in (
        (",", "a CSV table"),
        ("\t", "a table separated by tabs"),
        (";", "a CSV table"),
    ):
        if first.count(separator) >= 1:
            return name
    return "a text file"
