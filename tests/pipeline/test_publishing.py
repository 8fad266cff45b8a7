"""What becomes of results between the work folder and the folder that the user named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.conftest import COMMAND, ROOT, Run
from tests.pipeline.projects import sample, write
from tests.pipeline.test_run import cut, read
from tests.services import running

STORE = "s--unmicst_cell.zarr"
MASKS = "s--unmicst_cell_mask.zarr"
# Two chunks of 9600 bytes and four small files
LARGE = "--window-size 40 --compression none --cells-per-chunk 1"
MODES = ("link", "move", "symlink")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of a given size, as a folder."""
    running.need("mount", root=True)
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(size: str) -> Path:
        options = f"size={size}" if not mounted else f"remount,size={size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
        mounted.append(size)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", folder], check=True)


def names(folder: Path) -> set[str]:
    """What lies in a folder beside the list of cells, of which test_cohort tells."""
    return {f.name for f in folder.iterdir() if not f.name.startswith("cells.csv")}


def reports(tmp_path: Path) -> tuple[str, Path]:
    return "--reports", tmp_path / "reports"


@pytest.mark.parametrize("options", [LARGE, f"-z {LARGE}"], ids=["folder", "zip"])
def test_full_disk(
    pipeline: Run, tmp_path: Path, disk: Callable[[str], Path], options: str
) -> None:
    store = f"{STORE}.zip" if options.startswith("-z") else STORE
    project = write(tmp_path / "p", *sample("s"))
    out = disk("20k") / "out"
    words = ("--in", project, "--outdir", out, *reports(tmp_path), f"--options={options}")
    done = pipeline(*words)
    assert done.status == 1, done.text
    assert "0 of 1 cut" in done.text
    assert f"failed: s--unmicst_cell: {store}: " in done.text
    assert "files arrived whole in" in done.text
    assert "thumbnails are in" not in done.text
    assert store not in names(out)
    asides = names(out)
    for aside in asides:  # of a zip file Java itself leaves nothing
        assert aside.startswith(f"{STORE}.incomplete-")
        assert f"; what was there is now {aside}; mend the reason" in done.text
    assert len(asides) == (store == STORE)

    disk("1m")
    done = pipeline(*words, "-resume")
    assert (done.status, done.submitted) == (0, 0), done.text
    assert "1 of 1 cut" in done.text
    assert names(out) == {store, *asides}
    if store == STORE:
        expected = cut(project, sample("s"), tmp_path / "e.zarr", "--window-size", "40")
        np.testing.assert_array_equal(read(out / store)[:], expected[:])


def test_only_what_is_whole_is_counted(
    pipeline: Run, tmp_path: Path, disk: Callable[[str], Path]
) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    sheet = tmp_path / "sheet.csv"
    rows = [
        ",".join([name, *(f"p/{file}" for file in sample(name)), options])
        for name, options in (("s", ""), ("t", LARGE))
    ]
    sheet.write_text("\n".join(["sample,image,mask,table,options", *rows]) + "\n")
    out = disk("40k") / "out"
    # t comes last, whichever is begun first
    wait = f'until [ -e "{out}/s.zarr/cells.csv" ]; do sleep 0.2; done; sleep 1'
    (tmp_path / "order.config").write_text(
        "process { withName: 'CUT_CELLS' { cpus = 1; "
        f"beforeScript = {{ meta.id == 't' ? '{wait}' : 'true' }} }} }}"
    )
    words = ("--outdir", out, *reports(tmp_path), "-c", "order.config")
    done = pipeline("--input", sheet, *words)
    assert done.status == 1, done.text
    assert "1 of 2 cut" in done.text
    assert "failed: t: t.zarr: " in done.text
    assert done.text.rstrip().endswith(f"thumbnails are in {out}")
    assert names(out) - {"s.zarr"} == {n for n in names(out) if n.startswith("t.zarr.incomplete-")}
    assert len(names(out)) == 2
    assert (project / "markers.csv").exists()


@pytest.mark.parametrize("mode", MODES)
def test_modes(pipeline: Run, tmp_path: Path, mode: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    words = ("--in", project, "--publish_dir_mode", mode)
    done = pipeline(*words, f"--options={LARGE} --mask-cells")
    assert done.status == 0, done.text
    assert names(project / "thumbnails") == {STORE, MASKS}
    assert "1 of 1 cut" in done.text
    # Over what is there already, with fewer files
    done = pipeline(*words, "--options=--mask-cells")
    assert done.status == 0, done.text
    assert names(project / "thumbnails") == {STORE, MASKS}
    assert read(project / "thumbnails" / STORE).shape[:2] == (3, 2)


def test_link_across_disks(pipeline: Run, tmp_path: Path, disk: Callable[[str], Path]) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    out = disk("1m") / "out"
    done = pipeline("--in", project, "--outdir", out, "--publish_dir_mode", "link")
    assert done.status == 1, done.text
    assert "0 of 2 cut" in done.text
    for name in ("s", "t"):
        line = f"failed: {name}--unmicst_cell: {name}--unmicst_cell.zarr: "
        assert done.text.count(line) == 1
    assert not any(name.endswith(".zarr") for name in names(out))


@pytest.mark.parametrize(
    ("options", "harm", "words"),
    [
        (
            "",
            "cd thumbnails/*.zarr && echo more > 9.9.9.9 && printf x >> cells.csv",
            "4 of 5 files arrived whole, and 1 are there that were not made, in",
        ),
        ("-z", "printf x >> thumbnails/*.zarr.zip", "0 of 1 files arrived whole in"),
    ],
    ids=["folder", "zip"],
)
def test_extra_and_altered_files(
    pipeline: Run, tmp_path: Path, options: str, harm: str, words: str
) -> None:
    project = write(tmp_path / "p", *sample("s"))
    # What a task has made is harmed after it was listed
    (tmp_path / "harm.config").write_text(
        f"process {{ withName: 'CUT_CELLS' {{ afterScript = '{harm}' }} }}"
    )
    done = pipeline("--in", project, "-c", "harm.config", f"--options={options}")
    assert done.status == 1, done.text
    assert "0 of 1 cut" in done.text
    assert words in done.text
    (aside,) = names(project / "thumbnails")
    assert ".zarr.zip.incomplete-" in aside if options else ".zarr.incomplete-" in aside


@pytest.mark.parametrize(
    ("options", "harm", "words"),
    [
        (
            "",
            "cd thumbnails/*.zarr && printf x | dd of=cells.csv bs=1 seek=9 conv=notrunc",
            "1 of 4 files have other bytes than manifest-sha256.txt names, in",
        ),
        (
            "-z",
            "printf x | dd of=$(echo thumbnails/*.zarr.zip) bs=1 seek=50 conv=notrunc",
            "cannot be read (",
        ),
    ],
    ids=["folder", "zip"],
)
def test_other_bytes_of_the_same_size(
    pipeline: Run, tmp_path: Path, options: str, harm: str, words: str
) -> None:
    project = write(tmp_path / "p", *sample("s"), *sample("t"))
    harm = f"if ls table | grep -q ^s--; then {harm}; fi"
    (tmp_path / "harm.config").write_text(
        f"process {{ withName: 'CUT_CELLS' {{ afterScript = '{harm}' }} }}"
    )
    done = pipeline("--in", project, "-c", "harm.config", f"--options={options}", "--check_hashes")
    assert done.status == 1, done.text
    assert "1 of 2 cut" in done.text
    assert words in done.text
    assert len([name for name in names(project / "thumbnails") if "incomplete" in name]) == 1


LOCALE = "names have letters for which the locale has to be one of UTF-8, not of "


def test_names_that_the_locale_cannot_write(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    table = project / sample("s")[2]
    head = "CellID,Area µm²,X_centroid,Y_centroid"
    table.write_text(f"{head}\n1,3,10,8\n2,4,33.5,22.5\n")
    words = ("--in", project, "--options=--layout cells")
    done = pipeline(*words, LC_ALL="C")
    assert done.status == 1, done.text
    assert "failed: s--unmicst_cell: s--unmicst_cell.zarr: " in done.text
    assert f" files arrived whole in {project}/thumbnails; {LOCALE}US-ASCII: " in done.text
    done = pipeline(*words, "-resume", LC_ALL="C.UTF-8")
    assert (done.status, done.submitted) == (0, 0), done.text

    # One that has the letters, in other bytes
    if not shutil.which("localedef") or not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("no localedef and its sources found")
    latin = {"LC_ALL": "de_DE.ISO-8859-1", "LOCPATH": str(tmp_path)}
    folder = tmp_path / latin["LC_ALL"]
    subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", folder], check=True)
    done = pipeline(*words, "--outdir", "out", **latin)
    assert done.status == 0, done.text
    assert (tmp_path / "out" / STORE / "obs" / "Area µm²" / "zarr.json").exists()

    done = pipeline("--in", write(tmp_path / "q", *sample("é")), **latin)
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"; {LOCALE}ISO-8859-1: " in done.text


def test_work_folder_that_nextflow_cannot_use(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    done = pipeline("--in", project, "-work-dir", "w{a,b}")
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"{tmp_path}/w{{a,b}}: {{ }} found in the name of the work folder" in done.text


def test_outdir_that_is_a_file(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    (tmp_path / "out").write_text("mine")
    done = pipeline("--in", project, "--outdir", "out")
    assert (done.status, done.submitted) == (1, 0), done.text
    assert f"{tmp_path}/out: a file found, a folder expected; name another" in done.text
    assert (tmp_path / "out").read_text() == "mine"


def test_input_is_not_replaced(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    image = project / "out" / "s.zarr" / "0"
    image.mkdir(parents=True)
    files = ["out/s.zarr", *sample("s")[1:]]
    (project / "sheet.csv").write_text(f"sample,image,mask,table\ns,{','.join(files)}\n")
    done = pipeline("--input", project / "sheet.csv", "--outdir", project / "out")
    assert (done.status, done.submitted) == (1, 0), done.text
    assert "p/out/s.zarr: an input found where s.zarr is to be made" in done.text
    assert image.exists()


def test_an_interrupted_run_waits_for_copies(environment: dict[str, str], tmp_path: Path) -> None:
    pipe, copied = tmp_path / "pipe", tmp_path / "copied"
    os.mkfifo(pipe)
    script = ROOT / "tests/pipeline/await.nf"
    files = ("--pipe", pipe, "--copied", copied)
    with subprocess.Popen(
        [COMMAND, "run", script, "-lib", ROOT / "lib", *files],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line == "WAITING\n":
                pipe.write_text("pixels")
    assert process.returncode == 1, said
    assert "RESULT true\n" in said


# Stores of earlier runs


def test_masks_of_an_earlier_run_are_put_aside(pipeline: Run, tmp_path: Path) -> None:
    project = write(tmp_path / "p", *sample("s"))
    assert pipeline("--in", project, "--options=--mask-cells").status == 0
    done = pipeline("--in", project, "--options=--window-size 5")
    assert done.status == 0, done.text
    out = project / "thumbnails"
    (aside,) = names(out) - {STORE}
    assert aside.startswith(f"{MASKS}.old-")
    assert f"of an earlier run: {MASKS}; what was there is now {aside}" in done.text
    assert read(out / aside).shape[0] == 2


@pytest.mark.parametrize(("first", "then"), [("-z --mask-cells", ""), ("", "-z")])
def test_other_form_is_put_aside(pipeline: Run, tmp_path: Path, first: str, then: str) -> None:
    project = write(tmp_path / "p", *sample("s"))
    assert pipeline("--in", project, f"--options={first} --window-size 9").status == 0
    before = names(project / "thumbnails")
    done = pipeline("--in", project, f"--options={then} --window-size 5")
    assert done.status == 0, done.text
    after = names(project / "thumbnails")
    new = STORE if first else f"{STORE}.zip"
    assert {name.split(".old-")[0] for name in after - {new}} == before
    assert done.text.count("of an earlier run: ") == len(before)


def test_samples_named_alike_are_left_alone(pipeline: Run, tmp_path: Path) -> None:
    write(tmp_path / "p", *sample("s"))
    rows = [",".join([name, *(f"p/{file}" for file in sample("s"))]) for name in ("s", "s_mask")]
    (tmp_path / "sheet.csv").write_text("\n".join(["sample,image,mask,table", *rows]) + "\n")
    for _ in range(2):
        done = pipeline("--input", "sheet.csv", "--outdir", "out")
        assert done.status == 0, done.text
        assert names(tmp_path / "out") - {"qc"} == {"s.zarr", "s_mask.zarr"}
