"""The part with images of its grains set beside the places where they grow."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gensim.data.sheet import condition_text
from gensim.predict.places import Arrivals, Place

MILLI = 1e3
SHOWN = 3  # images of each place


def draw(path: Path, arrivals: Arrivals, places: list[Place], images: np.ndarray) -> None:
    """Writes a PNG: the part from the front, coloured by the temperature that the beam met (mean
    over y), and of each place up to SHOWN of its images (k, count, h, h, 3)."""
    rows = len(places)
    figure = Figure(figsize=(4.5 + 1.6 * SHOWN, max(3.2, 1.9 * rows)), layout="constrained")
    front, right = figure.subfigures(1, 2, width_ratios=(4.5, 1.6 * SHOWN))
    axes = front.subplots()
    shown = warmth(axes, arrivals)
    front.colorbar(shown, label="temperature before the beam comes / K", location="bottom")
    for number, place in enumerate(places, 1):
        axes.plot(*(MILLI * place.point[[0, 2]]), "o", color="white", markeredgecolor="black")
        axes.annotate(str(number), MILLI * place.point[[0, 2]], xytext=(5, 4),
                      textcoords="offset points", fontweight="bold")
    grid = right.subplots(rows, SHOWN, squeeze=False)
    for number, (place, line, some) in enumerate(zip(places, grid, images), 1):
        for axis in line:
            axis.set_axis_off()
        for axis, image in zip(line, some):
            axis.imshow(image, interpolation="nearest")
        power, speed, kelvin = place.condition
        text = condition_text(np.array([power, round(speed, 3), round(kelvin)]))
        line[0].set_title(f"{number}: {text}", fontsize=8, loc="left")
    with matplotlib.rc_context({"savefig.dpi": 150}):
        figure.savefig(path)


def warmth(axes: Axes, arrivals: Arrivals) -> matplotlib.collections.QuadMesh:
    """The mean over y of the temperature that the beam met, in the plane of x and z (mm)."""
    job, columns = arrivals.job, arrivals.columns
    x, layer = np.unique(columns["x"]), np.unique(columns["layer"])
    place = np.searchsorted(layer, columns["layer"]) * len(x) + np.searchsorted(x, columns["x"])
    count = np.bincount(place, minlength=len(x) * len(layer))
    total = np.bincount(place, columns["temperature"], minlength=len(x) * len(layer))
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    mean = mean.reshape(len(layer), len(x))
    edges = np.linspace(0, job.part.size[0], len(x) + 1)
    heights = np.r_[layer - 1, layer[-1]] * job.layers.thickness
    shown = axes.pcolormesh(MILLI * edges, MILLI * heights, mean, cmap="inferno",
                            norm=Normalize(np.nanmin(mean), np.nanmax(mean)))
    axes.set(xlabel="x / mm", ylabel="z / mm", aspect="equal")
    return shown
