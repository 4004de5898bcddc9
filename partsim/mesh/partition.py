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


def deal(
    work: np.ndarray, group: np.ndarray, ranks: int, pause: np.ndarray | None = None
) -> np.ndarray:
    """(n,) owner of each block: groups stay together, the other blocks make up for them.

    work   (n,)
    group  (n,) 0, 1, ..., or -1 for blocks of none. The heaviest group goes first, each to the rank
           that has least; the blocks of none are cut along the Morton curve.
    pause  (n,) intervals from one work of a block to the next, None: 1 everywhere. Those that pause
           are cut apart from the others, so that both kinds of intervals are evened out.
    """
    owner, taken = np.full(len(work), -1), np.zeros(ranks)
    weight = np.bincount(group + 1, work)[1:]
    for each in np.argsort(-weight, kind="stable"):
        rank = int(taken.argmin())
        owner[group == each] = rank
        taken[rank] += weight[each]
    pauses = np.zeros(len(work), bool) if pause is None else pause > 1
    always = np.where(pauses, 0.0, work)  # in an interval in which those that pause do nothing
    every = work if pause is None else pause * work  # and in one in which they all work
    for some, weight in ((~pauses, always), (pauses, every)):
        dealt, some = owner >= 0, some & (owner < 0)
        taken = np.bincount(owner[dealt], weight[dealt], ranks)
        owner[some] = cut(weight[some], ranks, taken)
    return owner


def imbalance(weight: np.ndarray, owner: np.ndarray, ranks: int) -> float:
    """Largest work of a rank over the mean."""
    share = np.bincount(owner, weight, ranks)
    return float(share.max() / share.mean())
