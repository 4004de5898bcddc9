"""What a set of crops looks like: a sheet with one row per condition, and its statistics."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

from gensim.data.conditions import condition_text, distinct_conditions, named
from gensim.data.crops import SPLITS
from gensim.data.sets import CropSet, evenly, parts

ROWS, COLUMNS = 12, 8  # of the sheet, at most
MEASURED = 200  # crops whose grains are counted, at most
MICRO = 1e6


def row_title(condition: np.ndarray, domain: str) -> str:
    """Of a row of crops; samples that were drawn for no condition have none, it is not unknown."""
    if domain == "sampled" and np.isnan(condition).all():
        return "unconditioned"
    return condition_text(condition)


def statistics(crops: CropSet) -> dict[str, Any]:
    """Counts, conditions, colours (of 1) and grains of a set, for people and for JSON."""
    columns = crops.columns
    conditions, which = distinct_conditions(crops.conditions)
    sample = evenly(len(crops), MEASURED)
    pixels = crops.images(sample).reshape(len(sample), -1, 3) / 255
    return {
        "files": [str(file.path) for file in crops.files],
        "section": crops.section,
        "crops": len(crops),
        "pixels": crops.size,
        "pixel_size_um": crops.pixel_size * MICRO,
        "domains": sorted(set(columns["domain"].tolist())),
        "splits": {split: int((columns["split"] == split).sum()) for split in SPLITS},
        "parts": {name: len(part) for name, part in parts(crops).items()},
        "cases": len(set(columns["case"].tolist())),
        "runs": len(set(zip(columns["case"].tolist(), columns["run"].tolist(), strict=True))),
        "conditions": [
            named(row) | {"crops": int((which == number).sum())}
            for number, row in enumerate(conditions)
        ],
        "colour_mean": pixels.mean(axis=(0, 1)).tolist(),
        "colour_std": pixels.std(axis=1).mean(axis=0).tolist(),
        "grains": grain_statistics(crops, sample),
    }


def grain_statistics(crops: CropSet, sample: np.ndarray) -> dict[str, float] | None:
    """Grains per crop and their mean equivalent diameter in um; None where no grain map is known.

    A grain is an edge-connected region of one orientation; those cut by the edge count, too.
    """
    counts = [count_grains(grains) for grains in crops.grains(sample) if (grains >= 0).all()]
    if not counts:
        return None
    area = (crops.size * crops.pixel_size * MICRO) ** 2 / np.mean(counts)
    return {"crops_measured": len(counts), "per_crop": float(np.mean(counts)),
            "equivalent_diameter_um": float(np.sqrt(4 * area / np.pi))}


def count_grains(grains: np.ndarray) -> int:
    """Edge-connected regions of equal value in a map (h, w)."""
    return sum(ndimage.label(grains == value)[1] for value in np.unique(grains))


def draw_sheet(crops: CropSet, path: Path) -> None:
    """Writes a PNG: a row of crops for each condition, up to ROWS of them evenly chosen."""
    conditions, which = distinct_conditions(crops.conditions)
    shown = evenly(len(conditions), ROWS)
    figure = Figure(figsize=(COLUMNS * 1.1, len(shown) * 1.25 + 0.3), layout="constrained")
    axes = figure.subplots(len(shown), COLUMNS, squeeze=False)
    for row, number in zip(axes, shown, strict=True):
        members = np.flatnonzero(which == number)
        chosen = members[evenly(len(members), COLUMNS)]
        for place, image in zip(row, crops.images(chosen), strict=False):
            place.imshow(image, interpolation="nearest")
        for place in row:
            place.set_axis_off()
        title = row_title(conditions[number], str(crops.columns["domain"][members[0]]))
        row[0].set_title(title, fontsize=8, loc="left")
    edge = crops.size * crops.pixel_size * MICRO
    figure.supxlabel(f"{crops.section} sections, {edge:.0f} um wide", fontsize=8)
    with matplotlib.rc_context({"savefig.dpi": 120}):
        figure.savefig(path)
