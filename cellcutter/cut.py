"""The story: `cut_cells` and `cut_tiles`, from input to published store.

Both come down to the same thing, windows of one size in the order of the output, which one engine
cuts. Nothing is written before all input is checked, and nothing has the name that the caller gave
before it is whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Unpack

from cellcutter import images, inputs
from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.kinds import read_pixels
from cellcutter.options import CellOptions, Name, TileOptions
from cellcutter.produce import CutResult, claim, produce
from cellcutter.types import Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CutResult", "cut_cells", "cut_tiles"]


@takes(CellOptions)
def cut_cells(
    image: Name,
    mask: Name | None,
    cells: Name | pd.DataFrame,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[CellOptions],
) -> CutResult:
    """Cut a thumbnail of every cell of a table and store them as one Zarr array.

    Parameters
    ----------
    **image
    mask : path or None
        Segmentation mask of the same height and width: integers, 0 for background, else the
        CellID. None, or "-", where `window_size` is given and `mask_cells` is not.
    cells : path or DataFrame
        Table with the columns CellID, Y_centroid and X_centroid (pixels): CSV, perhaps
        compressed, or Parquet where pyarrow is installed.
    destination : path
        Store to be made: an array (channels, cells, window, window) of the image's dtype, the
        cells in the order of the table.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> result = cellcutter.cut_cells(
    ...     "image.ome.tif", "cell.tif", "cells.csv", "cells.zarr", window_size=64
    ... )  # doctest: +SKIP
    """
    wanted = complete(CellOptions, options)
    mask = images.given_mask(mask, wanted)
    with ExitStack() as stack:
        paths = [image, mask, cells, wanted["markers"]]
        publication = stack.enter_context(claim(destination, paths, wanted))
        report = progress or inputs.silent
        request, found = inputs.open_cells(
            stack, image, mask, cells, wanted, publication.protect, report
        )
        with inputs.naming_largest(request, found):
            return produce(request, publication, report)


@takes(TileOptions)
def cut_tiles(
    image: Name,
    window_size: int,
    destination: Name,
    *,
    progress: Progress | None = None,
    **options: Unpack[TileOptions],
) -> CutResult:
    """Cut the tiles of a regular grid and store them as one Zarr array.

    Parameters
    ----------
    **image
    window_size : int
        Height and width of a tile in pixels.
    destination : path
        Store to be made: an array (channels, tiles, window, window) of the image's dtype. The
        grid starts at (0, 0) and goes row by row, with a tile for every start in the image.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> result = cellcutter.cut_tiles("image.ome.tif", 256, "tiles.zarr")  # doctest: +SKIP
    """
    wanted = complete(TileOptions, options)
    size = read_pixels("WINDOW_SIZE", window_size)
    with ExitStack() as stack:
        publication = stack.enter_context(claim(destination, [image, wanted["markers"]], wanted))
        picture = images.open_image_of(stack, image, wanted)
        publication.protect(picture.files)
        request = inputs.request_of_tiles(picture, size, wanted)
        return produce(request, publication, progress or inputs.silent)
