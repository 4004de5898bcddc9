"""A model of the time per base step on any number of ranks, from the real mesh and its partition.

    one rate    t = begin + max_r (c W_r) + messages
    multirate   the same for each interval between two choices of levels, in which a block of level
                l works every 2^l base steps, and its rank sends as often what it shares; blocks of
                level 0, around the beams, cost c_hot per work. Ranks meet every 2^b base steps, b
                the lowest level of a block at a border: in between each works by itself, and the
                slowest is waited for. A step that ends in messages takes `call` more than one
                that runs compiled.

What every rank does for itself whatever their number is `begin` seconds a base step: with one rate
calls and books, with many also choosing levels and aiming the beams. Costs are measured on one
rank, messages take their latency and their bytes over the bandwidth. Blocks that are not around the
beams cost what they do with one rate, where phases move in every step: too much with many rates, by
what hot blocks then cost too little. Not in it: the memory that ranks of a node share, what a
message costs beside its latency, lists that are made for each neighbour, noise, and that a rank
waits for its neighbours only. So it is too hopeful where a rank has few blocks.
"""

from typing import NamedTuple

import numpy as np

from partsim.mesh.forest import DIRECTIONS
from partsim.mesh.mesh import Grid
from partsim.mesh.nodes import number_nodes

BYTES = 8  # of a contribution


class Link(NamedTuple):
    """Latency in s and bandwidth in B/s of messages between two ranks."""

    latency: float
    bandwidth: float


class Layout(NamedTuple):
    """Work of the blocks, and how often it is done.

    work    (n,)    of one update of each block
    levels  (m, n)  in m intervals
    fast    levels of which a message has only what blocks of this level have changed; those of
            others have the whole border
    """

    work: np.ndarray
    levels: np.ndarray
    fast: int


class Costs(NamedTuple):
    """Seconds per work: of blocks of level 0 and of all others; whether blocks have levels; and
    seconds per base step, `begin` and `call`, see above."""

    hot: float
    other: float
    multirate: bool
    begin: float = 0.0
    call: float = 0.0

    @classmethod
    def fitted(cls, layout: Layout, step: float, other: float, begin: float,
               call: float) -> "Costs":
        """Those of multirate steps, from seconds per base step on one rank: what the other blocks
        do not explain is the cost of hot ones."""
        hot = (layout.work * (layout.levels == 0)).sum(axis=1).mean()
        rest = (layout.work * 0.5**layout.levels * (layout.levels > 0)).sum(axis=1).mean()
        return cls(max(step - begin - other * rest, 0.0) / max(hot, 1e-30), other, True, begin,
                   call)


class Partition(NamedTuple):
    """Who owns which blocks, and what they tell each other.

    owner         (n,)  rank of each block
    ranks         how many
    block, pair   (k,)  leaf that sends, and (sender, receiver) as one number, of each border
    bytes         (k,)  across it when the block has worked
    whole, total  (p,)  the pairs, and the bytes of the whole border of each
    """

    owner: np.ndarray
    ranks: int
    block: np.ndarray
    pair: np.ndarray
    bytes: np.ndarray
    whole: np.ndarray
    total: np.ndarray

    @classmethod
    def of(cls, grid: Grid, owner: np.ndarray, ranks: int) -> "Partition":
        """From the owners (n,) that the blocks have in a run on so many ranks.

        The bytes of a pair are those of the nodes that its ranks share, and are dealt to blocks by
        the faces, edges and corners at which they touch the other rank.
        """
        leaves = grid.leaves
        beside = leaves.neighbours()
        block, direction = np.nonzero((beside >= 0) & (owner[beside] != owner[:, None]))
        other = beside[block, direction]
        nodes = (leaves.block + 1.0) ** (3 - np.abs(DIRECTIONS[direction]).sum(axis=1))
        # of finer blocks only one is found: every one of them finds the coarser block instead
        known = leaves.level[other] <= leaves.level[block]
        coarser = leaves.level[other] < leaves.level[block]
        block, other = np.r_[block[known], other[coarser]], np.r_[other[known], block[coarser]]
        nodes = np.r_[nodes[known], nodes[coarser]]
        pair = owner[block] * ranks + owner[other]
        # hanging nodes at a border may belong to others alone
        whole = np.unique(pair)
        total = BYTES * shared_nodes(grid, owner, ranks, whole)
        whole, total = whole[total > 0], total[total > 0]
        sent = np.isin(pair, whole)
        block, pair, nodes = block[sent], pair[sent], nodes[sent]
        which = np.searchsorted(whole, pair)
        share = total / np.bincount(which, nodes, len(whole)) if len(whole) else total
        return cls(owner, ranks, block, pair, nodes * share[which], whole, total)


def shared_nodes(grid: Grid, owner: np.ndarray, ranks: int, pairs: np.ndarray) -> np.ndarray:
    """(p,) values that the first rank of each pair sends to the second, for the whole border."""
    found = np.zeros(len(pairs))
    for rank in np.unique(pairs // ranks):
        sharing = number_nodes(grid.leaves, grid.top, owner, rank).sharing
        for other, slots in zip(sharing.ranks, sharing.send_slots):
            found[pairs == rank * ranks + other] = len(slots)
    return found


def predicted_seconds(
    layout: Layout, part: Partition, costs: Costs, link: Link
) -> dict[str, float]:
    """Seconds per base step: all; of computing, messages, and what every rank does; of the hot
    blocks of the rank that has most of them, of all hot blocks, and of the largest of them, than
    which no number of ranks is faster; and how much more than the mean the rank has that computes
    longest."""
    levels = layout.levels if costs.multirate else np.zeros((1, len(layout.work)), int)
    computing, messages, fixed, mean = [], [], [], []
    hot = costs.hot * layout.work * (levels == 0) * costs.multirate
    for level in levels:
        work = work_of(level, layout.work, part, costs)
        lowest = int(level[part.block].min()) if len(part.block) else work.shape[1]
        computing.append(computing_seconds(work, lowest))
        messages.append(message_seconds(level, part, link, layout.fast))
        fixed.append(costs.begin + (costs.call * 0.5**lowest if len(part.block) else 0.0))
        mean.append((work @ 0.5 ** np.arange(work.shape[1])).mean())
    compute, message, every = (float(np.mean(each)) for each in (computing, messages, fixed))
    return {"seconds_per_step": compute + message + every, "computing_seconds_per_step": compute,
            "message_seconds_per_step": message, "fixed_seconds_per_step": every,
            "hot_seconds_per_step": float(np.mean(
                [np.bincount(part.owner, each, part.ranks).max() for each in hot])),
            "patch_seconds_per_step": float(hot.sum(axis=1).mean()),
            "block_seconds_per_step": float(hot.max(axis=1).mean()),
            "imbalance": compute / float(np.mean(mean)) - 1}


def work_of(level: np.ndarray, work: np.ndarray, part: Partition, costs: Costs) -> np.ndarray:
    """(ranks, levels) s of an update of all blocks of each level."""
    count = int(level.max()) + 1
    seconds = work * np.where(level == 0, costs.hot, costs.other)
    each = np.bincount(part.owner * count + level, seconds, part.ranks * count)
    return each.reshape(part.ranks, count)


def computing_seconds(work: np.ndarray, lowest: int) -> float:
    """s per base step of ranks with this work (ranks, levels) that meet every 2^lowest steps.

    At one meeting in two only level `lowest` is due of the levels from there on, at one in four
    also the next, ..., and the last two kinds of meetings are equally many.
    """
    count = work.shape[1]
    often = min(lowest, count)
    between = work[:, :often] @ 2.0 ** (lowest - np.arange(often))
    if lowest >= count:
        return float(between.max()) * 0.5**lowest
    spent = 0.0
    for highest in range(lowest, count):
        share = 0.5 ** min(highest + 1, count - 1)
        spent += share * (between + work[:, lowest:highest + 1].sum(axis=1)).max()
    return float(spent)


def message_seconds(level: np.ndarray, part: Partition, link: Link, fast: int) -> float:
    """s per base step that the messages of the busiest rank take.

    Two ranks exchange one message, each what it has added to the nodes that both have, when blocks
    of a level have worked that touch their border on either side; from level `fast` on it has the
    whole border.
    """
    if len(part.block) == 0:
        return 0.0
    spent, of_block = np.zeros(part.ranks), level[part.block]
    for each in range(int(level.max()) + 1):
        here = of_block == each
        own, which = np.unique(part.pair[here], return_inverse=True)
        volume = np.bincount(which, part.bytes[here], len(own))
        back = own % part.ranks * part.ranks + own // part.ranks
        pairs, which = np.unique(np.concatenate([own, back]), return_inverse=True)
        most = np.zeros(len(pairs))
        np.maximum.at(most, which, np.concatenate([volume, volume]))
        if each >= fast:
            most = part.total[np.searchsorted(part.whole, pairs)]
        seconds = link.latency + most / link.bandwidth
        spent += 0.5**each * np.bincount(pairs // part.ranks, seconds, part.ranks)
    return float(spent.max())
