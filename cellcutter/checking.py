"""Whether stores are whole: what `cellcutter verify` does."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from cellcutter.completing import complete
from cellcutter.documented import takes
from cellcutter.errors import SettingsError
from cellcutter.kinds import read_path
from cellcutter.machine import available_cpus
from cellcutter.options import Name
from cellcutter.store.verifying.faults import Fault, Verdict
from cellcutter.store.verifying.whole import check_store
from cellcutter.store_options import DEFAULT_SAMPLE, VerifyOptions
from cellcutter.types import Progress

__all__ = ["Fault", "Verdict", "verify"]

_MOST_THREADS = 4  # that read: more wait for the disk
_RETURNED = """Verdict
    Its `faults` name all that is wrong, and `whole` says whether there are none."""


@takes(VerifyOptions, _RETURNED)
def verify(
    store: Name, *, progress: Progress | None = None, **options: Unpack[VerifyOptions]
) -> Verdict:
    """Prove that a store is whole, and name all that is wrong with it.

    Names and sizes are compared with the metadata and the manifest, and the bytes of all files
    with the hashes in the manifest. With `deep` every piece is decoded; with `image` cells are cut
    again and compared bit by bit. The store of the masks beside a store is checked, too. Nothing
    is written.

    Parameters
    ----------
    store : path
        A store of either layout, a folder or a zip file; also one of version 0.2.12.
    **options

    Examples
    --------
    >>> import cellcutter
    >>> verdict = cellcutter.verify("cells.zarr", deep=True)  # doctest: +SKIP
    >>> for fault in verdict.faults:  # doctest: +SKIP
    ...     print(fault)
    """
    given = complete(VerifyOptions, options)
    path = Path(read_path("STORE", store))
    if path.name in ("", ".."):
        path = path.resolve()
    _check(given)
    report = progress or (lambda *_: None)
    verdict = Verdict(str(path))
    threads = given["p"] or min(available_cpus(), _MOST_THREADS)
    check_store(path, verdict, threads, report, deep=given["deep"])
    image = given["image"]
    if image is not None:
        from cellcutter.recut.check import Sources, Wanted, check_sources

        sources = Sources(image, given["mask"], given["table"])
        number = None if given["all"] else given["sample"] or DEFAULT_SAMPLE
        wanted = Wanted(number, given["seed"] or 0, given["p"], given["cache_size"])
        check_sources(path, sources, wanted, verdict, report)
    return verdict


def _check(given: VerifyOptions) -> None:
    """Make sure that options fit each other."""
    if given["all"] and given["sample"] is not None:
        raise SettingsError("--sample and --all found together, one of them expected")
    needs_image = ("mask", "table", "sample", "all")
    for name in needs_image:
        if given["image"] is None and given[name] not in (None, False):  # type: ignore[literal-required]
            raise SettingsError(f"--{name} found without --image, the image expected, too")
