"""Which crops are independent, and what that leaves open of a mean."""

from collections.abc import Callable

import numpy as np

from gensim.data.sets import CropSet

RESAMPLED = 1000
COVERED = (2.5, 97.5)  # percentiles of an interval
BLOCK = 2  # crops, the width of a block of a map
LEAST_BLOCKS = 5  # fewer tell nothing of their spread


def specimens(crops: CropSet, which: np.ndarray) -> np.ndarray:
    """(k,) a number for each of some crops: that of the metal that it shows.

    Runs of one domain and seed grew from the same metal, whatever their condition. A measured map,
    a case without a seed, is one specimen whatever part of it a crop shows.
    """
    domain, case, seed = (crops.columns[name][which] for name in ("domain", "case", "seed"))
    metal = np.where(seed >= 0, seed, -1 - case)
    rows = np.column_stack([np.unique(domain, return_inverse=True)[1], metal])
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def groups(crops: CropSet, which: np.ndarray) -> np.ndarray:
    """(k,) a number for each of some crops; those of different numbers are independent.

    Slices of one specimen are nearly equal, so that a specimen is one group. A crop without a
    position was drawn from a model and is a group of its own. Where all show one specimen, as a
    measured map, blocks as wide as two crops along its position are the groups, if there are enough
    of them: neighbouring blocks share what lies at the line between them.
    """
    position = crops.columns["position"][which].astype(float)
    specimen, block = specimens(crops, which), np.zeros(len(which), np.int64)
    if len(np.unique(specimen)) == 1:
        side = BLOCK * crops.size * crops.pixel_size
        found = np.floor(np.nan_to_num(position) / side).astype(np.int64)
        block = found if len(np.unique(found)) >= LEAST_BLOCKS else block
    alone = np.where(np.isnan(position), np.arange(1, len(which) + 1), 0)
    rows = np.column_stack([specimen, block, alone])
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def interval(
    group: np.ndarray, statistic: Callable[[np.ndarray], float], chance: np.random.Generator,
    repeats: int = RESAMPLED,
) -> tuple[float, float] | None:
    """Bootstrap interval (95 %) of a statistic of crops whose groups (n,) are drawn anew.

    statistic  of the numbers of the crops, doubles included

    None where there is one group only, which says nothing about others, or nothing was measured.
    """
    members = [np.flatnonzero(group == number) for number in np.unique(group)]
    if len(members) < 2:
        return None
    draws = chance.integers(len(members), size=(repeats, len(members)))
    found = [statistic(np.concatenate([members[i] for i in draw])) for draw in draws]
    if not np.isfinite(found).any():
        return None
    low, high = np.nanpercentile(found, COVERED)
    return float(low), float(high)


def halves(
    group: np.ndarray, stratum: np.ndarray, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """The crops of two random halves of the groups (n,), cut within each stratum (n,).

    With conditions as strata both halves have the same ones: what differs is chance alone. A group
    of several strata counts for its first crop's. None where a stratum has one group only.
    """
    distinct, at = np.unique(group, return_index=True)
    chosen: list[np.ndarray] = []
    for each in np.unique(stratum[at]):
        mine = chance.permutation(distinct[stratum[at] == each])
        if len(mine) < 2:
            return None
        chosen.append(mine[: len(mine) // 2])
    first = np.isin(group, np.concatenate(chosen))
    return np.flatnonzero(first), np.flatnonzero(~first)
