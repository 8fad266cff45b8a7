"""How pages of a TIFF are laid out: each as planes of blocks, or of rows that follow each other."""

from __future__ import annotations

from functools import partial
from math import lcm, prod
from pathlib import Path

import numpy as np
import tifffile

from cellcutter.errors import ImageError
from cellcutter.read.positional import Files
from cellcutter.read.tiff.images import Absent, Page
from cellcutter.read.tiff.planes import ROWS, AbsentPlane, BlockPlane, Plane, RawPlane

_JPEG = {6, 7, 33007, 34892}  # compressions whose tables stand in tags of the page
_OLD_JPEG = 6  # its header may stand in tags, and so may its end
_PICTURES = {*tifffile.TIFF.IMAGE_COMPRESSIONS, *_JPEG, 34887}  # blocks that have a header


def planes_of_page(path: Path, page: Page, files: Files) -> list[Plane]:
    """Return the planes of a page: one, or one for each sample where samples lie apart.

    Parameters
    ----------
    path : Path
        The image, for messages.
    page : Page
        With all its tags; its file must be open.
    files : Files

    Raises
    ------
    ImageError
        The file is shorter than its tags say.
    """
    if isinstance(page, Absent):
        return [AbsentPlane(path.parent / page.file, page)]
    file = Path(page.parent.filehandle.path)
    separate = page.shaped[0]
    if _is_raw(page):
        return list(raw_planes(file, page, page.dataoffsets[0], separate, files))
    offsets = np.array(page.dataoffsets, np.int64)
    counts = np.array(page.databytecounts, np.int64)
    height, width = page.imagelength, page.imagewidth
    block = (page.tilelength, page.tilewidth)
    if not page.is_tiled:
        block = (min(page.rowsperstrip, height), width)
    grid = (-(-height // block[0]), -(-width // block[1]))
    blocks = prod(page.chunked)
    if min(len(offsets), len(counts)) < blocks or blocks < separate * prod(grid):
        raise ImageError(f"{path}: {len(offsets)} blocks found, {blocks} expected")
    _check_end(file, files, int((offsets[:blocks] + counts[:blocks]).max()))
    decode = page.decode  # made now: it may have to look into the file
    header = None
    if page.compression in _JPEG:
        header = page.jpegheader
        decode = partial(decode, jpegtables=page.jpegtables, jpegheader=header)
    return [
        BlockPlane(
            file,
            offsets,
            counts,
            blocks // separate * i,
            grid,
            block,
            page.shaped[4] * page.dtype.itemsize,
            page.nodata,
            decode,
            page.compression in _PICTURES,
            header is None and page.compression != _OLD_JPEG,
        )
        for i in range(separate)
    ]


def raw_planes(file: Path, page: Page, offset: int, number: int, files: Files) -> list[RawPlane]:
    """Return planes that lie one after the other, uncompressed, alike a page.

    Raises
    ------
    ImageError
        The file is shorter.
    """
    stored = np.dtype(page.parent.byteorder + page.dtype.char)
    width, samples = page.imagewidth, page.shaped[4]
    nbytes = page.imagelength * width * samples * stored.itemsize
    _check_end(file, files, offset + number * nbytes)
    return [RawPlane(file, offset + i * nbytes, stored, width, samples) for i in range(number)]


def common_block(planes: list[Plane], height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) in pixels of blocks that consist of whole blocks of each plane."""
    shapes = {plane.block_shape for plane in planes if not isinstance(plane, AbsentPlane)}
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return min(ROWS, height), width
    if len(shapes) == 1:
        return known[0]
    rows = min(lcm(*(shape[0] for shape in known)), height)
    widths = {shape[1] for shape in known}
    return rows, widths.pop() if len(widths) == 1 and None not in shapes else width


def _check_end(file: Path, files: Files, end: int) -> None:
    size = files.size(file)
    if end > size:
        raise ImageError(f"{file}: truncated: {size} bytes found, at least {end} expected")


def _is_raw(page: Page) -> bool:
    """Tell whether a page's pixels lie row by row in one piece of the file."""
    if page.compression != 1 or page.predictor != 1 or page.fillorder != 1 or page.is_tiled:
        return False
    if page.bitspersample != 8 * page.dtype.itemsize or not len(page.dataoffsets):
        return False
    offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
    together = bool(np.all(counts > 0) and np.all(offsets[:-1] + counts[:-1] == offsets[1:]))
    return together and int(counts.sum()) == page.nbytes
