"""The condition score: does what a maker makes follow the conditions that it is asked for?

A *print* is the mean width, the mean length and the inclination of some crops. Differences of
prints are counted in the deviations that single runs of one condition have by chance. The *score*
is the share of the held-out conditions at which the print of what was made is nearer to the truth
of that condition than to the truth of every condition that taught; the *distance ratio* is the
distance to the former over that to the nearest of the latter, averaged: below 1 where the score
counts. The *control* is the score when conditions are exchanged among what was made.

A maker whose grains are a few per cent too long everywhere misses although it follows the
conditions: *less bias*, the mean deviation at conditions that taught is taken off first.
"""

from typing import NamedTuple

import numpy as np

from gensim.evaluate.compare import Part
from gensim.evaluate.growth import turned

SCORED = ("width", "length", "inclination")


class Prints(NamedTuple):
    """Those of the truth.

    mean       (c, 3) of each condition
    deviation  (3,)   of single runs of a condition
    held_out   (c,)   which conditions did not teach
    """

    mean: np.ndarray
    deviation: np.ndarray
    held_out: np.ndarray


def scores(true: Prints, made: dict[int, np.ndarray]) -> dict[str, float | None]:
    """Score, distance ratio and control of prints, by the number of the condition asked for; None
    where no held-out condition, for the control no second one, was asked for."""
    held = [number for number in made if true.held_out[number]]
    ratios = [ratio(true, number, made[number]) for number in held]
    exchanged = [ratio(true, number, made[other]) for number in held
                 for other in made if other != number]
    return {"score": share(ratios), "distance_ratio": float(np.mean(ratios)) if ratios else None,
            "control": share(exchanged)}


def share(ratios: list[float]) -> float | None:
    """Of those below 1; what could not be measured is not."""
    return float(np.mean(np.array(ratios) < 1)) if ratios else None


def ratio(true: Prints, number: int, made: np.ndarray) -> float:
    """How far (3,) is from the truth of a condition, over how far from the nearest that taught."""
    distance = np.linalg.norm(difference(made, true.mean) / true.deviation, axis=1)
    rival = distance[~true.held_out].min(initial=np.inf)
    return float(distance[number] / rival) if rival > 0 else float("inf")


def less_bias(
    true: Prints, made: dict[int, np.ndarray], taught: np.ndarray
) -> dict[int, np.ndarray]:
    """Prints less their mean deviation from the true ones at conditions that taught, (c,)."""
    gaps = [difference(made[number], true.mean[number]) for number in made if taught[number]]
    bias = np.mean(gaps, axis=0) if gaps else np.zeros(len(SCORED))
    return {number: each - bias for number, each in made.items()}


def print_of(part: Part) -> np.ndarray:
    """(3,) the means of SCORED over some crops."""
    measured = part.domain.measured
    means = [measured.mean(name, part.which) for name in SCORED[:2]]
    return np.array([*means, measured.inclination(part.which)])


def deviation(conditions: list[Part]) -> np.ndarray:
    """(3,) standard deviation of single runs, pooled over the conditions that have several; where
    none has, that of conditions. 1 where nothing differs."""
    squares, free = np.zeros(len(SCORED)), 0
    for part in conditions:
        run = part.domain.crops.columns["run"][part.domain.which[part.which]]
        numbers = np.unique(run)
        mean = print_of(part)
        for number in numbers if len(numbers) > 1 else ():
            single = print_of(Part(part.domain, part.which[run == number]))
            squares += difference(single, mean) ** 2
        free += len(numbers) - 1
    found = np.sqrt(squares / free) if free else np.std(list(map(print_of, conditions)), axis=0)
    return np.where(found > 0, found, 1.0)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """one - other of prints (..., 3), the angle between directions."""
    gap = one - other
    gap[..., 2] = turned(gap[..., 2])
    return gap
