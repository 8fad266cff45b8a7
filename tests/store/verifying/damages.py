"""What can happen to a store: each damage by its name, for folders of either layout."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import zstandard

from cellcutter.store import manifest
from cellcutter.store.layout import IMAGES, MASKS

Damage = Callable[[Path], object]
PLAIN, DEEP, SOURCES = "plain", "deep", "sources"
SHARD, MASK_SHARD = f"{IMAGES}/c/1/0/0/0", f"{MASKS}/c/1/0/0"
PER_SHARD = 7
ABSENT = 2**64 - 1


def masks_of(store: Path) -> Path:
    return store.with_name(store.name.replace(".zarr", "_mask.zarr"))


def sign(store: Path) -> None:
    """Make a manifest anew, as somebody would who changes a store on purpose."""
    import hashlib

    files = [f for f in store.rglob("*") if f.is_file() and f.name != manifest.NAME]
    digests = {
        f.relative_to(store).as_posix(): hashlib.sha256(f.read_bytes()).digest() for f in files
    }
    (store / manifest.NAME).write_bytes(manifest.written(digests))


def signed(damage: Damage) -> Damage:
    def both(store: Path) -> None:
        damage(store)
        sign(store)

    return both


def flip(name: str, place: float) -> Damage:
    """Flip a bit of a byte: the first for 0, the last for 1."""

    def damage(store: Path) -> None:
        file = store / name
        content = bytearray(file.read_bytes())
        content[round(place * (len(content) - 1))] ^= 1
        file.write_bytes(content)

    return damage


def edit(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(store: Path) -> None:
        before = (store / name).read_bytes()
        after = change(before)
        assert after != before
        (store / name).write_bytes(after)

    return damage


def told(change: Callable[[dict], object], name: str = "") -> Damage:
    """Change the metadata, also where they stand twice, and sign."""

    def damage(store: Path) -> None:
        for file in [name] if name else [".zattrs", "zarr.json"]:
            if (store / file).exists():
                found = json.loads((store / file).read_bytes())
                own = found if file == ".zattrs" or name else found["attributes"]
                change(own if name else own["cellcutter"])
                (store / file).write_text(json.dumps(found))
                about = store / "uns/cellcutter/c"
                if about.exists() and not name:
                    text = json.dumps(own["cellcutter"]).encode()
                    packed = struct.pack("<II", 1, len(text)) + text
                    (file_,) = [f for f in [about, *about.rglob("*")] if f.is_file()]
                    file_.write_bytes(zstandard.compress(packed))
        sign(store)

    return damage


def entries(change: Callable[[np.ndarray], object], *, checksum: bool = True) -> Damage:
    """Change the index of a shard, and sign."""

    def damage(store: Path) -> None:
        file = store / SHARD
        content = file.read_bytes()
        start = len(content) - 4 - 16 * PER_SHARD
        index = np.frombuffer(content[start:-4], "<u8").reshape(-1, 2).copy()
        change(index)
        assert index.tobytes() != content[start:-4]
        end = struct.pack("<I", google_crc32c.value(index.tobytes()))
        file.write_bytes(content[:start] + index.tobytes() + (end if checksum else content[-4:]))
        sign(store)

    return damage


def set_at(row: int, column: int, value: int | None = None, add: int = 0) -> Callable:
    def change(index: np.ndarray) -> None:
        index[row, column] = int(index[row, column]) + add if value is None else value

    return change


def exchange(index: np.ndarray) -> None:
    index[[2, 3]] = index[[3, 2]]


def swap(a: str, b: str) -> Damage:
    def damage(store: Path) -> None:
        first, second = (store / a).read_bytes(), (store / b).read_bytes()
        assert first != second
        (store / a).write_bytes(second)
        (store / b).write_bytes(first)

    return damage


def link(name: str) -> Damage:
    def damage(store: Path) -> None:
        aside = store.with_name("aside")
        shutil.move(store / name, aside)
        (store / name).symlink_to(aside)

    return damage


def in_masks(damage: Damage) -> Damage:
    return lambda store: damage(masks_of(store))


def without_line(name: str) -> Damage:
    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.endswith(f"  {name}\n".encode()))

    return edit(manifest.NAME, change)


def line(text: str) -> Damage:
    """Add a line to the manifest, where it belongs."""

    def change(content: bytes) -> bytes:
        lines = [*content.splitlines(keepends=True), f"{text}\n".encode()]
        return b"".join(sorted(lines, key=lambda each: each.lstrip(b"\\")[66:]))

    return edit(manifest.NAME, change)


def reverse_rows(content: bytes) -> bytes:
    head, *rows = content.splitlines(keepends=True)
    return b"".join([head, *rows[::-1]])


def column(name: str, dtype: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(store: Path) -> None:
        file = store / name
        values = np.frombuffer(zstandard.decompress(file.read_bytes()), dtype)
        file.write_bytes(zstandard.compress(np.ascontiguousarray(change(values)).tobytes()))
        sign(store)

    return damage


def drop(name: str) -> Damage:
    def damage(store: Path) -> None:
        file = store / name
        shutil.rmtree(file) if file.is_dir() else file.unlink()

    return damage


def append(name: str, more: bytes = b"\0") -> Damage:
    return edit(name, lambda content: content + more)


def add(name: str) -> Damage:
    return lambda store: (store / name).write_bytes(b"more")


NO = "0" * 64
OTHER_IDS = told(lambda a: a["table"].update(cell_ids_sha256=NO))
OF_MANIFEST: dict[str, tuple[Damage, str, str]] = {
    "line with another digit": (flip(manifest.NAME, 0), PLAIN, ""),
    "name in the middle flipped": (flip(manifest.NAME, 0.5), PLAIN, ""),
    "last line does not end": (flip(manifest.NAME, 1), PLAIN, manifest.NAME),
    "manifest missing": (drop(manifest.NAME), PLAIN, f"{manifest.NAME}: missing"),
    "empty manifest": (edit(manifest.NAME, lambda _: b""), PLAIN, manifest.NAME),
    "manifest in capitals": (edit(manifest.NAME, bytes.upper), PLAIN, manifest.NAME),
    "CRLF": (edit(manifest.NAME, lambda c: c.replace(b"\n", b"\r\n")), PLAIN, ""),
    "line of a missing file": (line(f"{NO}  0.9.9.9"), PLAIN, "0.9.9.9"),
    "line that leads out": (line(f"{NO}  ../secret"), PLAIN, "../secret"),
    "absolute line": (line(f"{NO}  /etc/passwd"), PLAIN, "/etc/passwd"),
    "line of itself": (line(f"{NO}  {manifest.NAME}"), PLAIN, manifest.NAME),
    "lines in another order": (edit(manifest.NAME, reverse_rows), PLAIN, "not in the order"),
    "a line twice": (edit(manifest.NAME, lambda c: c + c.splitlines(True)[-1]), PLAIN, "order"),
    "no text": (edit(manifest.NAME, lambda _: os.urandom(500) + b"\n"), PLAIN, manifest.NAME),
}
COMMON: dict[str, tuple[Damage, str, str]] = {
    "another file": (add("more"), PLAIN, "more"),
    "another hidden file": (add(".DS_Store"), PLAIN, ".DS_Store"),
    "rows told": (told(lambda a: a["table"].update(rows=3)), PLAIN, "rows: 3 told"),
    "window told": (told(lambda a: a.update(window_size=99)), PLAIN, "window_size: 99"),
    "channels told": (told(lambda a: a["channels"].pop()), PLAIN, "channels: 2 told"),
    "axes told": (told(lambda a: a["axes"].pop()), PLAIN, "axes: 3 told"),
    "statistics told": (told(lambda a: a["statistics"]["std"].pop()), PLAIN, "std: 2 told"),
    "channels exchanged": (told(lambda a: a["channels"].reverse()), SOURCES, "other pixels"),
    "image told": (told(lambda a: a["image_shape"].reverse()), SOURCES, "image of"),
    "order told": (told(lambda a: a["options"].update(shuffle=4)), SOURCES, "CellID"),
    **OF_MANIFEST,
}
CHUNKS: dict[str, tuple[Damage, str, str]] = {
    **{
        f"{name} flipped at {place}": (flip(name, place), PLAIN, name)
        for name in ("0.0.0.0", "0.4.0.0", ".zarray", ".zattrs", "cells.csv")
        for place in (0, 0.3, 0.9, 1)
    },
    **{
        f"masks: {name} flipped at {place}": (in_masks(flip(name, place)), PLAIN, "_mask.zarr")
        for name in ("2.0.0", ".zarray", ".zattrs", "cells.csv", manifest.NAME)
        for place in (0, 1)
    },
    **{
        f"{name} missing": (drop(name), PLAIN, name)
        for name in ("0.0.0.0", "0.4.0.0", ".zarray", ".zattrs", "cells.csv")
    },
    **{
        f"{name} and its line missing": (signed(drop(name)), PLAIN, name)
        for name in ("0.1.0.0", ".zarray", ".zattrs", "cells.csv")
    },
    "masks: chunk missing": (in_masks(drop("1.0.0")), PLAIN, "1.0.0: missing"),
    "masks: chunk and line missing": (in_masks(signed(drop("1.0.0"))), PLAIN, "1.0.0: missing"),
    "masks: another file": (in_masks(add("x")), PLAIN, "_mask.zarr"),
    "line missing": (without_line("0.1.0.0"), PLAIN, "0.1.0.0: not in the manifest"),
    "chunk of nothing": (edit("0.0.0.0", lambda _: b""), PLAIN, "0.0.0.0"),
    "half a chunk": (edit("0.0.0.0", lambda c: c[: len(c) // 2]), PLAIN, "0.0.0.0"),
    "half a chunk, signed": (signed(edit("0.0.0.0", lambda c: c[:99])), PLAIN, "0.0.0.0"),
    "a longer chunk": (append("0.2.0.0"), PLAIN, "0.2.0.0"),
    "a longer chunk, signed": (signed(append("0.2.0.0")), PLAIN, "0.2.0.0"),
    "renamed chunk": (lambda s: (s / "0.1.0.0").rename(s / "0.9.0.0"), PLAIN, "0.9.0.0"),
    "swapped chunks": (swap("0.0.0.0", "0.1.0.0"), PLAIN, "0.0.0.0: other bytes"),
    "swapped chunks, signed": (signed(swap("0.0.0.0", "0.1.0.0")), SOURCES, "other pixels"),
    "linked chunk": (link("0.1.0.0"), PLAIN, "0.1.0.0: a link"),
    "linked table": (link("cells.csv"), PLAIN, "cells.csv: a link"),
    "linked metadata": (link(".zarray"), PLAIN, ".zarray: a link"),
    "linked manifest": (link(manifest.NAME), PLAIN, f"{manifest.NAME}: a link"),
    "linked folder": (lambda s: (s / "x").symlink_to(s.parent), PLAIN, "x: a link"),
    "a pipe": (lambda s: (drop("0.1.0.0")(s), os.mkfifo(s / "0.1.0.0")), PLAIN, "no regular"),
    "a folder for a chunk": (
        lambda s: (drop("0.1.0.0")(s), (s / "0.1.0.0").mkdir()),
        PLAIN,
        "0.1.0.0: missing",
    ),
    "fewer cells": (told(lambda a: a["shape"].__setitem__(1, 30), ".zarray"), PLAIN, "rows"),
    "more cells": (told(lambda a: a["shape"].__setitem__(1, 99), ".zarray"), PLAIN, "missing"),
    "other chunks": (told(lambda a: a["chunks"].__setitem__(1, 8), ".zarray"), PLAIN, "told"),
    "wider pixels": (told(lambda a: a.update(dtype="<u4"), ".zarray"), PLAIN, "bytes in a frame"),
    "signed pixels": (told(lambda a: a.update(dtype="<i2"), ".zarray"), SOURCES, "int16"),
    "swapped bytes": (told(lambda a: a.update(dtype=">u2"), ".zarray"), SOURCES, "other pixels"),
    "no compressor": (told(lambda a: a.update(compressor=None), ".zarray"), PLAIN, "expected"),
    "another format": (told(lambda a: a.update(zarr_format=3), ".zarray"), PLAIN, "format"),
    "another order": (told(lambda a: a.update(order="F"), ".zarray"), PLAIN, "order"),
    "no JSON": (signed(edit(".zarray", lambda c: c[:-9])), PLAIN, "JSON"),
    "a huge shape": (told(lambda a: a["shape"].__setitem__(1, 2**60), ".zarray"), PLAIN, ""),
    "frame tells another size": (
        signed(edit("0.0.0.0", lambda c: c[:4] + b"\xff\xff" + c[6:])),
        PLAIN,
        "0.0.0.0",
    ),
    "frame of another version": (signed(edit("0.0.0.0", lambda c: b"\x09" + c[1:])), DEEP, "0.0"),
    "block of a frame outside": (
        signed(edit("0.0.0.0", lambda c: c[:16] + b"\xff\xff\xff\x7f" + c[20:])),
        DEEP,
        "0.0.0.0: cannot be decoded",
    ),
    "table in another order": (edit("cells.csv", reverse_rows), PLAIN, "cells.csv"),
    "table in another order, signed": (signed(edit("cells.csv", reverse_rows)), DEEP, "CellIDs"),
    "row missing, signed": (
        signed(edit("cells.csv", lambda c: b"".join(c.splitlines(True)[:-1]))),
        DEEP,
        "30 rows",
    ),
    "window moved, signed": (
        signed(edit("cells.csv", lambda c: re.sub(rb"^(\d+),-?\d+", rb"\1,777", c, flags=re.M))),
        SOURCES,
        "X_start",
    ),
    "CellIDs told": (OTHER_IDS, PLAIN, "masks of other cells"),
    "masks of other cells": (
        in_masks(OTHER_IDS),
        PLAIN,
        "masks of other cells",
    ),
    "masks: swapped, signed": (in_masks(signed(swap("0.0.0", "1.0.0"))), SOURCES, "masks of cell"),
    "masks are no store": (in_masks(drop(".zarray")), PLAIN, "_mask.zarr"),
}
CELLS: dict[str, tuple[Damage, str, str]] = {
    **{
        f"{name} flipped at {place}": (flip(name, place), PLAIN, name)
        for name in (SHARD, MASK_SHARD, "zarr.json", f"{IMAGES}/zarr.json", "obs/zarr.json")
        for place in (0, 0.4, 1)
    },
    **{
        f"{name} flipped": (flip(name, 0.5), PLAIN, name)
        for name in ("obs/CellID/c/0", "obs/_index/c/0", "var/channels/c/0", "uns/cellcutter/c")
    },
    **{
        f"{name} missing": (drop(name), PLAIN, name)
        for name in (SHARD, MASK_SHARD, "zarr.json", "obs/CellID", "obs/CellID/c/0", "uns")
    },
    **{
        f"{name} and its line missing": (signed(drop(name)), PLAIN, name)
        for name in (SHARD, MASK_SHARD, "zarr.json", "obs/Status", "obs/CellID/c/0", "varp")
    },
    "another column": (add("obs/more"), PLAIN, "obs/more"),
    "half a shard": (edit(SHARD, lambda c: c[: len(c) // 2]), PLAIN, SHARD),
    "half a shard, signed": (signed(edit(SHARD, lambda c: c[: len(c) // 2])), DEEP, SHARD),
    "a shard of nothing": (signed(edit(SHARD, lambda _: b"")), PLAIN, SHARD),
    "a longer shard": (signed(append(SHARD)), DEEP, SHARD),
    "bytes before the index": (
        signed(edit(SHARD, lambda c: c[: -4 - 16 * PER_SHARD] + b"x" + c[-4 - 16 * PER_SHARD :])),
        DEEP,
        "the last cell ends at",
    ),
    "swapped shards, signed": (
        signed(swap(SHARD, SHARD.replace("/1/", "/2/"))),
        SOURCES,
        "other pixels",
    ),
    "linked shard": (link(SHARD), PLAIN, f"{SHARD}: a link"),
    "linked folder of a column": (link("obs/CellID"), PLAIN, "obs/CellID: a link"),
    "node tells something else": (
        told(lambda a: a["shape"].__setitem__(0, 3), f"{IMAGES}/zarr.json"),
        PLAIN,
        "other metadata than at the root",
    ),
    "entry outside": (entries(set_at(2, 0, 2**40)), DEEP, "cell 9: a place outside"),
    "entry far outside": (entries(set_at(2, 0, 2**64 - 9)), DEEP, "cell 9: a place outside"),
    "entry too long": (entries(set_at(2, 1, 2**62)), DEEP, "cell 9: a place outside"),
    "entry in the index": (entries(set_at(6, 1, add=9)), DEEP, "cell 13: a place outside"),
    "entry that overlaps": (entries(set_at(2, 0, add=-3)), DEEP, "cell 9: a place that overlaps"),
    "entry that goes backward": (entries(set_at(3, 0, 0)), DEEP, "cell 10: a place that goes back"),
    "entry with a gap": (entries(set_at(2, 0, add=1)), DEEP, "cell 9: a gap of 1 bytes"),
    "entry too short": (entries(set_at(2, 1, add=-1)), DEEP, "cell 9: cannot be decoded"),
    "entry of nothing": (entries(set_at(2, 1, 0)), DEEP, "cell 9: cannot be decoded"),
    "entries exchanged": (entries(exchange), DEEP, "cell 9: a gap"),
    "entry absent": (entries(lambda i: i[2].fill(ABSENT)), DEEP, "cell 9: not in the shard"),
    "all absent": (entries(lambda i: i.fill(ABSENT)), DEEP, "cell 13: not in the shard"),
    "index without its checksum": (
        entries(set_at(2, 0, add=1), checksum=False),
        DEEP,
        "another CRC-32C",
    ),
    "frame tells another size": (
        signed(edit(SHARD, lambda c: c[:4] + b"\xff\xff" + c[6:])),
        DEEP,
        "cell 7: cannot be decoded",
    ),
    "CellIDs told": (OTHER_IDS, DEEP, "other CellIDs in obs"),
    "CellIDs in another order": (
        column("obs/CellID/c/0", "<i8", lambda v: v[::-1]),
        DEEP,
        "CellIDs",
    ),
    "fewer CellIDs": (column("obs/CellID/c/0", "<i8", lambda v: v[:-1]), DEEP, "CellID/c/0"),
    "window moved, signed": (
        column("obs/X_start/c/0", "<i4", lambda v: v + 1),
        SOURCES,
        "X_start",
    ),
    "column that cannot be decoded": (
        signed(edit("obs/CellID/c/0", lambda c: c[:-3])),
        DEEP,
        "obs/CellID/c/0",
    ),
    "texts cut off": (
        column("obs/_index/c/0", "<u1", lambda v: v[:-1]),
        DEEP,
        "obs/_index/c/0",
    ),
    "told twice, differently": (
        told(lambda a: a["attributes"]["cellcutter"].update(version="9"), "zarr.json"),
        DEEP,
        "uns/cellcutter/c",
    ),
    "masks swapped, signed": (
        signed(swap(MASK_SHARD, MASK_SHARD.replace("/1/", "/2/"))),
        SOURCES,
        "masks of cell",
    ),
}


def pack(folder: Path, archive: Path) -> None:
    """Make a zip file of a folder, as cutting makes it."""
    with zipfile.ZipFile(archive, "w") as target:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            info.external_attr = 0o644 << 16
            target.writestr(info, file.read_bytes())
