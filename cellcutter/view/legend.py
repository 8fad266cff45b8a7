"""The legend of a picture: the scale bar, and for each channel its colour and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcutter.view.channels import Colour
from cellcutter.view.layout import Layout, scale_bar
from cellcutter.view.scene import Scene, number, range_of, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 7.0  # points
_LINE = 0.16  # inches
_FEW = 3  # slides whose limits are told
Lines = list[tuple[Colour | None, str]]


def inches(lines: Lines) -> float:
    """Return how high a legend is."""
    return 0.38 + _LINE * len(lines)


def short(text: str, most: int) -> str:
    """Return a text on one line, and not too long."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def legend_of(scene: Scene) -> Lines:
    """Return the lines of the legend: a colour, where it has one, and words."""
    lines: Lines = []
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
            words = ", ".join(f"{short(name, 24)} {range_of(pair)}" for name, pair in pairs)
        else:
            words = "each slide by itself"
        words += f" ({scene.contrast.said[i]})"
        if lacking:
            words += f"; absent in {short(', '.join(lacking), 40)}"
        lines.append((None if plain else channel.colour, f"{short(channel.name, 40)}   {words}"))
    notes = [*scene.said]
    if scene.gamma != 1:
        notes.append(f"gamma {number(scene.gamma)}")
    if scene.column:
        notes.append(
            f"below each cell: {'CellID' if scene.cells.ids is not None else 'row'}, "
            f"{short(scene.column, 40)}"
        )
    lines.append((None, "; ".join(notes)))
    return lines


def draw_legend(scene: Scene, layout: Layout, axes: Axes, lines: Lines) -> None:
    """Draw the scale bar and the legend below the cells."""
    from matplotlib.patches import Rectangle

    inch = 1 / layout.pixel
    y = layout.footer + 0.14 * inch
    length, words = _bar(scene)
    axes.add_patch(Rectangle((layout.left, y), length, 0.035 * inch, color="black", lw=0))
    axes.text(layout.left + length + 0.06 * inch, y + 0.018 * inch, words, size=SIZE, va="center")
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
        room = int((layout.width - left) * layout.pixel * 72 / (0.56 * SIZE))
        axes.text(left, y, short(text, room), size=SIZE, va="center")
        y += _LINE * inch


def _bar(scene: Scene) -> tuple[float, str]:
    """Return length in pixels and words of the scale bar."""
    width = scene.cells.shape[3]
    size = size_of(scene.cells)
    if size is None:
        length = scale_bar(1.0, width)
        why = "sizes differ" if len(set(scene.cells.pixel_sizes)) > 1 else "size not known"
        return length, f"{length:g} pixels ({why})"
    length = scale_bar(size.x, width)
    return length / size.x, f"{length:g} {short(size.unit, 20)}"
