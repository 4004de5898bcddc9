"""`partsim scan`: one layer of a job or of a scan-path file, drawn and examined."""

from pathlib import Path
from typing import Any, NamedTuple

from partsim.errors import UserError
from partsim.job import load
from partsim.jobcheck import check
from partsim.output.scanpicture import Colour, draw
from partsim.part import material, shape
from partsim.part.lint import Inside, facts, findings
from partsim.part.readers import Given, read
from partsim.part.scan import ScanPath
from partsim.part.strategy import layer_paths


class Shown(NamedTuple):
    """A layer to be shown.

    title   what it is called
    inside  tells which points lie in the part, None where no part is known
    """

    title: str
    number: int
    paths: tuple[ScanPath, ...]
    inside: Inside | None


def job_layer(source: Path, layer: int | None) -> Shown:
    """A layer of a job, default the first that is simulated."""
    job = load(source)
    check(job, material.load(job.material, job.path.parent), free_memory=float("inf"))
    layer = job.layers.start if layer is None else layer
    if not 1 <= layer <= job.layers.count:
        raise UserError(f"--layer {layer} must be a layer of the job, 1 to {job.layers.count}")
    part = shape.load(job)
    return Shown(f"{source.name}, layer {layer}", layer, layer_paths(job, part, layer), part.inside)


def file_layer(source: Path, layer: int | None, format: str | None, given: Given) -> Shown:
    """A layer of a scan-path file, counted from 1; default the first."""
    file = read(source, format, given)
    layer = 1 if layer is None else layer
    if not 1 <= layer <= len(file.layers):
        raise UserError(f"--layer {layer} must be a layer of {source}, 1 to {len(file.layers)}")
    one = file.layers[layer - 1]
    title = f"{source.name} ({file.format}), layer {layer} of {len(file.layers)}"
    return Shown(title, layer, one.paths, None)


def show(shown: Shown, folder: Path, colour: Colour) -> dict[str, Any]:
    """Draws the layer into the folder; facts, the picture's name and the findings."""
    picture = draw(shown.paths, folder / f"scan_layer_{shown.number:04d}.png", shown.title, colour)
    return {
        "scan": shown.title,
        **facts(shown.paths),
        "picture": str(picture),
        "lint": findings(shown.paths, shown.inside),
    }
