"""The images of an OME-TIFF: which planes an OME-XML describes, and in which files they lie.

A file is often renamed, converted or copied, while its OME-XML goes on to name other files. So
the planes of the file itself are taken wherever it holds them; other files are read only where the
file is one of the set that its OME-XML describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import prod
from pathlib import Path

import tifffile

from cellcutter.errors import ImageError
from cellcutter.read.image import MOST_CHANNELS
from cellcutter.read.ome import Names, OmeImage, TiffData, parse_ome
from cellcutter.read.tiff.images import Absent, Page, Picture, loose_pages
from cellcutter.read.tiff.set import FileSet, Owner, companion_of, page_at
from cellcutter.types import PixelSize


def ome_pictures(path: Path, tiff: tifffile.TiffFile, stack: ExitStack) -> list[Picture]:
    """Return the images of an OME-TIFF.

    Where its OME-XML does not fit the file, the pages are taken as they are, with a note.

    Raises
    ------
    ImageError
        The OME-XML claims more planes than there are, or than any image has.
    """
    ome = parse_ome(tiff.ome_metadata or "")
    if ome is None:
        return loose_pages(path, tiff, ("its OME-XML cannot be understood, and is not used",))
    uuid, companion = ome.uuid, ome.companion
    if not ome.images and companion:
        ome = companion_of(path, companion)
        if ome is None:
            note = f"{companion}, which has its metadata, was not found: read without"
            return loose_pages(path, tiff, (note,))
    images = [image for image in ome.images if image.sizes]
    for image in images:
        if not image.data:  # all pages, in their order
            image.data.append(TiffData(dict.fromkeys("ZCT", 0), None, None))
    files = FileSet(path, tiff, stack, uuid)
    owners = {data.owner for image in images for data in image.data}
    notes: tuple[str, ...] = ()
    if owners and not any(files.is_own(owner) for owner in owners):
        notes = _renamed_note(owners)
        if len(owners) > 1:  # which of the files this was before is not known
            return _renamed_member(path, tiff, images, notes)
        files.same = owners
    images = [image for image in images if any(files.is_own(d.owner) for d in image.data)]
    found = [(image, _picture(path, files, image, notes)) for image in images]
    fitting = [picture for _, picture in found if picture is not None]
    if not fitting:
        return loose_pages(path, tiff, _foreign_note(images))
    fitting = _noting_left_out(tiff, fitting)
    return _together(fitting, [image for image, picture in found if picture is not None])


def _renamed_note(owners: set[Owner]) -> tuple[str, ...]:
    """Return a note on a file that its OME-XML does not name, if that names any."""
    names = sorted(file for _, file in owners if file)
    if not names:
        return ()
    others = " and others" if len(owners) > 1 else ""
    note = (
        f"its OME-XML names {names[0]}{others}, and not this file: the pixels of this file are read"
    )
    return (note,)


def _foreign_note(images: Sequence[OmeImage]) -> tuple[str, ...]:
    if not images:
        return ("its OME-XML describes no image of this file, and is not used",)
    sizes = images[0].sizes
    note = (
        f"its OME-XML describes another image ({sizes['C']} channels of {sizes['Y']} x "
        f"{sizes['X']} pixels): its names and pixel size are not used"
    )
    return (note,)


def _renamed_member(
    path: Path, tiff: tifffile.TiffFile, images: Sequence[OmeImage], notes: tuple[str, ...]
) -> list[Picture]:
    """Take the pages of a file that its OME-XML, of a set, does not name.

    Names and pixel size are those of the OME-XML where it describes as many planes of that size.
    """
    found = loose_pages(path, tiff, notes)
    if len(found) > 1 or len(images) > 1:
        return found
    image, key = images[0], found[0].key
    if (image.sizes["Y"], image.sizes["X"]) != (key.imagelength, key.imagewidth):
        return found

    def metadata(_pages: Sequence[Page], channels: int) -> tuple[Names | None, PixelSize | None]:
        names = image.names(channels) if image.sizes["Z"] == image.sizes["T"] == 1 else None
        return names, image.pixel_size

    one = found[0]
    return [Picture(one.axes, one.lengths, one.pages, key, metadata, image.name, notes=one.notes)]


def _picture(path: Path, files: FileSet, image: OmeImage, notes: tuple[str, ...]) -> Picture | None:
    """Return an image of the OME-XML; None where it describes other pixels than the files hold."""
    key = _first_page(files, image)
    if key is None:
        return None
    if (image.sizes["Y"], image.sizes["X"]) != (key.imagelength, key.imagewidth):
        return None
    separate, _, _, _, contiguous = key.shaped
    samples = separate * contiguous
    if min(image.sizes.values()) < 1 or image.sizes["C"] % samples:
        return None
    if not image.samples:
        raise ImageError(
            f"{path}: channels of different SamplesPerPixel found in its OME-XML, one expected"
        )
    sizes = {**image.sizes, "C": image.sizes["C"] // samples}
    order = image.order[::-1]  # the one that changes slowest first
    lengths = tuple(sizes[axis] for axis in order)
    if prod(lengths) > MOST_CHANNELS:
        raise ImageError(
            f"{path}: {prod(lengths)} planes found in its OME-XML, at most {MOST_CHANNELS} expected"
        )
    pages = _planes(files, image, order, lengths)
    if sum(not isinstance(page, Absent) for page in pages) == 0:
        return None
    if _too_few(files, image, pages):
        present = sum(not isinstance(page, Absent) for page in pages)
        raise ImageError(
            f"{path}: {present} planes found, {len(pages)} expected as its OME-XML describes"
        )

    def metadata(_pages: Sequence[Page], channels: int) -> tuple[Names | None, PixelSize | None]:
        return image.names(channels), image.pixel_size

    inner = ("S" if separate > 1 else "") + "YX" + ("S" if contiguous > 1 else "")
    inner_lengths = [n for n in (separate,) if n > 1] + [key.imagelength, key.imagewidth]
    inner_lengths += [n for n in (contiguous,) if n > 1]
    return Picture(
        order + inner,
        (*lengths, *inner_lengths),
        lambda: pages,
        key,
        metadata,
        image.name,
        notes=notes,
    )


def _first_page(files: FileSet, image: OmeImage) -> Page:
    """Return the first page that there is; those of the file itself are asked first."""
    for data in sorted(image.data, key=lambda data: not files.is_own(data.owner)):
        pages = files.pages(data)
        ifd = data.ifd or 0
        if not isinstance(pages, Absent) and 0 <= ifd < len(pages):
            return page_at(pages, ifd)
    return None


def _planes(files: FileSet, image: OmeImage, order: str, lengths: Sequence[int]) -> list[Page]:
    """Return the page of each plane, in the order of the axes."""
    number = prod(lengths)
    found: dict[int, Page] = {}
    for data in image.data:
        start = 0
        for axis, length in zip(order, lengths, strict=True):
            start = start * length + data.first[axis]
        inside = all(0 <= data.first[a] < n for a, n in zip(order, lengths, strict=True))
        pages = files.pages(data)
        absent = isinstance(pages, Absent)
        default = 1 if data.ifd is not None or absent else len(pages)
        count = min(default if data.count is None else data.count, number - start)
        ifd = data.ifd or 0
        if not inside or ifd < 0:
            continue
        for i in range(count):
            if start + i in found:
                break
            if absent:
                found[start + i] = pages
            elif ifd + i < len(pages):
                found[start + i] = page_at(pages, ifd + i)
            else:
                file = data.file or files.path.name
                found[start + i] = Absent(file, f"{len(pages)} pages, but not page {ifd + i + 1}")
    nowhere = Absent(files.path.name, "not described in its OME-XML")
    return [found.get(i, nowhere) for i in range(number)]


def _too_few(files: FileSet, image: OmeImage, pages: Sequence[Page]) -> bool:
    """Tell whether planes are missing though no other file has them."""
    missing = any(isinstance(page, Absent) for page in pages)
    return missing and all(files.is_own(data.owner) for data in image.data)


def _noting_left_out(tiff: tifffile.TiffFile, found: list[Picture]) -> list[Picture]:
    """Add a note where the file has more pages, alike those that its OME-XML describes."""
    pages = [page for picture in found for page in picture.pages()]
    used = {page.index for page in pages if getattr(page, "parent", None) is tiff}
    if not used or not len(used) < len(tiff.pages) <= MOST_CHANNELS:
        return found
    rest = (page_at(tiff.pages, i).hash for i in range(len(tiff.pages)) if i not in used)
    left_out = sum(hashed in {picture.key.hash for picture in found} for hashed in rest)
    if not left_out:
        return found
    note = f"{left_out} more pages, which its OME-XML does not describe, are left out"
    return [replace(picture, notes=(*picture.notes, note)) for picture in found]


def _together(found: list[Picture], images: Sequence[OmeImage]) -> list[Picture]:
    """Put images of one plane together that nothing tells apart: a file written page by page."""
    alike = {(p.axes, p.lengths, p.key.dtype, len(p.pages())) for p in found}
    untold = all(
        not image.name or image.name == images[0].name or image.name == f"Image{i}"
        for i, image in enumerate(images)
    )
    if len(found) == 1 or len(alike) > 1 or not untold or len(found[0].pages()) != 1:
        return found
    if found[0].key.samplesperpixel != 1:
        return found
    pages = [picture.pages()[0] for picture in found]
    note = (
        f"{len(found)} images of one channel each, of one size and type, which nothing tells "
        "apart, are taken as channels in the order of the file"
    )

    def metadata(_pages: Sequence[Page], channels: int) -> tuple[Names | None, PixelSize | None]:
        given = [image.names(1) for image in images]
        names = tuple(name[0] for name in given if name)
        whole = len(names) == len(set(names)) == channels
        return names if whole else None, images[0].pixel_size

    first = found[0]
    return [
        Picture(
            "I" + first.axes,
            (len(found), *first.lengths),
            lambda: pages,
            first.key,
            metadata,
            notes=(*first.notes, note),
        )
    ]
