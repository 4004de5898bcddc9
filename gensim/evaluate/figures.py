"""Pictures of a comparison: crops side by side, histograms, and what was seen in a crop."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from gensim.data.sets import evenly
from gensim.evaluate.domain import Domain
from gensim.evaluate.growth import from_horizontal, from_vertical, structure_tensor
from gensim.evaluate.histograms import counts, edges
from gensim.evaluate.measure import MEASURES
from gensim.evaluate.pieces import cleaned
from gensim.evaluate.report import SCALE, UNIT
from partsim.crops.components import boundaries
from partsim.wholefile import replace_bytes

COLUMNS, LINES = 8, 3  # crops of a sheet, for each domain
OVERLAYS = 4
CELL = 8  # pixels; a line of growth in each
COLOURS = {"truth": "#20639b", "other": "#d1495b"}
DPI = 120


def draw_sheets(truth: Domain, other: Domain, path: Path) -> None:
    """Writes a PNG: crops of the truth above, of the other below, as they are read."""
    figure = Figure(figsize=(COLUMNS * 1.1, 2 * LINES * 1.15 + 0.6), layout="constrained")
    for part, (name, domain) in zip(figure.subfigures(2, 1), (("truth", truth), ("other", other))):
        part.suptitle(name, fontsize=9)
        chosen = evenly(len(domain), COLUMNS * LINES)
        places = part.subplots(LINES, COLUMNS, squeeze=False).ravel()
        for place in places:
            place.set_axis_off()
        for place, image in zip(places, domain.images[chosen]):
            place.imshow(image, interpolation="nearest")
    save(figure, path)


def draw_histograms(truth: Domain, other: Domain, path: Path) -> None:
    """Writes a PNG: mean count a crop in the bins of each measure, the spread of crops as bars."""
    figure = Figure(figsize=(11, 3), layout="constrained")
    for place, name in zip(figure.subplots(1, len(MEASURES)), MEASURES):
        bins = edges(name) * SCALE[name]
        for shift, (label, domain) in zip((0.3, 0.7), (("truth", truth), ("other", other))):
            bars = counts(domain.measured, name, np.arange(len(domain)))
            x = bins[:-1] + shift * np.diff(bins)
            place.bar(x, bars.mean(axis=0), 0.38 * np.diff(bins), yerr=bars.std(axis=0),
                      color=COLOURS[label], error_kw={"lw": 0.8}, label=label)
        place.set_xlabel(f"{name} ({UNIT[name]})" if UNIT[name] else name)
        place.set_xticks(bins[:: 2 if len(bins) > 6 else 1])
    figure.axes[0].set_ylabel("grains or segments a crop")
    figure.axes[0].legend(frameon=False)
    save(figure, path)


def draw_overlays(truth: Domain, other: Domain, path: Path) -> None:
    """Writes a PNG: boundaries found in some crops of each, and the direction of growth there."""
    figure = Figure(figsize=(OVERLAYS * 2.2, 5), layout="constrained")
    for row, domain in zip(figure.subplots(2, OVERLAYS, squeeze=False), (truth, other)):
        for place in row:
            place.set_axis_off()
        for place, crop in zip(row, evenly(len(domain), OVERLAYS)):
            overlay(place, domain, int(crop))
    save(figure, path)


def overlay(place: matplotlib.axes.Axes, domain: Domain, crop: int) -> None:
    """One crop: its colours paled, boundaries black, growth as short lines; its inclination."""
    clean = cleaned(domain.labels[crop], domain.crops.pixel_size)[0]
    image = domain.images[crop] // 2 + 127
    image[boundaries(clean)] = 60
    place.imshow(image, interpolation="nearest")
    count = len(clean) // CELL
    tensor = structure_tensor(clean)[: count * CELL, : count * CELL]
    angle = np.radians(from_vertical(tensor.reshape(count, CELL, count, CELL, 3).sum(axis=(1, 3))))
    centre = (np.arange(count) + 0.5) * CELL - 0.5
    z, x = np.meshgrid(centre, centre, indexing="ij")
    place.quiver(x, z, np.sin(angle), -np.cos(angle), pivot="mid", headaxislength=0, headlength=0,
                 headwidth=1, angles="xy", scale_units="xy", scale=1 / (0.8 * CELL), width=0.008)
    turn = from_vertical if domain.crops.section == "cross" else from_horizontal
    place.set_title(f"{float(turn(domain.measured.tensor[crop])):.0f} deg", fontsize=8)


def save(figure: Figure, path: Path) -> None:
    """Writes the PNG, whole or not at all; raises UserError."""
    with io.BytesIO() as made:
        figure.savefig(made, format="png", dpi=DPI)
        replace_bytes(path, made.getvalue())
