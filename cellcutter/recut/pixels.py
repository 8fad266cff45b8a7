"""Thumbnails and masks cut again, and compared with those of a store, chunk by chunk."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from cellcutter.engine.assemble import Cutting
from cellcutter.engine.plan import make_plan
from cellcutter.errors import StoreError
from cellcutter.progress import Tally
from cellcutter.request import Array, Request
from cellcutter.store.reading.cells import Cells
from cellcutter.store.verifying.faults import Verdict
from cellcutter.types import Bools, Ints, Pixels, Progress, unsigned

_NAMED = 20  # cells that differ, each on a line of its own


class Comparison:
    """Cells cut again and compared with those of a store.

    Parameters
    ----------
    cells : Cells
    rows : int64 array
        Of the store, in ascending order.
    request : Request
        Of these rows.
    verdict : Verdict
    known : bool
        Whether the store tells if masks are laid over pixels; where not, either will do.
    """

    def __init__(
        self, cells: Cells, rows: Ints, request: Request, verdict: Verdict, *, known: bool
    ) -> None:
        self._cells = cells
        self._rows = rows
        self._request = request
        self._verdict = verdict
        self._known = known
        self._masks: Bools | None = None
        self._differ: dict[str, list[int]] = {"": [], "masks": []}
        self._lock = threading.Lock()

    def run(self, progress: Progress) -> None:
        """Cut and compare all of them."""
        arrays = self._request.arrays()
        with tempfile.TemporaryDirectory(prefix="cellcutter-") as folder:
            if len(arrays) > 1:
                shape = arrays[0].layout.stored_shape
                file = Path(folder) / "masks"
                self._masks = np.memmap(file, bool, "w+", shape=shape)
            plans = [make_plan(array.job) for array in arrays]
            cuttings = [
                Cutting(plan, array.job, self._sink(array), Path(folder))
                for plan, array in zip(plans, arrays, strict=True)
            ]
            tally = Tally(progress, "cutting again", sum(each.work for each in cuttings))
            for cutting in cuttings:
                cutting.run(tally.add)
            self._masks = None
        self._tell()

    def _sink(self, array: Array) -> Any:
        is_masks, per_chunk = array.layout.dtype == bool, array.layout.per_chunk
        compare = self._compare_masks if is_masks else self._compare_images

        def sink(index: int, pixels: Pixels) -> None:
            part = slice(index * per_chunk, (index + 1) * per_chunk)
            rows = self._rows[part]
            found = pixels[: len(rows)].reshape(len(rows), *array.layout.stored_shape[1:])
            try:
                compare(part, rows, found)
            except StoreError as error:
                with self._lock:
                    self._verdict.add("sources", "", str(error))

        return sink

    def _compare_masks(self, part: slice, rows: Ints, found: Pixels) -> None:
        if self._masks is not None:
            self._masks[part] = found
        if self._cells.masks is not None and self._known:
            stored = self._cells.masks.read(rows)
            self._note("masks", rows, _differ(stored, found))

    def _compare_images(self, part: slice, rows: Ints, found: Pixels) -> None:
        stored = self._cells.read(rows)
        masked = self._request.masked
        if self._masks is None or not (masked or not self._known):
            self._note("", rows, _differ(stored, found))
            return
        laid = np.where(self._masks[part][:, None], found, found.dtype.type(0))
        differ = _differ(stored, laid)
        if not self._known:
            differ &= _differ(stored, found)
        self._note("", rows, differ)

    def _note(self, what: str, rows: Ints, differ: Bools) -> None:
        with self._lock:
            self._differ[what] += rows[differ].tolist()

    def _tell(self) -> None:
        kind, ids = self._request.kind, self._request.ids
        for what, rows in self._differ.items():
            name = f"{what} of " if what else ""
            for row in sorted(rows)[:_NAMED]:
                number = ids[np.searchsorted(self._rows, row)]
                self._verdict.add(
                    "sources",
                    "",
                    f"{name}{kind} {row} ({kind.capitalize()}ID {number}): other pixels than in "
                    "the sources",
                )
            if len(rows) > _NAMED:
                self._verdict.add(
                    "sources", "", f"{name}{len(rows) - _NAMED} more {kind}s: other pixels"
                )


def _differ(stored: Pixels, found: Pixels) -> Bools:
    """Tell which cells differ in any bit."""
    pairs = unsigned(np.ascontiguousarray(stored)) != unsigned(np.ascontiguousarray(found))
    differ: Bools = pairs.reshape(len(stored), -1).any(axis=1)
    return differ
