"""Conditions at places of a part, from the table of arrivals of a run."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partsim.errors import UserError
from partsim.job import Job, load

MATERIAL = "316L"  # of the track-scale simulation, and so of every model
TABLE = "arrivals.csv"
NAMES = ("layer", "x", "y", "power", "speed", "temperature")
SLACK = 1e-9  # m, beyond the part's surface


class Place(NamedTuple):
    """A point asked for and what was read for it.

    point     (3,)  m
    layer     in which it lies
    distance  m, to the place of the grid that was read
    absorbed  W, of the beam there
    condition (3,)  nominal W, m/s, K
    """

    point: np.ndarray
    layer: int
    distance: float
    absorbed: float
    condition: np.ndarray


class Arrivals(NamedTuple):
    """The job of a run and its table: name of NAMES -> (n,), SI units."""

    job: Job
    columns: dict[str, np.ndarray]


def read_arrivals(run: Path) -> Arrivals:
    """The table of a run of partsim; UserError where there is none, or of another material."""
    if not (run / "job.toml").is_file():
        raise UserError(f"{run} is not the folder of a run: it has no job.toml")
    job = load(run / "job.toml")
    if job.material.name != MATERIAL:
        raise UserError(f"{run} is a part of {job.material.name or job.material.file}, but the "
                        f"models of grains are of {MATERIAL}")
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


def place_at(arrivals: Arrivals, point: np.ndarray, power: float) -> Place:
    """What was read at the place of the grid nearest to a point, in its layer.

    power  W, nominal: a job has the absorbed power

    Raises UserError for a point outside the part, or in a layer that was not simulated.
    """
    job, columns = arrivals.job, arrivals.columns
    size = np.array(job.part.size)
    if ((point < -SLACK) | (point > size + SLACK)).any():
        raise UserError(f"--at {shown(point)} must lie in the part, 0 to {shown(size)}")
    layer = max(1, math.ceil(point[2] / job.layers.thickness - SLACK))
    rows = np.flatnonzero(columns["layer"] == layer)
    if len(rows) == 0:
        known = np.unique(columns["layer"]).astype(int)
        raise UserError(f"--at {shown(point)} lies in layer {layer}, but the run has arrivals of "
                        f"layers {known[0]} to {known[-1]}")
    gap = np.hypot(columns["x"][rows] - point[0], columns["y"][rows] - point[1])
    row = rows[np.argmin(gap)]
    condition = np.array([power, columns["speed"][row], columns["temperature"][row]])
    return Place(point, layer, float(gap.min()), float(columns["power"][row]), condition)


def shown(point: np.ndarray) -> str:
    """Such as `1,0.5,2 mm`."""
    return ",".join(f"{1e3 * x:g}" for x in point) + " mm"
