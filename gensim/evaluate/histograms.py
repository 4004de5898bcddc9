"""Histograms of grain measures and the errors of Xie et al., Tables 7 and 9.

The paper does not state its bins; these are chosen in m, so that they mean the same at every pixel
size. It compares one sampled with one measured image; here many pairs.
"""

from typing import NamedTuple

import numpy as np

from gensim.evaluate.measure import Measured

# first edge, width, and how many bins are compared
BINS = {
    "width": (0.0, 10e-6, 5),
    "length": (0.0, 10e-6, 5),
    "area": (0.0, 200e-12, 5),
    "aspect": (1.0, 0.5, 10),
}


class Errors(NamedTuple):
    """Mean over pairs of crops: of |difference| of the counts in a bin, and of it over the count.

    Bins that are empty in the true crop have no relative error and are left out of the second;
    `empty` is their share.
    """

    mae: float
    mape: float
    empty: float


def edges(name: str) -> np.ndarray:
    """(bins+1,) of a measure."""
    first, width, count = BINS[name]
    return first + width * np.arange(count + 1)


def counts(measured: Measured, name: str, which: np.ndarray) -> np.ndarray:
    """(k, bins) how many values of a measure each of some crops has in each bin."""
    return np.array([np.histogram(measured.values[name][crop], edges(name))[0] for crop in which])


def errors(truth: np.ndarray, other: np.ndarray, pairs: int, chance: np.random.Generator) -> Errors:
    """Errors of random pairs of the counts (k, bins) of true and (m, bins) of other crops."""
    a = truth[chance.integers(len(truth), size=pairs)].astype(float)
    b = other[chance.integers(len(other), size=pairs)]
    gap, known = np.abs(b - a), a > 0
    relative = gap[known] / a[known]
    return Errors(float(gap.mean()), float(relative.mean()) if known.any() else float("nan"),
                  float((~known).mean()))
