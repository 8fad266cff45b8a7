"""Runs that are killed at random moments, over an old store of many chunks."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from cellcutter.commands import cli
from tests.faults.counts import Counts
from tests.faults.injection import hide
from tests.faults.scene import HIDDEN, Scene, contents, fork, wait

CHUNKS = 3000


def old_store(scene: Scene, place: Path) -> dict[str, int]:
    """Make an old store of many chunks: names and inodes."""
    template = scene.folder / "many"
    if not template.exists():
        template.mkdir()
        for name, content in scene.before["replaced"].items():
            if name.startswith("d/out.zarr/") and not name.endswith("/"):
                (template / Path(name).name).write_bytes(content)
        for number in range(CHUNKS):
            (template / f"0.{number}.0.0").write_bytes(b"x" * 100)
    store = place / "out.zarr"
    store.mkdir(parents=True)
    for file in os.scandir(template):
        os.link(file.path, store / file.name)
    return listed(store)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def listed(folder: Path) -> dict[str, int]:
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries}


def kill(scene: Scene, counts: Counts, number: int, rng: random.Random) -> None:
    """Kill runs with -f over a store of many chunks, two of five while the old one is removed."""
    seconds = [0.1]
    for each in range(number):
        removing = each % 5 < 2
        what = "kill -9 while the old one is removed" if removing else "kill -9 at any moment"
        for _ in range(30):  # until it was hit in time
            found = killed(scene, seconds, rng, removing=removing)
            if found is not None:
                break
        counts.count(what, "never hit" if found is None else found[1], f"kill {each}")
        if found:
            counts.notes[f"{what}: {found[0]}"] += 1


def killed(
    scene: Scene, seconds: list[float], rng: random.Random, *, removing: bool
) -> tuple[str, str] | None:
    """Kill one run; return which store had the name and what is wrong, or None if it was too late.

    In half of the cases the store with the name is moved away before the next run, which must not
    bring anything back.
    """
    scene.clear()
    place = scene.place / "d"
    store = place / "out.zarr"
    old = {"out.zarr": old_store(scene, place)}
    masks = rng.random() < 0.5
    hidden = rng.choice(list(HIDDEN.values()))
    start = time.monotonic()
    child = fork(lambda: quietly(scene, ["-f", *["--mask-cells"] * masks], hidden))
    if removing:
        while not list(place.glob(".*-trash-*")) and not ended(child):
            pass
        time.sleep(rng.random() ** 2 * 0.04)
    else:
        time.sleep(rng.random() * 1.2 * seconds[0])
    os.kill(child, signal.SIGKILL)
    status = wait(child)
    if status != -signal.SIGKILL:
        seconds[0] = 0.9 * seconds[0] + 0.1 * (time.monotonic() - start)
        return ("", f"exit status {status}: {scene.log}") if status else None
    if removing and not list(place.glob(".*-trash-*")):
        return None
    new = stores(scene.after["new, with all" if masks else "new"])
    which = holds(place, old, new, ["out.zarr"])
    if which == "neither" and not (hidden and not store.exists()):
        return which, f"damaged: {names_in(place)}"
    names = None
    if which == "new" and rng.random() < 0.5:
        store.rename(place / "moved.zarr")
        names = sorted({"moved.zarr", *new} - {"out.zarr"})
    if (status := scene.refused()) != 2:
        return which, f"next run: exit status {status}"
    if names is None:
        again = holds(place, old, new, None)
        problem = again not in ("old", "new") or (which == "new" and again == "old")
        return which, f"{again} after the next run: {names_in(place)}" if problem else ""
    left = names_in(place)
    return which, "" if left == names else f"after the next run: {left}, {names} expected"


def quietly(scene: Scene, flags: list[str], hidden: str) -> int:
    log = (scene.folder / "log").open("w")
    os.dup2(log.fileno(), 2)
    sys.stderr = log
    hide(hidden)()
    return cli.main_cut_cells(scene.words(*flags))


def ended(child: int) -> bool:
    return bool(os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT))


def stores(found: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Return the files of each store."""
    names: dict[str, dict[str, bytes]] = {}
    for path, content in found.items():
        if path.startswith("d/") and path.count("/") == 2 and not path.endswith("/"):
            names.setdefault(path.split("/")[1], {})[path.split("/")[2]] = content
    return names


def holds(
    place: Path,
    old: dict[str, dict[str, int]],
    new: dict[str, dict[str, bytes]],
    names: list[str] | None,
) -> str:
    """Tell whether a folder holds the old stores or the new ones, and no others."""
    for which, expected in (("old", old), ("new", new)):
        wanted = sorted(expected) if names is None else names
        there = names_in(place) if names is None else [n for n in names if (place / n).exists()]
        if wanted != there:
            continue
        if which == "old":
            found = {name: listed(place / name) for name in wanted}
        else:
            found = {name: stores(contents_of(place / name))[name] for name in wanted}
        if found == {name: expected[name] for name in wanted}:
            return which
    return "neither"


def contents_of(store: Path) -> dict[str, bytes]:
    return {f"d/{store.name}/{name}": content for name, content in contents(store).items()}
