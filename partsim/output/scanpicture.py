"""A layer's scan paths as a picture: scanned lines in colour, jumps thin and grey."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from partsim.errors import UserError
from partsim.output.panels import MM, value_range
from partsim.output.picture import STYLE
from partsim.part.scan import ScanPath

SIZE = 6.0  # inches, the longer side
JUMP = {"colors": "0.6", "linewidths": 0.3}
MARGIN = 0.03
LABELS = {"time": "time / ms", "power": "power / W"}
WAYS = ("-", "--", ":", "-.")  # one for each laser
Colour = Literal["time", "power"]


def draw(paths: Sequence[ScanPath], file: Path, title: str, colour: Colour) -> Path:
    """Writes the picture and returns its path; UserError where it cannot be written."""
    with matplotlib.rc_context(STYLE):
        figure = scan_figure(paths, title, colour)
        try:
            figure.savefig(file)
        except OSError as failure:
            raise UserError(f"cannot write picture {file}: {failure.strerror}") from failure
    return file


def scan_figure(paths: Sequence[ScanPath], title: str, colour: Colour) -> Figure:
    """The paths from above in mm, equally scaled, coloured by time or power."""
    figure = Figure(figsize=(SIZE, SIZE), layout="constrained")
    place = figure.subplots()
    values = [colour_values(path, colour) for path in paths]
    norm = value_range(np.concatenate(values))
    for path, value, way in zip(paths, values, WAYS * len(paths)):
        lines = MM * np.stack([path.ends[:-1, :2], path.ends[1:, :2]], axis=1)
        on = path.power > 0
        place.add_collection(LineCollection(lines[~on], **JUMP), autolim=False)
        width = line_width(lines[on])
        scanned = LineCollection(lines[on], cmap="viridis", norm=norm, array=value,
                                 linewidths=width, linestyles=way)
        place.add_collection(scanned, autolim=False)
    frame(place, np.concatenate([path.ends[:, :2] for path in paths]))
    place.set_title(title)
    figure.colorbar(scanned, ax=place, label=LABELS[colour], shrink=0.8)
    return figure


def colour_values(path: ScanPath, colour: Colour) -> np.ndarray:
    """Middle time in ms, or power in W, of the segments with power."""
    on = path.power > 0
    middle = 1e3 * (path.times[:-1] + path.times[1:]) / 2
    return middle[on] if colour == "time" else path.power[on]


def line_width(lines: np.ndarray) -> float:
    """Points; many lines are drawn thinner."""
    return float(np.clip(60 / np.sqrt(len(lines) + 1) / 4, 0.3, 1.6))


def frame(place: Axes, points: np.ndarray) -> None:
    """Shows all points (n, 2) in m with a margin."""
    low, high = MM * points.min(axis=0), MM * points.max(axis=0)
    margin = max(MARGIN * float((high - low).max()), 1e-3)
    place.set_xlim(low[0] - margin, high[0] + margin)
    place.set_ylim(low[1] - margin, high[1] + margin)
    place.set_aspect("equal")
    place.set_xlabel("x / mm")
    place.set_ylabel("y / mm")
