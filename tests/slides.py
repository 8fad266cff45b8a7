"""Small slides that tests make, in every form a TIFF can have, and the dullest oracle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import zarr
from skimage.measure import regionprops_table

# The slides' own folder of real data, see the README of that folder; tests of it are skipped
# where it is not.
REAL_DATA = Path(
    os.environ.get("CELLCUTTER_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
)

LOSSLESS = (
    None,
    "zlib",
    "lzw",
    "zstd",
    "packbits",
    "lzma",
    "deflate",
    "lerc",
    "png",
    "jpegxl",
    "jpeg2000",
)


@dataclass(frozen=True)
class Slide:
    """A slide on disk and in memory.

    image : (C, Y, X); labels : (Y, X) int; table : CellID, Y_centroid, X_centroid, ...
    """

    image: np.ndarray
    labels: np.ndarray
    table: pd.DataFrame
    image_path: Path
    labels_path: Path
    table_path: Path

    @property
    def paths(self) -> list[str]:
        return [str(self.image_path), str(self.labels_path), str(self.table_path)]


def pixels(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = rng.normal(size=shape).astype(kind)
        values[rng.random(shape) < 0.01] = -0.0
        return values
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)


def cells(
    rng: np.random.Generator, shape: tuple[int, int], number: int, largest: int = 13
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return labels and a table of cells: boxes and ellipses anywhere, borders and corners too."""
    height, width = shape
    labels = np.zeros(shape, np.int64)
    rows = []
    for cell in range(1, number + 1):
        h, w = rng.integers(1, largest + 1, 2)
        y = int(rng.choice([0, height - 1, rng.integers(height)]))
        x = int(rng.choice([0, width - 1, rng.integers(width)]))
        part = labels[max(0, y - h // 2) : y + h // 2 + 1, max(0, x - w // 2) : x + w // 2 + 1]
        if rng.random() < 0.5:
            part[part == 0] = cell
        else:
            part[...] = np.where((rng.random(part.shape) < 0.8) & (part == 0), cell, part)
        rows.append((cell, y + rng.random() * 0.99, x + rng.random() * 0.99))
    table = pd.DataFrame(rows, columns=["CellID", "Y_centroid", "X_centroid"])
    table["Y_centroid"] = table["Y_centroid"].clip(upper=height - 0.01)
    table["X_centroid"] = table["X_centroid"].clip(upper=width - 0.01)
    present = np.isin(table["CellID"], labels)
    return labels, table[present].reset_index(drop=True)


def write(
    folder: Path,
    image: np.ndarray,
    labels: np.ndarray,
    table: pd.DataFrame,
    *,
    image_options: dict | None = None,
    labels_options: dict | None = None,
) -> Slide:
    image_path, labels_path, table_path = (
        folder / name for name in ("slide.ome.tif", "cell.tif", "cells.csv")
    )
    tifffile.imwrite(image_path, image, photometric="minisblack", **(image_options or {}))
    tifffile.imwrite(labels_path, labels, photometric="minisblack", **(labels_options or {}))
    table.to_csv(table_path, index=False)
    return Slide(image, labels, table, image_path, labels_path, table_path)


def simple(
    folder: Path,
    *,
    seed: int = 0,
    shape: tuple[int, int, int] = (3, 120, 150),
    dtype: str = "uint16",
    number: int = 40,
    tile: int | None = 32,
) -> Slide:
    """Write a slide of tiles with deflate, as most are."""
    rng = np.random.default_rng(seed)
    labels, table = cells(rng, shape[1:], number)
    options = {"compression": "zlib"} | ({"tile": (tile, tile)} if tile else {})
    return write(
        folder,
        pixels(rng, shape, dtype),
        labels.astype(np.int32),
        table,
        image_options=options | {"metadata": {"axes": "CYX"}, "ome": True},
        labels_options=options,
    )


def largest_cell(labels: np.ndarray, ids: np.ndarray) -> int:
    """The default window, as scikit-image measures it."""
    kept = np.where(np.isin(labels, ids), labels, 0).astype(np.int64)
    numbered = np.unique(kept, return_inverse=True)[1].reshape(labels.shape)
    top, left, bottom, right = regionprops_table(numbered, properties=["bbox"]).values()
    return int(max((bottom - top).max(), (right - left).max()))


def statuses(labels: np.ndarray, table: pd.DataFrame, size: int) -> list[str]:
    """What cells.csv says of cells that the mask has and whose centroids lie in the image."""
    masks = oracle(labels[None], cell_windows(table, size), size)[0]
    found = []
    for cell, window in zip(table["CellID"], masks, strict=True):
        rows, columns = np.nonzero(labels == cell)
        larger = max(np.ptp(rows), np.ptp(columns)) >= size
        placed = "larger than window" if larger else "ok"
        found.append(placed if (window == cell).any() else "cell not in window")
    return found


def oracle(image: np.ndarray, windows: list[tuple[int, int]], size: int) -> np.ndarray:
    """Pad the whole image, slice one window after the other: shape (C, n, size, size)."""
    pad = 2 * size
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    cut = [padded[:, y + pad : y + pad + size, x + pad : x + pad + size] for y, x in windows]
    return np.stack(cut, axis=1)


def cell_windows(table: pd.DataFrame, size: int) -> list[tuple[int, int]]:
    return [
        (int(y) - size // 2, int(x) - size // 2)
        for y, x in zip(table["Y_centroid"], table["X_centroid"], strict=True)
    ]


def expected(
    image: np.ndarray, labels: np.ndarray, table: pd.DataFrame, size: int, *, mask: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails (C, n, size, size), masked or not, and masks (n, size, size)."""
    windows = cell_windows(table, size)
    thumbnails = oracle(image, windows, size)
    masks = oracle(labels[None], windows, size)[0] == table["CellID"].to_numpy()[:, None, None]
    return np.where(masks, thumbnails, thumbnails.dtype.type(0)) if mask else thumbnails, masks


def bits(array: np.ndarray) -> np.ndarray:
    """The same array as integers: NaN equals NaN, and -0.0 differs from 0.0."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def open_store(path: Path) -> zarr.Array:
    """Open a store as a user of zarr-python 3 does, which wants a zip file named as such."""
    if path.is_file():
        return zarr.open(zarr.storage.ZipStore(path, mode="r"), mode="r")
    return zarr.open(path, mode="r")
