"""A sheet of crops to be looked at."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from partsim.crops.cropfile import Crops
from partsim.wholefile import explained

MOST = 48
COLUMNS = 8


def draw_sheet(crops: Crops, path: Path) -> None:
    """Draws up to 48 crops, evenly chosen, with condition, run and position as PNG.

    Raises UserError where the file cannot be written.
    """
    chosen = np.unique(np.linspace(0, len(crops) - 1, min(MOST, len(crops))).round().astype(int))
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(2 * COLUMNS, 2.35 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, number in zip(axes.flat, chosen):
        axis.imshow(crops.images[number], interpolation="nearest")
        axis.set_title(_title(crops, number), fontsize=7)
    side = crops.images.shape[2]
    figure.suptitle(f"{crops.section} sections, {side} pixels of {crops.pixel_size * 1e6:.4g} um",
                    fontsize=9)
    explained(path, lambda: figure.savefig(path, format="png", dpi=100))


def _title(crops: Crops, number: int) -> str:
    one = {name: values[number] for name, values in crops.columns.items()}
    place = f"run {one['run']}, {one['position'] * 1e6:.0f} um, {one['split']}"
    if np.isnan(one["power"]):
        return f"condition unknown\n{place}"
    temperature = f", {one['initial_temperature']:.0f} K"
    return f"{one['power']:g} W, {one['speed']:g} m/s{temperature}\n{place}"
