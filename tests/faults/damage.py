"""Damage inputs in every way, and look what the program makes of them.

    python -m tests.faults.damage                                    # a sample
    python -m tests.faults.damage --truncations 75 --changes 90 --texts 400 --stores 600

TIFF files of each kind are cut off at any byte, or have a few bytes changed; tables of cells and of
markers, files of options, OME-XML and the metadata of OME-Zarr are mutated; stores are damaged, see
`stores.py`. Whatever happens: exit status 0 or 2, one line where it is 2, nothing left under the
name, no traceback, no more than 30 seconds. A file that was cut off is refused, or makes the same
pixels. Other pixels may only come of changed bytes in data that the format cannot check. Exit
status 1 where anything else was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from cellcutter.commands import cli
from tests import slides
from tests.faults.campaign import load
from tests.faults.counts import Counts
from tests.faults.scene import contents, fork, wait
from tests.faults.stores import stores
from tests.read.test_images import ome_zarr

SECONDS = 30
MEMORY = 2 << 30  # bytes that a run may take beyond what the campaign itself has
# Codecs whose data carries a checksum, or a structure that changed bytes break
_OF_ZARR = {"zarray", "zattrs", "zgroup", "zarr.json"}
CHECKED = {"zlib", "lzma", "png"}
KINDS: dict[str, dict[str, object]] = {
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (32, 32)},
    "BigTIFF": {"bigtiff": True, "tile": (32, 32)},
    "ImageJ": {"imagej": True},
    "OME": {"ome": True, "metadata": {"axes": "CYX"}, "tile": (32, 32), "compression": "zlib"},
    "predictor": {"predictor": True, "compression": "lzw", "tile": (32, 32)},
} | {
    codec: {"compression": codec, "tile": (32, 32)}
    for codec in ("zlib", "lzw", "zstd", "lzma", "packbits", "jpeg2000", "png", "lerc")
}
BITES = {
    "jpeg": {"compression": "jpeg", "tile": (32, 32)},
    "webp": {"compression": "webp", "tile": (32, 32), "photometric": "rgb"},
}


class Bench:
    """A folder with whole inputs, and what they make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out" / "x.zarr"
        self.log = ""

    def run(self, command: str, *words: str | Path) -> tuple[int, dict[str, bytes]]:
        """Run a command in a process of its own; return its exit status and what it made."""
        shutil.rmtree(self.out.parent, ignore_errors=True)
        self.out.parent.mkdir()
        main = {"cut_cells": cli.main_cut_cells, "cut_tiles": cli.main_cut_tiles}[command]
        status, self.log = self.bounded(lambda: main([*map(str, words), str(self.out)]))
        return status, contents(self.out.parent)

    def bounded(self, act: Callable[[], int]) -> tuple[int, str]:
        """Do something in a process of its own, in bounded time and memory."""
        log = self.folder / "log"

        def bound() -> int:
            said = log.open("w", buffering=1)  # until the process ends, with or without a traceback
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            sys.stdout = sys.stderr = said
            signal.alarm(SECONDS)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
            return act()

        status = wait(fork(bound))
        return status, log.read_text(errors="replace")

    def wrong(self, status: int, made: dict[str, bytes]) -> str:
        """Return what is wrong whatever the damage was."""
        lines = self.log.splitlines()
        if status not in (0, 2) or "Traceback" in self.log:
            return f"exit status {status}: {self.log[-300:]}"
        if status == 2 and (made or not lines or ": error: " not in lines[-1]):
            return f"{sorted(made)[:3]} left, or no line: {self.log[-300:]}"
        return ""


def images(bench: Bench, counts: Counts, truncations: int, changes: int, seed: int) -> None:
    """Damage TIFF files of each kind."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    grey = numbers.poisson(40, (2, 80, 90)).astype("u2")
    colours = numbers.integers(0, 255, (80, 90, 3), dtype="u1")
    for kind, options in (KINDS | BITES).items():
        whole = bench.folder / "whole.tif"
        pixels = colours if options.get("photometric") == "rgb" else grey
        if kind == "jpeg":
            pixels = grey.astype("u1")
        tifffile.imwrite(whole, pixels, **({"photometric": "minisblack"} | options))
        data = whole.read_bytes()
        path = bench.folder / "damaged.tif"
        path.write_bytes(data)
        status, expected = bench.run("cut_tiles", path, "40")
        if status:
            raise RuntimeError(f"{kind}: {bench.log}")
        for end in rng.sample(range(len(data)), min(truncations, len(data))):
            path.write_bytes(data[:end])
            status, made = bench.run("cut_tiles", path, "40")
            problem = bench.wrong(status, made)
            if not problem and status == 0 and made != expected:
                problem = "other pixels of a file that was cut off"
            counts.count("TIFF cut off", problem, f"{kind}, {end} of {len(data)} bytes")
            counts.notes[f"TIFF cut off: {'refused' if status else 'read'}"] += 1
        for number in range(changes):
            spoilt, places = changed(data, rng)
            path.write_bytes(spoilt)
            status, made = bench.run("cut_tiles", path, "40")
            problem = bench.wrong(status, made)
            other = status == 0 and chunks(made) != chunks(expected)
            if not problem and other and kind in CHECKED and in_data(whole, places):
                problem = "other pixels, though the format can tell"
            counts.count("TIFF with bytes changed", problem, f"{kind}, change {number}: {places}")
            what = "refused" if status else "other pixels" if other else "the same pixels"
            counts.notes[f"TIFF with bytes changed: {what}"] += 1


def chunks(made: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of pixels; metadata may differ."""
    return {name: data for name, data in made.items() if name.rpartition("/")[2][:1].isdigit()}


def changed(data: bytes, rng: random.Random) -> tuple[bytes, list[int]]:
    """Return data with one to eight bytes changed, and where."""
    places = sorted(rng.sample(range(len(data)), rng.choice((1, 1, 2, 8))))
    spoilt = bytearray(data)
    for place in places:
        spoilt[place] ^= rng.randrange(1, 256)
    return bytes(spoilt), places


def in_data(path: Path, places: Sequence[int]) -> bool:
    """Tell whether all places lie in the compressed data of a file that is whole."""
    with tifffile.TiffFile(path) as tiff:
        parts = [
            range(start, start + count)
            for page in tiff.pages
            for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    return all(any(place in part for part in parts) for place in places)


def texts(bench: Bench, counts: Counts, number: int, seed: int) -> None:
    """Mutate tables, options and OME-XML."""
    rng = random.Random(seed)
    slide = slides.simple(bench.folder, shape=(2, 60, 70), number=12)
    markers, options = bench.folder / "markers.csv", bench.folder / "params.yml"
    markers.write_text("channel_number,cycle_number,marker_name\n1,1,DNA\n2,1,CD8\n")
    options.write_text("window-size: 9\nmask-cells: true\nchannels: [1, DNA]\np: 1\n")
    words = [*slide.paths, "--markers", markers, "--params", options]
    whole = {path: Path(path).read_bytes() for path in (slide.table_path, markers, options)}
    for path, data in whole.items():
        for each in range(number):
            path.write_bytes(mutated(data, rng))
            status, made = bench.run("cut_cells", *words)
            counts.count(f"{path.name} mutated", bench.wrong(status, made), f"mutation {each}")
            counts.notes[f"{path.name} mutated: {'refused' if status else 'read'}"] += 1
        path.write_bytes(data)
    xml = tifffile.tiffcomment(slide.image_path).encode()
    for each in range(number):
        tifffile.tiffcomment(slide.image_path, mutated(xml, rng))
        status, made = bench.run("cut_cells", *words)
        counts.count("OME-XML mutated", bench.wrong(status, made), f"mutation {each}")
        counts.notes[f"OME-XML mutated: {'refused' if status else 'read'}"] += 1


def zarrs(bench: Bench, counts: Counts, number: int, seed: int) -> None:
    """Mutate the metadata of OME-Zarr images of both versions, as text and value by value."""
    rng = random.Random(seed)
    pixels = np.random.default_rng(seed).poisson(40, (2, 80, 90)).astype("u2")
    for version in ("0.4", "0.5"):
        image = ome_zarr(bench.folder / f"{version}.zarr", pixels, "CYX", (1, 32, 32), version)
        status, expected = bench.run("cut_tiles", image, "40")
        if status:
            raise RuntimeError(f"OME-Zarr {version}: {bench.log}")
        for file in sorted(f for f in image.rglob("*") if f.name.lstrip(".") in _OF_ZARR):
            whole = file.read_bytes()
            changes = [mutated(whole, rng) for _ in range(number)]
            odd = odd_values(json.loads(whole))
            changes += rng.sample(odd, min(number, len(odd)))
            for each, data in enumerate(changes):
                file.write_bytes(data)
                status, made = bench.run("cut_tiles", image, "40")
                problem = bench.wrong(status, made)
                counts.count("OME-Zarr mutated", problem, f"{version}, {file.name}, {each}")
                other = status == 0 and chunks(made) != chunks(expected)
                what = "refused" if status else "other pixels" if other else "the same pixels"
                counts.notes[f"OME-Zarr mutated: {what}"] += 1
            file.write_bytes(whole)


def of_stores(bench: Bench, counts: Counts, number: int, seed: int) -> None:
    """Damage stores; see there."""
    stores(bench.folder, bench.bounded, counts, number, random.Random(seed), odd_values)


def odd_values(content: object) -> list[bytes]:
    """Return JSON with each of its values replaced by each of some odd ones."""
    odd = [
        None,
        -1,
        0,
        1,
        2**40,
        10**30,
        1e300,
        0.5,
        True,
        "",
        "abc",
        "../x",
        [],
        [1],
        {},
        {"a": 1},
    ]
    odd += [float("nan"), float("inf"), "9" * 400, "\u0000\u001b[31m", [[[]]] * 3]
    found: list[bytes] = []

    def visit(node: object) -> None:
        places = (
            list(node.items())
            if isinstance(node, dict)
            else list(enumerate(node))
            if isinstance(node, list)
            else []
        )
        for key, value in places:
            for other in odd:
                node[key] = other  # type: ignore[index]
                found.append(json.dumps(content).encode())
            node[key] = value  # type: ignore[index]
            visit(value)

    visit(content)
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return a text with parts repeated, removed, exchanged, or replaced by odd ones."""
    odd = (b"", b"\0", b"\n", b'"', b",", b"-1", b"1e999", b"\xff", b"9" * 40, b"nan", b"<", b": [")
    for _ in range(rng.choice((1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice((0, 1, 1, 3, 30)))
        part = rng.choice((rng.choice(odd), data[start:stop] * 2, bytes([rng.randrange(256)])))
        data = data[:start] + part + data[stop:]
    return data


def campaigns(
    truncations: int, changes: int, number: int, damages: int, seed: int
) -> list[Callable[[Bench, Counts], None]]:
    """Return all that is done."""
    return [
        partial(images, truncations=truncations, changes=changes, seed=seed),
        partial(texts, number=number, seed=seed),
        partial(zarrs, number=max(1, number // 2), seed=seed),
        partial(of_stores, number=damages, seed=seed),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truncations", type=int, default=3, help="of each kind of TIFF")
    parser.add_argument("--changes", type=int, default=3, help="of each kind of TIFF")
    parser.add_argument("--texts", type=int, default=12, help="mutations of each kind of text")
    parser.add_argument("--stores", type=int, default=6, help="damages of each kind of store")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    load()
    pd.read_csv  # noqa: B018 - loaded before processes are forked
    counts = Counts()
    for each in campaigns(given.truncations, given.changes, given.texts, given.stores, given.seed):
        with tempfile.TemporaryDirectory() as folder:
            each(Bench(Path(folder)), counts)
    return counts.show()


if __name__ == "__main__":
    sys.exit(main())
