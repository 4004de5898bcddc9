"""Conditions at places of a part, from the table of arrivals of a run."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partsim.errors import UserError
from partsim.job import Inputs, Job, parse
from partsim.schema import parse_toml, read_text, require, validate

MATERIAL = "316L"  # of the track-scale simulation, and so of every model
TABLE = "arrivals.csv"
NAMES = ("layer", "x", "y", "power", "speed", "temperature")
SLACK = 1e-9  # m, beyond what is allowed


class Place(NamedTuple):
    """A point where grains are wanted, the middle of images, and what was read for it.

    point     (3,)  m
    layer     in which it lies
    distance  m, to the place of the grid that was read
    absorbed  W, of the beam there
    condition (3,)  nominal W, m/s, K
    along     (2,)  unit vector along the scan's lines in the layer: images are normal to it
    """

    point: np.ndarray
    layer: int
    distance: float
    absorbed: float
    condition: np.ndarray
    along: np.ndarray


class Arrivals(NamedTuple):
    """The job of a run and its table: name of NAMES -> (n,), SI units."""

    job: Job
    columns: dict[str, np.ndarray]


def read_arrivals(run: Path) -> Arrivals:
    """The table of a run of partsim; UserError where there is none, or of another part."""
    if not (run / "job.toml").is_file():
        raise UserError(f"{run} is not the folder of a run: it has no job.toml")
    job = read_job(run)
    path = run / TABLE
    if not path.is_file():
        raise UserError(f"{run} has no {TABLE}: its job has no [arrivals]")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        columns = {name: np.array([float(row[name]) for row in rows]) for name in NAMES}
    except (KeyError, TypeError, ValueError) as problem:
        raise UserError(f"{path} is damaged or no table of arrivals") from problem
    if not rows:
        raise UserError(f"{path}: the beam has not come to any place yet")
    return Arrivals(job, columns)


def read_job(run: Path) -> Job:
    """The job of a run that images can be set into: a box of MATERIAL, scanned in lines."""
    path = run / "job.toml"
    text = read_text(path, "job file")
    # of the text alone: what the job names may be elsewhere by now
    inputs = validate(Inputs, parse_toml(text, f"job file {path}"))
    name = inputs.material.name or inputs.material.file
    if name != MATERIAL:
        raise UserError(f"{run} is a part of {name}, but the models of grains are of {MATERIAL}")
    require(inputs.part.shape == "box", f"{path}: part.shape", inputs.part.shape, "box")
    require(inputs.scan.file is None, f"{path}: scan.file", "given",
            "left out: images are set across the lines of a hatch")
    return parse(text, path)


def place_at(arrivals: Arrivals, point: np.ndarray, power: float, width: float) -> Place:
    """What was read at the place of the grid nearest to a point, in its layer.

    power  W, nominal: a job has the absorbed power
    width  m, of images

    Raises UserError for a point so near to a face of the part that an image would stick out, or in
    a layer that was not simulated.
    """
    job, columns = arrivals.job, arrivals.columns
    size, room = np.array(job.part.size), width / 2
    low, high = room - SLACK, size - room + SLACK
    if ((point < low) | (point > high)).any():
        raise UserError(f"--at {shown(point)} must lie at least {1e3 * room:g} mm, half an image, "
                        f"within the part, 0 to {shown(size)}")
    layer = max(1, math.ceil(point[2] / job.layers.thickness - SLACK))
    rows = np.flatnonzero(columns["layer"] == layer)
    if len(rows) == 0:
        known = np.unique(columns["layer"]).astype(int)
        raise UserError(f"--at {shown(point)} lies in layer {layer}, but the run has arrivals of "
                        f"layers {known[0]} to {known[-1]}")
    gap = np.hypot(columns["x"][rows] - point[0], columns["y"][rows] - point[1])
    row = rows[np.argmin(gap)]
    condition = np.array([power, columns["speed"][row], columns["temperature"][row]])
    return Place(point, layer, float(gap.min()), float(columns["power"][row]), condition,
                 along(job, layer))


def along(job: Job, layer: int) -> np.ndarray:
    """(2,) unit vector along the lines of a layer, towards positive x, or y where that is 0."""
    scan = job.scan
    angle = scan.direction[(layer - 1) % len(scan.direction)] + (layer - 1) * scan.rotation
    line = np.round([math.cos(angle), math.sin(angle)], 12)
    return -line if (line[0], line[1]) < (0, 0) else line


def tiles(job: Job, x: float, width: float) -> np.ndarray:
    """(n, 3) m: the middles of images side by side in the plane across the lines at `x`, from the
    part's top and in the middle of its sides; row by row from the top.

    Raises UserError where the lines of some layer are not along x, or nothing fits.
    """
    size, layers = np.array(job.part.size), range(job.layers.start, job.layers.stop + 1)
    for layer in layers:
        if abs(along(job, layer)[1]) > SLACK:
            raise UserError(f"--section: the lines of layer {layer} are not along x, so that the "
                            "images do not lie in one plane: ask for places with --at")
    columns, rows = (int(edge / width + SLACK) for edge in size[1:])
    if not columns * rows or not width / 2 - SLACK <= x <= size[0] - width / 2 + SLACK:
        raise UserError(f"--section {1e3 * x:g} mm must lie half an image within the part, 0 to "
                        f"{shown(size)}, which must be larger than one of {1e3 * width:g} mm")
    y = (size[1] - columns * width) / 2 + width * (np.arange(columns) + 0.5)
    z = size[2] - width * (np.arange(rows) + 0.5)
    return np.array([(x, across, height) for height in z for across in y])


def shown(point: np.ndarray) -> str:
    """Such as `1,0.5,2 mm`."""
    return ",".join(f"{1e3 * x:g}" for x in point) + " mm"
