"""Each block that a window touches is decoded exactly once, and no other block ever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import cellcutter
from cellcutter.engine.regions import needed_blocks
from cellcutter.engine.windows import around
from cellcutter.read.tiff import image as tiff
from tests import slides


@pytest.fixture
def reads(monkeypatch) -> dict[str, Counter]:
    """Which blocks were read of which file: a recording image around the real one."""
    found: dict[str, Counter] = {}
    read_block = tiff.TiffImage.read_block

    def recording(self, plane, row, col, out):
        found.setdefault(self.name, Counter())[plane, row, col] += 1
        read_block(self, plane, row, col, out)

    monkeypatch.setattr(tiff.TiffImage, "read_block", recording)
    return found


def needed(slide: slides.Slide, size: int, block: tuple[int, int]) -> set[tuple[int, int]]:
    table = slide.table
    windows = around(table["Y_centroid"].to_numpy(), table["X_centroid"].to_numpy(), size)
    return {
        tuple(b) for b in np.argwhere(needed_blocks(windows, slide.labels.shape, block)).tolist()
    }


def dull_needed(slide: slides.Slide, size: int, block: tuple[int, int]) -> set[tuple[int, int]]:
    """The same, window by window and pixel by pixel."""
    height, width = slide.labels.shape
    return {
        (y // block[0], x // block[1])
        for top, left in slides.cell_windows(slide.table, size)
        for y in range(max(0, top), min(height, top + size))
        for x in range(max(0, left), min(width, left + size))
    }


@pytest.mark.parametrize("order", ["sorted", "shuffled", "reversed"])
@pytest.mark.parametrize("cache_size", [None, 0.35])
@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_each_block_once(tmp_path, reads, caplog, order, cache_size, p, masked):
    """0.35 MB is less than a tenth of the image; thumbnails then go through a scratch file."""
    rng = np.random.default_rng(5)
    shape = (4, 700, 800)
    labels, table = slides.cells(rng, shape[1:], 300, largest=9)
    table = table.sort_values("Y_centroid", ignore_index=True)
    if order == "shuffled":
        table = table.sample(frac=1, random_state=1).reset_index(drop=True)
    elif order == "reversed":
        table = table.iloc[::-1].reset_index(drop=True)
    options = {"tile": (32, 32), "compression": "zlib"}
    slide = slides.write(
        tmp_path,
        slides.pixels(rng, shape, "u2"),
        labels.astype("i4"),
        table,
        image_options=options,
        labels_options=options,
    )
    assert slide.image.nbytes > 10 * 0.35 * 2**20
    size = 21
    caplog.set_level("DEBUG", "cellcutter")
    result = cellcutter.cut_cells(
        *slide.paths,
        tmp_path / "out.zarr",
        window_size=size,
        mask_cells=masked,
        cells_per_chunk=12,
        cache_size=cache_size,
        p=p,
    )
    blocks = needed(slide, size, (32, 32))
    assert blocks == dull_needed(slide, size, (32, 32))
    assert 0 < len(blocks) < 22 * 25
    assert reads["slide.ome.tif"] == Counter((c, *b) for c in range(4) for b in blocks)
    # the labels: once to find the cells, and once more where their masks are cut
    assert reads["cell.tif"] == Counter({(0, *b): 2 if masked else 1 for b in blocks})
    found = slides.open_store(result.destination)
    expected, _ = slides.expected(slide.image, slide.labels, slide.table, size, mask=masked)
    np.testing.assert_array_equal(found[:], expected)
    if cache_size is None or order == "shuffled":
        assert ("a scratch file" in caplog.text) == (cache_size is not None)
    if cache_size:
        assert result.memory <= cache_size * 2**20


def test_only_the_channels_asked_for_are_read(tmp_path, reads):
    slide = slides.simple(tmp_path, shape=(5, 100, 100))
    cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", channels=[4, 2])
    assert {plane for plane, _, _ in reads["slide.ome.tif"]} == {1, 3}


def test_few_cells_need_few_blocks(tmp_path, reads):
    slide = slides.simple(tmp_path, shape=(2, 640, 640), number=200)
    slide.table.iloc[[3, 77]].to_csv(slide.table_path, index=False)
    cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", window_size=9)
    assert len(reads["slide.ome.tif"]) <= 2 * 2 * 4
    assert len(reads["cell.tif"]) <= 2 * 4


def test_interleaved_channels_are_decoded_together(tmp_path, reads):
    rng = np.random.default_rng(2)
    labels, table = slides.cells(rng, (100, 120), 30)
    image = slides.pixels(rng, (100, 120, 3), "u1")
    slide = slides.write(tmp_path, np.moveaxis(image, -1, 0), labels.astype("i4"), table)
    import tifffile

    tifffile.imwrite(slide.image_path, image, photometric="rgb", tile=(32, 32), compression="zlib")
    cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr", channels=[3, 1])
    assert set(reads["slide.ome.tif"].values()) == {1}
    size = slides.largest_cell(labels, table["CellID"].to_numpy())
    expected, _ = slides.expected(slide.image[[2, 0]], labels, table, size)
    np.testing.assert_array_equal(slides.open_store(tmp_path / "out.zarr")[:], expected)


def test_blocks_that_were_never_written_are_not_searched_for_cells(tmp_path, reads):
    """A default window needs all labels, but not those of which there is nothing to read."""
    import tifffile

    slide = slides.simple(tmp_path, shape=(1, 128, 160), number=4)
    labels = np.zeros((128, 160), "i4")
    labels[3:9, 4:7], labels[70:72, 100:130] = 1, 2
    slide.table.iloc[:2].assign(
        CellID=[1, 2], Y_centroid=[6.0, 71.0], X_centroid=[5.0, 115.0]
    ).to_csv(slide.table_path, index=False)
    blocks = [labels[y : y + 32, x : x + 32] for y in range(0, 128, 32) for x in range(0, 160, 32)]
    tifffile.imwrite(
        slide.labels_path,
        (b if b.any() else None for b in blocks),
        shape=labels.shape,
        dtype=labels.dtype,
        tile=(32, 32),
        compression="zlib",
    )
    result = cellcutter.cut_cells(*slide.paths, tmp_path / "out.zarr")
    assert result.shape[-1] == 30
    assert reads["cell.tif"] == Counter((0, row, col) for row, col in ((0, 0), (2, 3), (2, 4)))
