"""Crops from the files of grains: one run after the other, numbered by their conditions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from partsim.crops.colours import draw
from partsim.crops.correlation import autocorrelation, correlation_length, effective_number
from partsim.crops.cropfile import Crops
from partsim.crops.grainfile import Block, Head, read_block, read_head
from partsim.crops.pixels import Image
from partsim.crops.sections import Cut, melted_share, planes
from partsim.errors import UserError
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
    image: Image
    colours: str
    domain: str


def crop(paths: Sequence[Path], view: View, study: Study | None) -> tuple[Crops, dict[str, Any]]:
    """The crops of all runs, and what they tell: counts, correlation, share never molten.

    study  gives the numbers and the splits of the cases; without it they are numbered by their
           power, speed and initial temperature, and all teach

    Raises UserError where a file is wrong, given twice, or of a condition that the study lacks.
    """
    heads = [read_head(path) for path in paths]
    runs = _runs(paths, heads, study)
    grains, orientations, rows, columns = [], [], [], 0
    for run in runs:
        block = read_block(run.path)
        window = planes(block, view.cut, view.image)
        seen, numbers = np.unique(window.labels, return_inverse=True)
        grains.append((numbers.reshape(window.labels.shape) + columns).astype(np.int32))
        orientations.append(_unit(block.orientations[seen], run.path))
        columns += len(seen)
        rows.append(_columns(run, block.head, window.positions, view.domain))
        told = _told(run, block, view)
        rows[-1]["told"] = told
    return _assembled(view, heads, grains, orientations, rows)


def _runs(paths: Sequence[Path], heads: Sequence[Head], study: Study | None) -> list[Run]:
    """The runs by case and seed."""
    cases = _numbers(heads, study)
    order = sorted(range(len(paths)), key=lambda i: (cases[i], heads[i].seed))
    runs: list[Run] = []
    for i, before in zip(order, [None, *order]):
        same = before is not None and cases[i] == cases[before]
        if same and heads[i].seed == heads[before].seed:
            raise UserError(f"grains files {paths[before]} and {paths[i]} have the same condition "
                            f"and the seed {heads[i].seed}: one run must be given once")
        split = split_of(study, cases[i], heads[i].seed) if study else TRAIN
        runs.append(Run(paths[i], cases[i], runs[-1].run + 1 if same else 1, split))
    return runs


def _numbers(heads: Sequence[Head], study: Study | None) -> list[int]:
    """The number of each file's condition: that of the study, or counted from 1."""
    if study is not None:
        return [study.number_of(head.condition) for head in heads]
    distinct = sorted({head.condition for head in heads})
    return [distinct.index(head.condition) + 1 for head in heads]
