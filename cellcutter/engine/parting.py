"""Pure: how the output's channels are shared out to walks.

Invariant: a walk has whole units of a chunk's division, and no plane is read by two walks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from cellcutter.types import Ints


@dataclass(frozen=True)
class Parting:
    """The ways to share out channels.

    Parameters
    ----------
    planes : sequence of int
        The plane of each output channel.
    unit : int
        Channels that must be written together.
    """

    planes: Sequence[int]
    unit: int

    @cached_property
    def cuts(self) -> Ints:
        """Where channels may be parted, with both ends."""
        last = {plane: i for i, plane in enumerate(self.planes)}
        cuts, reach = [0], -1
        for i, plane in enumerate(self.planes):
            reach = max(reach, last[plane])
            if reach == i and (i + 1) % self.unit == 0:
                cuts.append(i + 1)
        return np.array(cuts)

    @property
    def most(self) -> int:
        """The largest number of walks."""
        return len(self.cuts) - 1

    def numbers(self) -> list[int]:
        """Return the numbers of walks worth trying, from one to the most.

        Of those whose largest share has as many pieces the least, and the small ones: of thousands
        of channels there are two hundred.
        """
        few = range(1, isqrt(self.most) + 2)
        return sorted({min(n, self.most) for n in few} | {-(-self.most // n) for n in few})

    def parts(self, walks: int) -> tuple[range, ...]:
        """Return the channels of each of some walks."""
        bounds = self._bounds(walks).tolist()
        return tuple(map(range, bounds[:-1], bounds[1:]))

    def largest(self, walks: int) -> int:
        """Return the channels of the walk that has the most."""
        return int(np.diff(self._bounds(walks)).max())

    def _bounds(self, walks: int) -> Ints:
        bounds: Ints = self.cuts[self.most * np.arange(walks + 1) // walks]
        return bounds
