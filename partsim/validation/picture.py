"""Melt pools as a picture: across the track, and along it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .track import Field

MICROMETRE = 1e6
COLUMN, HEIGHT = 3.2, 5.6  # inches
COMPUTED, TOLD = "tab:red", "black"


def draw(results: Sequence, boundary: float, path: Path) -> None:
    """Writes the computed outlines of pools beside what was measured to a PNG file.

    results   as in .amb2018_02; boundary in K
    """
    figure = Figure(figsize=(COLUMN * len(results), HEIGHT), layout="constrained")
    places = figure.subplots(2, len(results), squeeze=False)
    for (across, along), result in zip(places.T, results, strict=True):
        cross_section(across, result.case, result.field, boundary)
        along_section(along, result.case, result.field, boundary)
    figure.suptitle(
        f"Melt pools above {boundary:g} K in \u00b5m: computed (red), measured (black, dashed)")
    figure.savefig(path, dpi=120)


def isotherm(place: Axes, across: np.ndarray, z: np.ndarray, section: tuple) -> None:
    """The line at one temperature; section = temperature (nz, n), that temperature."""
    temperature, level = section
    place.contour(
        MICROMETRE * across, -MICROMETRE * z, temperature, levels=[level], colors=COMPUTED)


def cross_section(place: Axes, case, field: Field, boundary: float) -> None:
    """What was molten across the track, and a box as wide and deep as was measured."""
    isotherm(place, field.y, field.z, (field.temperature.max(axis=2), boundary))
    width, depth = (MICROMETRE * case.measured[name] for name in ("width", "depth"))
    place.plot([-width / 2, -width / 2, width / 2, width / 2], [0, depth, depth, 0],
               color=TOLD, linestyle="--")
    if case.scatter["depth"] is not None:
        place.errorbar(0, depth, yerr=MICROMETRE * case.scatter["depth"], color=TOLD, capsize=4)
    if case.scatter["width"] is not None:
        half = MICROMETRE * case.scatter["width"] / 2
        place.errorbar(width / 2, 0, xerr=half, color=TOLD, capsize=4)
    drilled = ", towards a keyhole" if case.drilled else ""
    place.set(title=f"{case.name}{drilled}", xlabel="across the track", ylabel="depth",
              xlim=(-110, 110), ylim=(165, -8), aspect="equal")


def along_section(place: Axes, case, field: Field, boundary: float) -> None:
    """The pool under the track's middle line, and the measured length behind its front."""
    section = field.temperature[:, field.middle]
    isotherm(place, field.x, field.z, (section, boundary))
    length, molten = case.measured["length"], field.x[section[-1] >= boundary]
    if length is not None and len(molten):
        front = MICROMETRE * molten[-1]
        place.plot([front - MICROMETRE * length, front], [0, 0], color=TOLD, linestyle="--")
    place.set(xlabel="along the track, from the beam", ylabel="depth", ylim=(80, -4),
              xlim=(-800, 130))
