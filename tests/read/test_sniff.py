"""What a file is that is no image, in a user's words."""

from __future__ import annotations

import zipfile

import pytest

from cellcutter.read.sniff import ZARR_ZIP, kind_of

KINDS = {
    b"": "an empty file",
    b"II*\0": None,
    b"\x89HDF\r\n": "an HDF5 file (such as h5ad or Imaris)",
    b"<?xml version='1.0'?>": "an XML file",
    b"<!DOCTYPE html><html>": "a web page",
    b'{"a": 1}': "a JSON file",
    b"a,b\n1,2\n": "a CSV table",
    b"a\tb\n1\t2\n": "a table separated by tabs",
    b"a;b\n1;2\n": "a CSV table",
    b"hello\n": "a text file",
    b"a\0b": None,
    b"\xff\xfe\xfd\xfc" * 9: None,
    b"PK\x03\x04 cut short": "a damaged zip file",
}


@pytest.mark.parametrize("content", KINDS)
def test_kinds(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert kind_of(tmp_path / "a") == KINDS[content]


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("a.zarr/zarr.json", ZARR_ZIP),
        ("xl/workbook.xml", "an xlsx table"),
        ("a.txt", "a zip file without a Zarr image"),
    ],
)
def test_zip_files(tmp_path, member, kind):
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr(member, "{}")
    assert kind_of(tmp_path / "a") == kind


def test_what_cannot_be_read_is_not_known(tmp_path):
    assert kind_of(tmp_path / "none") is None
