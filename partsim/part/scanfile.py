"""The scan paths of a job that come from a file: scan.file."""

import functools
import re
from pathlib import Path

import numpy as np

from partsim.errors import UserError
from partsim.job import Job
from partsim.part.readers import Given, PathFile, read
from partsim.part.scan import ScanPath
from partsim.part.shape import Shape
from partsim.schema import require

LAYER_FIELD = re.compile(r"\{layer(?::(0?\d)d)?\}")
ROUND_OFF = 1e-9  # m


def file_paths(job: Job, layer: int) -> tuple[ScanPath, ...]:
    """The beams' ways over a layer of the job, one for each laser, from time 0.

    Layer k is the k-th of the file (or the first of the file that has k in its name); x and y are
    shifted by the offset, z is the layer's top, the power is the file's times the absorptivity.
    Raises UserError where the file is wrong, lacks the layer, or leaves the powder.
    """
    file = job.scan.file
    paths = layer_of(job, layer)
    top = layer * job.layers.thickness
    shift = np.array([*file.offset, 0.0])
    placed = tuple(
        ScanPath(path.ends * [1, 1, 0] + shift + [0, 0, top], path.times,
                 file.absorptivity * path.power)
        for path in paths
    )
    for path in placed:
        check_inside(job, layer, path)
    return placed


def line_spacing(job: Job, shape: Shape) -> float:
    """Distance in m of neighbouring lines: scan.hatch, with a file area over scanned length.

    Both are of the first layer simulated; no more than the narrower side of the part.
    """
    if job.scan.hatch is not None:
        return job.scan.hatch
    length = sum(scanned_length(path) for path in file_paths(job, job.layers.start))
    narrowest = min(job.part.size[:2])
    return min(shape.section(job.layers.start).area / length, narrowest) if length else narrowest


def scanned_length(path: ScanPath) -> float:
    """m, of the segments with power."""
    return float(np.linalg.norm(np.diff(path.ends, axis=0), axis=1) @ (path.power > 0))


def layer_of(job: Job, layer: int) -> tuple[ScanPath, ...]:
    file = job.scan.file
    name = LAYER_FIELD.sub(lambda match: format(layer, f"{match[1] or ''}d"), file.name)
    path = job.path.parent / name
    given = Given(file.power, file.speed, file.jump_speed, file.s_maximum)
    try:
        changed = path.stat().st_mtime_ns
    except (OSError, ValueError):
        changed = 0
    layers = read_once(path, None if file.format == "auto" else file.format, given, changed).layers
    if name != file.name:
        return layers[0].paths
    index = (layer - 1) % len(layers) if file.repeat else layer - 1
    require(index < len(layers), "scan.file.name", file.name,
            f"a file with layer {layer}, but it has {len(layers)}; scan.file.repeat = true begins "
            "again")
    return layers[index].paths


@functools.lru_cache(maxsize=2)
def read_once(path: Path, format: str | None, given: Given, changed: int) -> PathFile:
    """The file, kept for the next layer; read again when its time of change is another."""
    return read(path, format, given)


def check_inside(job: Job, layer: int, path: ScanPath) -> None:
    """UserError where a scanned segment leaves the part and the powder around it."""
    on = np.flatnonzero(path.power)
    ends = np.concatenate([path.ends[on], path.ends[on + 1]])
    rim = job.mesh.powder_rim + ROUND_OFF
    for axis in range(2):
        low, high = -rim, job.part.size[axis] + rim
        wrong = (ends[:, axis] < low) | (ends[:, axis] > high)
        if wrong.any():
            value = ends[int(np.argmax(wrong)), axis]
            raise UserError(
                f"scan.file.name = {job.scan.file.name}, but it must lie in the powder: in layer "
                f"{layer} {'xy'[axis]} = {value:g} m is outside {low:g} to {high:g} m"
            )
