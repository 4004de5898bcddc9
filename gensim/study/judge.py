"""How near a domain is to the experiment, condition by condition.

The *condition score*: the means of width, length and inclination of what was made for a condition
must be nearer to the truth of that condition than to the truth of every condition that taught. It
is the share of the held-out conditions for which this holds. With the conditions exchanged among
the makers, the control, no model can score better than by chance. A maker whose grains are a few
per cent too long everywhere misses although it follows the conditions: the *score less bias* takes
the mean deviation at conditions that taught off first.
"""

from typing import Any, NamedTuple

import numpy as np

from gensim.data.conditions import distinct_conditions, named
from gensim.evaluate.compare import Choices, Part, pair
from gensim.evaluate.domain import Domain
from gensim.evaluate.growth import turned
from gensim.evaluate.measure import MEASURES

SCORED = ("width", "length", "inclination")


class Truth(NamedTuple):
    """The experiment by conditions.

    domain      all its crops
    conditions  (c, 3)  its different conditions
    number      (k,)    of the condition of each crop
    held_out    (c,)    which of them neither teach nor validate
    """

    domain: Domain
    conditions: np.ndarray
    number: np.ndarray
    held_out: np.ndarray

    @classmethod
    def of(cls, domain: Domain) -> "Truth":
        """From the splits of the crops."""
        conditions, number = distinct_conditions(domain.conditions)
        split = domain.crops.columns["split"][domain.which]
        held = np.array([(split[number == each] == "held_out").all()
                         for each in range(len(conditions))])
        return cls(domain, conditions, number, held)

    def part(self, number: int) -> Part:
        """The crops of one condition."""
        return Part(self.domain, np.flatnonzero(self.number == number))


def judged(
    truth: Truth, made: dict[int, Part], choices: Choices, taught: np.ndarray
) -> dict[str, Any]:
    """The comparison of what was made for some conditions (by number) with the truth.

    taught  (c,) which conditions the maker knew
    """
    rows = []
    for number, part in made.items():
        rows.append({
            "condition": named(truth.conditions[number]),
            "held_out": bool(truth.held_out[number]), "taught": bool(taught[number]),
            **summary(pair(truth.part(number), part, choices)),
        })
    prints = {number: fingerprint(part) for number, part in made.items()}
    true = known(truth)
    return {"conditions": rows, "score": share_nearest(*true, prints, truth.held_out),
            "score_less_bias": share_nearest(*true, less_bias(true[0], prints, taught),
                                             truth.held_out),
            "control": control(*true, prints, truth.held_out)}


def summary(table: dict[str, Any]) -> dict[str, Any]:
    """What is reported of a comparison: relative errors of means, errors of histograms, angles."""
    found: dict[str, Any] = {"crops": table["crops"], "measures": {}}
    for name in MEASURES:
        entry = table[name]
        true, other = entry["truth"]["mean"], entry["other"]["mean"]
        floor = entry["floor"] or {}
        found["measures"][name] = {
            "truth": true, "other": other, "relative": other / true - 1,
            "interval": entry["other"]["interval"], "true_interval": entry["truth"]["interval"],
            "wasserstein": entry["wasserstein"], "mae": entry["mae"], "mape": entry["mape"],
            "floor_wasserstein": floor.get("wasserstein"), "floor_mape": floor.get("mape"),
        }
    true, other = (table["inclination"][name]["mean"] for name in ("truth", "other"))
    found["inclination"] = {"truth": true, "other": other,
                            "difference": float(turned(other - true))}
    return found


def fingerprint(part: Part) -> np.ndarray:
    """(3,) the means of SCORED over some crops."""
    measured = part.domain.measured
    means = [measured.mean(name, part.which) for name in SCORED[:2]]
    return np.array([*means, measured.inclination(part.which)])


def less_bias(
    true: np.ndarray, prints: dict[int, np.ndarray], taught: np.ndarray
) -> dict[int, np.ndarray]:
    """Fingerprints less their mean deviation from the true ones (c, 3) at conditions that taught,
    (c,)."""
    gaps = [difference(prints[number], true[number]) for number in prints if taught[number]]
    bias = np.mean(gaps, axis=0) if gaps else np.zeros(len(SCORED))
    return {number: print_ - bias for number, print_ in prints.items()}


def control(
    true: np.ndarray, spread: np.ndarray, prints: dict[int, np.ndarray], held_out: np.ndarray
) -> float | None:
    """The mean score when each held-out condition is given what was made for another condition."""
    found = [
        share_nearest(true, spread, {number: prints[other]}, held_out)
        for number in prints if held_out[number] for other in prints if other != number
    ]
    return float(np.mean(found)) if found else None


def known(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """(c, 3) fingerprints of the truth, and their spread (3,) over conditions."""
    prints = np.array([fingerprint(truth.part(number)) for number in range(len(truth.conditions))])
    return prints, prints.std(axis=0)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """one - other of fingerprints (..., 3), the angle between directions."""
    gap = one - other
    gap[..., 2] = turned(gap[..., 2])
    return gap


def share_nearest(
    prints: np.ndarray, spread: np.ndarray, made: dict[int, np.ndarray], held_out: np.ndarray
) -> float | None:
    """The share of held-out conditions to whose truth what was made for them is nearest.

    prints  (c, 3) of the truth      spread  (3,) in which differences are counted
    """
    hits = []
    for number, print_ in made.items():
        if not held_out[number]:
            continue
        gap = difference(print_, prints)
        distance = np.linalg.norm(gap / np.where(spread > 0, spread, 1), axis=1)
        rivals = distance[~held_out]
        hits.append(bool(distance[number] < rivals.min(initial=np.inf)))
    return float(np.mean(hits)) if hits else None
