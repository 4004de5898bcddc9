"""Which rank owns which blocks: the Morton curve cut into pieces of equal work."""

import numpy as np


def cut(weight: np.ndarray, ranks: int) -> np.ndarray:
    """(ranks+1,) bounds of contiguous pieces of the blocks' `weight` (n,), as equal as possible.

    A block goes to the rank on whose share of the total its middle lies; the weights come from
    counts, never from timers, so that a run repeats itself exactly.
    """
    total = np.cumsum(weight, dtype=float)
    middle = total - 0.5 * weight
    inner = np.searchsorted(middle, total[-1] * np.arange(1, ranks) / ranks)
    return np.r_[0, inner, len(weight)].astype(np.int64)


def imbalance(weight: np.ndarray, bounds: np.ndarray) -> float:
    """Largest work of a rank over the mean."""
    total = np.r_[0.0, np.cumsum(weight, dtype=float)]
    share = np.diff(total[bounds])
    return float(share.max() / share.mean())


def owner_of(bounds: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The rank that owns each block."""
    return np.searchsorted(bounds, blocks, side="right") - 1
