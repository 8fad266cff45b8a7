"""Which columns of a table are the CellIDs and the centroids, also in tables of other tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cellcutter.cells.text import check_separator
from cellcutter.errors import TableError
from cellcutter.kinds import CELL_COLUMNS

CELL_ID, Y, X = CELL_COLUMNS
_SHOWN = 6  # columns of a table in a message
# Names that other tools give, without case, spaces and signs. A wrong guess is only a suggestion.
_KNOWN = {
    CELL_ID: "cellid object objectnumber objectid label cell id cellindex instanceid entityid",
    Y: "ycentroid centroid0 centroidy centroidypx centroidyum centery ycenter y ypos yposition "
    "locationcentery areashapecentery",
    X: "xcentroid centroid1 centroidx centroidxpx centroidxum centerx xcenter x xpos xposition "
    "locationcenterx areashapecenterx",
}


def places(
    name: str, header: Sequence[object], columns: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Return where in a table the CellIDs and the centroids are.

    Parameters
    ----------
    name : str
        Of the table, for messages.
    header : sequence of str
        The names of all columns.
    columns : mapping of str to str, optional
        What the columns CellID, Y_centroid and X_centroid are called here, where not so.

    Returns
    -------
    dict
        The position, from 0, of each of the three.

    Raises
    ------
    TableError
        Columns are missing, or there twice.
    """
    names = [str(column) for column in header]
    called = {column: (columns or {}).get(column, column) for column in CELL_COLUMNS}
    for column in called.values():
        if (count := names.count(column)) > 1:
            raise TableError(f"{name}: {count} columns {column} found, one expected")
    missing = {meant: column for meant, column in called.items() if column not in names}
    if missing:
        check_separator(name, names)
        found = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise TableError(
            f"{name}: columns {found or '(none)'} found, {_listed(list(missing.values()))} "
            f"expected too{_suggestion(names, missing, columns or {})}"
        )
    return {meant: names.index(column) for meant, column in called.items()}


def _suggestion(
    names: Sequence[str], missing: Mapping[str, str], columns: Mapping[str, str]
) -> str:
    """Return how to tell which columns are meant, where some look like it."""
    near = {}
    for meant in missing:
        for known in _KNOWN[meant].split():
            if match := [name for name in names if _plain(name) == known]:
                near[meant] = match[0]
                break
    if not near:
        return "; name the columns that are meant with --columns"
    option = ",".join(f"{meant}={column}" for meant, column in {**columns, **near}.items())
    if re.search(r"[^\w=,.-]", option, re.ASCII):
        option = f'"{option}"'
    micrometres = any(_plain(column).endswith("um") for column in near.values())
    xenium = near.get(Y) == "y_centroid" and near.get(CELL_ID, "cell_id") == "cell_id"
    if micrometres:
        return f"; perhaps with --columns {option} --centroid-unit um"
    if xenium:
        return f"; perhaps with --columns {option}, and --centroid-unit um if this is from Xenium"
    return f"; perhaps with --columns {option}"


def _plain(name: str) -> str:
    """Return a name without case, spaces and signs."""
    small = name.casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    return re.sub(r"[^a-z0-9]", "", small)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def ids_called(options: Mapping[str, object]) -> str:
    """Return what the column of CellIDs is called in a table that was cut with such options."""
    renamed = options.get("columns")
    return str(renamed.get(CELL_ID, CELL_ID)) if isinstance(renamed, dict) else CELL_ID
