"""What may be replaced, by what a file is; what is cleaned away; what stops do at the end."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from cellcutter import stops, system
from cellcutter.commands import cli
from cellcutter.errors import DestinationError
from cellcutter.store.publishing import staging
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.guard import Inputs
from cellcutter.store.publishing.journal import Item
from cellcutter.store.publishing.names import Names, is_ours, is_store
from tests import slides
from tests.store.publishing.test_nothing_lost import COMMAND, contents, finish, half_way


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> slides.Slide:
    return slides.simple(tmp_path_factory.mktemp("slide"), shape=(2, 70, 80), number=12)


@pytest.fixture(scope="module")
def slow(tmp_path_factory) -> slides.Slide:
    return slides.simple(tmp_path_factory.mktemp("slow"), shape=(2, 700, 700), number=1500)


@pytest.fixture
def slide(made, tmp_path) -> slides.Slide:
    """A slide of this test's own."""
    folder = tmp_path / "in"
    folder.mkdir()
    for path in made.paths:
        (folder / Path(path).name).write_bytes(Path(path).read_bytes())
    return slides.Slide(
        made.image, made.labels, made.table, *(folder / Path(path).name for path in made.paths)
    )


@pytest.fixture(params=["", "exchange", "exchange links"])
def without(request, monkeypatch) -> str:
    """Capabilities that the system has not."""
    hide(monkeypatch, request.param)
    return request.param


def hide(monkeypatch, names: str) -> None:
    def no_links(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if "exchange" in names:
        monkeypatch.setattr(system, "_rename", None)
    if "links" in names:
        monkeypatch.setattr(os, "link", no_links)


def cut(slide: slides.Slide, destination: Path, *flags: object) -> int:
    return cli.main_cut_cells([*slide.paths, str(destination), *map(str, flags)])


def last_line(capfd) -> str:
    return capfd.readouterr().err.splitlines()[-1]


def ngff(path: Path, pixels: np.ndarray) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=pixels, chunks=(1, 32, 32))
    datasets = [{"path": "0"}]
    axes = [{"name": a} for a in "cyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]


# ---- inputs are never written to


def _same(path: Path, folder: Path) -> Path:
    return path


def _dots(path: Path, folder: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def _symlink(path: Path, folder: Path) -> Path:
    (folder / "link").symlink_to(path)
    return folder / "link"


def _hard_link(path: Path, folder: Path) -> Path:
    os.link(path, folder / "link")
    return folder / "link"


def _through_a_folder(path: Path, folder: Path) -> Path:
    (folder / "linked").symlink_to(path.parent)
    return folder / "linked" / path.name


@pytest.mark.parametrize("spelled", [_same, _dots, _symlink, _hard_link, _through_a_folder])
@pytest.mark.parametrize("number", range(5))
def test_metadata_is_no_input(slide, tmp_path, capfd, spelled, number):
    markers, params = tmp_path / "markers.csv", tmp_path / "params.yml"
    markers.write_text("marker_name\nA\nB\n")
    params.write_text("window-size: 9\n")
    path = [*map(Path, slide.paths), markers, params][number]
    before = contents(tmp_path)
    metadata = spelled(path, tmp_path)
    flags = ["-f", "--markers", markers, "--params", params, "--save-metadata", metadata]
    assert cut(slide, tmp_path / "out.zarr", *flags) == 2
    assert f"{metadata}: is the input {path}" in last_line(capfd)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert not (tmp_path / "out.zarr").exists()


def test_stores_are_no_inputs_lie_in_none_and_hold_none(slide, tmp_path, capfd):
    ngff(tmp_path / "i.zarr", slide.image)
    zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    ngff(tmp_path / "plate.zarr" / "a", slide.image)
    ngff(tmp_path / "o_mask.zarr", slide.labels[None])
    (tmp_path / "near.zarr").symlink_to(tmp_path / "i.zarr")
    image, mask, table = slide.paths
    before = contents(tmp_path)
    for words, expected in (
        ([tmp_path / "i.zarr", mask, table, tmp_path / "i.zarr"], "is the input"),
        ([tmp_path / "i.zarr", mask, table, tmp_path / "near.zarr"], "is the input"),
        ([tmp_path / "near.zarr", mask, table, tmp_path / "near.zarr"], "is the input"),
        ([tmp_path / "i.zarr", mask, table, tmp_path / "i.zarr/0"], "lies in the input"),
        ([tmp_path / "plate.zarr/a", mask, table, tmp_path / "plate.zarr"], "holds the input"),
        ([image, tmp_path / "o_mask.zarr", table, tmp_path / "o.zarr", "--mask-cells"], "is the"),
        ([image, tmp_path / "o_mask.zarr", table, tmp_path / "o.zarr"], "something other than"),
    ):
        assert cli.main_cut_cells([*map(str, words), "-f"]) == 2
        assert expected in last_line(capfd)
    assert contents(tmp_path) == before


def test_a_link_inside_a_store_is_an_input(slide, tmp_path, capfd):
    """A store that holds nothing but the link through which the image was named."""
    ngff(tmp_path / "old.zarr", slide.image)
    (tmp_path / "old.zarr" / "slide.tif").symlink_to(slide.image_path)
    words = [tmp_path / "old.zarr" / "slide.tif", *slide.paths[1:], tmp_path / "old.zarr", "-f"]
    assert cli.main_cut_cells([*map(str, words)]) == 2
    assert "holds the input" in last_line(capfd)


def test_all_files_of_a_set_are_inputs(slide, tmp_path, capfd):
    """Files of an OME-TIFF set that nobody named."""
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    ome = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
        'SizeX="80" SizeY="70" SizeC="2" SizeZ="1" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<Channel ID="Channel:0:1" SamplesPerPixel="1"/>'
        '<TiffData FirstC="0" IFD="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:'
        "00000000-0000-0000-0000-000000000001</UUID></TiffData>"
        '<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="b.ome.tif">urn:uuid:'
        "00000000-0000-0000-0000-000000000002</UUID></TiffData></Pixels></Image></OME>"
    )
    for number, path in enumerate((first, second)):
        text = ome.replace(
            "2016-06",
            f'2016-06" UUID="urn:uuid:00000000-0000-0000-0000-00000000000{number + 1}',
        )
        tifffile.imwrite(
            path, slide.image[number].astype("u2"), description=text.encode(), metadata=None
        )
    before = contents(tmp_path)
    words = [first, *slide.paths[1:], tmp_path / "out.zarr", "-f", "--save-metadata", second]
    assert cli.main_cut_cells([*map(str, words)]) == 2
    assert f"{second}: is the input" in last_line(capfd)
    assert contents(tmp_path) == before


def test_an_input_that_appears_under_the_name_is_spared(slide, tmp_path):
    """Looked at again before anything gets its name."""
    names = Names(tmp_path / "out.zarr", force=True)
    ngff(tmp_path / "image.zarr", slide.image)
    with (
        pytest.raises(DestinationError, match="is the input"),
        claimed(names, [tmp_path / "image.zarr"]) as publication,
    ):
        (publication.folder / "store").mkdir()
        (tmp_path / "out.zarr").symlink_to("image.zarr")
        publication.publish(publication.folder / "store")
    assert (tmp_path / "out.zarr").is_symlink()
    assert (tmp_path / "image.zarr" / "0").is_dir()


# ---- the file of windows


def test_metadata_that_exists_needs_force(slide, tmp_path, capfd):
    other = tmp_path / "other"
    other.mkdir()
    (other / "w.csv").write_text("all of it")
    words = ["--save-metadata", other / "w.csv"]
    assert cut(slide, tmp_path / "out.zarr", *words) == 2
    assert "w.csv: exists already, a new name expected" in last_line(capfd)
    assert (other / "w.csv").read_text() == "all of it"
    assert cut(slide, tmp_path / "out.zarr", *words, "-f") == 0
    assert (other / "w.csv").read_bytes().startswith(b"CellID")
    assert [p.name for p in other.iterdir()] == ["w.csv"]


def test_metadata_to_standard_output(slide, tmp_path):
    words = [*COMMAND, *slide.paths, str(tmp_path / "out.zarr"), "--save-metadata", "/dev/stdout"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CellID")
    assert len(done.stdout.splitlines()) == len(slide.table) + 1
    with (tmp_path / "w.csv").open("w") as file:
        done = subprocess.run([*words, "-f"], stdout=file, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w.csv").read_text().startswith("CellID")


def test_metadata_to_a_device_that_is_full(slide, tmp_path, capfd):
    assert cut(slide, tmp_path / "out.zarr", "--save-metadata", "/dev/full") == 1
    assert "No space left" in last_line(capfd)
    assert not (tmp_path / "out.zarr").exists()
    assert cut(slide, tmp_path / "out.zarr", "--save-metadata", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("force", [[], ["-f"]])
def test_metadata_is_neither_a_pipe_nor_a_folder(slide, tmp_path, capfd, force):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        assert cut(slide, tmp_path / "out.zarr", "--save-metadata", tmp_path / name, *force) == 2
        assert "found, a file expected" in last_line(capfd)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("place", ["out.zarr", "out_mask.zarr", "out.zarr/w.csv"])
def test_metadata_lies_outside_of_the_stores(slide, tmp_path, capfd, place):
    assert cut(slide, tmp_path / "out.zarr") == 0
    before = contents(tmp_path)
    metadata = ["--save-metadata", tmp_path / place]
    assert cut(slide, tmp_path / "out.zarr", "-f", *metadata) == 2
    assert "one outside expected" in last_line(capfd) or place == "out.zarr"
    assert contents(tmp_path) == before


# ---- what appears meanwhile is kept


def _a_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("all of it")


def _an_empty_folder(path: Path) -> None:
    path.mkdir()


def _a_file(path: Path) -> None:
    path.write_text("all of it")


def _a_store(path: Path) -> None:
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')


def _a_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [_a_folder, _an_empty_folder, _a_file, _a_store, _a_link])
@pytest.mark.parametrize("name", ["out.zarr", "out_mask.zarr", "w.csv"])
def test_what_appears_meanwhile_is_kept(tmp_path, make, name, without):
    names = Names(tmp_path / "out.zarr", has_masks=True, metadata=tmp_path / "w.csv")
    with pytest.raises(DestinationError, match=name), claimed(names, []) as publication:
        prepare(publication)
        make(tmp_path / name)
        kept = contents(tmp_path / name), make is _a_link and (tmp_path / name).readlink()
        publication.publish(publication.folder / "store", publication.folder / "masks")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    left = contents(tmp_path / name), make is _a_link and (tmp_path / name).readlink()
    assert left == kept


def prepare(publication) -> None:
    for name in ("store", "masks"):
        (publication.folder / name).mkdir()
        (publication.folder / name / ".zarray").write_text(name)
    publication.metadata.write_text("windows")


@pytest.mark.parametrize("without", ["", "exchange"], indirect=True)
@pytest.mark.parametrize("name", ["out.zarr", "out_mask.zarr", "w.csv"])
def test_what_appears_at_the_last_moment_is_kept(tmp_path, monkeypatch, name, without):
    """Between the last look at a name and the call that gives it, where the system can tell."""
    names = Names(tmp_path / "out.zarr", has_masks=True, metadata=tmp_path / "w.csv")
    rename_new = system.rename_new

    def late(old, new):
        if new == tmp_path / name:
            (_a_file if name == "w.csv" else _a_folder)(new)
        rename_new(old, new)

    monkeypatch.setattr(system, "rename_new", late)
    with pytest.raises(DestinationError, match=name), claimed(names, []) as publication:
        prepare(publication)
        publication.publish(publication.folder / "store", publication.folder / "masks")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_replaced_at_the_last_moment(tmp_path, monkeypatch, without):
    """With `force`, what comes in the place of the old store just before the calls is put back."""
    _a_store(tmp_path / "out.zarr")
    names = Names(tmp_path / "out.zarr", force=True)
    original = Item._do

    def late(self):
        (tmp_path / "out.zarr").rename(tmp_path / "moved")
        _a_folder(tmp_path / "out.zarr")
        original(self)

    monkeypatch.setattr(Item, "_do", late)
    another = pytest.raises(DestinationError, match="another program made or changed it")
    with another, claimed(names, []) as publication:
        prepare(publication)
        publication.publish(publication.folder / "store")
    assert (tmp_path / "out.zarr" / "thesis.txt").read_text() == "all of it"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["moved", "out.zarr"]


def test_a_folder_that_appears_during_a_run(slow, tmp_path, capfd):
    process = half_way(slow, tmp_path / "out.zarr")
    _a_folder(tmp_path / "out.zarr")
    assert "exists already" in finish(process).splitlines()[-1]
    assert process.returncode == 2
    assert contents(tmp_path) == {"out.zarr/thesis.txt": b"all of it"}


@pytest.mark.parametrize("make", [_a_folder, _a_file])
def test_force_replaces_no_other_thing_that_appears(slow, tmp_path, make):
    process = half_way(slow, tmp_path / "out.zarr", "-f")
    make(tmp_path / "out.zarr")
    assert "something other than a Zarr store" in finish(process).splitlines()[-1]
    assert process.returncode == 2
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


# ---- only what this program made is cleaned away


def test_what_only_looks_like_a_leftover_stays(slide, tmp_path, capfd):
    other = {"made by": "cellcutter", "destination": "other.zarr", "other": None}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "mark").write_text(json.dumps(other | {"destination": "out.zarr"}))
    (mine / "x").touch()

    def folder(digits: str, **files: str) -> None:
        path = tmp_path / f".out.zarr.cellcutter-{digits}"
        path.mkdir()
        for name, text in files.items():
            (path / name).write_text(text)

    folder("00000001", thesis="all of it")
    folder("00000002", mark=json.dumps(other), x="")
    folder("00000003", mark="no JSON", x="")
    folder("00000004", mark="[1]", x="")
    folder("00000005", mark="", x="all of it")
    (tmp_path / ".out.zarr.cellcutter-00000006").symlink_to(mine)
    (tmp_path / ".out.zarr.cellcutter-00000007").write_text("a file")
    folder("00000008")
    (tmp_path / ".out.zarr.cellcutter-00000008" / "mark").symlink_to(mine / "mark")
    folder("trash-00000009", thesis="all of it")
    os.mkfifo(tmp_path / ".out.zarr.cellcutter-0000000a")
    before = contents(tmp_path)
    assert cut(slide, tmp_path / "out.zarr") == 0
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    log = capfd.readouterr().err
    assert log.count("it is kept") == 10
    assert not [name for name in after if name not in before and not name.startswith("out.zarr/")]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, _a_link])
def test_a_lock_that_is_none(slide, tmp_path, capfd, make):
    make(tmp_path / ".out.zarr.cellcutter-lock")
    assert cut(slide, tmp_path / "out.zarr") == 0
    assert "cannot be locked" in capfd.readouterr().err
    assert os.path.lexists(tmp_path / ".out.zarr.cellcutter-lock")
    assert cut(slide, tmp_path / "out.zarr", "-f", "--resume") == 2
    assert "a disk without locks found" in last_line(capfd)


def test_a_beginning_is_cleaned_away(slide, tmp_path):
    """Killed before the mark was written."""
    for digits, names in (("00000001", ()), ("00000002", ("mark",))):
        (tmp_path / f".out.zarr.cellcutter-{digits}").mkdir()
        for name in names:
            (tmp_path / f".out.zarr.cellcutter-{digits}" / name).touch()
    (tmp_path / ".out.zarr.cellcutter-lock").touch()
    assert cut(slide, tmp_path / "out.zarr") == 0
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out.zarr"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_another_users_leftover_stays(slide, tmp_path, capfd):
    folder = tmp_path / ".out.zarr.cellcutter-0123abcd"
    folder.mkdir()
    mark = {"made by": "cellcutter", "destination": "out.zarr", "other": None}
    (folder / "mark").write_text(json.dumps(mark))
    (folder / "x").touch()
    os.chown(folder, 12345, 12345)
    assert cut(slide, tmp_path / "out.zarr") == 0
    assert "it is kept" in capfd.readouterr().err
    assert (folder / "x").exists()


# ---- companions


def test_masks_of_another_store_go_with_it(slide, tmp_path, capfd, without):
    out, masks = tmp_path / "out.zarr", tmp_path / "out_mask.zarr"
    assert cut(slide, out, "--mask-cells") == 0
    assert is_ours(masks)
    assert cut(slide, out, "-f") == 0
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out.zarr"}
    assert cut(slide, out, "-f", "--mask-cells") == 0
    out.rename(tmp_path / "elsewhere")
    assert cut(slide, out) == 2
    assert "out_mask.zarr: masks of another store found" in last_line(capfd)
    assert is_store(masks)
    assert cut(slide, out, "-f", "-z") == 0
    assert not masks.exists()


def test_what_is_no_mask_of_ours_is_refused(slide, tmp_path, capfd):
    ngff(tmp_path / "out_mask.zarr", slide.labels[None])
    for force in ([], ["-f"]):
        assert cut(slide, tmp_path / "out.zarr", *force) == 2
        assert "something other than masks of cellcutter found" in last_line(capfd)
    assert is_store(tmp_path / "out_mask.zarr")


# ---- names


def test_names_that_cannot_be_had(slide, tmp_path, monkeypatch, capfd):
    assert cut(slide, tmp_path / ("x" * 229)) == 2
    assert "a name of 229 bytes found, at most 228 expected" in last_line(capfd)
    assert cut(slide, tmp_path / ("x" * 228)) == 0
    monkeypatch.chdir(tmp_path)
    for name in (".", "..", "/"):
        assert cut(slide, Path(name), "-f") == 2
    assert cut(slide, Path("/proc"), "-f") == 2
    assert "a mount point found" in last_line(capfd)


def test_damaged_zip_and_pipe_are_no_stores(slide, tmp_path, capfd):
    assert cut(slide, tmp_path / "out.zarr.zip", "-z") == 0
    whole = (tmp_path / "out.zarr.zip").read_bytes()
    (tmp_path / "out.zarr.zip").write_bytes(whole[:-400] + b"\0" * 300 + whole[-100:])
    os.mkfifo(tmp_path / "pipe.zarr")
    for name in ("out.zarr.zip", "pipe.zarr"):
        assert cut(slide, tmp_path / name, "-f", "-z") == 2
        assert "something other than a Zarr store" in last_line(capfd)


# ---- locks


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system that makes no files")
@pytest.mark.parametrize("folder", ["/proc", "/sys/fs"])
def test_a_folder_that_makes_no_files_in_spite_of_its_rights(folder, capfd, slide):
    assert cut(slide, Path(folder) / "a.zarr") == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "a folder that you may write to expected" in err


# ---- stops


def test_a_stop_during_publication_comes_too_late(tmp_path, monkeypatch):
    """As a command: it is done. In a program: the signal does what it does, after the names."""
    _a_store(tmp_path / "out.zarr")

    def run() -> None:
        with claimed(Names(tmp_path / "out.zarr", force=True), []) as publication:
            prepare(publication)
            publication.publish(publication.folder / "store")

    exchange = system.exchange

    def stop(*words):
        signal.raise_signal(signal.SIGINT)
        return exchange(*words)

    monkeypatch.setattr(system, "exchange", stop)
    with stops.raised():
        run()
    assert (tmp_path / "out.zarr" / ".zarray").read_text() == "store"
    with pytest.raises(KeyboardInterrupt):
        run()
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_a_second_stop_leaves_what_is_left_to_the_next_run(slide, tmp_path, monkeypatch, capfd):
    assert cut(slide, tmp_path / "out.zarr") == 0
    removed = staging._removed

    def stop(folder, signals):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        return removed(folder, signals)

    monkeypatch.setattr(staging, "_removed", stop)
    assert cut(slide, tmp_path / "out.zarr", "-f", "--window-size=9") == 0
    assert "the next run to" in capfd.readouterr().err
    assert slides.open_store(tmp_path / "out.zarr").shape[-1] == 9
    assert [p for p in tmp_path.iterdir() if "trash" in p.name]
    monkeypatch.undo()
    assert cut(slide, tmp_path / "out.zarr") == 2
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out.zarr"}


def test_hang_up_stops(slow, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where tests run under nohup
    try:
        process = half_way(slow, tmp_path / "out.zarr")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    assert finish(process).splitlines()[-1] == "cut_cells: error: stopped; nothing was written"
    assert process.returncode == 128 + signal.SIGHUP
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_that_python_drops_stops_before_the_name_is_given(
    slide, tmp_path, monkeypatch, capfd
):
    class Last:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def sync(folder):
        Last()

    monkeypatch.setattr(system, "sync_tree", sync)
    assert cut(slide, tmp_path / "out.zarr") == 128 + signal.SIGTERM
    assert capfd.readouterr().err.endswith("stopped; nothing was written\n")
    assert {p.name for p in tmp_path.iterdir()} == {"in"}


def test_no_other_lock_is_taken_over(tmp_path):
    """A lock is held once, also by the same process; its file goes with it."""
    one = system.Lock(tmp_path / "lock")
    other = system.Lock(tmp_path / "lock")
    assert (one.held, other.held) == (True, False)
    other.release()
    assert (tmp_path / "lock").exists()
    one.release()
    one.release()
    assert not list(tmp_path.iterdir())


def test_inputs_that_are_not_there(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    guard = Inputs([tmp_path / "none", Path("nul\0"), tmp_path / "loop"])
    guard.check(tmp_path / "out.zarr")
