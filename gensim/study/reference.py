"""Rows of a study that need no training: what else one could take for the truth of a condition."""

import numpy as np

from gensim.evaluate.compare import Part
from gensim.evaluate.domain import Domain
from gensim.study.judge import Truth

SIMULATION = "simulation"
NEAREST = "nearest condition that taught, copied"
ANOTHER_RUN = "another run"  # what chance alone does


def simulated(truth: Truth, simulation: Domain) -> dict[int, Part]:
    """Number of a condition of the truth -> the simulation's crops of it."""
    made = {}
    for number, condition in enumerate(truth.conditions):
        same = np.flatnonzero((simulation.conditions == condition).all(axis=1))
        if len(same):
            made[number] = Part(simulation, same)
    return made


def nearest(truth: Truth, teaches: np.ndarray) -> dict[int, Part]:
    """Number of a condition -> those crops of the nearest other one that teach, (k,) which do."""
    spread = np.nanstd(truth.conditions, axis=0)
    scaled = np.nan_to_num(truth.conditions) / np.where(spread > 0, spread, 1)
    taught = np.unique(truth.number[teaches])
    made = {}
    for number in range(len(truth.conditions)):
        others = taught[taught != number]
        if len(others) == 0:
            continue
        gap = np.linalg.norm(scaled[others] - scaled[number], axis=1)
        like = truth.number == others[np.argmin(gap)]
        made[number] = Part(truth.domain, np.flatnonzero(like & teaches))
    return made


def another_run(truth: Truth) -> tuple[Truth, dict[int, Part]] | None:
    """The truth without the last run of each condition, and number of a condition -> that run.

    None where a condition has one run only.
    """
    run = truth.domain.crops.columns["run"][truth.domain.which]
    last = np.zeros(len(run), bool)
    for number in range(len(truth.conditions)):
        mine = truth.number == number
        if len(np.unique(run[mine])) < 2:
            return None
        last |= mine & (run == run[mine].max())
    rest = Truth.of(truth.domain.some(np.flatnonzero(~last)))
    rest = rest._replace(prints=truth.prints._replace(mean=rest.prints.mean))
    return rest, {number: Part(truth.domain, np.flatnonzero(last & (truth.number == number)))
                  for number in range(len(truth.conditions))}
