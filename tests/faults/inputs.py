"""The smallest inputs of each kind, to be cut off at any byte, or to have any byte changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numcodecs import Blosc, Zlib, Zstd
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from tests import slides
from tests.read.test_images import ome_zarr

TILES = {"tile": (16, 16)}
TIFFS: dict[str, dict[str, object]] = {
    "strips": {"rowsperstrip": 8},
    "tiles": TILES,
    "BigTIFF": {"bigtiff": True} | TILES,
    "ImageJ": {"imagej": True},
    "OME": {"ome": True, "metadata": {"axes": "CYX"}, "compression": "zlib"} | TILES,
    "predictor": {"predictor": True, "compression": "lzw"} | TILES,
} | {
    codec: {"compression": codec} | TILES
    for codec in (
        *("zlib", "lzw", "zstd", "lzma", "packbits"),
        *("jpeg2000", "png", "lerc", "jpeg", "webp"),
    )
}
ZARRS: dict[str, tuple[str, dict[str, object]]] = {
    "0.4, none": ("0.4", {"compressors": None}),
    "0.4, zlib": ("0.4", {"compressors": Zlib()}),
    "0.4, Blosc": ("0.4", {"compressors": Blosc()}),
    "0.4, zstd": ("0.4", {"compressors": Zstd()}),
    "0.5, none": ("0.5", {"compressors": None}),
    "0.5, gzip": ("0.5", {"compressors": GzipCodec()}),
    "0.5, Blosc": ("0.5", {"compressors": BloscCodec()}),
    "0.5, zstd, checksum": ("0.5", {"compressors": ZstdCodec(checksum=True)}),
    "0.5, CRC": ("0.5", {"compressors": Crc32cCodec()}),
    "0.5, shards": ("0.5", {"shards": (2, 16, 32)}),
}
# Codecs whose data carries a checksum, or a structure that changed bytes break
CHECKED = {"zlib", "OME", "lzma", "png", "0.4, zlib", "0.5, gzip", "0.5, zstd, checksum"}
CHECKED |= {"0.5, CRC"}
METADATA = {".zarray", ".zattrs", ".zgroup", "zarr.json"}


@dataclass(frozen=True)
class Input:
    """What a command reads.

    Parameters
    ----------
    kind : str
        As the counts call it.
    name : str
    files : list of Path
        Those that may be damaged.
    command : str
    words : list of str or Path
        What the command is called with, but for the destination.
    exact : bool
        A part of it is refused, or makes what the whole makes.
    checked : callable
        Takes a whole file and places in it; tells whether the format can tell that they changed.
    """

    kind: str
    name: str
    files: list[Path]
    command: str
    words: list[str | Path]
    exact: bool
    checked: Callable[[Path, Sequence[int]], bool]


def inputs(folder: Path, seed: int) -> Iterator[Input]:
    """Make one after the other."""
    yield from _tiffs(folder, seed)
    yield from _zarrs(folder, seed)
    yield from _texts(folder)


def _tiffs(folder: Path, seed: int) -> Iterator[Input]:
    numbers = np.random.default_rng(seed)
    grey = numbers.poisson(40, (2, 16, 20)).astype("u2")
    colours = numbers.integers(0, 255, (16, 20, 3), dtype="u1")
    for name, options in TIFFS.items():
        pixels, photometric = grey, "minisblack"
        if name == "jpeg":
            pixels = grey.astype("u1")
        elif name == "webp":
            pixels, photometric = colours, "rgb"
        path = folder / "image.tif"
        tifffile.imwrite(path, pixels, photometric=photometric, **options)

        def checked(path: Path, places: Sequence[int], name: str = name) -> bool:
            return name in CHECKED and _in_data(path, places)

        yield Input("TIFF", name, [path], "cut_tiles", [path, "10"], True, checked)


def _in_data(path: Path, places: Sequence[int]) -> bool:
    """Tell whether all places lie in the compressed data of a file that is whole."""
    with tifffile.TiffFile(path) as tiff:
        parts = [
            range(start, start + count)
            for page in tiff.pages
            for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    return all(any(place in part for part in parts) for place in places)


def _zarrs(folder: Path, seed: int) -> Iterator[Input]:
    pixels = np.random.default_rng(seed).poisson(40, (2, 16, 20)).astype("u2")
    for name, (version, options) in ZARRS.items():
        image = ome_zarr(folder / f"{name}.zarr", pixels, "CYX", (1, 16, 16), version, **options)
        files = sorted(file for file in image.rglob("*") if file.is_file())

        def checked(path: Path, _places: Sequence[int], name: str = name) -> bool:
            return name in CHECKED and path.name not in METADATA

        yield Input("OME-Zarr", name, files, "cut_tiles", [image, "10"], True, checked)


def _texts(folder: Path) -> Iterator[Input]:
    slide = slides.simple(folder, shape=(2, 60, 70), number=12)
    markers, options = folder / "markers.csv", folder / "params.yml"
    markers.write_text("channel_number,cycle_number,marker_name\n1,1,DNA\n2,1,CD8\n")
    options.write_text("window-size: 9\nmask-cells: true\nchannels: [1, DNA]\np: 1\n")
    words = [*slide.paths, "--markers", markers, "--params", options]
    for name, path in (("table", slide.table_path), ("markers", markers), ("options", options)):
        yield Input(
            "text", name, [Path(path)], "cut_cells", words, False, lambda _path, _places: False
        )
