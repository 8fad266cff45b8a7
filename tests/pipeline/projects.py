"""MCMICRO projects that tests make: real pixels, tiny."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

CHANNELS = ("DNA", "CD 45", "Keratin")


def write_image(file: Path, seed: int = 1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 65535, (3, 40, 50), np.uint16)
    tifffile.imwrite(file, pixels, photometric="minisblack", compression="zlib")


def write_mask(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((40, 50), np.int32)
    labels[5:12, 8:13] = 1
    labels[20:26, 30:38] = 2
    tifffile.imwrite(file, labels)


def write_table(file: Path, cells: int = 2) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"CellID": [1, 2], "X_centroid": [10.0, 33.5], "Y_centroid": [8.0, 22.5]})
    table.head(cells).to_csv(file, index=False)


def write_markers(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"cycle": 1, "marker_name": CHANNELS}).to_csv(file, index=False)


def write(project: Path, *names: str) -> Path:
    """Write the files of these names, each as its folder demands, and markers.csv."""
    write_markers(project / "markers.csv")
    for name in names:
        file = project / name
        folder = name.split("/")[0]
        if file.suffix == ".csv":
            {"quantification": write_table, "background": write_markers}[folder](file)
        elif folder == "segmentation":
            write_mask(file)
        else:
            write_image(file)
    return project


def sample(image: str, method: str = "unmicst", mask: str = "cell") -> tuple[str, str, str]:
    """Return the three names of a sample of a whole slide."""
    return (
        f"registration/{image}.ome.tif",
        f"segmentation/{method}-{image}/{mask}.ome.tif",
        f"quantification/{image}--{method}_{mask}.csv",
    )
