"""A model of the time per base step on any number of ranks, from the real mesh and its partition.

A rank's time is its work at the cost measured on one rank, and messages at latency and bandwidth:

    one rate    t = max_r (c W_r) + max_r sum over neighbours (latency + bytes / bandwidth)
    multirate   the same for each interval between two choices of levels, in which a block of level
                l works interval / 2^l times and sends as often; blocks of level 0, around the
                beams, cost c_hot per work. Ranks are taken to meet between intervals only, so that
                the rank that is slowest in one counts: one of those that have hot blocks.

Not in it: the memory that ranks of a node share, and noise.
"""

from typing import NamedTuple

import numpy as np

from partsim.mesh.forest import DIRECTIONS, Leaves

BYTES = 8  # of a contribution


class Link(NamedTuple):
    """Latency in s and bandwidth in B/s of messages between two ranks."""

    latency: float
    bandwidth: float


class Layout(NamedTuple):
    """Work of the blocks, and how often it is done.

    work    (n,)    of one update of each block
    levels  (m, n)  at the beginning of each of m intervals
    """

    work: np.ndarray
    levels: np.ndarray


class Costs(NamedTuple):
    """Seconds per work: of blocks of level 0 and of all others; whether blocks have levels."""

    hot: float
    other: float
    multirate: bool

    @classmethod
    def fitted(cls, layout: Layout, step: float, one_rate: float, multirate: bool) -> "Costs":
        """From seconds per base step on one rank, of this scheme and of one rate."""
        other = one_rate / layout.work.sum()
        if not multirate:
            return cls(other, other, False)
        updates = 0.5 ** layout.levels
        hot = (layout.work * (layout.levels == 0)).sum(axis=1).mean()
        rest = (layout.work * updates * (layout.levels > 0)).sum(axis=1).mean()
        return cls(max(step - other * rest, 0.0) / max(hot, 1e-30), other, True)


class Partition(NamedTuple):
    """Who owns which blocks, and what they tell each other.

    owner        (n,)  rank of each block
    ranks        how many
    block, pair  (k,)  leaf that sends, and (sender, receiver) as one number, of each border
    bytes        (k,)  across it when the block has worked
    """

    owner: np.ndarray
    ranks: int
    block: np.ndarray
    pair: np.ndarray
    bytes: np.ndarray

    @classmethod
    def of(cls, leaves: Leaves, owner: np.ndarray, ranks: int) -> "Partition":
        """From the owners (n,) that the blocks have in a run on so many ranks."""
        beside = leaves.neighbours()
        block, direction = np.nonzero((beside >= 0) & (owner[beside] != owner[:, None]))
        other = beside[block, direction]
        shared = (leaves.block + 1) ** (3 - np.abs(DIRECTIONS[direction]).sum(axis=1))
        return cls(owner, ranks, block, owner[block] * ranks + owner[other], BYTES * shared)


def predicted_seconds(
    layout: Layout, part: Partition, costs: Costs, link: Link
) -> dict[str, float]:
    """Seconds per base step: all, of computing, of messages; and of the hot blocks alone."""
    levels = layout.levels if costs.multirate else np.zeros((1, len(layout.work)), int)
    computing, messages, hot = [], [], []
    for level in levels:
        seconds = layout.work * np.where(level == 0, costs.hot, costs.other * 0.5**level)
        computing.append(np.bincount(part.owner, seconds, part.ranks).max())
        messages.append(message_seconds(level, part, link))
        hot.append(seconds[level == 0].sum() if costs.multirate else 0.0)
    compute, message = float(np.mean(computing)), float(np.mean(messages))
    return {"seconds_per_step": compute + message, "computing_seconds_per_step": compute,
            "message_seconds_per_step": message, "hot_seconds_per_step": float(np.mean(hot))}


def message_seconds(level: np.ndarray, part: Partition, link: Link) -> float:
    """Seconds per base step that the messages of the busiest rank take.

    A rank and a neighbour exchange one message when blocks of a level that touch their border have
    worked, in either direction.
    """
    if len(part.block) == 0:
        return 0.0
    spent, highest = np.zeros(part.ranks), int(level.max())
    of_block = level[part.block]
    for each in range(highest + 1):
        here = of_block == each
        pairs, which = np.unique(part.pair[here], return_inverse=True)
        volume = np.bincount(which, part.bytes[here]) if len(pairs) else np.zeros(0)
        sent = pairs // part.ranks
        seconds = link.latency + volume / link.bandwidth
        spent += 0.5**each * np.bincount(sent, seconds, part.ranks)
    return float(spent.max())
