"""Sections through the grains, coloured by the crystal direction along z."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partsim.grains.layers import Metal
from partsim.output.shared_file import explained

UM = 1e6
STYLE = {"font.size": 8, "axes.titlesize": 8, "savefig.dpi": 200}
FILES = ("cross_section.png", "longitudinal_section.png", "surface.png")


def draw_sections(folder: Path, metal: Metal, colours: np.ndarray, length: float) -> None:
    """cross_section.png in the middle of the tracks, longitudinal_section.png along the middle one.

    colours  (grains, 3) in [0, 1]
    """
    plan = metal.plan
    x = plan.cells[2] // 2
    y = int(plan.placement((plan.job.scan.tracks - 1) // 2, length).start[1] / plan.job.grains.cell)
    surface = plan.cells[0] - 1
    sections = {
        "cross_section": ("across the tracks, x", x, (slice(None), slice(None), x), ("y", "z")),
        "longitudinal_section": ("along a track, y", y, (slice(None), y), ("x", "z")),
        "surface": ("just below the surface, z", surface, (surface,), ("x", "y")),
    }
    for name, (title, place, cut, labels) in sections.items():
        height = UM * plan.job.grains.cell * (place + 0.5)
        title = f"grains {title} = {height:.0f} µm, colour: crystal direction along z"
        draw(folder / f"{name}.png", colours[metal.grain[cut]], metal.melted[cut],
             UM * plan.job.grains.cell, (title, *labels))


def draw(path: Path, shades: np.ndarray, melted: np.ndarray, edge: float, texts: tuple) -> None:
    """One section: shades (rows, columns, 3), a white line around what was ever liquid."""
    rows, columns = melted.shape
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 0.9 + 6.2 * rows / columns), layout="constrained")
        place: Axes = figure.subplots()
        extent = (0, edge * columns, 0, edge * rows)
        place.imshow(shades, origin="lower", interpolation="nearest", extent=extent)
        if melted.any() and not melted.all():
            place.contour(melted, [0.5], colors="white", linewidths=0.8, extent=extent)
        place.set(title=texts[0], xlabel=f"{texts[1]} / µm", ylabel=f"{texts[2]} / µm")
        explained(path, lambda: figure.savefig(path))
