"""What a caller may ask for of a store that is there: every option of `convert` and `export`.

As in `options.py`, each is said once; what both have in common with cutting comes from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypedDict

from cellcutter.completing import options_of
from cellcutter.kinds import CHANNELS, CSV, PATH, SEED, SIZE, SWITCH, WHOLE, Option, choice
from cellcutter.options import STORED, CellOptions, Name

_OF_CUTTING = options_of(CellOptions)
_COMPRESSION, _ZIP = _OF_CUTTING["compression"], _OF_CUTTING["z"]
_CHUNK_SIZE, _PER_CHUNK = _OF_CUTTING["chunk_size"], _OF_CUTTING["cells_per_chunk"]
_THREADS, _CACHE_SIZE = _OF_CUTTING["p"], _OF_CUTTING["cache_size"]
_LAYOUT = Option(
    choice("cells", "chunks"),
    "how the new store is laid out: cells is an AnnData store whose images are quick to read one "
    "by one in any order; chunks is one array [channels, cells, y, x] that all versions of zarr "
    "read (default: cells)",
    STORED,
    default="cells",
)
_FORCE = Option(
    SWITCH,
    "replace an existing DESTINATION, and its masks, once the new ones are whole",
    STORED,
    default=False,
    flags=("-f", "--force"),
)
_FORCE_EXPORT = Option(
    SWITCH,
    "replace an existing DESTINATION of the same form, once the new one is whole",
    STORED,
    default=False,
    flags=("-f", "--force"),
)
DEFAULT_SHARD_SIZE = 256
DEFAULT_SAMPLE = 100
FORMS = ("h5sc", "npy", "webdataset", "ome-tiff")


class ConvertOptions(TypedDict, total=False):
    """Options of ``cellcutter convert``."""

    layout: Annotated[Literal["cells", "chunks"], _LAYOUT]
    chunk_size: Annotated[float | None, _CHUNK_SIZE]
    cells_per_chunk: Annotated[int | None, _PER_CHUNK]
    compression: Annotated[Literal["default", "fast", "small", "none"], _COMPRESSION]
    z: Annotated[bool, _ZIP]
    force: Annotated[bool, _FORCE]
    p: Annotated[int | None, _THREADS]
    cache_size: Annotated[float | None, _CACHE_SIZE]


class ExportOptions(TypedDict, total=False):
    """Options of ``cellcutter export``."""

    to: Annotated[
        Literal["h5sc", "npy", "webdataset", "ome-tiff"] | None,
        Option(
            choice(*FORMS),
            "what DESTINATION will be: h5sc, an HDF5 file of scPortrait; npy, a folder of NumPy "
            "arrays and CSV tables; webdataset, a folder of tar files; ome-tiff, one OME-TIFF "
            "file with a time point for each cell",
            STORED,
        ),
    ]
    channels: Annotated[
        Sequence[int | str] | str | None,
        Option(
            CHANNELS,
            "channels to export, in this order: numbers in the image, from 1, or marker names; on "
            "the command line separated by commas anywhere, or by spaces at the end (default: all)",
            STORED,
        ),
    ]
    shard_size: Annotated[
        float | None,
        Option(
            SIZE,
            "size of a tar file of webdataset in MB; a MB is 1024 x 1024 bytes (default: "
            f"{DEFAULT_SHARD_SIZE})",
            STORED,
        ),
    ]
    force: Annotated[bool, _FORCE_EXPORT]
    p: Annotated[int | None, _THREADS]
    cache_size: Annotated[float | None, _CACHE_SIZE]


_CHECKS = "what is checked"


class VerifyOptions(TypedDict, total=False):
    """Options of ``cellcutter verify``."""

    deep: Annotated[
        bool,
        Option(
            SWITCH,
            "also decode every chunk, every cell and every column, and look at the indices of "
            "shards and at the CellIDs",
            _CHECKS,
            default=False,
        ),
    ]
    image: Annotated[
        Name | None,
        Option(
            PATH,
            "the image that the store was cut from: cells are cut again, with the options that "
            "the store tells, and compared bit by bit",
            _CHECKS,
        ),
    ]
    mask: Annotated[
        Name | None,
        Option(PATH, "the segmentation mask of --image, if the cut had one", _CHECKS),
    ]
    table: Annotated[
        Name | None,
        Option(CSV, "the table of the cells; none where tiles were cut", _CHECKS),
    ]
    sample: Annotated[
        int | None,
        Option(
            WHOLE,
            f"how many cells are cut again, chosen at random (default: {DEFAULT_SAMPLE})",
            _CHECKS,
        ),
    ]
    all: Annotated[
        bool,
        Option(SWITCH, "cut all cells again, instead of some", _CHECKS, default=False),
    ]
    seed: Annotated[
        int | bool | None,
        Option(SEED, "which cells are chosen: the same for the same seed (default: 0)", _CHECKS),
    ]
    p: Annotated[int | None, _THREADS]
    cache_size: Annotated[float | None, _CACHE_SIZE]
