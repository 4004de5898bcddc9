"""The comparison of two domains as a nested table: condition by condition, and all together."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import wasserstein_distance

from gensim.data.conditions import distinct_conditions, named
from gensim.evaluate.domain import Domain
from gensim.evaluate.groups import halves, interval
from gensim.evaluate.growth import turned
from gensim.evaluate.histograms import counts, errors
from gensim.evaluate.measure import MEASURES

FLOORS = 10  # random halves of the truth, condition by condition, averaged


class Choices(NamedTuple):
    """pairs of crops whose histograms are compared, and the seed of all that is random."""

    pairs: int = 100
    seed: int = 0


class Part(NamedTuple):
    """Some crops of a domain."""

    domain: Domain
    which: np.ndarray


def compared(truth: Domain, other: Domain, choices: Choices) -> dict[str, Any]:
    """All measures of both domains, over each condition that both have and over all crops."""
    rows, number = distinct_conditions(np.concatenate([truth.conditions, other.conditions]))
    mine, theirs = number[: len(truth)], number[len(truth):]
    shared = sorted(set(mine.tolist()) & set(theirs.tolist()))
    conditions = [
        {"condition": named(rows[each])}
        | pair(Part(truth, np.flatnonzero(mine == each)),
               Part(other, np.flatnonzero(theirs == each)), choices)
        for each in shared
    ]
    everything = pair(Part(truth, np.arange(len(truth))), Part(other, np.arange(len(other))),
                      choices)
    return {
        "channel": {name: seen(domain) for name, domain in (("truth", truth), ("other", other))},
        "conditions": conditions,
        "all": everything,
    }


def seen(domain: Domain) -> dict[str, Any]:
    """How well the crops of a domain are read."""
    return {
        "crops": len(domain),
        "unreadable": float(domain.unreadable.mean()),
        "removed": float(domain.measured.removed.mean()),
        "bias": domain.bias(),
    }


def pair(truth: Part, other: Part, choices: Choices) -> dict[str, Any]:
    """The measures of two parts, their distances, and how far halves of the truth are apart."""
    chance = np.random.default_rng(choices.seed)
    group = truth.domain.groups(truth.which), other.domain.groups(other.which)
    table: dict[str, Any] = {
        "crops": {"truth": len(truth.which), "other": len(other.which)},
        "groups": {"truth": len(set(group[0])), "other": len(set(group[1]))},
    }
    stratum = distinct_conditions(truth.domain.conditions[truth.which])[1]
    tries = (halves(group[0], stratum, chance) for _ in range(FLOORS))
    cuts = [cut for cut in tries if cut is not None]
    floors = [tuple(Part(truth.domain, truth.which[half]) for half in cut) for cut in cuts]
    for name in MEASURES:
        table[name] = {
            "truth": mean(truth, name, group[0], chance),
            "other": mean(other, name, group[1], chance),
            **distances(truth, other, name, choices, chance),
            "floor": average([distances(*cut, name, choices, chance) for cut in floors]),
        }
    table["inclination"] = {
        "truth": inclination(truth, group[0], chance),
        "other": inclination(other, group[1], chance),
    }
    if truth.domain.crops.section == "longitudinal":
        table["depth"] = {"truth": depth(truth), "other": depth(other)}
    return table


def mean(part: Part, name: str, group: np.ndarray, chance: np.random.Generator) -> dict[str, Any]:
    """The mean over all values of a measure, and its bootstrap interval."""
    values = [part.domain.measured.values[name][crop] for crop in part.which]
    total, count = (np.array([f(v) for v in values], float) for f in (np.sum, len))

    def over(crops: np.ndarray) -> float:
        n = count[crops].sum()
        return float(total[crops].sum() / n) if n else float("nan")

    return {"mean": over(np.arange(len(values))), "values": int(count.sum()),
            "interval": interval(group, over, chance)}


def inclination(part: Part, group: np.ndarray, chance: np.random.Generator) -> dict[str, Any]:
    """Degrees of all crops together, and the bootstrap interval.

    The interval is that of the deviation from the mean direction, as 90 and -90 degrees are equal.
    """
    def of(crops: np.ndarray) -> float:
        return part.domain.measured.inclination(part.which[crops])

    middle = of(np.arange(len(part.which)))
    spread = interval(group, lambda crops: float(turned(of(crops) - middle)), chance)
    return {"mean": middle,
            "interval": None if spread is None else (middle + spread[0], middle + spread[1])}


def depth(part: Part) -> dict[str, float]:
    """Mean and standard deviation (m) of the melted depth over crops."""
    values = part.domain.measured.depth[part.which]
    return {"mean": float(values.mean()), "deviation": float(values.std())}


def distances(
    truth: Part, other: Part, name: str, choices: Choices, chance: np.random.Generator
) -> dict[str, float]:
    """Wasserstein distance of all values of a measure (in its unit), errors of its histograms."""
    a, b = (part.domain.measured.pooled(name, part.which) for part in (truth, other))
    if len(a) == 0 or len(b) == 0:
        return dict.fromkeys(("wasserstein", "mae", "mape", "empty"), float("nan"))
    bars = [counts(part.domain.measured, name, part.which) for part in (truth, other)]
    return {"wasserstein": float(wasserstein_distance(a, b)),
            **errors(*bars, choices.pairs, chance)._asdict()}


def average(tables: list[dict[str, float]]) -> dict[str, float] | None:
    """The mean of each entry; None of no tables."""
    if not tables:
        return None
    return {name: float(np.mean([table[name] for table in tables])) for name in tables[0]}
