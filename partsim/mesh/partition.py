"""Which rank owns which blocks: an owner for each leaf, of whatever set of leaves.

The weights come from counts, never from timers, so that a run repeats itself exactly.
"""

import numpy as np


def cut(weight: np.ndarray, ranks: int, taken: np.ndarray | None = None) -> np.ndarray:
    """(n,) owner of each block: the Morton curve cut into contiguous pieces of equal `weight` (n,).

    taken  (ranks,) work that ranks have beside: they get less, those with too much get nothing

    A block goes to the rank on whose share of the total its middle lies.
    """
    total = np.cumsum(weight, dtype=float)
    room = rooms(np.zeros(ranks) if taken is None else taken, float(np.sum(weight)))
    inner = np.searchsorted(total - 0.5 * weight, np.cumsum(room)[:-1])
    return np.repeat(np.arange(ranks), np.diff(inner, prepend=0, append=len(weight)))


def rooms(taken: np.ndarray, rest: float) -> np.ndarray:
    """(ranks,) how `rest` is added to `taken` (ranks,) so that the largest stays smallest."""
    rising = np.sort(taken)
    level = ((rest + np.cumsum(rising)) / np.arange(1, len(taken) + 1)).min()
    return np.maximum(level - taken, 0.0)


def deal(work: np.ndarray, group: np.ndarray, ranks: int) -> np.ndarray:
    """(n,) owner of each block: groups stay together, the other blocks make up for them.

    work   (n,)
    group  (n,) 0, 1, ..., or -1 for blocks of none. The heaviest group goes first, each to the rank
           that has least; the blocks of none are cut along the Morton curve.
    """
    owner, taken = np.empty(len(work), np.int64), np.zeros(ranks)
    weight = np.bincount(group + 1, work)[1:]
    for each in np.argsort(-weight, kind="stable"):
        rank = int(taken.argmin())
        owner[group == each] = rank
        taken[rank] += weight[each]
    rest = group < 0
    owner[rest] = cut(work[rest], ranks, taken)
    return owner


def imbalance(weight: np.ndarray, owner: np.ndarray, ranks: int) -> float:
    """Largest work of a rank over the mean."""
    share = np.bincount(owner, weight, ranks)
    return float(share.max() / share.mean())
