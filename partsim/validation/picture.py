"""Melt pools as a picture: their cross-sections, and their sections along the track."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .pool import outline, profile

MICROMETRE = 1e6
COLUMN, HEIGHT = 3.2, 5.6  # inches


def draw(results: Sequence, boundary: float, path: Path) -> None:
    """Writes the computed outlines of pools beside what was measured to a PNG file.

    results   as in .amb2018_02; boundary in K
    """
    figure = Figure(figsize=(COLUMN * len(results), HEIGHT), layout="constrained")
    places = figure.subplots(2, len(results), squeeze=False)
    for (across, along), result in zip(places.T, results, strict=True):
        y, depth = outline(result.field, boundary)
        cross_section(across, result.case, (y * MICROMETRE, depth * MICROMETRE))
        x, depth = profile(result.field, boundary)
        along_section(along, result.case, (x * MICROMETRE, depth * MICROMETRE))
    places[0, 0].legend(fontsize="small", loc="lower left")
    figure.suptitle(f"Melt pools above {boundary:g} K, in \u00b5m")
    figure.savefig(path, dpi=120)


def cross_section(place: Axes, case, line: tuple) -> None:
    """The outline across the track, a box as wide and deep as was measured, and its scatter."""
    width, depth = (MICROMETRE * case.measured[name] for name in ("width", "depth"))
    place.plot(*line, color="tab:red", label="computed")
    place.plot([-width / 2, -width / 2, width / 2, width / 2], [0, depth, depth, 0],
               color="black", linestyle="--", label="measured")
    if case.scatter["depth"] is not None:
        place.errorbar(0, depth, yerr=MICROMETRE * case.scatter["depth"], color="black", capsize=4)
    if case.scatter["width"] is not None:
        place.errorbar(width / 2, 0, xerr=MICROMETRE * case.scatter["width"] / 2, color="black",
                       capsize=4)
    drilled = ", towards a keyhole" if case.drilled else ""
    place.set(title=f"{case.name}{drilled}", xlabel="across the track", ylabel="depth",
              xlim=(-110, 110), ylim=(165, -8), aspect="equal")


def along_section(place: Axes, case, line: tuple) -> None:
    """The outline along the track, and the measured length at the surface behind its front."""
    x, depth = line
    place.plot(x, depth, color="tab:red")
    length = case.measured["length"]
    if length is not None and len(x):
        place.plot([x[-1] - MICROMETRE * length, x[-1]], [0, 0], color="black", linestyle="--")
    place.set(xlabel="along the track, from the beam", ylabel="depth", ylim=(80, -4),
              xlim=(-750, 130))
