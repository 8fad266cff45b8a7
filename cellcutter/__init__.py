"""Cut a thumbnail of every cell out of a multiplexed tissue image into one Zarr array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellcutter.version import __version__

__all__ = ["CutResult", "__version__", "cut_cells", "cut_tiles"]

if TYPE_CHECKING:
    from cellcutter.cut import CutResult, cut_cells, cut_tiles


def __getattr__(name: str) -> Any:
    """Import the program's interface when it is first asked for: `--help` need not wait for it."""
    if name in __all__:
        from cellcutter import cut

        return getattr(cut, name)
    raise AttributeError(f"module 'cellcutter' has no attribute {name!r}")
