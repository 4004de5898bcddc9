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
    refused   why a model cannot draw it, None where it can
    """

    point: np.ndarray
    layer: int
    distance: float
    absorbed: float
    condition: np.ndarray
    along: np.ndarray
    refused: str | None = None


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
    require(inputs.scan.contour is None, f"{path}: scan.contour", "given",
            "left out: images show the tracks of a hatch")
    require(inputs.scan.islands == (1, 1) or inputs.scan.island_rotation == 0,
            f"{path}: scan.island_rotation", f"{inputs.scan.island_rotation:g}",
            "0: the lines of a layer must be parallel")
    return parse(text, path)


def place_at(arrivals: Arrivals, point: np.ndarray, power: float, width: float) -> Place:
    """What was read at the place of the grid nearest to a point, in its layer.

    power  W, nominal: a job has the absorbed power
    width  m, of images

    Raises UserError for a point so near to a face of the part that an image would stick out, or in
    a layer that was not simulated.
    """
    job, columns = arrivals.job, arrivals.columns
    layer = max(1, math.ceil(point[2] / job.layers.thickness - SLACK))
    size, line = np.array(job.part.size), along(job, layer)
    room = width / 2 * np.array([abs(line[1]), abs(line[0]), 1.0])
    low, high = room - SLACK, size - room + SLACK
    if ((point < low) | (point > high)).any():
        raise UserError(f"--at {shown(point)} must lie between {shown(room)} and "
                        f"{shown(size - room)}, half an image within the part")
    rows = np.flatnonzero(columns["layer"] == layer)
    if len(rows) == 0:
        first, last = recorded(arrivals)
        raise UserError(f"--at {shown(point)} lies in layer {layer}, but the run has arrivals of "
                        f"layers {first} to {last}")
    gap = np.hypot(columns["x"][rows] - point[0], columns["y"][rows] - point[1])
    row = rows[np.argmin(gap)]
    condition = np.array([power, columns["speed"][row], columns["temperature"][row]])
    return Place(point, layer, float(gap.min()), float(columns["power"][row]), condition, line)


def recorded(arrivals: Arrivals) -> tuple[int, int]:
    """The first and the last layer that the run has arrivals of."""
    layers = arrivals.columns["layer"]
    return int(layers.min()), int(layers.max())


def near_plane(arrivals: Arrivals, x: float) -> Arrivals:
    """Those at the places of the grid nearest to a plane across x, on one side of it."""
    grid = np.unique(arrivals.columns["x"])
    gap = np.abs(grid - x)
    taken = arrivals.columns["x"] == grid[np.argmax(gap <= gap.min() + SLACK)]
    return arrivals._replace(columns={name: values[taken]
                                      for name, values in arrivals.columns.items()})


def along(job: Job, layer: int) -> np.ndarray:
    """(2,) unit vector along the lines of a layer, towards positive x, or y where that is 0."""
    scan = job.scan
    angle = scan.direction[(layer - 1) % len(scan.direction)] + (layer - 1) * scan.rotation
    line = np.round([math.cos(angle), math.sin(angle)], 12)
    return -line if (line[0], line[1]) < (0, 0) else line


def tiles(arrivals: Arrivals, x: float, width: float) -> np.ndarray:
    """(n, 3) m: the middles of images side by side in the plane across the lines at `x`, row by row
    from the highest layer that the run has. As images have a track in their middle, the first
    column has a line of the scan there, and so have all if the lines are a whole fraction of the
    images' width apart; all lie about in the middle of the part.

    Raises UserError where the lines of some layer are not along x, or nothing fits.
    """
    job, (first, last) = arrivals.job, recorded(arrivals)
    for layer in range(first, last + 1):
        if abs(along(job, layer)[1]) > SLACK:
            raise UserError(f"--section: the lines of layer {layer} are not along x, so that the "
                            "images do not lie in one plane: ask for places with --at")
    size, thickness = np.array(job.part.size), job.layers.thickness
    low, top = (first - 1) * thickness, last * thickness
    y = columns_of_tiles(lines_across(job), size[1], width)
    rows = int((top - low) / width + SLACK)
    if not len(y) * rows or not -SLACK <= x <= size[0] + SLACK:
        raise UserError(f"--section {1e3 * x:g} mm must lie within the part, 0 to {shown(size)}, "
                        f"whose layers {first} to {last} must have room for images of "
                        f"{1e3 * width:g} mm")
    z = top - width * (np.arange(rows) + 0.5)
    return np.array([(x, across, height) for height in z for across in y])


def lines_across(job: Job) -> np.ndarray:
    """(n,) m, the y of the lines of a layer if they are along x: evenly spaced in a field."""
    scan, edge = job.scan, job.part.size[1]
    borders = np.linspace(0, edge, scan.islands[1] + 1).clip(scan.inset, edge - scan.inset)
    found = []
    for low, high in zip(borders, borders[1:]):
        if high <= low:
            continue
        count = max(1, math.floor((high - low) / scan.hatch + 0.5 + SLACK))
        found.append(low + (high - low) * (np.arange(count) + 0.5) / count)
    return np.concatenate(found) if found else np.empty(0)


def columns_of_tiles(lines: np.ndarray, edge: float, width: float) -> np.ndarray:
    """(n,) m, the middles of as many intervals of `width`, side by side within 0 to `edge`, as
    there can be with the first middle on a line; of those the ones nearest to the middle."""
    for count in range(int(edge / width + SLACK), 0, -1):
        room = edge - count * width
        fit = lines[np.abs(lines - width / 2 - room / 2) <= room / 2 + SLACK]
        if len(fit):
            begin = fit[np.argmin(np.abs(fit - width / 2 - room / 2))]
            return begin + width * np.arange(count)
    return np.empty(0)


def shown(point: np.ndarray) -> str:
    """Such as `1,0.5,2 mm`."""
    return ",".join(f"{1e3 * x:g}" for x in point) + " mm"
