"""On a system that has no more than the standard library asks of one: the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

import cellcutter
from cellcutter import machine
from tests import slides

# what Windows or macOS do not have
MISSING = ("pread", "preadv", "pwrite", "pwritev", "sched_getaffinity", "process_cpu_count")


def hide(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MISSING:
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)
    monkeypatch.setattr(machine, "_CONTROL", Path("/there/is/none"))


def test_a_scratch_file_without_reading_and_writing_at_a_place(tmp_path, monkeypatch, caplog):
    rng = np.random.default_rng(5)
    labels, table = slides.cells(rng, (700, 800), 400, largest=9)
    options = {"tile": (32, 32), "compression": "zlib"}
    slide = slides.write(
        tmp_path,
        slides.pixels(rng, (4, 700, 800), "u2"),
        labels.astype("i4"),
        table.sample(frac=1, random_state=1),
        image_options=options,
        labels_options=options,
    )
    caplog.set_level("DEBUG", "cellcutter")
    found = []
    for name in ("a", "b"):
        cellcutter.cut_cells(
            *slide.paths,
            tmp_path / f"{name}.zarr",
            window_size=21,
            cells_per_chunk=12,
            cache_size=0.35,
            p=2,
        )
        found.append({p.name: p.read_bytes() for p in (tmp_path / f"{name}.zarr").iterdir()})
        hide(monkeypatch)
    assert caplog.text.count("a scratch file") == 2
    assert found[0] == found[1]
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, 21)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "b.zarr")[:], expected)


def test_cpus_and_memory_are_known_everywhere(monkeypatch):
    hide(monkeypatch)
    assert 1 <= machine.available_cpus() == os.cpu_count()
    assert 0 < machine.available_memory() <= psutil.virtual_memory().total
