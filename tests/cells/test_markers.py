"""markers.csv as people have it: the right name for the right channel, or an error."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from cellcutter.cells.markers import read_markers
from cellcutter.errors import TableError

IMAGE = SimpleNamespace(shape=(4, 10, 10), path=Path("slide.tif"))
NAMES = ("DNA", "CD8", "CD4", "PanCK")
PLAIN = "channel_number,cycle_number,marker_name\n1,1,DNA\n2,1,CD8\n3,2,CD4\n4,2,PanCK\n"


def table(*numbers: object, names: tuple[str, ...] = NAMES, column: str = "channel_number") -> str:
    return f"{column},marker_name\n" + "".join(
        f"{number},{name}\n" for number, name in zip(numbers, names, strict=True)
    )


READ = {
    "MCMICRO": PLAIN,
    "from 0": table(0, 1, 2, 3),
    "with a point": table("1.0", "2.0", "3.0", "4.0"),
    "backwards": table(4, 3, 2, 1, names=NAMES[::-1]),
    "backwards from 0": table(3, 2, 1, 0, names=NAMES[::-1]),
    "backwards with a point": table("4.0", "3.0", "2.0", "1.0", names=NAMES[::-1]),
    "ten and more": table(10, 9, 11, 8, names=("CD4", "CD8", "PanCK", "DNA")),
    "gaps, as behind a subtraction of background": table(1, 2, 5, 9),
    "numbers that are empty": table("", "", "", ""),
    "no numbers": "marker_name\nDNA\nCD8\nCD4\nPanCK\n",
    "counted anew in each cycle": "cycle_number,channel_number,marker_name\n"
    "2,2,PanCK\n1,1,DNA\n1,2,CD8\n2,1,CD4\n",
    "spaces": PLAIN.replace(",", " ,  "),
    "quotes behind spaces": PLAIN.replace("CD8", ' "CD8"'),
    "empty rows of a spreadsheet": PLAIN + ",,\n , ,\n\n",
    "empty columns of a spreadsheet": PLAIN.replace("\n", ",,\n"),
    "byte-order mark": PLAIN.encode("utf-8-sig"),
    "Windows": PLAIN.replace("\n", "\r\n"),
    "old Macintosh": PLAIN.replace("\n", "\r"),
    "gzip": gzip.compress(PLAIN.encode()),
    "comments": "# made by hand\n" + PLAIN.replace("3,2,CD4", "# cycle 2\n3,2,CD4"),
    "rows that CyLinter ignores": PLAIN.replace("2,1,CD8", "#2,1,CD8").replace("4,2", "# 4,2"),
    "one name a line": "DNA\nCD8\nCD4\nPanCK\n",
    "one name a line, with empty lines": "\nDNA\n\nCD8\nCD4\nPanCK\n\n",
    "steinbock": "channel,name,keep,ilastik\n"
    "Ir191,DNA,1,1\nY89,CD8,1,2\nY90,CD4,1,\nY91,PanCK,1,\n",
    "steinbock with what it leaves out": "channel,name,keep\nAr80,,0\nIr191,DNA,1\nY89,CD8,1\n"
    "Xe1,gas,0\nY90,CD4,1\nY91,PanCK,1\n",
    "steinbock with all": "channel,name,keep\nIr191,DNA,1\nY89,CD8,0\nY90,CD4,1\nY91,PanCK,1\n",
}


@pytest.mark.parametrize("name", READ)
def test_names_of_channels(tmp_path, name):
    content = READ[name]
    path = tmp_path / "markers.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_markers(path, IMAGE) == NAMES


def test_a_channel_without_a_name(tmp_path):
    path = tmp_path / "markers.csv"
    path.write_text(PLAIN.replace("CD8", ""))
    assert read_markers(path, IMAGE) == ("DNA", "", "CD4", "PanCK")


REFUSED = {
    "semicolons": (PLAIN.replace(",", ";"), "columns separated by ';' found, ',' expected: save"),
    "tabs": (PLAIN.replace(",", "\t"), r"columns separated by '\\t' found, ',' expected: save"),
    "UTF-16": (PLAIN.encode("utf-16"), "text in UTF-16 found, a CSV file of markers expected"),
    "Latin-1": (
        PLAIN.replace("CD8", "\N{GREEK SMALL LETTER MU}").encode("iso8859-7"),
        "found, names in UTF-8 expected: save it as CSV in UTF-8",
    ),
    "the same number twice": (
        table(1, 2, 2, 3),
        "channel_number 2 found 2 times, each channel once expected: the names of",
    ),
    "the same number twice in a cycle": (
        PLAIN.replace("2,1,CD8", "1,1,CD8"),
        "channel_number 1 found 2 times",
    ),
    "a number that is none": (table(1, 2, "DAPI", 4), "channel_number 'DAPI' found, a whole"),
    "a number that is missing": (table(1, 2, "", 4), "channel_number '' found, a whole number"),
    "a fraction": (table(1, 2, 2.5, 4), "channel_number '2.5' found, a whole number expected"),
    "a name with a comma": (
        PLAIN.replace("CD8", "CD8,a"),
        "4 columns in row 2 found, 3 expected as in the header",
    ),
    "a short row": (PLAIN.replace("3,2,CD4", "3,CD4"), "2 columns in row 3 found, 3 expected"),
    "too few": (PLAIN.replace("4,2,PanCK\n", ""), "3 markers found, 4 expected as the image slide"),
    "too many": (PLAIN + "5,2,CD3\n", "5 markers found, 4 expected as the image slide"),
    "too few, with a comment": ("# a\n" + PLAIN.replace("4,2,PanCK\n", ""), "3 markers found, 4"),
    "one name a line, too few": ("DNA\nCD8\nCD4\n", "3 markers found, 4 expected"),
    "one column of another name": ("name\nDNA\nCD8\nCD4\n", "name found, a column marker_name"),
    "no header": (PLAIN.split("\n", 1)[1], "1, 1, DNA found, a column marker_name expected"),
    "names twice": (PLAIN.replace("cycle_number", "marker_name"), "marker_name found"),
    "nothing": ("", "no rows found, a column marker_name expected"),
    "a quote without an end": (PLAIN.replace("CD4", '"CD4'), "unexpected end of data found"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused(tmp_path, name):
    content, message = REFUSED[name]
    path = tmp_path / "markers.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError) as caught:
        read_markers(path, IMAGE)
    assert re.search(rf"^{re.escape(str(path))}: .*{message}", str(caught.value)), caught.value
    assert "\n" not in str(caught.value)
