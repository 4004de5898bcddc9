"""What a job means and what a run has left, as nested tables for the screen and for scripts."""

import json
import math
from collections.abc import Iterator
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
INDENT = 2


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
            "scan_time_of_first_layer": measured(max(scan.duration for scan in scans), "s"),
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


def as_lines(tree: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """A nested table as indented lines; a list of tables becomes rows under one heading, or one
    table after the other where they are nested."""
    blank = " " * INDENT * depth
    for name, value in tree.items():
        if not is_nested(value):
            yield f"{blank}{name}: {as_text(value)}"
        elif isinstance(value, dict):
            yield f"{blank}{name}"
            yield from as_lines(value, depth + 1)
        elif any(is_nested(item) for row in value for item in row.values()):
            for number, row in enumerate(value, start=1):
                yield from as_lines({f"{name}, {number}": row}, depth)
        else:
            yield f"{blank}{name}"
            yield from (f"{blank}  {row}" for row in as_rows(value))


def is_measured(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"value", "unit"}


def is_nested(value: object) -> bool:
    rows = isinstance(value, list | tuple) and value and isinstance(value[0], dict)
    return bool(rows) or (isinstance(value, dict) and bool(value) and not is_measured(value))


def as_rows(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A heading and one line per row, columns aligned."""
    table = [list(rows[0])] + [[as_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=False)]
    for line in table:
        yield "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=False))


def as_text(value: object) -> str:
    """One value in a few characters: six digits, and the unit where there is one."""
    if is_measured(value):
        return f"{as_text(value['value'])} {value['unit']}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    return "none" if value is None else str(value)
