"""What a campaign has tried."""

from __future__ import annotations

import sys
from collections import Counter

_SHOWN = 1000  # after so many tries it says where it is


class Counts:
    """What was tried, what held, and what did not."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def count(self, what: str, problem: str, where: str) -> None:
        self.tried[what] += 1
        if not self.tried.total() % _SHOWN:
            print(f"{self.tried.total()} tried, now {what}: {where}", file=sys.stderr, flush=True)
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
