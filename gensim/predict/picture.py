"""The part with images of its grains: beside the places where they grow, or in a plane of it."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from gensim.data.conditions import condition_text
from gensim.evaluate.figures import DPI, save
from gensim.predict.places import Arrivals, Place
from gensim.predict.section import Section
from partsim.wholefile import replace_bytes

MILLI, MICRO = 1e3, 1e6
SHOWN = 3  # images of each place
WARMTH = "temperature before the beam comes / K"
WIDTHS = (7.0, 20.0)  # inches of a section
OUTLINED = [withStroke(linewidth=2.5, foreground="black")]  # white on what is bright, too


def draw_places(
    path: Path, arrivals: Arrivals, places: list[Place], images: np.ndarray, width: float
) -> None:
    """Writes a PNG: the part seen along x, coloured by the temperature before the beam came (mean
    over x), with the outlines of images (`width`, m) as they are seen from there, and of each place
    up to SHOWN of its images (k, count, h, h, 3)."""
    rows, shown = len(places), min(SHOWN, images.shape[1])
    figure = Figure(figsize=(4.5 + 1.6 * shown, max(3.4, 1.9 * rows)), layout="constrained")
    front, right = figure.subfigures(1, 2, width_ratios=(4.5, 1.6 * shown))
    axes = front.subplots()
    mesh = warmth(axes, arrivals)
    front.colorbar(mesh, label=f"{WARMTH}, mean over x", location="bottom")
    for number, place in enumerate(places, 1):
        edges = MILLI * width * np.array([abs(place.along[0]), 1.0])  # images stand across lines
        axes.add_patch(Rectangle(MILLI * place.point[1:] - edges / 2, *edges, fill=False,
                                 ec="white", path_effects=OUTLINED))
        axes.annotate(str(number), MILLI * place.point[1:], color="white", fontweight="bold",
                      ha="center", va="center", path_effects=OUTLINED)
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


def draw_section(path: Path, arrivals: Arrivals, section: Section) -> None:
    """Writes a PNG: a plane across the scan's lines, above the temperature before the beam came to
    the `arrivals` beside it, below what grew there."""
    size, (rows, columns) = np.array(arrivals.job.part.size), section.image.shape[:2]
    across = np.clip(1.5 * columns / DPI, *WIDTHS)  # inches
    figure = Figure(figsize=(across, 1.2 + 1.8 * across * size[2] / size[1]), layout="constrained")
    warm, grains = figure.subplots(2, 1, sharex=True, sharey=True)
    figure.colorbar(warmth(warm, arrivals), ax=warm, label=WARMTH)
    room = section.pixel_size / 2 * np.array([columns, rows])
    (left, low), (right, high) = (MILLI * (section.centre[1:] + side * room) for side in (-1, 1))
    grains.imshow(section.image, interpolation="nearest", extent=(left, right, low, high))
    width = section.tile * section.pixel_size
    # what looks like the last surface of the part at the top of every image is not one
    grains.vlines(np.arange(left, right, MILLI * width)[1:], low, high, color="white", lw=1.5)
    grains.hlines(np.arange(low, high, MILLI * width)[1:], left, right, color="white", lw=1.5)
    grains.set(xlabel="y / mm", ylabel="z / mm", aspect="equal", xlim=(0, MILLI * size[1]),
               ylim=(0, MILLI * size[2]))
    grains.set_title(f"images {MICRO * width:.0f} um wide, each a piece of its own, drawn for its "
                     "temperature as if it ended at its top", fontsize=8, loc="left")
    x, read = section.centre[0], arrivals.columns["x"][0]
    warm.set_title(f"x = {MILLI * x:g} mm, read at {MILLI * read:g} mm", fontsize=8, loc="left")
    save(figure, path)


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image (h, w, 3) as PNG, pixel by pixel, whole or not at all; raises UserError."""
    with io.BytesIO() as made:
        imsave(made, image, format="png")
        replace_bytes(path, made.getvalue())


def warmth(axes: Axes, arrivals: Arrivals) -> matplotlib.collections.QuadMesh:
    """The temperature before the beam came in the plane of y and z (mm), mean over x."""
    job, columns = arrivals.job, arrivals.columns
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
