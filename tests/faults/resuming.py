"""Runs with `--resume` that are killed again and again, or find the disk full, and go on.

At the end the results have the bytes that a run makes which nothing disturbs.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests import slides
from tests.faults.counts import Counts
from tests.faults.injection import ACTIONS, Injection, Run, calls_of
from tests.faults.killing import quietly
from tests.faults.scene import Contents, Scene, contents, fork, wait

KINDS = (
    (),
    ("-z",),
    ("--mask-cells",),
    ("--mask-cells", "-z", "--compression=none"),
    ("--layout=cells", "--masks"),
    ("--layout=cells", "--mask-cells", "-z"),
    ("--shuffle", "--save-metadata={}/q/w.csv"),
    ("--layout=cells", "--shuffle=3", "--save-metadata={}/q/w.csv"),
)
_MOST = 6  # kills of one result


class Resuming:
    """What a kind of run makes, and how long it takes.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        folder = scene.folder / "larger"
        folder.mkdir()
        scene.inputs = slides.simple(folder, shape=(2, 300, 300), number=140).paths
        self.made: dict[tuple[str, ...], Contents] = {}
        self.seconds: dict[tuple[str, ...], float] = {}
        for kind in KINDS:
            scene.clear()
            start = time.monotonic()
            if status := wait(self.start(kind)):
                raise RuntimeError(f"{kind}: exit status {status}: {scene.log}")
            self.seconds[kind] = time.monotonic() - start
            self.made[kind] = contents(scene.place)

    def start(self, kind: tuple[str, ...], *more: str) -> int:
        """Start a run; return its process."""
        flags = ["--cells-per-chunk=5", *kind, *more]
        return fork(lambda: quietly(self.scene, flags, ""))


def resume(runs: Resuming, counts: Counts, number: int, rng: random.Random) -> None:
    """Kill runs at random moments until one comes to its end, which goes on from all of them."""
    scene = runs.scene
    while counts.tried["kill -9, then --resume"] < number:
        scene.clear()
        kind = rng.choice(KINDS)
        kills, status = 0, 1
        while status:
            child = runs.start(kind, "--resume")
            if kills < _MOST:
                time.sleep(rng.random() * runs.seconds[kind])
                os.kill(child, signal.SIGKILL)
            status = wait(child)
            if kills and "exists already" in scene.log:  # killed when it had its name
                status = 0
            if status not in (0, -signal.SIGKILL):
                break
            kills += status != 0
            if "going on" in scene.log:
                counts.notes["runs that went on from chunks"] += 1
        problem = f"exit status {status}: {scene.log}" if status else ""
        if not problem and contents(scene.place) != runs.made[kind]:
            problem = "other bytes than those of a run that was not disturbed"
        for _ in range(max(1, kills)):
            counts.count("kill -9, then --resume", problem, f"{kind}, {kills} kills")


def take_over(runs: Resuming, counts: Counts, every: int, seed: int) -> None:
    """Kill a run in its middle; let each call of the run that goes on fail, and go on from that.

    Each `every`-th of them; the calls are those up to the end, publication included.
    """
    scene = runs.scene
    number = seed % every
    for kind in KINDS:
        left = scene.folder / "left"
        flags = ("--cells-per-chunk=5", *kind, "--resume")

        def again(begin: Callable[[], None], flags: tuple[str, ...] = flags) -> int:
            return scene.run(*flags, begin=begin)

        _leave(scene, again, left)
        calls = calls_of(again, scene.place, scene.folder / "calls")
        for call, name in enumerate(calls):
            for action in ACTIONS:
                number += 1
                if number % every:
                    continue
                _restore(scene, left)
                begin = Injection(str(scene.place), call, action).install
                problem = _gone_on(scene, again(begin), again, runs.made[kind])
                counts.count(f"{action} while a run goes on", problem, f"{kind}, {call}: {name}")


def _leave(scene: Scene, run: Run, left: Path) -> None:
    """Keep what a run leaves that is killed in its middle."""
    scene.clear()
    calls = calls_of(run, scene.place, scene.folder / "calls")
    scene.clear()
    status = run(Injection(str(scene.place), len(calls) // 2, "SIGKILL").install)
    if status != -signal.SIGKILL or not scene.leftovers():
        raise RuntimeError(f"nothing left in the middle, exit status {status}: {scene.log}")
    shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(scene.place, left, symlinks=True)


def _restore(scene: Scene, left: Path) -> None:
    shutil.rmtree(scene.place)
    shutil.copytree(left, scene.place, symlinks=True)


def _gone_on(scene: Scene, status: int, again: Run, made: Contents) -> str:
    """Return what is wrong after a run in which a call failed, and one that goes on from it."""
    log = scene.log
    if status == 99 or "Traceback" in log:
        return f"exit status {status}: {log}"
    if status and again(lambda: None) and "exists already" not in scene.log:
        return f"exit status {status}: {log}; then: {scene.log}"
    scene.refused()  # the next run removes what could not be removed
    return "" if contents(scene.place) == made else f"other bytes: {log}; then: {scene.log}"


def fill(runs: Resuming, counts: Counts, number: int, rng: random.Random) -> None:
    """Run where the disk gets full, with `--resume` and without; then give it room and go on."""
    scene = runs.scene
    disk = scene.place
    for each in range(number):
        kind = KINDS[each % len(KINDS)]
        need = sum(map(len, runs.made[kind].values()))
        nbytes = 8192 + int((each + rng.random()) / number * 1.5 * need)
        shutil.rmtree(disk, ignore_errors=True)
        disk.mkdir()
        _mount(disk, nbytes)
        try:
            scene.clear()
            problem = _full(runs, kind, each % 2 == 0, disk)
        finally:
            subprocess.run(["umount", disk], check=True)
        counts.count("full disk", problem, f"{kind}, {nbytes} bytes")


def _full(runs: Resuming, kind: tuple[str, ...], resumed: bool, disk: Path) -> str:
    scene = runs.scene
    more = ["--resume"] if resumed else []
    status = wait(runs.start(kind, *more))
    if status == 0:
        return "" if contents(disk) == runs.made[kind] else "exit status 0, other bytes"
    left = [name for name in contents(disk) if name.count("/") == 1 and "cellcutter-" not in name]
    if {name for name in left if not name.endswith("/")} or status not in (1, 2):
        return f"exit status {status}, {left}: {scene.log}"
    if not resumed and scene.leftovers():
        return f"{scene.leftovers()} left: {scene.log}"
    _mount(disk, 1 << 27, "remount")
    if status := wait(runs.start(kind, *more)):
        return f"exit status {status} with room: {scene.log}"
    return "" if contents(disk) == runs.made[kind] else "other bytes after there was room"


def _mount(disk: Path, nbytes: int, *options: str) -> None:
    words = ",".join([*options, f"size={nbytes}"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", words, "none", disk], check=True)
