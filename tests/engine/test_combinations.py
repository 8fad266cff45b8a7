"""Random combinations of everything that can vary, each against the dullest oracle."""

from __future__ import annotations

import zipfile
from contextlib import nullcontext

import numpy as np
import pytest
import tifffile

import cellcutter
from cellcutter.engine import plan
from cellcutter.store import blosc
from tests import slides

DTYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
COMPRESSIONS = (None, "zlib", "lzw", "zstd", "packbits", "lzma")
LABELS = ("u1", "u2", "u4", "i4", "i8", "u8", "f4")


def pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def tiff_options(rng: np.random.Generator, dtype: str, axes: str) -> dict:
    """Anything that tifffile writes without loss."""
    options: dict = {
        "compression": pick(rng, COMPRESSIONS),
        "byteorder": pick(rng, "<>"),
        "bigtiff": bool(rng.integers(2)),
        "metadata": {"axes": axes} if axes else None,
        "ome": bool(rng.integers(2)) and dtype not in ("i8", "u8"),  # OME has no 64-bit integers
    }
    layout = pick(rng, ("tile", "strip", "plane"))
    if layout == "tile":
        options["tile"] = (pick(rng, (16, 32, 64)), pick(rng, (16, 32, 64)))
    elif layout == "strip":
        options["rowsperstrip"] = int(rng.integers(1, 50))
    predictable = np.dtype(dtype).kind == "f" or np.dtype(dtype).itemsize <= 4
    if options["compression"] in ("zlib", "lzw", "zstd") and predictable and rng.integers(2):
        options["predictor"] = True
    return options


def write_pyramid(path, image, options) -> None:
    """Write full resolution and two smaller levels, in SubIFDs or as series of their own."""
    metadata, ome = options.pop("metadata"), options.pop("ome")
    byteorder, bigtiff = options.pop("byteorder"), options.pop("bigtiff")
    with tifffile.TiffWriter(path, byteorder=byteorder, bigtiff=bigtiff, ome=ome) as tiff:
        levels = [image[:, :: 2**i, :: 2**i] for i in range(3)]
        subifds = 2 if ome else 0
        tiff.write(
            levels[0], subifds=subifds, metadata=metadata, photometric="minisblack", **options
        )
        for level in levels[1:]:
            tiff.write(
                level,
                subfiletype=1,
                photometric="minisblack",
                metadata=None if ome else metadata,
                **options,
            )


@pytest.mark.parametrize("seed", range(320))
def test_combination(seed, tmp_path, monkeypatch):
    rng = np.random.default_rng(seed)
    if seed % 2:  # walks for some channels each, of stores as small as these
        monkeypatch.setattr(blosc, "LEAST_NBYTES", 1)
        monkeypatch.setattr(plan, "ENOUGH", 1 << int(rng.integers(8, 20)))
    if seed % 3 == 0:
        candidates = plan._candidates
        monkeypatch.setattr(
            plan, "_candidates", lambda job: sorted(candidates(job), key=lambda c: not c.scratch)
        )
    shape = (int(rng.integers(1, 5)), int(rng.integers(20, 170)), int(rng.integers(20, 170)))
    dtype, labels_dtype = pick(rng, DTYPES), pick(rng, LABELS)
    number = int(rng.integers(1, 60))
    labels, table = slides.cells(rng, shape[1:], number)
    image = slides.pixels(rng, shape, dtype)
    factor = {"u1": 1, "f4": 70_001}.get(labels_dtype, pick(rng, (1, 3, 777)))
    labels = (labels * factor).astype(labels_dtype)
    table["CellID"] *= factor
    if rng.integers(2):
        table = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    if rng.integers(4) == 0:
        table = table.iloc[: max(1, len(table) // 5)]
    slide = slides.write(
        tmp_path, image, labels, table, labels_options=tiff_options(rng, labels_dtype, "YX")
    )
    options = tiff_options(rng, dtype, "CYX")
    if rng.integers(3) == 0:
        write_pyramid(slide.image_path, image, options)
    else:
        tifffile.imwrite(slide.image_path, image, photometric="minisblack", **options)

    undivided = max(image.nbytes // len(image), labels.nbytes)  # a block may be a whole plane
    mask = bool(rng.integers(2))
    window = pick(rng, (None, None, int(rng.integers(1, 60)), int(rng.integers(1, 300))))
    channels = pick(rng, (None, rng.integers(1, shape[0] + 1, int(rng.integers(1, 4))).tolist()))
    per_chunk = pick(rng, (None, 1, 2, int(rng.integers(1, 40))))
    destination = tmp_path / pick(rng, ("out.zarr", "out.zarr.zip", "out"))
    keywords = {
        "window_size": window,
        "mask_cells": mask,
        "channels": channels,
        "cells_per_chunk": per_chunk,
        "z": destination.suffix == ".zip",
        "compression": pick(rng, ("default", "default", "fast", "small", "none")),
        "p": int(rng.integers(1, 4)),
        "cache_size": 2 if (window or 20) < 40 and undivided < 1e5 else pick(rng, (None, 500)),
    }
    repeated = channels is not None and len(set(channels)) < len(channels)
    with pytest.warns(match="more than once") if repeated else nullcontext():
        result = cellcutter.cut_cells(*slide.paths, destination, **keywords)

    size = window or slides.largest_cell(labels, table["CellID"].to_numpy())
    source = image if channels is None else image[np.array(channels) - 1]
    thumbnails, masks = slides.expected(source, labels, table, size, mask=mask)
    store = slides.open_store(destination)
    assert store.shape == thumbnails.shape == result.shape
    assert store.dtype == image.dtype.newbyteorder("=")
    np.testing.assert_array_equal(slides.bits(store[:]), slides.bits(thumbnails))
    if mask:
        found = slides.open_store(result.masks)
        assert found.dtype == bool
        np.testing.assert_array_equal(found[:], masks)
    if keywords["z"]:
        with zipfile.ZipFile(destination) as archive:
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    left = {path.name for path in tmp_path.iterdir()}
    names = {"slide.ome.tif", "cell.tif", "cells.csv", destination.name}
    assert left == names | ({result.masks.name} if mask else set())
