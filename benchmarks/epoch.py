"""One epoch of random batches through torch's DataLoader or annbatch's Loader.

PYTHON -m benchmarks.epoch torch '{"cells fast": "cells-fast.zarr", "npy": "cells.npy"}' 20000 0 2
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 256


class Mapped:
    """A NumPy file as a dataset, read as quickly as NumPy can: the limit.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._images = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._images)

    def __getitems__(self, rows: list[int]) -> Any:
        import torch

        return torch.from_numpy(self._images[rows]).to(torch.float32)


def main() -> None:
    """Print a line of JSON for each store and number of workers."""
    through, stores, cells, *numbers = sys.argv[1:]
    for name, path in json.loads(stores).items():
        for workers in map(int, numbers):
            if through == "annbatch":
                took = by_annbatch(Path(path))
            else:
                took = epoch(Path(path), int(cells), workers)
            print(json.dumps({"name": name, "workers": workers, **took}), flush=True)


def epoch(path: Path, cells: int, workers: int) -> dict[str, float]:
    """Return the seconds that an epoch takes, those of the processors, and some pixels' sum."""
    import torch
    from torch.utils.data import DataLoader

    from cellcutter.learn import CellDataset, collate

    torch.set_num_threads(1)
    mapped = path.suffix == ".npy"
    data: Any = Mapped(path) if mapped else CellDataset(path, rows=slice(0, cells))
    loader = DataLoader(
        data,
        BATCH,
        shuffle=True,
        num_workers=workers,
        collate_fn=_same if mapped else collate,
        generator=torch.Generator().manual_seed(0),
    )
    start, spent = time.perf_counter(), _processors()
    total = 0.0
    for batch in loader:
        x = batch if torch.is_tensor(batch) else batch["x"]
        total += float(x[:, 0, 0].sum(dtype=torch.float64))  # little, so as not to measure it
    return {"s": time.perf_counter() - start, "cpu": _processors() - spent, "sum": total}


def by_annbatch(path: Path) -> dict[str, float]:
    """Return the same of annbatch, which reads by the pipeline in Rust, as it advises."""
    import pandas as pd
    import zarr
    from annbatch import Loader

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    array: Any = zarr.open_group(path, mode="r")["obsm/single_cell_images"]
    loader = Loader(batch_size=BATCH, chunk_size=1, preload_nchunks=BATCH, shuffle=True, to=None)
    loader.add_dataset(array, obs=pd.DataFrame({"row": range(array.shape[0])}))
    start, spent = time.perf_counter(), _processors()
    total = sum(float(batch["X"][:, 0, 0].sum(dtype=np.float64)) for batch in loader)
    return {"s": time.perf_counter() - start, "cpu": _processors() - spent, "sum": total}


def _same(batch: Any) -> Any:
    return batch


def _processors() -> float:
    """Return the seconds of the processors that this process and its workers have used."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
