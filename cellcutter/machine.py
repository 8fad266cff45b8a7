"""What this process may use of the machine: CPUs and memory.

By its affinity, and by the limits of its control groups (cgroups(7)): those of its own group, which
a scheduler such as Slurm makes for a job, and those of the groups above it. A container that sees
no more than its own group sees it at the root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CONTROL = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """Return the CPUs this process may use: its affinity, and the quotas of its control groups."""
    cpus = _affinity()
    for group in _groups("cpu"):
        quota = _numbers(group / "cpu.max") or [
            *_numbers(group / "cpu.cfs_quota_us"),
            *_numbers(group / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and min(quota) > 0:
            cpus = min(cpus, max(1, quota[0] // quota[1]))
    return cpus


def available_memory() -> int:
    """Return the bytes of memory this process may still take without swapping."""
    import psutil

    memory = int(psutil.virtual_memory().available)
    for group in _groups("memory"):
        limits = [*_numbers(group / "memory.max"), *_numbers(group / "memory.limit_in_bytes")]
        memory = min([memory, *(limit - _taken(group) for limit in limits)])
    return max(memory, 0)


def _taken(group: Path) -> int:
    """Return the bytes that a group's processes have, without files that are only kept."""
    names = ("memory.current", "memory.usage_in_bytes")
    used = sum(number for name in names for number in _numbers(group / name))
    try:
        told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return used
    of_files = ("active_file", "inactive_file")
    kept = [int(told.get(f"total_{name}", told.get(name, 0))) for name in of_files]
    return max(0, used - sum(kept))


def _affinity() -> int:
    """Return the CPUs that this process may run on; all, where a system has no such thing."""
    import psutil

    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, in versions 1 and 2 of cgroups."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # no control groups here
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        group = PurePosixPath(path)
        for mount in (_CONTROL / names, _CONTROL / (controller if names else "unified")):
            for each in (group, *group.parents):
                yield mount / each.relative_to("/")


def _numbers(file: Path) -> list[int]:
    """Return the numbers in a file; none where it says ``max``, or is not there."""
    try:
        words = file.read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if all(w.lstrip("-").isdigit() for w in words) else []
