"""Figures of several cuts: layout, colours, borders."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from partsim.output.slices import Cut

MM = 1e3
WIDTH = 7.2  # inches, two columns of a journal
WIDEST = 4.2  # inches, a panel
ROOM = 0.62  # inches beside a panel, for its ticks and labels
THIN = 24  # points of height, below which the labels of two ticks overlap
NOTHING, POWDER = "white", "0.82"
LOG_FROM = 2.5  # largest over smallest temperature from which colours go by the logarithm
TICKS = [300, 400, 500, 600, 800, 1000, 1300, 1600, 2000, 2500, 3000, 4000]


class Scale(NamedTuple):
    """How values become colours."""

    colours: str | Colormap
    norm: Normalize
    label: str


def panels(rows: Sequence[Sequence[Cut]], title: str) -> tuple[Figure, np.ndarray]:
    """A figure with a panel for each cut, and its axes [row, column]; columns are equally wide."""
    columns = len(rows[0])
    panel = min(WIDTH / columns - ROOM, WIDEST)
    heights = [panel * max(aspect(cut) for cut in row) + ROOM for row in rows]
    size = (panel + ROOM) * columns + ROOM, sum(heights) + ROOM
    figure = Figure(figsize=size, layout="compressed")
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    figure.suptitle(title, fontsize=9)
    return figure, axes


def aspect(cut: Cut) -> float:
    """Height over width."""
    return (cut.v[1] - cut.v[0]) / (cut.u[1] - cut.u[0])


def panel_points(cut: Cut, length: float) -> float:
    """How many typographic points a length in m of a cut is on paper, in the widest panel."""
    return 72 * WIDEST * length / (cut.u[1] - cut.u[0])


def show(place: Axes, cut: Cut, values: np.ndarray, scale: Scale, outside: str) -> AxesImage:
    """Draws values (rows, columns) of a cut in mm, equally scaled; NaN has the colour `outside`."""
    image = place.imshow(
        np.ma.masked_invalid(values), cmap=scale.colours, norm=scale.norm, origin="lower",
        extent=[MM * edge for edge in (*cut.u, *cut.v)], interpolation="nearest", aspect="equal",
    )
    place.set_facecolor(outside)
    place.set_anchor("N")
    place.set_xlabel(cut.labels[0])
    place.set_ylabel(cut.labels[1])
    if panel_points(cut, cut.v[1] - cut.v[0]) < THIN:
        place.set_yticks([round(MM * cut.v[1], 3)])
    return image


def melt_borders(place: Axes, cut: Cut, temperature: np.ndarray, header: dict) -> None:
    """Draws where the temperature is that of the solidus (dashed) and of the liquidus (solid)."""
    rows, columns = temperature.shape
    u = np.linspace(*cut.u, 2 * columns + 1)[1::2]
    v = np.linspace(*cut.v, 2 * rows + 1)[1::2]
    inside = temperature[np.isfinite(temperature)]
    for name, style in ("solidus", "--"), ("liquidus", "-"):
        value = header.get(name)
        if value is not None and inside.size and inside.min() < value < inside.max():
            place.contour(
                MM * u, MM * v, np.ma.masked_invalid(temperature), [value],
                colors="white", linewidths=0.8, linestyles=style,
            )


def mark_beam(place: Axes, cut: Cut, header: dict) -> None:
    """Marks where the beam is, if it is on."""
    if header.get("scanning") and "beam" in header:
        u, v = cut.place(np.array(header["beam"], float))
        place.plot(MM * u, MM * v, "+", color="black", markersize=4, markeredgewidth=0.6)


def mark_window(place: Axes, window: Cut) -> None:
    """Outlines in a panel what another panel enlarges."""
    size = np.diff([window.u, window.v], axis=1)[:, 0]
    corner = (MM * window.u[0], MM * window.v[0])
    place.add_patch(Rectangle(corner, *(MM * size), fill=False, edgecolor="white", linewidth=0.7))


def temperature_scale(images: Sequence[np.ndarray]) -> Scale:
    """Colours over the range of all images, logarithmic where a melt pool outshines the rest."""
    values = np.concatenate([image[np.isfinite(image)] for image in images])
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > LOG_FROM * low:
        return Scale("inferno", LogNorm(low, high), "temperature / K")
    return Scale("inferno", value_range(values), "temperature / K")


def value_range(values: np.ndarray) -> Normalize:
    """From the smallest to the largest finite value, widened where they are nearly equal."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0, 1)
    low, high = float(finite.min()), float(finite.max())
    width = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-6)
    return Normalize(low, max(high, low + width))


def plain_ticks(bar: Colorbar, norm: Normalize) -> None:
    """Round numbers instead of powers of ten beside a logarithmic scale."""
    if not isinstance(norm, LogNorm):
        return
    bar.ax.yaxis.set_major_locator(FixedLocator([t for t in TICKS if norm.vmin <= t <= norm.vmax]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(ScalarFormatter())
