"""The same cells in every layout, for the benchmark of reading."""

from __future__ import annotations

import importlib.util
import io
import shutil
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

import cellcutter
from benchmarks.slides import SlideSpec, write_project
from cellcutter.store.blosc import Encoder, Frame, divide
from cellcutter.store.codec import CODECS
from cellcutter.store.thumbnails import Thumbnails

CHANNELS, WINDOW = 12, 40
INNER = "obsm/single_cell_images"


def make_stores(data: Path, cells: int) -> dict[str, Path]:
    """Cut a slide, and put the same cells into every layout; what is there is kept."""
    side = int(np.sqrt(cells * 1.06) * 29)
    spec = SlideSpec("reading", CHANNELS, side, side, seed=3)
    paths = write_project(data / f"slide-{cells}", spec)
    folder = data / f"stores-{cells}"
    folder.mkdir(parents=True, exist_ok=True)
    stores = {"chunks": folder / "chunks.zarr", "npy": folder / "cells.npy"}
    if not stores["chunks"].exists():
        cellcutter.cut_cells(
            paths["image"],
            paths["labels"],
            paths["table"],
            stores["chunks"],
            window_size=WINDOW,
            cells_per_chunk=873,
        )
    if not stores["npy"].exists():
        np.save(stores["npy"], cellcutter.open(stores["chunks"])[:cells])
    images = np.load(stores["npy"], mmap_mode="r")
    for codec in ("fast", "small", "none"):
        stores[f"cells {codec}"] = folder / f"cells-{codec}.zarr"
        if not stores[f"cells {codec}"].exists():
            write_cells(stores[f"cells {codec}"], images, codec)
    if importlib.util.find_spec("h5py"):
        stores["h5sc"] = folder / "cells.h5sc"
        if not stores["h5sc"].exists():
            cellcutter.export(stores["cells fast"], stores["h5sc"], to="h5sc")
    return stores


def write_cells(path: Path, images: NDArray[Any], codec: str, per_shard: int = 873) -> None:
    """Write a store of the layout `cells`, shard by shard; its frames are those of a codec."""
    made = path.with_suffix(".part")
    shutil.rmtree(made, ignore_errors=True)
    group = zarr.create_group(made, zarr_format=3)
    group.attrs["cellcutter"] = {"channels": [{"number": i + 1} for i in range(images.shape[1])]}
    chosen = CODECS[codec]
    compressor = None
    if chosen is not None:
        config: dict[str, Any] = dict(chosen.config())
        compressor = BloscCodec(
            cname=config["cname"], clevel=config["clevel"], shuffle="bitshuffle"
        )
    group.create_group("obsm").create_array(
        "single_cell_images",
        shape=images.shape,
        dtype=images.dtype,
        chunks=(1, *images.shape[1:]),
        shards=(per_shard, *images.shape[1:]),
        compressors=compressor,
    )
    division = divide((*images.shape[1:2], 1, *images.shape[2:]), images.dtype.itemsize)
    encoder = None if chosen is None else Encoder(chosen, division)
    for number in range(-(-len(images) // per_shard)):
        file = made / INNER / "c" / str(number) / "0" / "0" / "0"
        file.parent.mkdir(parents=True)
        index = np.full((per_shard, 2), 2**64 - 1, "<u8")
        content = bytearray()
        for slot, cell in enumerate(images[number * per_shard : (number + 1) * per_shard]):
            frame = cell.tobytes() if encoder is None else encode(encoder, cell)
            index[slot] = len(content), len(frame)
            content += frame
        checksum = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
        file.write_bytes(bytes(content) + index.tobytes() + checksum)
    made.rename(path)


def encode(encoder: Encoder, cell: NDArray[Any]) -> bytes:
    """Return the frame of a cell."""
    file, frame = io.BytesIO(), Frame(encoder.division)
    part = np.ascontiguousarray(cell[:, None]).view(f"u{cell.dtype.itemsize}")
    encoder.append(frame, Thumbnails(part, None), file)
    return file.getvalue()
