r"""Damage inputs in every way, and look what the program makes of them.

    python -m tests.faults.damage                                    # a sample
    python -m tests.faults.damage --every 1 --every-of-stores 8 --changes 110 --texts 400 \
        --stores 600

TIFF files and OME-Zarr images of each kind, tables of cells and of markers, and files of options
are cut off at each byte, or have a few bytes changed; texts, OME-XML and the metadata of OME-Zarr
are mutated; stores are damaged and cut off, see `stores.py`. Whatever happens: exit status 0 or 2,
one line where it is 2, nothing left under the name, no traceback, no more than 30 seconds. An image
that was cut off is refused, or makes the same pixels. Other pixels may only come of changed bytes
in data that the format cannot check. Exit status 1 where anything else was found.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import tifffile

from cellcutter.commands import cli
from tests import slides
from tests.faults.campaign import load
from tests.faults.counts import Counts
from tests.faults.inputs import METADATA, Input, inputs
from tests.faults.scene import contents, fork, wait
from tests.faults.stores import cut_off_stores, damaged_stores

ALL = ("cuts", "changes", "texts", "metadata", "stores")
SECONDS = 30
MEMORY = 2 << 30  # bytes that a run may take beyond what the campaign itself has


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


def cut_off(bench: Bench, counts: Counts, every: int, seed: int) -> None:
    """Cut each file off at each byte, or at each `every`-th."""
    number = seed
    for given in inputs(bench.folder, seed):
        expected = made_of(bench, given)
        for file in given.files:
            whole = file.read_bytes()
            for end in range(len(whole)):
                number += 1
                if number % every:
                    continue
                file.write_bytes(whole[:end])
                status, made = bench.run(given.command, *given.words)
                problem = bench.wrong(status, made)
                if not problem and given.exact and status == 0 and made != expected:
                    problem = "other pixels of a file that was cut off"
                where = f"{given.name}, {file.name}, {end} of {len(whole)} bytes"
                counts.count(f"{given.kind} cut off", problem, where)
                counts.notes[f"{given.kind} cut off: {'refused' if status else 'read'}"] += 1
            file.write_bytes(whole)


def change(bench: Bench, counts: Counts, changes: int, seed: int) -> None:
    """Change some bytes of each input, so many times."""
    rng = random.Random(seed)
    for given in inputs(bench.folder, seed):
        expected = chunks(made_of(bench, given))
        wholes = {file: file.read_bytes() for file in given.files}
        for number in range(changes):
            file = rng.choices(given.files, [len(whole) for whole in wholes.values()])[0]
            spoilt, places = changed(wholes[file], rng)
            told = given.checked(file, places)
            file.write_bytes(spoilt)
            status, made = bench.run(given.command, *given.words)
            file.write_bytes(wholes[file])
            problem = bench.wrong(status, made)
            other = status == 0 and chunks(made) != expected
            if not problem and other and told:
                problem = "other pixels, though the format can tell"
            where = f"{given.name}, {file.name}, change {number}: {places}"
            counts.count(f"{given.kind} with bytes changed", problem, where)
            what = "refused" if status else "other pixels" if other else "the same pixels"
            counts.notes[f"{given.kind} with bytes changed: {what}"] += 1


def made_of(bench: Bench, given: Input) -> dict[str, bytes]:
    """Return what a whole input makes."""
    status, made = bench.run(given.command, *given.words)
    if status:
        raise RuntimeError(f"{given.kind}, {given.name}: {bench.log}")
    return made


def chunks(made: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of pixels; metadata may differ."""
    return {name: data for name, data in made.items() if name.rpartition("/")[2][:1].isdigit()}


def changed(data: bytes, rng: random.Random) -> tuple[bytes, list[int]]:
    """Return data with one to eight bytes changed, and where."""
    places = sorted(rng.sample(range(len(data)), min(len(data), rng.choice((1, 1, 2, 8)))))
    spoilt = bytearray(data)
    for place in places:
        spoilt[place] ^= rng.randrange(1, 256)
    return bytes(spoilt), places


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


def metadata(bench: Bench, counts: Counts, number: int, seed: int) -> None:
    """Mutate the metadata of OME-Zarr images of both versions, as text and value by value."""
    rng = random.Random(seed)
    for given in inputs(bench.folder, seed):
        if given.kind != "OME-Zarr" or given.name not in ("0.4, zlib", "0.5, shards"):
            continue
        expected = made_of(bench, given)
        for file in (file for file in given.files if file.name in METADATA):
            whole = file.read_bytes()
            changes = [mutated(whole, rng) for _ in range(number)]
            odd = odd_values(json.loads(whole))
            changes += rng.sample(odd, min(number, len(odd)))
            for each, data in enumerate(changes):
                file.write_bytes(data)
                status, made = bench.run(given.command, *given.words)
                problem = bench.wrong(status, made)
                counts.count("OME-Zarr mutated", problem, f"{given.name}, {file.name}, {each}")
                other = status == 0 and chunks(made) != chunks(expected)
                what = "refused" if status else "other pixels" if other else "the same pixels"
                counts.notes[f"OME-Zarr mutated: {what}"] += 1
            file.write_bytes(whole)


def of_stores(bench: Bench, counts: Counts, number: int, every: int, seed: int) -> None:
    """Damage stores; see there."""
    rng = random.Random(seed)
    damaged_stores(bench.folder, bench.bounded, counts, number, rng, odd_values)
    cut_off_stores(bench.folder, bench.bounded, counts, every, seed)


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--every", type=int, default=400, help="take each N-th truncation of inputs"
    )
    parser.add_argument("--every-of-stores", type=int, default=4000, help="the same, of stores")
    parser.add_argument("--changes", type=int, default=3, help="of each input")
    parser.add_argument("--texts", type=int, default=12, help="mutations of each kind of text")
    parser.add_argument("--stores", type=int, default=6, help="damages of each kind of store")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=ALL, action="append", help="one of what is done")
    parser.add_argument("--folder", type=Path, help="where to work")
    given = parser.parse_args()
    load()
    pd.read_csv  # noqa: B018 - loaded before processes are forked
    counts = Counts()
    doing = {
        "cuts": partial(cut_off, every=given.every),
        "changes": partial(change, changes=given.changes),
        "texts": partial(texts, number=given.texts),
        "metadata": partial(metadata, number=max(1, given.texts // 2)),
        "stores": partial(of_stores, number=given.stores, every=given.every_of_stores),
    }
    for name in given.only or ALL:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            doing[name](Bench(Path(folder)), counts, seed=given.seed)
    return counts.show()


if __name__ == "__main__":
    sys.exit(main())
