"""What a whole run takes, measured in a process of its own, against what is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

MB = 1024 * 1024
CACHE = 64  # MB
BESIDE = 300  # MB: the interpreter, its libraries, what compressors need
CELL = 200  # bytes
SCRIPT = """
import json, re, sys
from pathlib import Path
import cellcutter
result = cellcutter.cut_cells(*sys.argv[1:3], sys.argv[3], sys.argv[4], window_size=12, p=2,
                              cache_size=int(sys.argv[5]))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({"peak": int(peak[1]) * 1024, "planned": result.memory}))
"""


def measured(folder: Path, table: pd.DataFrame) -> dict[str, int]:
    """The peak of a run over some cells, and what was planned for pixels, in bytes."""
    path = folder / "cells.csv"
    table.to_csv(path, index=False)
    words = [folder / "slide.tif", "-", path, folder / f"{len(table)}.zarr", CACHE]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_peak_of_many_cells_is_what_is_promised(tmp_path, order):
    tifffile.imwrite(
        tmp_path / "slide.tif",
        np.zeros((2, 2000, 2000), "u2"),
        photometric="minisblack",
        compression="zlib",
        tile=(256, 256),
    )
    n = 400_000
    y, x = np.random.default_rng(0).random((2, n)) * 1999
    if order == "sorted":
        y.sort()
    table = pd.DataFrame({"CellID": np.arange(1, n + 1), "Y_centroid": y, "X_centroid": x})
    few, many = (measured(tmp_path, table.iloc[:rows]) for rows in (100, n))
    assert many["planned"] <= CACHE * MB
    assert many["peak"] <= (CACHE + BESIDE) * MB + CELL * n
    # and what is not for pixels grows by no more with the cells
    beside = [each["peak"] - each["planned"] for each in (few, many)]
    assert beside[1] - beside[0] <= CELL * n
