"""Crops from the files of grains: one run after the other, numbered by their conditions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from partsim.crops.colours import draw
from partsim.crops.correlation import (
    autocorrelation, boundary_counts, boundary_maps, correlation_length, effective_number,
)
from partsim.crops.cropfile import UNIT_LENGTH, Crops, join
from partsim.crops.grainfile import Block, Head, read_block, read_head
from partsim.crops.pixels import IMAGES, image_of
from partsim.crops.sections import Cut, melted_share, planes
from partsim.errors import UserError
from partsim.schema import require
from partsim.study import Study, split_of

TRAIN = "train"


class Run(NamedTuple):
    """One file of grains: its number among the conditions and among the seeds of its case."""

    path: Path
    case: int
    run: int
    split: str


class View(NamedTuple):
    """What is cut out of every run, and how it is shown."""

    cut: Cut
    image: str = next(iter(IMAGES))
    colours: str = "ipf"
    domain: str = "simulation"


def crop(
    paths: Sequence[Path], view: View, study: Study | None = None
) -> tuple[Crops, list[dict[str, Any]]]:
    """The crops of all runs, and for each run what they tell.

    study  gives the numbers and the splits of the cases; without it they are numbered by their
           power, speed and initial temperature, and all teach

    Raises UserError where a file is wrong, given twice, or of a condition that the study lacks, and
    where the study is of other sections.
    """
    if study is not None:
        require(view.cut.section == study.section, "--section", view.cut.section,
                f"{study.section}, as in the study")
    heads = [read_head(path) for path in paths]
    runs = _runs(paths, heads, study)
    parts, told = [], []
    for run in runs:
        block = read_block(run.path)
        parts.append(_crops_of(run, block, view))
        told.append({
            "file": str(run.path), "case": run.case, "run": run.run, "split": run.split,
            "crops": len(parts[-1]), **correlation_of(block, view, len(parts[-1])),
            "melted_share": melted_share(block, view.cut, image_of(view.image, block.head.cell)),
        })
    return join(parts, [run.path for run in runs]), told


def correlation_of(block: Block, view: View, count: int) -> dict[str, float]:
    """Correlation length in m of the grain boundaries from one plane of cells to the next, and how
    many independent crops tell the mean intercepts as well as the `count` crops of the cut, by that
    of rows or columns of which fewer are independent (partsim.crops.correlation).

    NaN, and the number of crops, where the planes are too few to tell.
    """
    cell, cut = block.head.cell, view.cut
    image = image_of(view.image, cell)
    stack = planes(block, cut._replace(spacing=cell), image).labels
    apart, planes_apart = cut.spacing * np.arange(count), cell * np.arange(len(stack))
    return {
        "correlation_length": correlation_length(autocorrelation(boundary_maps(stack)), cell),
        "effective_crops": min(
            effective_number(np.interp(apart, planes_apart, autocorrelation(counts)))
            for counts in boundary_counts(stack)),
    }


def _crops_of(run: Run, block: Block, view: View) -> Crops:
    image = image_of(view.image, block.head.cell)
    labels, positions = planes(block, view.cut, image)
    seen, grains = np.unique(labels, return_inverse=True)
    grains = grains.reshape(labels.shape).astype(np.int32)
    orientations = block.orientations[seen]
    if not np.allclose(np.linalg.norm(orientations, axis=-1), 1, atol=UNIT_LENGTH, rtol=0):
        raise UserError(f"grains file {run.path}: orientations are no unit quaternions")
    head, each = block.head, np.ones(len(labels), np.int64)
    columns = {
        "power": head.power * each, "absorbed_power": head.absorbed_power * each,
        "speed": head.speed * each, "initial_temperature": head.initial_temperature * each,
        "position": positions, "case": run.case * each, "run": run.run * each,
        "seed": head.seed * each, "domain": np.full(len(each), view.domain),
        "split": np.full(len(each), run.split),
    }
    return Crops(view.cut.section, image.pixel_size, view.colours, head.job, grains, orientations,
                 draw(grains, orientations, view.colours), columns)


def _runs(paths: Sequence[Path], heads: Sequence[Head], study: Study | None) -> list[Run]:
    """The runs by case and seed."""
    cases = _numbers(heads, study)
    order = sorted(range(len(paths)), key=lambda i: (cases[i], heads[i].seed))
    runs: list[Run] = []
    for i, before in zip(order, [None, *order]):
        same = before is not None and cases[i] == cases[before]
        if same and heads[i].seed == heads[before].seed:
            raise UserError(f"grains files {paths[before]} and {paths[i]} have the same condition "
                            f"and the seed {heads[i].seed}: each run must be given once")
        split = split_of(study, cases[i], heads[i].seed) if study else TRAIN
        runs.append(Run(paths[i], cases[i], runs[-1].run + 1 if same else 1, split))
    return runs


def _numbers(heads: Sequence[Head], study: Study | None) -> list[int]:
    """The number of each file's condition: that of the study, or counted from 1."""
    if study is not None:
        return [study.number_of(head.condition) for head in heads]
    distinct = sorted({head.condition for head in heads})
    return [distinct.index(head.condition) + 1 for head in heads]
