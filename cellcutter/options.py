"""What a caller may ask for: every option said once.

From the classes below come the flags of the commands and their help, the keys of a YAML file, the
signatures and docstrings of the Python interface, and the reference page. Nothing heavy is
imported here: `--help` waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict

from cellcutter.kinds import (
    CHANNELS,
    COLUMNS,
    CSV,
    LENGTH,
    PIXELS,
    SEED,
    SIZE,
    SWITCH,
    WHOLE,
    Option,
    choice,
)

Name = str | os.PathLike[str]

DEFAULT_CHUNK_SIZE, DEFAULT_CACHE_SIZE, LEAST_CACHE_SIZE = 32, 10 * 1024, 64  # MB
CUT, STORED, RESOURCES = "what is cut", "what is stored, and how", "resources"


class Options(TypedDict, total=False):
    """Options of both commands."""

    channels: Annotated[
        Sequence[int | str] | str | None,
        Option(
            CHANNELS,
            "channels to cut, in this order: numbers from 1, or marker names; on the command line "
            "separated by commas anywhere, or by spaces at the end (default: all)",
            CUT,
        ),
    ]
    image_index: Annotated[
        int | None,
        Option(
            WHOLE,
            "which of several images of IMAGE, from 1 (default: of the mask's size, or largest)",
            CUT,
        ),
    ]
    markers: Annotated[
        Name | None,
        Option(CSV, "file of marker names, a row for each channel, as MCMICRO's markers.csv", CUT),
    ]
    layout: Annotated[
        Literal["chunks", "cells"],
        Option(
            choice("chunks", "cells"),
            "chunks: one array [channels, cells, y, x] that all versions of zarr read; cells: an "
            "AnnData store, quick to read in any order (default: chunks)",
            STORED,
            default="chunks",
        ),
    ]
    shuffle: Annotated[
        int | bool | None,
        Option(
            SEED,
            "store in a random order, the same for the same seed (default: in the order of the "
            "table; --shuffle without a number has the seed 0)",
            STORED,
        ),
    ]
    statistics: Annotated[
        Literal["sampled", "exact", "none"],
        Option(
            choice("sampled", "exact", "none"),
            "mean, standard deviation and percentiles of each channel: of some thousand cells "
            "(sampled), or of all, which takes longer (exact) (default: sampled)",
            STORED,
            default="sampled",
        ),
    ]
    chunk_size: Annotated[
        float | None,
        Option(
            SIZE,
            f"size of a chunk (with --layout cells, of a shard) in MB before it is compressed; a "
            f"MB is 1024 x 1024 bytes (default: {DEFAULT_CHUNK_SIZE})",
            STORED,
        ),
    ]
    compression: Annotated[
        Literal["default", "fast", "small", "none"],
        Option(
            choice("default", "fast", "small", "none"),
            "how chunks are compressed: fast is quicker to write and to read, small takes longer; "
            "with --layout cells, default and fast are the same (default: default)",
            STORED,
            default="default",
        ),
    ]
    z: Annotated[
        bool,
        Option(
            SWITCH,
            "store in one zip file instead of a folder; give it a name that ends in .zarr.zip",
            STORED,
            default=False,
            flags=("-z", "--zip"),
        ),
    ]
    force: Annotated[
        bool,
        Option(
            SWITCH,
            "replace an existing DESTINATION, its masks and the file of --save-metadata, when the "
            "new ones are complete",
            STORED,
            default=False,
            flags=("-f", "--force"),
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            SWITCH,
            "go on from the chunks that an interrupted run of the same command has left, and leave "
            "those that are whole where this run is interrupted",
            STORED,
            default=False,
        ),
    ]
    save_metadata: Annotated[
        Name | None,
        Option(
            CSV,
            "also write the windows to this file, a row for each; /dev/stdout prints them",
            STORED,
        ),
    ]
    p: Annotated[
        int | None,
        Option(
            WHOLE,
            "threads (default: the CPUs that this process may use)",
            RESOURCES,
            flags=("-p", "--threads"),
        ),
    ]
    cache_size: Annotated[
        float | None,
        Option(
            SIZE,
            f"memory for pixels in MB, at least {LEAST_CACHE_SIZE} (default: {DEFAULT_CACHE_SIZE}, "
            "or half of what is available if that is less)",
            RESOURCES,
        ),
    ]


class CellOptions(Options, total=False):
    """Options of ``cut_cells``."""

    window_size: Annotated[
        int | str | None,
        Option(
            LENGTH,
            "height and width of a thumbnail in pixels, or in micrometres such as 20um, rounded up "
            "(default: those of the largest cell of the table)",
            CUT,
        ),
    ]
    columns: Annotated[
        Mapping[str, str] | str | None,
        Option(
            COLUMNS,
            "which columns of CELL_DATA to take, where they have other names, such as "
            "CellID=Object,Y_centroid=centroid-0,X_centroid=centroid-1",
            CUT,
        ),
    ]
    centroid_unit: Annotated[
        Literal["px", "um"],
        Option(
            choice("px", "um"),
            "unit of the centroids: pixels, or micrometres, which the image's pixel size turns "
            "into pixels (default: px)",
            CUT,
            default="px",
        ),
    ]
    mask_cells: Annotated[
        bool,
        Option(
            SWITCH,
            "set pixels outside of the thumbnail's own cell to zero, and store the cells' masks "
            "[cells, window, window] as <DESTINATION's stem>_mask.zarr, or with --layout cells "
            "in the store",
            CUT,
            default=False,
        ),
    ]
    mask_channel: Annotated[
        int | None,
        Option(
            WHOLE,
            "which channel of SEGMENTATION_MASK has the CellIDs, from 1; needed where it has "
            "several, such as whole cells and nuclei",
            CUT,
        ),
    ]
    mask_index: Annotated[
        int | None,
        Option(
            WHOLE,
            "which of several images of SEGMENTATION_MASK, from 1 (default: the largest)",
            CUT,
        ),
    ]
    masks: Annotated[
        bool,
        Option(
            SWITCH,
            "store the cells' masks as --mask-cells does, and leave the pixels as they are",
            CUT,
            default=False,
        ),
    ]
    on_missing: Annotated[
        Literal["error", "warn"],
        Option(
            choice("error", "warn"),
            "what to do with cells that are not in the mask, repeated CellIDs, centroids that are "
            "missing or outside the image, and a table where most windows miss their cell; with "
            "warn they keep their place in the store (default: error)",
            CUT,
            default="error",
        ),
    ]
    cells_per_chunk: Annotated[
        int | None,
        Option(WHOLE, "cells in a chunk, instead of a size", STORED, instead_of="chunk_size"),
    ]


class TileOptions(Options, total=False):
    """Options of ``cut_tiles``."""

    step_size: Annotated[
        int | None,
        Option(
            PIXELS, "distance of two tiles' starts in pixels (default: the size of a tile)", CUT
        ),
    ]
    tiles_per_chunk: Annotated[
        int | None,
        Option(WHOLE, "tiles in a chunk, instead of a size", STORED, instead_of="chunk_size"),
    ]
