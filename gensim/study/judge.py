"""How near what was made is to the experiment: condition by condition, and all images together."""

from typing import Any, NamedTuple

import numpy as np

from gensim.data.conditions import distinct_conditions, named
from gensim.data.sets import evenly
from gensim.evaluate.compare import Choices, Part, pair
from gensim.evaluate.domain import Domain
from gensim.evaluate.growth import turned
from gensim.evaluate.measure import MEASURES
from gensim.evaluate.run import NO_FEATURES, apart, copied
from gensim.study.plan import StudyPlan
from gensim.study.score import Prints, deviation, less_bias, print_of, scores

JUDGEMENT = 2  # changes with what `judged` and `Judge` tell: older results are judged again
PAIRS = 2000  # of crops whose histograms are compared


class Truth(NamedTuple):
    """The experiment by conditions.

    domain      all its crops
    conditions  (c, 3)  its different conditions
    number      (k,)    of the condition of each crop
    prints      of the score; those held out neither teach nor validate
    """

    domain: Domain
    conditions: np.ndarray
    number: np.ndarray
    prints: Prints

    @classmethod
    def of(cls, domain: Domain) -> "Truth":
        """From the splits of the crops."""
        conditions, number = distinct_conditions(domain.conditions)
        split = domain.crops.columns["split"][domain.which]
        parts = [Part(domain, np.flatnonzero(number == each)) for each in range(len(conditions))]
        held = np.array([(split[part.which] == "held_out").all() for part in parts])
        known = [part for part, out in zip(parts, held) if not out]
        prints = Prints(np.array(list(map(print_of, parts))), deviation(known or parts), held)
        return cls(domain, conditions, number, prints)

    @property
    def held_out(self) -> np.ndarray:
        """(c,) which conditions neither teach nor validate."""
        return self.prints.held_out

    def part(self, number: int) -> Part:
        """The crops of one condition."""
        return Part(self.domain, np.flatnonzero(self.number == number))


class Judge(NamedTuple):
    """What judges every maker of a study alike.

    known  crops of the experiment that taught: of which copies are looked for, and whose
           principal axes the features are projected on
    """

    plan: StudyPlan
    known: Domain

    def judgement(
        self, truth: Truth, made: dict[int, Part], taught: np.ndarray
    ) -> dict[str, Any]:
        """What was made for conditions, by number, beside the truth; copies and features on
        held-out ones alone.

        taught  (c,) which conditions the maker knew
        """
        found = {"judgement": JUDGEMENT, **judged(truth, made, Choices(PAIRS), taught)}
        held = [number for number in made if truth.held_out[number]]
        if not held:
            return found
        ours = together([truth.part(number) for number in held])
        theirs = together([made[number] for number in held])
        found["copies"] = copied(ours, theirs, self.known)
        if self.plan.features != NO_FEATURES:
            # of as many images for all makers, as distances are the smaller the more there are
            few = together([first(made[number], self.plan.samples) for number in held])
            found["features"] = apart(ours, few, self.known, self.plan.features,
                                      self.plan.dimensions)
        return found


def together(parts: list[Part]) -> Domain:
    """The crops of parts of one domain."""
    return parts[0].domain.some(np.concatenate([part.which for part in parts]))


def first(part: Part, count: int) -> Part:
    """At most so many crops, from all over the part."""
    return Part(part.domain, part.which[evenly(len(part.which), count)])


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
            "unreadable": float(part.domain.unreadable[part.which].mean()),
            "removed": float(part.domain.measured.removed[part.which].mean()),
            **summary(pair(truth.part(number), part, choices)),
        })
    prints = {number: print_of(part) for number, part in made.items()}
    fair = less_bias(truth.prints, prints, taught)
    return {"conditions": rows, "scores": {"as made": scores(truth.prints, prints),
                                           "less bias": scores(truth.prints, fair)}}


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
                            "difference": float(turned(other - true)),
                            "true_interval": table["inclination"]["truth"]["interval"]}
    return found
