"""The metadata of an array in Zarr's format 2, which is the layout `chunks`.

Written here and not by zarr-python, as in :mod:`~cellcutter.store.zarr3`: the same input makes the
same bytes, whatever version is installed, and no run waits for the package to be loaded. The format
is https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html.
"""

from __future__ import annotations

import json

from cellcutter.store.codec import Codec
from cellcutter.store.layout import Layout

METADATA, ATTRIBUTES = ".zarray", ".zattrs"


def array_metadata(layout: Layout, codec: Codec | None) -> bytes:
    """Return what the file ``.zarray`` says.

    There is no fill value: all chunks are there, and xarray would take a value for "missing".

    Parameters
    ----------
    layout : Layout
    codec : Codec or None
        None where chunks are not compressed.
    """
    metadata = {
        "shape": list(layout.shape),
        "chunks": list(layout.chunks),
        "dtype": layout.dtype.newbyteorder("<").str,
        "fill_value": None,
        "order": "C",
        "filters": None,
        "dimension_separator": ".",
        "compressor": None if codec is None else {"id": "blosc", **codec.config()},
        "zarr_format": 2,
    }
    return json.dumps(metadata, indent=2).encode()
