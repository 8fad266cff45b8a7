"""Cells as a picture for papers: PNG or PDF, by matplotlib.

Invariant: pixels are not smoothed, and in a PNG each is a square of whole dots; text in a PDF stays
text, in fonts that are embedded.
"""

from __future__ import annotations

import logging
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcutter.errors import SettingsError
from cellcutter.progress import Tally
from cellcutter.types import Bools, Pixels
from cellcutter.view.channels import Colour, brightness, composite, read
from cellcutter.view.layout import Layout, lay_out, scale_bar
from cellcutter.view.outlines import outlines
from cellcutter.view.scene import Scene, number, range_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BATCH = 256  # cells that are read at one time
_MOST_DOTS = 1 << 16  # of a side, for matplotlib
_CAPTION, _LEGEND = 5.5, 7.0  # points
_LEGEND_LINE = 0.16  # inches
_OF_PDF = 4  # dots of a pixel's side: viewers that smooth images blur it less
_FEW = 3  # slides whose limits the legend tells
_ABSENT = (214, 214, 214)
_SETTINGS: Any = {
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "axes.unicode_minus": False,
    "text.parse_math": False,  # names of markers are no formulas
}


def draw(scene: Scene, path: Path, form: str, dpi: int, across: int | None, tally: Tally) -> None:
    """Write a picture.

    Parameters
    ----------
    scene : Scene
    path : Path
    form : "png" or "pdf"
    dpi : int
        Of a PNG.
    across : int, optional
        Cells in a row.
    tally : Tally
        Counts cells.

    Raises
    ------
    SettingsError
        The picture would be too large.
    """
    mpl, Figure = _matplotlib()  # noqa: N806 - a class
    tiles = len(scene.channels) if scene.apart else 1
    legend = _legend(scene)
    _, _, height, width = scene.cells.shape
    layout = lay_out(
        scene.choice.groups,
        (height, width),
        tiles=tiles,
        lines=2 if scene.column and not scene.apart else 1,
        legend=0.3 + _LEGEND_LINE * len(legend) + 0.08,
        across=across,
        dots=dpi if form == "png" else None,
    )
    size = layout.width * layout.pixel, layout.height * layout.pixel
    dots = dpi if form == "png" else 72
    if max(size) * dots >= _MOST_DOTS:
        raise SettingsError(
            f"{len(scene.ids)} cells: a picture of {size[0]:.0f} x {size[1]:.0f} inches at {dots} "
            "dots per inch found, a smaller one expected: fewer cells, --dpi, or an HTML page"
        )
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as boxes
        figure = Figure(figsize=size, dpi=dots, facecolor="none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, layout.width)
        axes.set_ylim(layout.height, 0)
        canvas = _images(scene, layout, axes, tally)
        _captions(scene, layout, axes)
        _draw_legend(scene, layout, axes, legend)
        if form == "png":
            _save_png(figure, canvas, round(layout.pixel * dpi), path)
            return
        axes.imshow(
            canvas.repeat(_OF_PDF, axis=0).repeat(_OF_PDF, axis=1),
            extent=(0, layout.width, layout.footer, 0),
            interpolation="none",
            aspect="auto",
        )
        axes.set_xlim(0, layout.width)
        axes.set_ylim(layout.height, 0)
        # no date: the same cells make the same bytes
        figure.savefig(path, format="pdf", dpi=dots, metadata={"CreationDate": None})


def _matplotlib() -> tuple[Any, type[Figure]]:
    """Import matplotlib; it need not say that it cannot write its cache."""
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    finally:
        log.setLevel(before)
    return mpl, Figure


def _save_png(figure: Figure, canvas: Pixels, size: int, path: Path) -> None:
    """Lay what is drawn over thumbnails whose pixels are squares of so many dots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(figure)
    agg.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(agg.buffer_rgba())  # type: ignore[no-untyped-call]
    image = np.full((*drawn.shape[:2], 3), 255, np.uint8)
    large = canvas.repeat(size, axis=0).repeat(size, axis=1)
    image[: large.shape[0]] = large
    there = drawn[..., 3] > 0
    over, light = image[there].astype(np.float64), drawn[there].astype(np.float64)
    part = light[:, 3:] / 255
    image[there] = (over * (1 - part) + light[:, :3] * part + 0.5).astype(np.uint8)
    dpi = figure.dpi
    Image.fromarray(image).save(path, dpi=(dpi, dpi), compress_level=4)


def pictures(scene: Scene) -> Iterator[tuple[int, Pixels, Bools | None]]:
    """Yield the chosen cells in their colours, some at a time.

    Yields
    ------
    first : int
        The number of the first of them.
    tiles : uint8 array of shape (n, tiles, y, x, 3)
        Of each cell one, or one for each channel.
    masks : bool array of shape (n, y, x) or None
    """
    colours = [channel.colour for channel in scene.channels]
    slides, masks = scene.slides, scene.cells.masks
    for first in range(0, len(scene.ids), _BATCH):
        part = slice(first, first + _BATCH)
        rows = scene.choice.rows[part]
        limits = scene.contrast.limits[slides[part]]
        bright = brightness(read(scene.cells, rows, scene.channels), limits, scene.gamma)
        if scene.apart:
            tiles = np.stack([_one(bright, limits, i, c) for i, c in enumerate(colours)], axis=1)
        else:
            tiles = composite(bright, colours)[:, None]
        yield first, tiles, masks.read(rows).astype(bool) if scene.outline and masks else None


def _one(bright: Any, limits: Any, channel: int, colour: Colour) -> Pixels:
    """Return a channel by itself; grey all over where a slide lacks it."""
    found = composite(bright[:, channel : channel + 1], [colour])
    found[np.isnan(limits[:, channel, 0])] = _ABSENT
    return found


def _images(scene: Scene, layout: Layout, axes: Axes, tally: Tally) -> Pixels:
    """Draw the outlines; return all thumbnails as one image, uint8 of shape (y, x, 3)."""
    from matplotlib.collections import LineCollection

    height, width = scene.cells.shape[2:]
    canvas = np.full((layout.footer, layout.width, 3), 255, np.uint8)
    lines = []
    for first, tiles, masks in pictures(scene):
        for i, of_cell in enumerate(tiles):
            left, upper = layout.places[first + i]
            drawn = [] if masks is None else outlines(masks[i])
            for tile in of_cell:
                canvas[upper : upper + height, left : left + width] = tile
                lines += [line + np.array([left, upper]) for line in drawn]
                left += layout.step
        tally.add(len(tiles))
    axes.add_collection(LineCollection(lines, colors="white", linewidths=0.6, zorder=2))
    return canvas


def _captions(scene: Scene, layout: Layout, axes: Axes) -> None:
    """Write CellID and value below each cell, the names of groups, the markers above columns."""
    height, width = scene.cells.shape[2:]
    tiles = len(scene.channels) if scene.apart else 1
    middle = ((tiles - 1) * layout.step + width) / 2
    between = " \N{MIDDLE DOT} " if scene.apart else "\n"
    for number_, (left, upper) in enumerate(layout.places):
        text = scene.ids[number_]
        if scene.column:
            text += between + _short(scene.values[number_], 14)
        axes.text(
            left + middle,
            upper + height + 0.02 / layout.pixel,
            text,
            size=_CAPTION,
            ha="center",
            va="top",
            linespacing=1.0,
            color="0.25",
        )
    for name, start, centre in layout.names:
        axes.text(start, centre, _wrapped(name), size=_LEGEND, va="center", weight="bold")
    if scene.apart and tiles > 1:
        room = layout.step * layout.pixel * 72 / (0.57 * _CAPTION)
        for left in layout.headers:
            for i, channel in enumerate(scene.channels):
                axes.text(
                    left + i * layout.step + width / 2,
                    min(upper for _, upper in layout.places) - 0.03 / layout.pixel,
                    _short(channel.name, max(3, int(room))),
                    size=_CAPTION,
                    ha="center",
                    va="bottom",
                )


def _short(text: str, most: int) -> str:
    """Return a text on one line, and not too long."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(_short(name, 48), 16) or [name]
    return "\n".join(lines[:3])


def _legend(scene: Scene) -> list[tuple[Colour | None, str]]:
    """Return the lines of the legend: a colour, where it has one, and words."""
    lines: list[tuple[Colour | None, str]] = []
    slides = scene.cells.slides
    plain = scene.apart and len({channel.colour for channel in scene.channels}) == 1
    for i, channel in enumerate(scene.channels):
        limits = scene.contrast.limits[:, i]
        known = [limits[s] for s, present in enumerate(channel.present) if present]
        lacking = [slides[s] for s, present in enumerate(channel.present) if not present]
        if len({tuple(pair) for pair in known}) == 1:
            words = f"{range_of(known[0])}"
        elif len(known) <= _FEW:
            there = [name for name, present in zip(slides, channel.present, strict=True) if present]
            pairs = zip(there, known, strict=True)
            words = ", ".join(f"{_short(name, 24)} {range_of(pair)}" for name, pair in pairs)
        else:
            words = "each slide by itself"
        words += f" ({scene.contrast.said[i]})"
        if lacking:
            words += f"; absent in {_short(', '.join(lacking), 40)}"
        lines.append((None if plain else channel.colour, f"{_short(channel.name, 40)}   {words}"))
    notes = [*scene.said]
    if scene.gamma != 1:
        notes.append(f"gamma {number(scene.gamma)}")
    if scene.column:
        notes.append(
            f"below each cell: {'CellID' if scene.cells.ids is not None else 'row'}, "
            f"{_short(scene.column, 40)}"
        )
    lines.append((None, "; ".join(notes)))
    return lines


def _draw_legend(
    scene: Scene, layout: Layout, axes: Axes, lines: list[tuple[Colour | None, str]]
) -> None:
    """Draw the scale bar and the legend below the cells."""
    from matplotlib.patches import Rectangle

    inch = 1 / layout.pixel
    y = layout.footer + 0.14 * inch
    length, words = _bar(scene)
    axes.add_patch(Rectangle((layout.left, y), length, 0.035 * inch, color="black", lw=0))
    axes.text(
        layout.left + length + 0.06 * inch, y + 0.018 * inch, words, size=_LEGEND, va="center"
    )
    y += 0.22 * inch
    for colour, text in lines:
        left = float(layout.left)
        if colour:
            face = tuple(value / 255 for value in colour)
            axes.add_patch(
                Rectangle(
                    (left, y - 0.045 * inch),
                    0.09 * inch,
                    0.09 * inch,
                    facecolor=face,
                    edgecolor="black",
                    lw=0.4,
                )
            )
            left += 0.16 * inch
        room = int((layout.width - left) * layout.pixel * 72 / (0.56 * _LEGEND))
        axes.text(left, y, _short(text, room), size=_LEGEND, va="center")
        y += _LEGEND_LINE * inch


def _bar(scene: Scene) -> tuple[float, str]:
    """Return length in pixels and words of the scale bar."""
    width = scene.cells.shape[3]
    size = scene.cells.pixel_size
    if size is None:
        length = scale_bar(1.0, width)
        why = "sizes differ" if any(scene.cells.pixel_sizes) else "size not known"
        return length, f"{length:g} pixels ({why})"
    length = scale_bar(size.x, width)
    return length / size.x, f"{length:g} {size.unit}"
