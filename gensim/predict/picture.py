"""The part with images of its grains: beside the places where they grow, or in a plane of it."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gensim.data.conditions import condition_text
from gensim.evaluate.figures import save
from gensim.predict.places import Arrivals, Place

MILLI, MICRO = 1e3, 1e6
SHOWN = 3  # images of each place
WARMTH = "temperature before the beam comes / K"


def draw_places(
    path: Path, arrivals: Arrivals, places: list[Place], images: np.ndarray, width: float
) -> None:
    """Writes a PNG: the part seen along x, coloured by the temperature that the beam met (mean
    over x), with squares as large as images (`width`, m), and of each place up to SHOWN of its
    images (k, count, h, h, 3)."""
    rows, shown = len(places), min(SHOWN, images.shape[1])
    figure = Figure(figsize=(4.5 + 1.6 * shown, max(3.4, 1.9 * rows)), layout="constrained")
    front, right = figure.subfigures(1, 2, width_ratios=(4.5, 1.6 * shown))
    axes = front.subplots()
    mesh = warmth(axes, arrivals)
    front.colorbar(mesh, label=f"{WARMTH}, mean over x", location="bottom")
    for number, place in enumerate(places, 1):
        corner = MILLI * (place.point[1:] - width / 2)
        axes.add_patch(Rectangle(corner, MILLI * width, MILLI * width, fill=False, ec="white"))
        axes.annotate(str(number), MILLI * place.point[1:], color="white", fontweight="bold",
                      ha="center", va="center")
    right.supxlabel(f"cross sections, {MICRO * width:.0f} um wide, build direction up", fontsize=8)
    grid = right.subplots(rows, shown, squeeze=False)
    for number, (place, line, some) in enumerate(zip(places, grid, images), 1):
        for axis in line:
            axis.set_axis_off()
        for axis, image in zip(line, some):
            axis.imshow(image, interpolation="nearest")
        power, speed, kelvin = place.condition
        text = condition_text(np.array([power, round(speed, 3), round(kelvin)]))
        line[0].set_title(f"{number}: {text}", fontsize=8, loc="left")
    save(figure, path)


def draw_section(
    path: Path, arrivals: Arrivals, places: list[Place], images: np.ndarray, width: float
) -> None:
    """Writes a PNG: a plane across the scan's lines, above the temperature that the beam met in
    it, below what grew there: images (k, h, h, 3) side by side."""
    size = np.array(arrivals.job.part.size)
    figure = Figure(figsize=(7.0, 1.2 + 2 * 6.2 * size[2] / size[1]), layout="constrained")
    warm, grains = figure.subplots(2, 1, sharex=True, sharey=True)
    x = places[0].point[0]
    figure.colorbar(warmth(warm, arrivals, x), ax=warm, label=WARMTH)
    for place, image in zip(places, images):
        (left, low), (right, high) = (MILLI * (place.point[1:] + side * width / 2)
                                      for side in (-1, 1))
        grains.imshow(image, interpolation="nearest", extent=(left, right, low, high))
    grains.set(xlabel="y / mm", ylabel="z / mm", aspect="equal", xlim=(0, MILLI * size[1]),
               ylim=(0, MILLI * size[2]))
    grains.set_title(f"images {MICRO * width:.0f} um wide, each drawn for its own temperature",
                     fontsize=8, loc="left")
    warm.set_title(f"x = {MILLI * x:g} mm", fontsize=8, loc="left")
    save(figure, path)


def warmth(
    axes: Axes, arrivals: Arrivals, x: float | None = None
) -> matplotlib.collections.QuadMesh:
    """The temperature that the beam met in the plane of y and z (mm): at the places nearest to
    `x`, or the mean over x."""
    job, columns = arrivals.job, arrivals.columns
    if x is not None:
        gap = np.abs(columns["x"] - x)
        near = gap <= gap.min() * (1 + 1e-9)
        columns = {name: values[near] for name, values in columns.items()}
    y, layer = np.unique(columns["y"]), np.unique(columns["layer"])
    place = np.searchsorted(layer, columns["layer"]) * len(y) + np.searchsorted(y, columns["y"])
    count = np.bincount(place, minlength=len(y) * len(layer))
    total = np.bincount(place, columns["temperature"], minlength=len(y) * len(layer))
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    mean = mean.reshape(len(layer), len(y))
    edges = np.linspace(0, job.part.size[1], len(y) + 1)
    heights = np.r_[layer - 1, layer[-1]] * job.layers.thickness
    shown = axes.pcolormesh(MILLI * edges, MILLI * heights, mean, cmap="inferno",
                            norm=Normalize(np.nanmin(mean), np.nanmax(mean)))
    axes.set(xlabel="y / mm", ylabel="z / mm", aspect="equal")
    return shown
