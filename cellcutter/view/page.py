"""Cells as a page: one HTML file that needs no network, and no library.

Pixels are in the file as bytes, a channel after the other, compressed by gzip, in base64. Byte
`BLACK` is what is black, byte `BRIGHT` what is brightest; there is room on both sides to change the
contrast. Invariant: whatever comes from data is escaped, and the page may load nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellcutter.errors import SettingsError, StoreError
from cellcutter.progress import Tally
from cellcutter.store import manifest
from cellcutter.store.reading.places import Place, open_files
from cellcutter.threads import pool
from cellcutter.types import Floats, Pixels
from cellcutter.version import __version__
from cellcutter.view.channels import COLOURS, read
from cellcutter.view.markup import json_in_page, policy_of
from cellcutter.view.scene import MAKER, Scene, batches, size_of
from cellcutter.view.table import Columns

BLACK, BRIGHT = 32, 160
MARK = f'<meta name="generator" content="{MAKER}">'
_ASSETS = Path(__file__).parent / "assets"
_MOST = 2 << 30  # bytes of pixels: no browser opens more
_MOST_TEXT = 500_000_000  # bytes of an element: Chromium has no text of 2**29
_LEVEL = 4  # of gzip: 6 takes twice as long for 2 % less
_EXACT = 1 << 53  # whole numbers up to it are exact in a script
_DIGITS = 6  # of numbers of the table, at least


def write_page(
    scene: Scene, columns: Columns, path: Path, group_by: str | None, tally: Tally
) -> None:
    """Write a page.

    Parameters
    ----------
    scene : Scene
    columns : Columns
        Of the chosen cells.
    path : Path
    group_by : str, optional
        The column that the page groups cells by at first.
    tally : Tally
        Counts cells.
    """
    pixels, masks = _bytes(scene, tally)
    parts = [*pixels, *([] if masks is None else [masks])]
    packed = [""] * len(parts)

    def pack(number: int) -> None:
        packed[number] = _packed(parts[number])

    with pool(scene.cells.threads, "cellcutter-page") as threads:
        threads.each(pack, range(len(parts)))
    about = _about(scene, columns, group_by, has_masks=masks is not None)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_parts(about, packed))


def quantised(pixels: Pixels, limits: Floats) -> Pixels:
    """Return pixels as bytes.

    Parameters
    ----------
    pixels : array of shape (n, channels, y, x)
    limits : float64 array of shape (n, channels, 2)
        What is black, and what is brightest; NaN for a channel that is not there.

    Returns
    -------
    uint8 array of the same shape
    """
    # whose digits are enough
    kind: Any = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    low = limits[:, :, 0, None, None].astype(kind)
    factor = ((BRIGHT - BLACK) / (limits[:, :, 1] - limits[:, :, 0]))[:, :, None, None]
    with np.errstate(over="ignore", invalid="ignore"):
        values = (pixels.astype(kind) - low) * factor.astype(kind) + (BLACK + 0.5)
    found: Pixels = np.nan_to_num(np.clip(values, 0, 255), copy=False).astype(np.uint8)
    return found


def _bytes(scene: Scene, tally: Tally) -> tuple[Pixels, Pixels | None]:
    """Return pixels, [channels, n, y, x], and masks, a bit each."""
    cells, rows, slides = scene.cells, scene.choice.rows, scene.slides
    _, _, height, width = cells.shape
    nbytes = len(scene.channels) * len(rows) * height * width
    if nbytes > _MOST:
        raise SettingsError(
            f"{len(rows)} cells x {len(scene.channels)} channels of {height} x {width} pixels: "
            f"{nbytes / 1e9:.0f} GB found, at most 2 expected: fewer cells (--number) or --channels"
        )
    found = np.empty((len(scene.channels), len(rows), *cells.shape[2:]), np.uint8)
    masks = []
    for part in batches(scene, len(scene.channels)):
        pixels = read(cells, rows[part], scene.channels)
        limits = scene.contrast.limits[slides[part]]
        found[:, part] = quantised(pixels, limits).swapaxes(0, 1)
        if cells.masks is not None:
            masks.append(cells.masks.read(rows[part]).astype(bool))
        tally.add(len(pixels))
    return found, np.packbits(np.concatenate(masks)) if masks else None


def _packed(values: Pixels) -> str:
    content = gzip.compress(np.ascontiguousarray(values).data, _LEVEL, mtime=0)
    text = base64.b64encode(content).decode("ascii")
    if len(text) > _MOST_TEXT:
        raise SettingsError(
            f"a channel of {len(text) / 1e6:.0f} MB found, at most {_MOST_TEXT / 1e6:.0f} "
            "expected: fewer cells (--number)"
        )
    return text


def _parts(about: dict[str, Any], packed: list[str]) -> Iterator[str]:
    """Yield the page, piece by piece."""
    style, script, body = (
        (_ASSETS / name).read_text(encoding="utf-8")
        for name in ("gallery.css", "gallery.js", "gallery.html")
    )
    policy = policy_of(script, style)
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{MARK}\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{html.escape(about['title'])}</title>\n<style>{style}</style>\n</head>\n"
    said = json_in_page(about)
    yield f'<body>\n{body}\n<script type="application/json" id="about">{said}</script>\n'
    for number, text in enumerate(packed):
        yield f'<script type="text/plain" id="data-{number}">{text}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _about(
    scene: Scene, columns: Columns, group_by: str | None, *, has_masks: bool
) -> dict[str, Any]:
    """Return all that the page is told but pixels."""
    cells = scene.cells
    size = size_of(cells)
    laid_over = 3 if len(scene.channels) > 4 else len(scene.channels)
    return {
        "title": ", ".join(cells.slides[:3]) + (" ..." if len(cells.slides) > 3 else ""),
        "version": __version__,
        "said": scene.said,
        "window": list(cells.shape[2:]),
        "pixelSize": None if size is None else {"x": size.x, "unit": size.unit},
        "black": BLACK,
        "bright": BRIGHT,
        "gamma": scene.gamma,
        "apart": scene.apart,
        "outline": scene.outline,
        "masks": has_masks,
        "hasIds": cells.ids is not None,
        "palette": COLOURS,
        "channels": [
            {
                "name": channel.name,
                "colour": list(channel.colour),
                "on": number < laid_over,
                "present": list(channel.present),
                "limits": [_limits(pair) for pair in scene.contrast.limits[:, number]],
                "said": scene.contrast.said[number],
            }
            for number, channel in enumerate(scene.channels)
        ],
        "slides": cells.slides,
        "stores": [_key(path) for path in cells.paths],
        "slide": scene.slides.tolist(),
        "ids": scene.ids,
        "columns": [_column(str(name), columns.table[name]) for name in columns.table],
        "marks": columns.marks,
        "groupBy": group_by,
        "caption": scene.column,
    }


def _key(place: Place) -> str:
    """Return what a browser keeps the marks of a store by; it tells nobody where the store is."""
    content = None
    with suppress(StoreError):  # verify tells of it
        content = open_files(place).read(manifest.NAME)
    if content is not None:
        name = manifest.identity(content)
    else:
        name = str(place.resolve() if isinstance(place, Path) else place)
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _limits(pair: Floats) -> list[float] | None:
    return [float(value) for value in pair] if np.isfinite(pair).all() else None


def _column(name: str, values: pd.Series[Any]) -> dict[str, Any]:
    """Return a column: numbers, null where there is none; or texts by their numbers."""
    dtype = values.dtype
    has_large = pd.api.types.is_integer_dtype(dtype) and _has_large(values)
    is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if is_number and not has_large:
        numbers = values.astype(np.float64).to_numpy()
        return {"name": name, "numbers": [_number(number) for number in numbers.tolist()]}
    missing = values.isna().to_numpy(bool).tolist()
    pairs = zip(values.tolist(), missing, strict=True)
    texts = [None if none else str(value) for value, none in pairs]
    there = {text for text in texts if text is not None}
    if isinstance(dtype, pd.CategoricalDtype):  # in the order of the categories
        known = [text for text in map(str, dtype.categories) if text in there]
    else:
        known = sorted(there, key=int if has_large else None)
    place = {text: number for number, text in enumerate(known)}
    codes = [-1 if text is None else place[text] for text in texts]
    return {"name": name, "texts": known, "codes": codes}


def _has_large(values: pd.Series[Any]) -> bool:
    """Tell whether whole numbers have more digits than numbers of a script."""
    there = values.dropna()
    return len(there) > 0 and bool(max(int(there.max()), -int(there.min())) > _EXACT)


def _number(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    if abs(value) >= 10**_DIGITS:  # digits before the point are never lost
        return round(value) if abs(value) < 1e15 else value
    return int(value) if value.is_integer() else float(f"{value:.{_DIGITS}g}")
