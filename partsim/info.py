"""What a job means and what a run has left, as nested tables for the screen and for scripts."""

import json
import math
from pathlib import Path
from typing import Any

from partsim.errors import UserError
from partsim.grouping import grouped
from partsim.job import Inputs, load
from partsim.jobcheck import cells_estimate, check, memory_needed, root_edge, stability_limit
from partsim.output.events import last_events, read_events
from partsim.part import material
from partsim.part.shape import load as load_shape
from partsim.part.shape import thinnest
from partsim.part.strategy import check_layers, layer_paths
from partsim.schema import Section, read_text
from partsim.units import Unit, unit_of

KINDS = {".hdf": "fields", ".h5": "checkpoints", ".png": "pictures", ".csv": "tables"}


def describe_job(path: Path) -> dict[str, Any]:
    """Every input of a job with its default and unit, its material, and what follows from them.

    Raises UserError where the job or its material is wrong.
    """
    job = load(path)
    alloy = material.load(job.material, job.path.parent)
    check(job, alloy, free_memory=math.inf)
    computed = grouped(job)
    part = load_shape(computed)
    check_layers(computed, part)
    scans = layer_paths(computed, part, computed.layers.start)
    thin_layer, thin = thinnest(computed, part)
    return {
        "job": str(path),
        "inputs": {name: described(getattr(job, name)) for name in Inputs.model_fields},
        "material": described(alloy),
        "derived": {
            "root_block_edge": measured(root_edge(computed), "m"),
            "stable_step": measured(stability_limit(computed, alloy), "s"),
            "scan_time_of_first_layer": measured(max(scan.end for scan in scans), "s"),
            "laser_energy_of_first_layer": measured(sum(scan.energy() for scan in scans), "J"),
            "thinnest_layer": thin_layer,
            "its_share_narrower_than_a_cell": thin,
            "cells_at_most_about": round(cells_estimate(computed)),
            "memory_about": measured(memory_needed(computed), "B"),
        },
    }


def measured(value: object, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


def described(value: Any, unit: Unit | None = None) -> Any:
    """A table for a section, a list of tables for several, {value, unit} for a quantity."""
    if isinstance(value, Section):
        return {
            name: described(getattr(value, name), unit_of(field.annotation, field.metadata))
            for name, field in type(value).model_fields.items()
        }
    if isinstance(value, dict):
        return {name: described(item) for name, item in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], Section):
        return [described(item) for item in value]
    if unit is None or unit.symbol == "1" or value is None:
        return value
    return measured(value, unit.symbol)


def describe_run(folder: Path) -> dict[str, Any]:
    """The files in the folder of a run by kind, the times of its series, and its summary.

    Raises UserError where the folder holds none of the files that a run writes.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Any] = {"run": str(folder), "bytes": sum(f.stat().st_size for f in files)}
    for suffix, kind in KINDS.items():
        found[kind] = [str(f.relative_to(folder)) for f in files if f.suffix == suffix]
    found["series"] = [series(f) for f in files if f.suffix == ".series"]
    summary = folder / "summary.json"
    log = folder / "log.jsonl"
    found["last_events"] = last_events(read_events(log)) if log in files else []
    found["summary"] = read_json(summary) if summary in files else None
    if not any(found[kind] for kind in (*KINDS.values(), "series", "summary")):
        raise UserError(f"{folder} holds no files of a run")
    return found


def series(path: Path) -> dict[str, Any]:
    """Name and times of a time series."""
    times = [entry["time"] for entry in read_json(path)["files"]]
    return {"name": path.name, "times": measured(times, "s")}


def read_json(path: Path) -> Any:
    """What a JSON file holds; UserError where it is not JSON."""
    try:
        return json.loads(read_text(path, "file"))
    except json.JSONDecodeError as problem:
        raise UserError(f"{path} is not JSON: {problem}") from problem
