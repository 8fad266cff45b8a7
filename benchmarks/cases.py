"""Which slides are made, and which runs are measured on them."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.slides import SlideSpec, write_project, write_sparse_project

Paths = dict[str, Path]

FULL = {
    "deflate": SlideSpec("deflate", 12, 12000, 12000),
    "raw": SlideSpec("raw", 12, 12000, 12000, compression=None),
    "zstd": SlideSpec("zstd", 40, 6000, 6000, tile=1024, compression="zstd"),
    "field": SlideSpec("field", 12, 2500, 3000),
    "tiny": SlideSpec("tiny", 5, 50, 50, tile=64, spacing=9),
    "sparse": SlideSpec("sparse", 20, 60000, 60000, tile=512),
}
QUICK = {
    "deflate": SlideSpec("deflate", 12, 3000, 3000),
    "raw": SlideSpec("raw", 12, 3000, 3000, compression=None),
    "zstd": SlideSpec("zstd", 40, 2048, 2048, tile=1024, compression="zstd"),
    "field": FULL["field"],
    "tiny": FULL["tiny"],
    "sparse": SlideSpec("sparse", 20, 20000, 20000, tile=512),
}


@dataclass(frozen=True)
class Case:
    """A run to be measured.

    Parameters
    ----------
    name, slide : str
    flags : tuple of str
        Beside ``-p`` and the paths.
    table : str
        ``all``, ``shuffled`` or ``few`` (100 cells).
    threads : int
    labels : bool
        Whether the limit counts the labels: where the window or the masks come from them.
    limit, peer : bool
        Whether these are measured too.
    after : tuple of str
        Flags that stand after the paths.
    """

    name: str
    slide: str
    flags: tuple[str, ...] = ()
    table: str = "all"
    threads: int = 2
    labels: bool = True
    limit: bool = True
    peer: bool = True
    after: tuple[str, ...] = field(default=())


def cases(specs: dict[str, SlideSpec]) -> list[Case]:
    """Return all cases for slides of some sizes."""
    spec = specs["deflate"]
    tenth = max(128, spec.channels * spec.height * spec.width * 2 // 10 // 2**20)
    channels = ("--channels", *map(str, range(1, spec.channels + 1)))
    cylinter = ("--force", "--window-size", "37", "--cells-per-chunk", "200")
    return [
        Case("default", "deflate"),
        Case("one thread", "deflate", threads=1),
        Case("masked cells", "deflate", ("--mask-cells",)),
        Case("shuffled table", "deflate", table="shuffled"),
        Case("a tenth of the image", "deflate", ("--cache-size", str(tenth))),
        Case("256 MB", "deflate", ("--cache-size", "256"), peer=False, limit=False),
        Case("512 MB", "deflate", ("--cache-size", "512"), peer=False, limit=False),
        Case("2048 MB", "deflate", ("--cache-size", "2048"), peer=False, limit=False),
        Case("512 MB, shuffled", "deflate", ("--cache-size", "512"), "shuffled", peer=False),
        Case("zip", "deflate", ("-z",), limit=False),
        Case(
            "100 cells",
            "deflate",
            (*cylinter, "--cache-size", "57711"),
            "few",
            labels=False,
            after=channels,
        ),
        Case("not compressed", "raw"),
        Case("40 channels, zstd", "zstd"),
        Case("40 channels, 512 MB", "zstd", ("--cache-size", "512"), peer=False),
        Case("field of view", "field"),
        Case("tiny field", "tiny", limit=False),
        Case("sparse, 256 MB", "sparse", ("--cache-size", "256"), peer=False),
        Case("sparse, 2048 MB", "sparse", ("--cache-size", "2048"), peer=False),
    ]


def make_slides(
    folder: Path, specs: dict[str, SlideSpec], say: Callable[[str], None]
) -> dict[str, Paths]:
    """Make the slides and the tables that do not exist yet."""
    found = {}
    for name, spec in specs.items():
        root = folder / f"{name}-{spec.channels}x{spec.height}x{spec.width}"
        say(f"slide {root.name}")
        paths = (
            write_sparse_project(root, spec, patch=8, number=4)
            if name == "sparse"
            else write_project(root, spec)
        )
        found[name] = {**paths, **_tables(paths["table"])}
    return found


def _tables(table: Path) -> Paths:
    """Return the table and its variants."""
    variants = {kind: table.with_name(f"{table.stem}-{kind}.csv") for kind in ("shuffled", "few")}
    if not all(path.exists() for path in variants.values()):
        with table.open(newline="") as lines:
            header, *rows = csv.reader(lines)
        picks = random.Random(0)  # the same rows each time
        few = sorted(picks.sample(range(len(rows)), min(100, len(rows))))
        orders = {"shuffled": picks.sample(rows, len(rows)), "few": [rows[i] for i in few]}
        for kind, path in variants.items():
            with path.open("w", newline="") as lines:
                csv.writer(lines).writerows([header, *orders[kind]])
    return {"all": table, **variants}
