"""Pure: channel names and pixel sizes out of the metadata that image files carry.

OME-XML: https://docs.openmicroscopy.org/ome-model/latest/ome-xml/; QPTIFF: the XML of Akoya's
ImageDescription.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from cellcutter.types import PixelSize

Names = tuple[str, ...]


def from_ome_xml(xml: str, index: int, channels: int) -> tuple[Names | None, PixelSize | None]:
    """Return the channel names and the pixel size of an image of an OME-XML.

    Parameters
    ----------
    xml : str
    index : int
        Which of the images.
    channels : int
        Number of channels expected; names that are not as many are not taken.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314 - expat does not follow external entities
    except ET.ParseError:
        return None, None
    pixels = root.findall("{*}Image/{*}Pixels")
    if index >= len(pixels):
        return None, None
    names = [channel.get("Name") for channel in pixels[index].findall("{*}Channel")]
    return all_names(names, channels), _pixel_size(pixels[index].attrib)


def all_names(names: Sequence[str | None], channels: int) -> Names | None:
    """Return names if there is one for every channel, else None."""
    known = tuple(name for name in names if name)
    return known if len(known) == len(names) == channels else None


def from_qptiff(descriptions: Sequence[str], channels: int) -> Names | None:
    """Return the biomarkers, or else the names, of the pages of a QPTIFF."""
    names: list[str | None] = []
    for description in descriptions:
        try:
            root = ET.fromstring(description)  # noqa: S314 - as above
        except ET.ParseError:
            return None
        names.append(root.findtext("Biomarker") or root.findtext("Name"))
    return all_names(names, channels)


def from_imagej(
    metadata: Mapping[str, object], resolution: tuple[float, float], channels: int
) -> tuple[Names | None, PixelSize | None]:
    """Return the labels and the pixel size of ImageJ's metadata.

    Parameters
    ----------
    metadata : mapping
    resolution : (x, y)
        Pixels per unit.
    channels : int
    """
    labels = metadata.get("Labels")
    names = all_names(labels, channels) if isinstance(labels, list) else None
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    unit = "µm" if unit in ("micron", "um") else unit
    if not unit or unit == "pixel" or min(resolution) <= 0:
        return names, None
    return names, PixelSize(1 / resolution[1], 1 / resolution[0], unit)


def _pixel_size(attributes: Mapping[str, str]) -> PixelSize | None:
    try:
        y, x = (float(attributes[f"PhysicalSize{axis}"]) for axis in "YX")
    except (KeyError, ValueError):
        return None
    return PixelSize(y, x, attributes.get("PhysicalSizeXUnit", "µm"))
