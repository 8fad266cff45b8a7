"""Slides made from a seed: noise, cells, labels and a table, as a MCMICRO project folder.

The same arguments make the same files. An image is written tile by tile; only the labels are held.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

MARKERS = ("DNA", "CD45", "Keratin", "CD3", "CD8", "CD68", "Vimentin", "CD31", "Ki67", "PD1")
PIXEL_SIZE = 0.65  # µm


@dataclass(frozen=True)
class SlideSpec:
    """What a slide is like.

    Parameters
    ----------
    name : str
    channels, height, width : int
    tile : int
        Height and width of the image's tiles in pixels.
    compression : str or None
        As tifffile names it.
    spacing : float
        Mean distance of neighbouring cells in pixels.
    seed : int
    panel : tuple of str
        Marker names of the channels, where they are to be others than usual.
    """

    name: str
    channels: int
    height: int
    width: int
    tile: int = 256
    compression: str | None = "zlib"
    spacing: float = 29.0
    seed: int = 0
    panel: tuple[str, ...] = ()

    @property
    def markers(self) -> list[str]:
        """A name for each channel."""
        if self.panel:
            return list(self.panel)
        rounds = range(self.channels)
        return [MARKERS[i % 10] + (f"_{i // 10 + 1}" if i >= 10 else "") for i in rounds]


def write_project(folder: Path, spec: SlideSpec, method: str = "unmicst") -> dict[str, Path]:
    """Write a slide into a MCMICRO project; what exists already is kept.

    Returns
    -------
    dict
        The paths of ``image``, ``labels`` and ``table``.
    """
    paths = _places(folder, spec, method)
    if all(path.exists() for path in paths.values()):
        return paths
    rng = np.random.default_rng(spec.seed)
    labels = make_labels(rng, spec)
    intensity = make_intensities(rng, spec, int(labels.max()))
    _write_image(paths["image"], spec, labels, intensity, rng)
    tifffile.imwrite(
        paths["labels"],
        labels,
        tile=(256, 256),
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": "YX"},
        ome=True,
    )
    with (folder / "markers.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("channel_number", "cycle_number", "marker_name")]
            + [(i + 1, i // 4 + 1, name) for i, name in enumerate(spec.markers)]
        )
    write_table(paths["table"], spec, labels, intensity)
    return paths


def _places(folder: Path, spec: SlideSpec, method: str) -> dict[str, Path]:
    """Return where the parts of a slide lie in a project, and make their folders."""
    paths = {
        "image": folder / "registration" / f"{spec.name}.ome.tif",
        "labels": folder / "segmentation" / f"{method}-{spec.name}" / "cell.ome.tif",
        "table": folder / "quantification" / f"{spec.name}--{method}_cell.csv",
    }
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    return paths


def write_sparse_project(
    folder: Path, spec: SlideSpec, patch: int, number: int, method: str = "unmicst"
) -> dict[str, Path]:
    """Write a huge slide that is empty but for some patches of tissue, the same each.

    Empty tiles have neither offset nor bytes, so the files are small; image and labels are of
    the size of `spec` all the same.

    Parameters
    ----------
    patch : int
        Height and width of a patch in tiles.
    number : int
        Number of patches, along the diagonal.
    """
    small = replace(spec, height=patch * spec.tile, width=patch * spec.tile, name="patch")
    paths = _places(folder, spec, method)
    if all(path.exists() for path in paths.values()):
        return paths
    rng = np.random.default_rng(spec.seed)
    labels = make_labels(rng, small)
    cells = int(labels.max())
    tiles = list(_tiles(small, labels, make_intensities(rng, small, cells), rng))
    step = (-(-spec.height // spec.tile) - patch) // max(1, number - 1)
    corners = [i * step for i in range(number)]

    def spread(channel: int, shift: int) -> Iterator[Any]:
        across = -(-spec.width // spec.tile)
        for row in range(-(-spec.height // spec.tile)):
            which = next((i for i, c in enumerate(corners) if c <= row < c + patch), None)
            for col in range(across):
                if which is None or not corners[which] <= col < corners[which] + patch:
                    yield None
                    continue
                y, x = row - corners[which], col - corners[which]
                if not shift:
                    yield tiles[(channel * patch + y) * patch + x]
                    continue
                part = labels[y * spec.tile :, x * spec.tile :][: spec.tile, : spec.tile]
                yield np.where(part, part + which * shift, 0).astype(np.int32)

    options: dict[str, Any] = {
        "tile": (spec.tile, spec.tile),
        "compression": spec.compression,
        "photometric": "minisblack",
    }
    shape = (spec.height, spec.width)
    with tifffile.TiffWriter(paths["image"], bigtiff=True, ome=True) as tiff:
        each = chain.from_iterable(spread(channel, 0) for channel in range(spec.channels))
        tiff.write(
            each,
            shape=(spec.channels, *shape),
            dtype=np.uint16,
            metadata={"axes": "CYX"},
            **options,
        )
    with tifffile.TiffWriter(paths["labels"], bigtiff=True, ome=True) as tiff:
        tiff.write(
            spread(0, cells), shape=shape, dtype=np.int32, metadata={"axes": "YX"}, **options
        )
    flat = labels.reshape(-1)
    area = np.maximum(np.bincount(flat, minlength=cells + 1), 1)
    y, x = (
        np.bincount(flat, np.broadcast_to(axis, labels.shape).reshape(-1), cells + 1) / area
        for axis in (np.arange(len(labels))[:, None], np.arange(len(labels))[None])
    )
    found = np.unique(flat)[1:].tolist()
    with paths["table"].open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["CellID", "X_centroid", "Y_centroid"])
        for i, corner in enumerate(corners):
            origin = corner * spec.tile
            out.writerows((c + i * cells, x[c] + origin, y[c] + origin) for c in found)
    return paths


def make_labels(rng: np.random.Generator, spec: SlideSpec) -> NDArray[np.int32]:
    """Return labels (height, width): ellipses on a jittered grid.

    They are numbered by their first pixels, row by row, as labelling connected components does:
    cells that follow each other are of one height in the image, but seldom neighbours.
    """
    rows, cols = int(spec.height / spec.spacing), int(spec.width / spec.spacing)
    step_y, step_x = spec.height / rows, spec.width / cols
    shape = (rows + 2, cols + 2)
    centre_y = (np.arange(-1, rows + 1)[:, None] + rng.uniform(0.25, 0.75, shape)) * step_y
    centre_x = (np.arange(-1, cols + 1)[None] + rng.uniform(0.25, 0.75, shape)) * step_x
    angle = rng.uniform(0, np.pi, shape)
    long = rng.uniform(0.35, 0.62, shape) * spec.spacing
    short = long * rng.uniform(0.6, 1.0, shape)
    number = np.zeros(shape, np.int32)
    number[1:-1, 1:-1] = np.arange(1, rows * cols + 1).reshape(rows, cols)
    sites = [
        a.astype(np.float32)
        for a in (centre_y, centre_x, np.cos(angle), np.sin(angle), long, short)
    ]
    labels = np.zeros((spec.height, spec.width), np.int32)
    col = (np.arange(spec.width) / step_x).astype(int)
    for top in range(0, spec.height, 512):
        y = np.arange(top, min(top + 512, spec.height))
        nearest = np.ones((len(y), spec.width), np.float32)
        band = labels[top : top + len(y)]
        for down in range(3):
            for right in range(3):
                site = np.ix_((y / step_y).astype(int) + down, col + right)
                cy, cx, cos, sin, a, b = (values[site] for values in sites)
                dy, dx = y[:, None].astype(np.float32) - cy, np.arange(spec.width)[None] - cx
                u, v = (dx * cos + dy * sin) / a, (dy * cos - dx * sin) / b
                distance = u * u + v * v
                closer = distance < nearest
                nearest[closer] = distance[closer]
                band[closer] = number[site][closer]
    _number_by_first_pixel(labels)
    return labels


def _number_by_first_pixel(labels: NDArray[np.int32]) -> None:
    """Number labels anew, in place."""
    first = np.full(int(labels.max()) + 1, labels.size, np.int64)
    width = labels.shape[1]
    for top in reversed(range(0, len(labels), 512)):
        band = labels[top : top + 512].reshape(-1)
        first[band[::-1]] = np.arange(len(band) - 1, -1, -1) + top * width
    first[0] = -1  # background stays 0
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(len(first))
    for top in range(0, len(labels), 512):
        labels[top : top + 512] = number[labels[top : top + 512]]


def make_intensities(rng: np.random.Generator, spec: SlideSpec, cells: int) -> NDArray[np.float32]:
    """Return each cell's mean signal, (channels, cells + 1); number 0 is the background."""
    positive = rng.random((spec.channels, cells + 1)) < rng.uniform(0.1, 0.9, (spec.channels, 1))
    positive[0] = True  # every cell has DNA
    signal = np.where(positive, rng.lognormal(7.0, 0.6, positive.shape), 120.0)
    signal[:, 0] = 60.0
    return signal.astype(np.float32)


def _write_image(
    path: Path,
    spec: SlideSpec,
    labels: NDArray[np.int32],
    intensity: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    options: dict[str, Any] = {
        "shape": (spec.channels, spec.height, spec.width),
        "dtype": np.uint16,
        "tile": (spec.tile, spec.tile),
        "compression": spec.compression,
        "photometric": "minisblack",
        "metadata": {
            "axes": "CYX",
            "Channel": {"Name": spec.markers},
            "PhysicalSizeX": PIXEL_SIZE,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": PIXEL_SIZE,
            "PhysicalSizeYUnit": "µm",
        },
    }
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tiff:
        tiff.write(_tiles(spec, labels, intensity, rng), **options)


def _tiles(
    spec: SlideSpec,
    labels: NDArray[np.int32],
    intensity: NDArray[np.float32],
    rng: np.random.Generator,
) -> Iterator[NDArray[np.uint16]]:
    """Yield the tiles of each channel, row by row: signal times texture, plus camera noise."""
    bank = 4 * spec.tile
    texture = rng.gamma(12.0, 1 / 12.0, (bank, bank)).astype(np.float32)
    noise = rng.poisson(90.0, (bank, bank)).astype(np.float32)
    for channel in range(spec.channels):
        for top in range(0, spec.height, spec.tile):
            for left in range(0, spec.width, spec.tile):
                part = labels[top : top + spec.tile, left : left + spec.tile]
                (ty, tx), (ny, nx) = rng.integers(0, bank - spec.tile, (2, 2))
                height, width = part.shape
                signal = intensity[channel][part] * texture[ty : ty + height, tx : tx + width]
                tile = np.zeros((spec.tile, spec.tile), np.uint16)
                tile[:height, :width] = np.minimum(
                    signal + noise[ny : ny + height, nx : nx + width], 65535
                )
                yield tile


def write_table(
    path: Path, spec: SlideSpec, labels: NDArray[np.int32], intensity: NDArray[np.float32]
) -> None:
    """Write a table as MCMICRO's quantification does: means, centroids and areas of all cells."""
    size = int(labels.max()) + 1
    flat = labels.reshape(-1)
    area = np.bincount(flat, minlength=size)
    rows, cols = np.arange(spec.height), np.arange(spec.width)
    y, x = np.zeros(size), np.zeros(size)
    for top in range(0, spec.height, 512):
        band = labels[top : top + 512]
        y += np.bincount(band.reshape(-1), np.repeat(rows[top : top + 512], spec.width), size)
        x += np.bincount(band.reshape(-1), np.tile(cols, len(band)), size)
    cells = np.flatnonzero(area)[1:]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["CellID", *spec.markers, "X_centroid", "Y_centroid", "Area"])
        for cell in cells.tolist():
            means = [f"{value:.4f}" for value in intensity[:, cell]]
            centre = (f"{x[cell] / area[cell]:.6f}", f"{y[cell] / area[cell]:.6f}")
            out.writerow([cell, *means, *centre, int(area[cell])])
