"""Try to break the publication: each system call fails in turn, runs are killed, runs race.

    python -m tests.faults.campaign                     # a sample, within a minute
    python -m tests.faults.campaign --every 1 --kills 500 --pairs 200

Whatever happens, each name has what it had or what was made, whole; after a run that was not
killed all names of the set are old, or all are new, as its exit status says; after a run that was
killed, the next run to the destination brings that about, whatever its flags, and nothing else
stays. Exit status 1 where anything else was found.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import cellcutter
from cellcutter.commands import cli
from tests.faults.injection import ACTIONS, Injection, hide
from tests.faults.scene import HIDDEN, MODES, Scene, contents, fork, wait

CHUNKS = 3000


class Counts:
    """What was tried, what held, and what did not."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def count(self, what: str, problem: str, where: str) -> None:
        self.tried[what] += 1
        if problem:
            self.failed[what] += 1
            print(f"FAILS {what}: {where}: {problem}", flush=True)

    def show(self) -> int:
        print(f"{'campaign':40}{'tried':>8}{'held':>8}{'failed':>8}")
        for what, tried in self.tried.items():
            failed = self.failed[what]
            print(f"{what:40}{tried:8}{tried - failed:8}{failed:8}")
        for what, number in sorted(self.notes.items()):
            print(f"  {what}: {number}")
        return int(bool(self.failed))


def inject(scene: Scene, counts: Counts, every: int, seed: int) -> None:
    """Let each call fail in turn, or each `every`-th."""
    number = seed % every
    for mode in MODES:
        for hidden, name in HIDDEN.items():
            calls = count_calls(scene, mode, name)
            for call in range(len(calls)):
                for action in ACTIONS:
                    number += 1
                    if number % every:
                        continue
                    problem = injected(scene, counts, mode, name, call, action)
                    where = f"{mode}, {hidden}: call {call}, {calls[call]}"
                    counts.count(f"{action} at a call", problem, where)


def count_calls(scene: Scene, mode: str, hidden: str) -> list[str]:
    scene.set(mode)
    file = scene.folder / "calls"

    def begin() -> None:
        hide(hidden)()
        injection = Injection(str(scene.place))
        injection.install()
        end = os._exit

        def tell(status: int) -> None:
            calls = list(injection.calls)
            file.write_text("\n".join(c.replace("\n", " ") for c in calls))
            end(status)

        os._exit = tell

    if status := scene.run(*MODES[mode].flags, begin=begin):
        raise RuntimeError(f"{mode}, {hidden}: exit status {status}: {scene.log}")
    return file.read_text().splitlines()


def injected(scene: Scene, counts: Counts, mode: str, hidden: str, call: int, action: str) -> str:
    """Return what is wrong after a run in which a call failed."""
    scene.set(mode)

    def begin() -> None:
        hide(hidden)()
        Injection(str(scene.place), call, action).install()

    status = scene.run(*MODES[mode].flags, begin=begin)
    if status == 99 or "Traceback" in scene.log:
        return f"exit status {status}: {scene.log}"
    found = scene.found(mode)
    if problem := wrong(scene, mode, status, found, action, hidden):
        return f"{problem}: {found}, {scene.leftovers()}, exit status {status}: {scene.log}"
    hidden_again = scene.refused()
    again = scene.found(mode)
    if hidden_again != 2:
        return f"next run: exit status {hidden_again}: {(scene.folder / 'log2').read_text()}"
    kinds = set(again.values()) - {"same"}
    if len(kinds) > 1 or not kinds <= {"old", "new"}:
        return f"after the next run {again}, before {found}, exit status {status}"
    if scene.leftovers():
        return f"the next run left {scene.leftovers()}: {(scene.folder / 'log2').read_text()}"
    if status == 0 and kinds == {"old"}:
        return f"exit status 0, but {again} after the next run"
    if found != again:
        counts.notes[f"put right by the next run, after {action}"] += 1
    return ""


def wrong(
    scene: Scene, mode: str, status: int, found: dict[str, str], action: str, hidden: str
) -> str:
    """Return what is wrong right after a run."""
    kinds = set(found.values()) - {"same"}
    if "damaged" in kinds:
        return "damaged"
    hard = status == -signal.SIGKILL or action == "EIO for ever"
    if "absent" in kinds and not (hidden and hard):
        return "absent"
    if status == 0:
        return "" if kinds == {"new"} else "exit status 0, but not all are new"
    if hard:
        return ""
    if kinds != {"old"}:
        return "not all are old"
    if scene.leftovers() and action.startswith("SIG"):
        return "leftovers"
    if action.startswith("SIG") and "stopped; nothing was written" not in scene.log:
        return "another message"
    return ""


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


def race(scene: Scene, counts: Counts, number: int, rng: random.Random) -> None:
    """Start pairs of runs to one name: one wins, the other says so in one line."""
    for each in range(number):
        scene.clear()
        logs = [scene.folder / f"log-{i}" for i in range(2)]
        pause = rng.choice((0, 0, rng.random() * 0.02, rng.random() * 0.2))
        statuses = together(scene, logs, pause)
        problem = ""
        lost = logs[statuses.index(2)].read_text() if 2 in statuses else ""
        if sorted(statuses) != [0, 2]:
            problem = f"exit statuses {statuses}: {[log.read_text() for log in logs]}"
        elif lost.count("\n") != 1 or not (
            "another run is writing" in lost or "exists already" in lost
        ):
            problem = lost
        elif contents(scene.place) != scene.after["new"]:
            problem = f"damaged, or {scene.leftovers()} left"
        counts.count("pairs of runs to one name", problem, f"pair {each}")
        counts.notes["pairs: " + ("locked" if "another" in lost else "exists already")] += 1


def together(scene: Scene, logs: list[Path], pause: float) -> list[int]:
    """Start two runs as one, the second a little later, and return their exit statuses."""
    ready, go = os.pipe()

    def act(log: Path, seconds: float) -> int:
        os.close(go)
        with log.open("w") as stderr:
            os.dup2(stderr.fileno(), 2)
            sys.stderr = stderr
            os.read(ready, 1)
            time.sleep(seconds)
            return cli.main_cut_cells(scene.words())

    children = [fork(partial(act, *each)) for each in zip(logs, (0, pause), strict=True)]
    os.close(ready)
    os.close(go)
    return [wait(child) for child in children]


def load() -> None:
    """Load the whole program once, before processes are forked."""
    for module in pkgutil.walk_packages(cellcutter.__path__, "cellcutter."):
        importlib.import_module(module.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=40, help="take each N-th injection")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work")
    given = parser.parse_args()
    load()
    rng = random.Random(given.seed)
    counts = Counts()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        scene = Scene(Path(folder))
        race(scene, counts, given.pairs, rng)
        kill(scene, counts, given.kills, rng)
        inject(scene, counts, given.every, given.seed)
    return counts.show()


if __name__ == "__main__":
    sys.exit(main())
