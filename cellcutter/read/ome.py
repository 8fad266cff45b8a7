"""Pure: channel names and pixel sizes out of the metadata that image files carry.

OME-XML: https://docs.openmicroscopy.org/ome-model/latest/ome-xml/; QPTIFF: the XML of Akoya's
ImageDescription; MIBItiff: JSON in the ImageDescription of each page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from cellcutter.types import PixelSize, known_size

Names = tuple[str, ...]


@dataclass
class TiffData:
    """Where some planes of an OME image lie.

    Parameters
    ----------
    first : dict
        Place of the first plane along Z, C and T, from 0.
    ifd : int, optional
        The page of the first plane, from 0.
    count : int, optional
        Number of planes, which lie in pages that follow each other.
    uuid, file : str, optional
        The file, by its UUID and its name without folders; the file itself where both are None.
    """

    first: dict[str, int]
    ifd: int | None
    count: int | None
    uuid: str | None = None
    file: str | None = None

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """What tells the file that the planes lie in from others."""
        return self.uuid, self.file


@dataclass
class OmeImage:
    """An image of an OME-XML.

    Parameters
    ----------
    name : str, optional
    order : str
        The axes beside X and Y, the one that changes fastest first: "ZCT".
    sizes : dict
        Length of each axis, X, Y, Z, C and T.
    channels : list of (name, samples)
    pixel_size : PixelSize, optional
    data : list of TiffData
    """

    name: str | None
    order: str = "ZCT"
    sizes: dict[str, int] = field(default_factory=dict)
    channels: list[tuple[str | None, int]] = field(default_factory=list)
    pixel_size: PixelSize | None = None
    data: list[TiffData] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Samples of a pixel, channels that lie in one plane; 0 where channels differ in it."""
        found = {samples for _, samples in self.channels} or {1}
        return found.pop() if len(found) == 1 else 0

    def names(self, channels: int) -> Names | None:
        """Return the names of the channels, if there is one for each of `channels`."""
        return all_names([name for name, _ in self.channels], channels)


@dataclass
class Ome:
    """What an OME-XML says of images and the files they lie in.

    Parameters
    ----------
    uuid : str, optional
        Of the file that the OME-XML lies in.
    companion : str, optional
        Name of the file that has the metadata instead.
    images : list of OmeImage
    """

    uuid: str | None = None
    companion: str | None = None
    images: list[OmeImage] = field(default_factory=list)


class _OmeParser:
    """Takes from an OME-XML what we want while it is parsed; no tree is built."""

    def __init__(self) -> None:
        self.ome = Ome()
        self._path: list[str] = []
        self._depth = 0
        self._image: OmeImage | None = None
        self._uuid: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > len(self._path) + 1 or self._depth > 5:
            return
        self._path.append(tag.rpartition("}")[2])
        match self._path:
            case [_]:
                self.ome.uuid = attributes.get("UUID")
            case [_, "BinaryOnly"]:
                self.ome.companion = _base(attributes.get("MetadataFile"))
            case [_, "Image"]:
                self._image = OmeImage(attributes.get("Name"))
                self.ome.images.append(self._image)
            case [_, "Image", "Pixels"] if self._image is not None:
                self._pixels(self._image, attributes)
            case [_, "Image", "Pixels", "Channel"] if self._image is not None:
                samples = int(attributes.get("SamplesPerPixel") or 1)
                self._image.channels.append((attributes.get("Name"), samples))
            case [_, "Image", "Pixels", "TiffData"] if self._image is not None:
                first = {axis: int(attributes.get(f"First{axis}") or 0) for axis in "ZCT"}
                ifd, count = attributes.get("IFD"), attributes.get("PlaneCount")
                count = count or attributes.get("NumPlanes")
                self._image.data.append(
                    TiffData(first, int(ifd) if ifd else None, int(count) if count else None)
                )
            case [_, "Image", "Pixels", "TiffData", "UUID"] if self._image is not None:
                self._image.data[-1].file = _base(attributes.get("FileName"))
                self._uuid = []

    def _pixels(self, image: OmeImage, attributes: Mapping[str, str]) -> None:
        image.sizes = {axis: int(attributes[f"Size{axis}"]) for axis in "XYZCT"}
        order = attributes.get("DimensionOrder", "XYZCT")
        if sorted(order) != sorted("XYZCT") or not order.startswith("XY"):
            raise ValueError(f"dimension order {order}")
        image.order = order[2:]
        image.pixel_size = _pixel_size(attributes)

    def end(self, _tag: str) -> None:
        if self._uuid is not None and self._image is not None:
            self._image.data[-1].uuid = "".join(self._uuid).strip() or None
            self._uuid = None
        if self._depth == len(self._path):
            self._path.pop()
        self._depth -= 1

    def data(self, text: str) -> None:
        if self._uuid is not None and self._depth == len(self._path):
            self._uuid.append(text)

    def close(self) -> Ome:
        return self.ome


def parse_ome(xml: str) -> Ome | None:
    """Return what an OME-XML says; None where it is none, or cannot be understood."""
    found = _OmeParser()
    parser = ET.XMLParser(target=found)  # noqa: S314 - reads no external entities
    try:
        parser.feed(xml)
        parser.close()
    except (ET.ParseError, ValueError, KeyError, IndexError):
        return None
    return found.ome


def _base(name: str | None) -> str | None:
    """Return a file's name without folders, of whatever system; None where there is none."""
    return PurePosixPath(name.replace("\\", "/")).name or None if name else None


def name_of_page(tag: object, description: str) -> tuple[str | None, str | None]:
    """Return the name of a page, and what it is where it says that it is beside the point.

    Parameters
    ----------
    tag : object
        Value of the page's tag PageName, if it has one.
    description : str
        Its ImageDescription: JSON, as MIBItiff and tifffile have it, or anything else.

    Returns
    -------
    name, aside : str or None
        `aside` is the ``image.type`` of a MIBItiff's page other than "SIMS".
    """
    values: object = None
    if description.startswith("{"):
        try:
            values = json.loads(description)
        except (ValueError, RecursionError):
            values = None
    found = values if isinstance(values, dict) else {}
    kind = found.get("image.type")
    aside = str(kind) if kind and kind != "SIMS" else None
    name = found.get("channel.target") or tag or found.get("Name") or found.get("name")
    return (str(name).strip() or None if name else None), aside


def all_names(names: Sequence[object], channels: int) -> Names | None:
    """Return names, empty where a channel has none; None where none has, or too few are told."""
    found = tuple("" if name is None else str(name) for name in names)
    return found if len(found) == channels and any(found) else None


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
    return names, known_size(1 / resolution[1], 1 / resolution[0], unit)


def _pixel_size(attributes: Mapping[str, str]) -> PixelSize | None:
    try:
        y, x = (float(attributes[f"PhysicalSize{axis}"]) for axis in "YX")
    except (KeyError, ValueError):
        return None
    return known_size(y, x, attributes.get("PhysicalSizeXUnit", "µm"))
