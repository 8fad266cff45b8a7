"""What the program takes itself to be allowed, in control groups as schedulers make them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellcutter.machine import available_cpus, available_memory

CONTROL = Path("/sys/fs/cgroup")
MB = 1024 * 1024
TELL = (
    "from cellcutter.machine import available_cpus, available_memory\n"
    "print(available_cpus(), available_memory())\n"
)


def told(before: str, *words: str) -> list[str]:
    """What a process of its own takes itself to be allowed, after it has done something."""
    script = f"import os, sys\n{before}\n{TELL}"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A group of the CPU and one of the memory, each inside of another; the same in version 2."""
    mounts = {name: CONTROL / name for name in ("cpu", "memory")}
    if (CONTROL / "cgroup.controllers").exists():
        mounts = dict.fromkeys(mounts, CONTROL)
        (CONTROL / "cgroup.subtree_control").write_text("+cpu +memory")
    made: list[Path] = []
    found = {}
    try:
        for name, mount in mounts.items():
            job = mount / f"cellcutter-{tmp_path.name}"
            for group in (job, job / "step"):
                if not group.exists():
                    group.mkdir()
                    made.append(group)
                    if mount == CONTROL and group == job:
                        (group / "cgroup.subtree_control").write_text("+cpu +memory")
            found[name] = job
        yield found
    finally:
        for group in reversed(made):
            group.rmdir()


@pytest.mark.skipif(
    not any(os.access(group, os.W_OK) for group in (CONTROL / "memory", CONTROL)),
    reason="needs root, and control groups that can be written to",
)
def test_limits_of_a_group_above_hold(groups: dict[str, Path]) -> None:
    if (groups["cpu"] / "cpu.max").exists():
        (groups["cpu"] / "cpu.max").write_text("100000 100000")
        (groups["memory"] / "memory.max").write_text(str(300 * MB))
    else:
        (groups["cpu"] / "cpu.cfs_period_us").write_text("50000")
        (groups["cpu"] / "cpu.cfs_quota_us").write_text("75000")
        (groups["memory"] / "memory.limit_in_bytes").write_text(str(300 * MB))
    inside = {str(group / "step" / "cgroup.procs") for group in groups.values()}
    join = "for file in sys.argv[1:]: open(file, 'w').write(str(os.getpid()))"
    cpus, memory = told(join, *inside)
    assert cpus == "1"
    assert 200 * MB < int(memory) <= 300 * MB
    taken = "kept = bytearray(b'x') * (150 << 20)"
    _, memory = told(f"{join}\n{taken}", *inside)
    assert 50 * MB < int(memory) < 150 * MB


def test_affinity_holds() -> None:
    one = str(min(os.sched_getaffinity(0)))
    assert told("os.sched_setaffinity(0, {int(sys.argv[1])})", one)[0] == "1"


def test_no_more_than_the_machine_has() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
    assert 0 < available_memory() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
