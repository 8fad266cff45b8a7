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
from cellcutter.view.layout import Layout, lay_out
from cellcutter.view.legend import SIZE, draw_legend, inches, legend_of, short
from cellcutter.view.outlines import outlines
from cellcutter.view.scene import MAKER, Scene, batches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DOTS, _MOST = 1 << 16, 5e8  # of a side, for matplotlib; of all
_CAPTION = 5.5  # points
_OF_PDF = 4  # dots of a pixel's side: viewers that smooth images blur it less
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
    legend = legend_of(scene)
    _, _, height, width = scene.cells.shape
    layout = lay_out(
        scene.choice.groups,
        (height, width),
        tiles=tiles,
        lines=2 if scene.column and not scene.apart else 1,
        legend=inches(legend),
        across=across,
        dots=dpi if form == "png" else None,
    )
    size = layout.width * layout.pixel, layout.height * layout.pixel
    dots = dpi if form == "png" else 72
    if max(size) * dots >= _MOST_DOTS or size[0] * size[1] * dots**2 > _MOST:
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
        axes.set_autoscale_on(False)
        canvas = _images(scene, layout, axes, tally)
        _captions(scene, layout, axes)
        draw_legend(scene, layout, axes, legend)
        if form == "png":
            _save_png(figure, canvas, round(layout.pixel * dpi), path)
        else:
            _save_pdf(figure, canvas, layout, path)


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
    from PIL import Image, PngImagePlugin

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
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", MAKER)
    Image.fromarray(image).save(path, dpi=(dpi, dpi), compress_level=4, pnginfo=about)


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
    for part in batches(scene, 4 * len(scene.channels)):
        rows = scene.choice.rows[part]
        limits = scene.contrast.limits[slides[part]]
        bright = brightness(read(scene.cells, rows, scene.channels), limits, scene.gamma)
        if scene.apart:
            tiles = np.stack([_one(bright, limits, i, c) for i, c in enumerate(colours)], axis=1)
        else:
            tiles = composite(bright, colours)[:, None]
        yield part.start, tiles, masks.read(rows).astype(bool) if scene.outline and masks else None


def _one(bright: Any, limits: Any, channel: int, colour: Colour) -> Pixels:
    """Return a channel by itself; grey all over where a slide lacks it."""
    found = composite(bright[:, channel : channel + 1], [colour])
    found[np.isnan(limits[:, channel, 0])] = _ABSENT
    return found


def _save_pdf(figure: Figure, canvas: Pixels, layout: Layout, path: Path) -> None:
    """Put thumbnails below what is drawn; no date, so the same cells make the same bytes."""
    figure.axes[0].imshow(
        canvas.repeat(_OF_PDF, axis=0).repeat(_OF_PDF, axis=1),
        extent=(0, layout.width, layout.footer, 0),
        interpolation="none",
        aspect="auto",
    )
    figure.axes[0].set_ylim(layout.height, 0)
    figure.savefig(path, format="pdf", metadata={"CreationDate": None, "Creator": MAKER})


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
    room = (tiles * layout.step) * layout.pixel * 72 / (0.6 * _CAPTION)
    between = " \N{MIDDLE DOT} " if scene.apart else "\n"
    for number_, (left, upper) in enumerate(layout.places):
        text = scene.ids[number_]
        if scene.column:
            text += between + short(scene.values[number_], max(4, int(room)))
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
        axes.text(start, centre, _wrapped(name), size=SIZE, va="center", weight="bold")
    if scene.apart and tiles > 1:
        room = layout.step * layout.pixel * 72 / (0.57 * _CAPTION)
        for left in layout.headers:
            for i, channel in enumerate(scene.channels):
                axes.text(
                    left + i * layout.step + width / 2,
                    min(upper for _, upper in layout.places) - 0.03 / layout.pixel,
                    short(channel.name, max(3, int(room))),
                    size=_CAPTION,
                    ha="center",
                    va="bottom",
                )


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(short(name, 48), 16) or [name]
    return "\n".join(lines[:3])
