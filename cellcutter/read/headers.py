"""Pure: what an encoded picture says of itself, before it is decoded.

A block in JPEG, PNG and the like has its own header, and decoders make room for what that claims.
So it is read first. And decoders of JPEG and JPEG 2000 fill up with grey what the end of a block
lacks; the mark at its end tells whether it is whole.

JPEG: ITU-T T.81, annex B; JPEG 2000: ITU-T T.800, annex A; PNG: https://www.w3.org/TR/png;
WebP: https://developers.google.com/speed/webp/docs/riff_container; JPEG XL: ISO/IEC 18181-1;
JPEG XR: ITU-T T.832, annex A; LERC: https://github.com/Esri/lerc.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

Size = tuple[int, int]
"""Height and width in pixels."""

_END = b"\xff\xd9"  # of a JPEG image and of a JPEG 2000 codestream; cannot occur in their data
_SLACK = 64  # pixels by which a block may be larger than its place: encoders round up


def check_encoded(data: bytes, block_shape: Size, *, whole: bool = True) -> None:
    """Make sure that an encoded block claims no more than its place, and has its end.

    Parameters
    ----------
    data : bytes
    block_shape : (height, width) in pixels
    whole : bool
        Whether the block is a picture of its own, and so has an end of its own.

    Raises
    ------
    ValueError
    """
    size = claimed(data)
    if size and (size[0] > block_shape[0] + _SLACK or size[1] > block_shape[1] + _SLACK):
        raise ValueError(
            f"a picture of {size[0]} x {size[1]} pixels in a block of "
            f"{block_shape[0]} x {block_shape[1]}"
        )
    if whole and not _complete(data):
        raise ValueError("a block that ends too early")


def claimed(data: bytes) -> Size | None:
    """Return the (height, width) that an encoded picture claims; None where that is not known."""
    for start, read in _KINDS:
        if data.startswith(start):
            try:
                return read(data)
            except (struct.error, IndexError, ValueError):
                return None
    return None


def _complete(data: bytes) -> bool:
    """Tell whether a picture has its end; True for formats whose decoders look themselves."""
    if data.startswith(b"\xff\xd8"):
        return data.rfind(_END) > data.find(b"\xff\xda")  # behind the start of the first scan
    if data.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")):
        return data.rfind(_END) > data.find(b"\xff\x93")  # behind the first tile's header
    if data.startswith(b"RIFF"):
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return True


def _jpeg(data: bytes) -> Size | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        elif marker == 0xDA:
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _jpeg2000(data: bytes) -> Size | None:
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        return None
    x1, y1, x0, y0 = struct.unpack_from(">4I", data, at + 8)
    return y1 - y0, x1 - x0


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(data[27:30], "little") + 1,
            int.from_bytes(data[24:27], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _jpegxl_file(data: bytes) -> Size | None:
    at = 0
    while at + 8 <= len(data):  # boxes
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, at + 8), 16
        if kind in (b"jxlc", b"jxlp"):
            head += 4 * (kind == b"jxlp")  # its number
            return _jpegxl(data[at + head : at + head + 32])
        if length < head:
            return None
        at += length
    return None


def _jpegxl(data: bytes) -> Size | None:
    if not data.startswith(b"\xff\x0a"):
        return None
    bits = int.from_bytes(data[2:24], "little")

    def take(number: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << number) - 1), bits >> number
        return value

    small = take(1)

    def length() -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = length()
    ratio = take(3)
    ratios = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
    if not ratio:
        return height, length()
    across, down = ratios[ratio]
    return height, height * across // down


def _jpegxr(data: bytes) -> Size | None:
    at = int.from_bytes(data[4:8], "little")
    (number,) = struct.unpack_from("<H", data, at)
    tags = {}
    for i in range(min(number, 64)):
        tag, kind, _count, value = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
        tags[tag] = value & (0xFFFF if kind == 3 else 0xFFFFFFFF)
    if 0xBC80 not in tags or 0xBC81 not in tags:
        return None
    return tags[0xBC81], tags[0xBC80]


def _lerc(data: bytes) -> Size:
    version = int.from_bytes(data[6:10], "little")
    height, width = struct.unpack_from("<II", data, 14 if version >= 3 else 10)
    return height, width


_KINDS: tuple[tuple[bytes, Callable[[bytes], Size | None]], ...] = (
    (b"\xff\xd8", _jpeg),
    (b"\xff\x4f\xff\x51", _jpeg2000),
    (b"\0\0\0\x0cjP", _jpeg2000),
    (b"\x89PNG", _png),
    (b"RIFF", _webp),
    (b"\xff\x0a", _jpegxl),
    (b"\0\0\0\x0cJXL", _jpegxl_file),
    (b"II\xbc", _jpegxr),
    (b"Lerc2 ", _lerc),
)
