"""Damage stores in every way, and look what those who read them make of it.

Their files are cut off at any byte, or damaged in other ways. Each damage is read by
`cellcutter.open`, `gallery`, `convert` and `verify`. Whatever happens: an exit status of 0, 1 or 2
with one line, nothing left under the name where it is not 0, no traceback, no more than 30 seconds,
bounded memory; and `verify` finds every damage.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import cellcutter
from cellcutter.commands import cli
from tests import slides
from tests.faults.counts import Counts

KINDS: dict[str, dict[str, object]] = {
    "chunks": {"mask_cells": True},
    "chunks, zip": {"z": True},
    "cells": {"layout": "cells", "masks": True},
    "cells, zip": {"layout": "cells", "masks": True, "z": True},
    "cells, none": {"layout": "cells", "compression": "none"},
}
_METADATA = (".zarray", ".zattrs", "zarr.json")
Act = Callable[[Callable[[], int]], tuple[int, str]]


def damaged_stores(
    folder: Path,
    act: Act,
    counts: Counts,
    number: int,
    rng: random.Random,
    odd_values: Callable[[object], list[bytes]],
) -> None:
    """Damage stores of each kind so many times.

    Parameters
    ----------
    folder : Path
    act : callable
        Runs something in a process of its own; gives its exit status and what it said.
    counts : Counts
    number : int
        Damages of each kind of store.
    rng : random.Random
    odd_values : callable
        Gives JSON with each of its values replaced by odd ones.
    """
    slide = slides.simple(folder, shape=(3, 90, 90), number=30)
    for kind, options in KINDS.items():
        whole = folder / f"{kind}.zarr"
        cellcutter.cut_cells(
            *slide.paths, whole, window_size=11, cells_per_chunk=8, statistics="exact", **options
        )
        expected = _contents(whole)
        for each in range(number):
            what, made = _damaged(whole, folder / "damaged.zarr", rng, odd_values)
            if _contents(made) == expected:
                continue  # a value was replaced by itself
            for reader in _READERS:
                _try(reader, made, folder / "out", act, counts, f"{kind}, {what}, {each}")


def cut_off_stores(folder: Path, act: Act, counts: Counts, every: int, seed: int) -> None:
    """Cut each file of small stores off at each byte, or at each `every`-th.

    `verify` reads them all, the others in turn.

    Parameters
    ----------
    folder, act, counts
        As above.
    every : int
    seed : int
        The first one to take.
    """
    (folder / "small").mkdir()
    slide = slides.simple(folder / "small", shape=(2, 30, 30), number=3)
    number, others = seed, itertools.cycle(("open", "gallery", "convert"))
    for kind, options in KINDS.items():
        store = folder / "small" / f"{kind}.zarr"
        cellcutter.cut_cells(*slide.paths, store, window_size=3, **options)
        for name, whole in _contents(store).items():
            file = store / name if name else store
            for end in range(len(whole)):
                number += 1
                if number % every:
                    continue
                file.write_bytes(whole[:end])
                where = f"{kind}, {name}, {end} of {len(whole)} bytes"
                for reader in ("verify", next(others)):
                    _try(reader, store, folder / "out", act, counts, where, "cut off")
            file.write_bytes(whole)


def _try(
    reader: str, store: Path, out: Path, act: Act, counts: Counts, where: str, how: str = "damaged"
) -> None:
    """Read a store that is damaged, and count what came of it."""
    out.mkdir()
    status, said = act(lambda: _READERS[reader](store, out))
    what = f"store {how}, {reader}"
    counts.count(what, _wrong(reader, status, said, out), where)
    counts.notes[f"{what}: {'read' if not status else 'told'}"] += 1
    shutil.rmtree(out)


def _wrong(reader: str, status: int, said: str, out: Path) -> str:
    if status not in (0, 1, 2) or "Traceback" in said or "Error:" in said:
        return f"exit status {status}: {said[-400:]}"
    if reader == "verify":
        return "" if status else f"not found: {said[-300:]}"
    if status and any(out.iterdir()):
        return f"{sorted(out.iterdir())} left: {said[-300:]}"
    return ""


def _open(store: Path, _out: Path) -> int:
    """Read all of a store."""
    try:
        with cellcutter.open(store) as cells:
            cells[:]
            cells.obs  # noqa: B018
            cells.ids  # noqa: B018
            cells.statistics  # noqa: B018
            if cells.masks is not None:
                cells.masks[:]
    except cellcutter.CellcutterError as error:
        print(f"open: error: {error}")
        return 2 if "\n" not in str(error) else 99
    return 0


_READERS: dict[str, Callable[[Path, Path], int]] = {
    "open": _open,
    "gallery": lambda store, out: cli.main(
        ["gallery", str(store), str(out / "g.png"), "--number", "4"]
    ),
    "convert": lambda store, out: cli.main(["convert", str(store), str(out / "c.zarr")]),
    "verify": lambda store, out: cli.main(["verify", "--deep", str(store)]),
}


def _contents(store: Path) -> dict[str, bytes]:
    """Return all files of a store by name; links are not followed."""
    if store.is_file():
        return {"": store.read_bytes()}
    files = (path for path in store.rglob("*") if path.is_symlink() or path.is_file())
    return {
        path.relative_to(store).as_posix(): b"a link" if path.is_symlink() else path.read_bytes()
        for path in files
    }


def _damaged(
    whole: Path, made: Path, rng: random.Random, odd_values: Callable[[object], list[bytes]]
) -> tuple[str, Path]:
    """Copy a store and damage the copy; return what was done, and where the copy is."""
    if made.is_dir():
        shutil.rmtree(made)
    made.unlink(missing_ok=True)
    (shutil.copytree if whole.is_dir() else shutil.copy)(whole, made)
    if whole.is_file():
        damage = rng.choice([_flip, _flip, _cut, _outwards, _claims])
        return damage.__name__, _done(damage(made, rng), made)
    files = [path for path in sorted(made.rglob("*")) if path.is_file()]
    path = rng.choice(files)
    name = path.relative_to(made).as_posix()
    metadata = [p for p in files if p.name in _METADATA]
    match rng.choice(["flip", "flip", "cut", "odd", "odd", "remove", "exchange", "index", "link"]):
        case "flip":
            _flip(path, rng)
            return f"flip in {name}", made
        case "cut":
            _cut(path, rng)
            return f"{name} cut off", made
        case "odd":
            path = rng.choice(metadata)
            path.write_bytes(rng.choice(odd_values(json.loads(path.read_bytes()))))
            return f"odd value in {path.relative_to(made)}", made
        case "remove":
            path.unlink()
            return f"{name} removed", made
        case "exchange":
            other = rng.choice([p for p in files if p != path])
            one, two = path.read_bytes(), other.read_bytes()
            path.write_bytes(two)
            other.write_bytes(one)
            return f"{name} and {other.relative_to(made)} exchanged", made
        case "link":
            path.unlink()
            path.symlink_to("/etc/passwd")
            return f"{name} a link", made
        case _:
            path = rng.choice([p for p in files if p.stat().st_size > 200 and p not in metadata])
            _entries(path, rng)
            return f"index of {path.relative_to(made)}", made


def _done(_nothing: None, made: Path) -> Path:
    return made


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes()) or bytearray(b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(max(1, len(content)))])


def _entries(path: Path, rng: random.Random) -> None:
    """Write a number where a shard has its index, which then leads elsewhere or overlaps."""
    content = bytearray(path.read_bytes())
    places = (len(content) - 4) // 8
    for _ in range(rng.choice((1, 2))):
        place = len(content) - 4 - 8 * rng.randrange(1, min(16, places) + 1)
        value = rng.choice((0, 1, 16, 1 << 20, 1 << 40, (1 << 64) - 1, (1 << 64) - 2))
        content[place : place + 8] = np.array(value, "<u8").tobytes()
    path.write_bytes(content)


def _outwards(path: Path, rng: random.Random) -> None:
    """Add a member to a zip file whose name leads out of it."""
    name = rng.choice(("../out", "/tmp/out", "a/../../b", "c\\..\\d", "0.0.0.0"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x" * 100)


def _claims(path: Path, rng: random.Random) -> None:
    """Pack a zip file anew with a member that is a bomb."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    chosen = rng.choice(sorted(members))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            bomb = name == chosen
            packed = zipfile.ZIP_DEFLATED if bomb else zipfile.ZIP_STORED
            archive.writestr(name, b"\0" * (300 << 20) if bomb else content, packed)
