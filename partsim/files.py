"""What one file of a run, a job or a material holds, as a nested table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from partsim.errors import UserError
from partsim.info import describe_job, described, measured, read_json, series
from partsim.job import MaterialChoice
from partsim.output.checkpoint import load_header
from partsim.output.events import last_events, read_events
from partsim.output.slices import Snapshot
from partsim.part import material
from partsim.schema import parse_toml, read_text


def describe_file(path: Path) -> dict[str, Any]:
    """What the file holds; its name's ending says what it is, jobs and materials their sections.

    Raises UserError for files that are damaged or none of ours.
    """
    for ending, describe in KINDS.items():
        if path.name.endswith(ending):
            return {"file": str(path), **describe(path)}
    raise UserError(f"{path} is none of our files; known are " + ", ".join(KINDS))


def describe_checkpoint(path: Path) -> dict[str, Any]:
    header, offset = load_header(path)
    return {
        "job": Path(header["job_path"]).name,
        "layer": header["layer"],
        "base_steps": header["ticks"],
        "steps": header["steps"],
        "blocks": int(offset[-1]),
        "ranks": len(offset) - 1,
        "wall": measured(header["seconds"]["before"], "s"),
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
    """A job has a section part, a material has none."""
    if "part" in parse_toml(read_text(path, "file"), f"file {path}"):
        return describe_job(path)
    return {"material": described(material.load(MaterialChoice(file=str(path.absolute()))))}


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
    ".hdf": describe_fields,
    ".series": describe_series,
    "summary.json": describe_summary,
    ".toml": describe_toml,
    "log.jsonl": describe_log,
    ".csv": describe_table,
}
