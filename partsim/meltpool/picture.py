"""A melt pool in three cuts: its surface, lengthwise and across."""

from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from partsim.meltpool.alloy import Alloy
from partsim.meltpool.fields import PoolFields
from partsim.output.shared_file import explained

UM = 1e6
ARROWS = 26  # along the longer side of a cut
STYLE = {"font.size": 8, "axes.titlesize": 8, "savefig.dpi": 200}


class Cut(NamedTuple):
    """A plane of cells: values and in-plane velocity (rows, columns), edges and labels in um."""

    title: str
    temperature: np.ndarray
    along: np.ndarray
    up: np.ndarray
    corner: tuple[float, float]
    labels: tuple[str, str]


def cuts(fields: PoolFields, liquidus: float) -> list[Cut]:
    """The surface, the symmetry plane, and the plane across where the pool is widest."""
    T, u = fields.temperature, fields.velocity
    x, y, z = (UM * value for value in fields.corner)
    middle = T.shape[1] // 2
    widest = int(np.argmax((T[-1] > liquidus).sum(axis=0)))
    place = x + UM * fields.edge * (widest + 0.5)
    return [
        Cut("surface", T[-1], u[-1, ..., 0], u[-1, ..., 1], (x, y), ("x / µm", "y / µm")),
        Cut("lengthwise, y = 0", T[:, middle], u[:, middle, :, 0], u[:, middle, :, 2], (x, z),
            ("x / µm", "z / µm")),
        Cut(f"across, x = {place:.0f} µm", T[..., widest], u[..., widest, 1], u[..., widest, 2],
            (y, z), ("y / µm", "z / µm")),
    ]


def draw(path: Path, fields: PoolFields, alloy: Alloy) -> None:
    """Writes the PNG: temperature, solidus dashed, liquidus solid, arrows of the flow."""
    edge = UM * fields.edge
    planes = cuts(fields, alloy.liquidus)
    heights = [plane.temperature.shape[0] / plane.temperature.shape[1] for plane in planes]
    norm = Normalize(300.0, float(fields.temperature.max()))
    speed = float(np.linalg.norm(fields.velocity, axis=-1).max())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 1.5 + 5.2 * sum(heights)), layout="compressed")
        places = figure.subplots(3, 1, height_ratios=heights)
        for place, plane in zip(places, planes):
            image = _show(place, plane, edge, norm, alloy)
            _arrows(place, plane, edge, speed)
        figure.colorbar(image, ax=places, label="temperature / K", aspect=40)
        figure.suptitle(
            f"t = {UM * fields.time:.0f} µs, flow up to {speed:.2g} m/s\n"
            "solid line: liquidus, dashed: solidus", fontsize=8
        )
        explained(path, lambda: figure.savefig(path))


def _centres(plane: Cut, edge: float) -> list[np.ndarray]:
    return [
        first + edge * (np.arange(count) + 0.5)
        for first, count in zip(plane.corner, plane.temperature.shape[::-1])
    ]


def _show(place: Axes, plane: Cut, edge: float, norm: Normalize, alloy: Alloy):
    rows, columns = plane.temperature.shape
    (left, low), (across, up) = plane.corner, _centres(plane, edge)
    image = place.imshow(
        plane.temperature, cmap="inferno", norm=norm, origin="lower", interpolation="nearest",
        extent=(left, left + edge * columns, low, low + edge * rows),
    )
    for level, style in ((alloy.solidus, "--"), (alloy.liquidus, "-")):
        if plane.temperature.min() < level < plane.temperature.max():
            place.contour(across, up, plane.temperature, [level], colors="white", linewidths=0.8,
                          linestyles=style)
    place.set_title(plane.title)
    place.set_xlabel(plane.labels[0])
    place.set_ylabel(plane.labels[1])
    return image


def _arrows(place: Axes, plane: Cut, edge: float, speed: float) -> None:
    """Arrows where the in-plane flow is faster than a hundredth of the fastest."""
    every = max(max(plane.temperature.shape) // ARROWS, 1)
    thin = (slice(every // 2, None, every),) * 2
    x, y = (values[thin] for values in np.meshgrid(*_centres(plane, edge)))
    u, v = plane.along[thin], plane.up[thin]
    fast = np.hypot(u, v) > 0.01 * speed
    if speed > 0 and fast.any():
        place.quiver(x[fast], y[fast], u[fast], v[fast], color="deepskyblue", angles="xy",
                     scale=speed / (4 * every * edge), scale_units="xy", width=0.002)
