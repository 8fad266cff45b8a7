r"""Try to break the publication: each system call fails in turn, runs are killed, runs race.

    python -m tests.faults.campaign                     # a sample, within a minute
    python -m tests.faults.campaign --every 16 --taken 16 --kills 500 --pairs 200 --resumed 500 \
        --full 100 --stops 1

Full disks need root. A part whose number is 0 is left out.

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
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cellcutter
from cellcutter.commands import cli
from tests.faults.counts import Counts
from tests.faults.injection import ACTIONS, Injection, calls_of, hide
from tests.faults.killing import kill
from tests.faults.resuming import Resuming, fill, resume, take_over
from tests.faults.scene import HIDDEN, MODES, Scene, contents, fork, wait
from tests.faults.stopping import stop


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

    def run(begin: Callable[[], None]) -> int:
        return scene.run(*MODES[mode].flags, begin=lambda: (hide(hidden)(), begin()))

    return calls_of(run, scene.place, scene.folder / "calls")


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
    parser.add_argument("--taken", type=int, default=400, help="each N-th where a run goes on")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--resumed", type=int, default=20, help="kills of runs with --resume")
    parser.add_argument("--full", type=int, default=16, help="sizes of full disks")
    parser.add_argument("--stops", type=int, default=80, help="each N-th place of the code")
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
        if given.every:
            inject(scene, counts, given.every, given.seed)
        if given.stops:
            stop(scene, counts, given.stops, rng)
        runs = Resuming(scene)  # with inputs of its own
        resume(runs, counts, given.resumed, rng)
        if given.taken:
            take_over(runs, counts, given.taken, given.seed)
        if os.geteuid() == 0:
            fill(runs, counts, given.full, rng)
    return counts.show()


if __name__ == "__main__":
    sys.exit(main())
