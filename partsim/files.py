"""What one file of a run, a job or a material holds, as a nested table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from partsim import study, trackjob
from partsim.crops.cropfile import FORMAT, read
from partsim.crops.grainfile import read_block
from partsim.crops.request import summary
from partsim.errors import UserError
from partsim.info import describe_job, described, measured, read_json, series
from partsim.job import MaterialChoice
from partsim.meltpool import alloy as alloys
from partsim.meltpool.check import check
from partsim.meltpool.temperature import TemperatureFile
from partsim.output.checkpoint import load_header
from partsim.output.events import last_events, read_events
from partsim.output.slices import Snapshot
from partsim.part import material
from partsim.schema import parse_toml, read_text
from partsim.trackjob import TrackInputs


def describe_file(path: Path) -> dict[str, Any]:
    """What the file holds; its name's ending says what it is, jobs and materials their sections.

    Raises UserError for files that are damaged or none of ours.
    """
    for ending, describe in KINDS.items():
        if path.name.endswith(ending):
            return {"file": str(path), **describe(path)}
    raise UserError(f"{path} is none of our files; known are " + ", ".join(KINDS))


def describe_checkpoint(path: Path) -> dict[str, Any]:
    header, owner = load_header(path)
    return {
        "job": Path(header["job_path"]).name,
        "layer": header["layer"],
        "base_steps": header["ticks"],
        "steps": header["steps"],
        "blocks": len(owner),
        "ranks": len(header["ledger"]),
        "wall": measured(header["seconds"]["before"], "s"),
    }


def describe_temperature(path: Path) -> dict[str, Any]:
    with TemperatureFile(path) as file:
        told = file.header
        return {
            "frames": len(file.time),
            "cells": list(file.shape[::-1]),
            "cell": measured(told["cell"], "m"),
            "first_and_last_time": measured([float(file.time[0]), float(file.time[-1])], "s"),
            "laser_on": measured(told["duration"], "s"),
            "power": measured(told["power"], "W"),
            "absorbed_power": measured(told["absorbed_power"], "W"),
            "speed": measured(told["speed"], "m/s"),
            "largest_pool": measured(file.pool.max(axis=0).tolist(), "m"),
        }


def describe_fields(path: Path) -> dict[str, Any]:
    with Snapshot(path) as snapshot:
        told = snapshot.header
        return {
            "time": measured(told["time"], "s"),
            "layer": told.get("layer"),
            "ranks": told["ranks"],
            "blocks": len(snapshot.view),
            "cells": int(snapshot.view.active.sum()) * snapshot.view.size**2,
            "finest_cell": measured(snapshot.view.h, "m"),
            "point_fields": sorted(snapshot.node_fields),
        }


def describe_series(path: Path) -> dict[str, Any]:
    try:
        return series(path)
    except (KeyError, TypeError) as problem:
        raise UserError(f"{path} is no series of snapshots") from problem


def describe_summary(path: Path) -> dict[str, Any]:
    told = read_json(path)
    if not isinstance(told, dict):
        raise UserError(f"{path} is not a summary of a run, but a JSON {type(told).__name__}")
    return told


def describe_toml(path: Path) -> dict[str, Any]:
    """A job has a section part, one of the track scale a section track, a study cases, a material
    none of these."""
    tables = parse_toml(read_text(path, "file"), f"file {path}")
    if "part" in tables:
        return describe_job(path)
    if "track" in tables:
        return describe_track(path)
    if "cases" in tables:
        return {"study": described(study.load(path))}
    return {"material": described(material.load(MaterialChoice(file=str(path.absolute()))))}


def describe_track(path: Path) -> dict[str, Any]:
    """Every input of a job of the track scale with its default and unit, and its alloy."""
    job = trackjob.load(path)
    alloy = alloys.load(job.material, job.path.parent)
    check(job, alloy)
    inputs = {name: described(getattr(job, name)) for name in TrackInputs.model_fields}
    return {"job": str(path), "inputs": inputs, "alloy": described(alloy)}


def describe_arrays(path: Path) -> dict[str, Any]:
    """Crops, or grains."""
    try:
        with h5py.File(path, "r") as file:
            crops, grains = file.attrs.get("format") == FORMAT, "grain" in file
    except (OSError, RuntimeError) as problem:
        raise UserError(f"{path} is cut short, damaged or not HDF5") from problem
    if crops:
        return summary(read(path), path)
    if not grains:
        raise UserError(f"{path} holds neither crops nor grains")
    head, grain, orientations, melted = read_block(path)
    units = {"cell": "m", "power": "W", "absorbed_power": "W", "speed": "m/s",
             "initial_temperature": "K"}
    return {
        **{name: measured(getattr(head, name), unit) for name, unit in units.items()},
        "seed": head.seed,
        "cells": list(grain.shape[::-1]),
        "grains": len(orientations),
        "melted_share": None if melted is None else float(melted.mean()),
    }


def describe_log(path: Path) -> dict[str, Any]:
    events = read_events(path)
    return {"events": len(events), "last": last_events(events)}


def describe_table(path: Path) -> dict[str, Any]:
    """Columns, rows and times of a table whose first column is the time."""
    lines = read_text(path, "table").splitlines()
    columns = lines[0].split(",") if lines else []
    if columns[:1] != ["time"]:
        raise UserError(f"{path} is no table of a run: its first column must be time")
    try:
        times = np.array([float(line.split(",", 1)[0]) for line in lines[1:]])
    except ValueError as problem:
        raise UserError(f"{path} is no table of a run: {problem}") from problem
    ends = measured([float(times[0]), float(times[-1])], "s") if len(times) else None
    return {"columns": columns, "rows": len(times), "first_and_last_time": ends}


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".checkpoint.h5": describe_checkpoint,
    "temperature.h5": describe_temperature,
    ".h5": describe_arrays,
    ".hdf": describe_fields,
    ".series": describe_series,
    "summary.json": describe_summary,
    ".toml": describe_toml,
    "log.jsonl": describe_log,
    ".csv": describe_table,
}
