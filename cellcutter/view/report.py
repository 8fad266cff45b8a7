"""The page of a run: all samples beside one another, problems first; and the same for MultiQC.

Each is a file that needs no network. Invariant: whatever comes from data is escaped, and the page
may load nothing. The pipeline and the step of MCMICRO put the same page together
(lib/RunPage.groovy) out of what this writes as JSON for each sample: the assets are used by all.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellcutter.errors import DestinationError, SettingsError, TableError, reading
from cellcutter.kinds import read_path
from cellcutter.progress import Tally
from cellcutter.store.publishing.claim import claimed
from cellcutter.store.publishing.names import Form, Names, begins
from cellcutter.store.reading.several import names_of
from cellcutter.types import Name, Progress
from cellcutter.version import __version__
from cellcutter.view.markup import json_in_page, policy_of
from cellcutter.view.samples import Sample, sample_of

log = logging.getLogger("cellcutter")
_ASSETS = Path(__file__).parent / "assets"
_MARK = b'<meta name="generator" content="cellcutter report">'
_HEADERS: dict[str, tuple[str, str, str]] = {
    "asked": ("Cells asked", "Cells of the table", "{:,.0f}"),
    "cut": ("Cells cut", "Cells that are in their thumbnail", "{:,.0f}"),
    "off": ("Cells off", "Cells that are not", "{:,.0f}"),
    "window": ("Window", "Side of the thumbnails in pixels", "{:,.0f}"),
    "channels": ("Channels", "Channels of the thumbnails", "{:,.0f}"),
    "megabytes": ("MB", "Size of the store", "{:,.1f}"),
}


_FORMS = {
    ".html": Form("a page of a run", "pages of a run", begins(_MARK, within=1024)),
    ".json": Form("a report", "reports", begins(b'{"cellcutter report":', within=64)),
}


def report(
    stores: Name | Sequence[Name],
    destination: Name,
    *,
    galleries: Name | None = None,
    problems: Name | None = None,
    multiqc: Name | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a page of the samples of a run, each with a strip of its cells; problems come first.

    A store that cannot be read is told of on the page, and is no error.

    Parameters
    ----------
    stores : path or sequence of paths
        Stores of cells.
    destination : path
        The file to be made: a page (`.html`), or what is on it (`.json`).
    galleries : path, optional
        Folder of galleries; that of a sample is `NAME.html`. The page links to those that exist.
    problems : path, optional
        A table of what went wrong elsewhere (`name`, `problem`): CSV, or JSON, a list of objects.
    multiqc : path, optional
        Write also a file that MultiQC shows; its name ends in `_mqc.json`.
    force : bool
        Replace files of these names.
    progress : callable (what, done, total), optional
        Called often, from any thread.

    Raises
    ------
    cellcutter.InputError
        The destination or the options are not as they must be; the message is one line.
    OSError
        Writing failed.
    """
    paths, place, more = _places(stores, destination, multiqc)
    given = None if problems is None else Path(read_path("--problems", problems))
    said = [] if given is None else _problems(given)
    folder = None if galleries is None else _folder(galleries)
    names = Names(place, metadata=more, force=force, form=_FORMS[place.suffix])
    with claimed(names, [*paths, *filter(None, [given])]) as publication:
        samples = _samples(paths, place, folder, progress)
        about = {
            "cellcutter report": 1,
            "versions": {"cellcutter": __version__},
            "problems": said,
            "samples": samples,
        }
        text = json_in_page(about) + "\n" if place.suffix == ".json" else page(about)
        made = publication.folder / f"made{place.suffix}"
        made.write_text(text, encoding="utf-8")
        if more is not None:
            publication.metadata.write_text(json.dumps(for_multiqc(samples), indent=1) + "\n")
        publication.publish(made)
    log.info("wrote %s: %d sample%s", place, len(samples), "" if len(samples) == 1 else "s")


def _places(
    stores: Name | Sequence[Name], destination: Name, multiqc: Name | None
) -> tuple[list[Path], Path, Path | None]:
    """Return the stores, the destination and MultiQC's file, each with a name that fits."""
    place = Path(read_path("--output", destination))
    if place.suffix not in _FORMS:
        raise DestinationError(f"{place}: a name that ends in .html or .json expected")
    more = None if multiqc is None else Path(read_path("--multiqc", multiqc))
    if more is not None and not more.name.endswith("_mqc.json"):
        raise DestinationError(f"{more}: a name that ends in _mqc.json expected, as MultiQC does")
    several = [stores] if isinstance(stores, (str, os.PathLike)) else stores
    paths = [Path(read_path("STORE", store)) for store in several]
    if not paths:
        raise SettingsError("STORE: none found, at least one expected")
    real = [path.resolve() for path in paths]
    for number, path in enumerate(real):
        if path in real[:number]:
            raise SettingsError(f"{paths[number]}: found twice, once expected")
    return paths, place, more


def _folder(galleries: Name) -> Path:
    folder = Path(read_path("--galleries", galleries))
    if not folder.is_dir():
        found = "no folder" if folder.exists() else "nothing"
        raise SettingsError(f"--galleries: {folder}: {found} found, a folder expected")
    return folder


def _samples(
    paths: Sequence[Path], page: Path, galleries: Path | None, progress: Progress | None
) -> list[Sample]:
    tally = Tally(progress or (lambda *_: None), "reading", len(paths))
    found = []
    names = names_of(paths)
    own = [names_of([path])[0] for path in paths]
    for name, short, store in zip(names, own, paths, strict=True):
        called = [name, *([short] if own.count(short) == 1 else [])]
        pages = [] if galleries is None else [galleries / f"{each}.html" for each in called]
        gallery = next(filter(Path.is_file, pages), None)
        found.append(sample_of(name, store, page, gallery))
        for problem in found[-1]["problems"]:
            log.warning("%s: %s", found[-1]["name"], problem)
        tally.add()
    return found


def _problems(file: Path) -> list[dict[str, str]]:
    """Return the problems that a file has."""
    expected = "a CSV or JSON file of name and problem"
    with reading(file, expected, TableError):
        content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
        is_json = file.suffix == ".json"
        rows = json.loads(text) if is_json else [*csv.DictReader(text.splitlines(keepends=True))]
        return [{"name": str(row["name"]), "problem": str(row["problem"])} for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise TableError(
            f"{file}: {type(error).__name__} ({error}) found, {expected} expected"
        ) from error


def page(about: dict[str, Any]) -> str:
    """Return the page that shows what is known of a run."""
    template, style, script = (
        (_ASSETS / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    policy = policy_of(script, style, "img-src data:; ")
    for name, text in (("policy", policy), ("style", style), ("script", script)):
        template = template.replace("{{" + name + "}}", text)
    return template.replace("{{about}}", json_in_page(about))


def for_multiqc(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return columns of MultiQC's table of general statistics, as its custom content.

    https://docs.seqera.io/multiqc/custom_content
    """
    return {
        "id": "cellcutter",
        "plot_type": "generalstats",
        "pconfig": [
            {name: {"title": title, "description": said, "format": form, "namespace": "cellcutter"}}
            for name, (title, said, form) in _HEADERS.items()
        ],
        "data": {sample["name"]: _row(sample) for sample in samples if sample["asked"] is not None},
    }


def _row(sample: Sample) -> dict[str, float]:
    asked, cut, nbytes = sample["asked"] or 0, sample["cut"] or 0, sample["bytes"] or 0
    return {
        "asked": asked,
        "cut": cut,
        "off": asked - cut,
        "window": sample["window"] or 0,
        "channels": len(sample["channels"]),
        "megabytes": nbytes / 1e6,
    }
