"""What galleries cost: pictures of 64 random cells of a large slide, and a page of 2,000 cells.

python -m benchmarks.gallery --cells 170000 --rounds 3

The slides are made from a seed and kept. A command is measured from its start to its end, as people
run it; of a page also the time until it is drawn in Chromium, and that of drawing 500 cells anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import cellcutter
from benchmarks.slides import SlideSpec, write_project

HERE = Path(__file__).parent
WINDOW = 40
CHROMIUM = "/usr/bin/chromium"
DRAWN = """() => {
  const some = gallery.nodes.keys().take(500).toArray(), start = performance.now();
  gallery.recolour();
  some.forEach((i) => gallery.draw(i));
  return performance.now() - start;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=170_000)
    parser.add_argument("--page-cells", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=HERE / "data" / "gallery")
    given = parser.parse_args()
    large = stores(given.data, given.cells, 4)
    wide = stores(given.data, max(20_000, given.page_cells), 12)
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(given.rounds):
        print(f"round {number + 1}", file=sys.stderr)
        for layout, store in large.items():
            for form in ("png", "pdf"):
                run(found, f"64 of {given.cells:,} cells, {layout}, {form}", store, form)
        name = f"{given.page_cells:,} cells x 12 channels, html"
        page = run(found, name, wide["cells"], "html", f"--number={given.page_cells}")
        found.setdefault("page in Chromium", []).append(in_chromium(page))
    print(json.dumps({"load": os.getloadavg(), "results": best(found)}, indent=1))


def stores(data: Path, cells: int, channels: int) -> dict[str, Path]:
    """Cut a slide in both layouts; what is there is kept."""
    side = int(np.sqrt(cells * 1.06) * 29)
    folder = data / f"{cells}-{channels}"
    paths = write_project(folder, SlideSpec("slide", channels, side, side, seed=3))
    found = {}
    for layout in ("cells", "chunks"):
        found[layout] = folder / f"{layout}.zarr"
        if not found[layout].exists():
            cellcutter.cut_cells(
                paths["image"],
                paths["labels"],
                paths["table"],
                found[layout],
                window_size=WINDOW,
                layout="cells" if layout == "cells" else "chunks",
            )
    return found


def run(
    found: dict[str, list[dict[str, float]]], name: str, store: Path, form: str, *words: str
) -> Path:
    """Run the command; note seconds and CPU seconds."""
    out = store.parent / f"out.{form}"
    command = [str(Path(sys.executable).with_name("cellcutter")), "gallery", "-f", *words]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], [*command, str(store), str(out)], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{name}: failed")
    seconds = time.perf_counter() - started
    entry = {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "MB": out.stat().st_size / 1e6,
    }
    found.setdefault(name, []).append(entry)
    return out


def in_chromium(page: Path) -> dict[str, float]:
    """Return the seconds until a page is ready, and those of drawing 500 of its cells."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        started = time.perf_counter()
        tab.goto(page.absolute().as_uri())
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
        ready = time.perf_counter() - started
        drawn = min(float(tab.evaluate(DRAWN)) for _ in range(5)) / 1000
        browser.close()
    return {"ready": ready, "recolour 500": drawn}


def best(found: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the least of each figure."""
    return {
        name: {key: round(min(entry[key] for entry in entries), 3) for key in entries[0]}
        for name, entries in found.items()
    }


if __name__ == "__main__":
    main()
