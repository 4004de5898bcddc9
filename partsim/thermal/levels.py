"""Levels of blocks and nodes: who takes steps of 2^l base steps, as lists for the kernels.

A node steps with the fastest block that it touches. In most of the mesh every block has the slowest
level that it may ever have; the nodes of the others, which are few, are found anew each time.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from .heat import Heat

SHORTEST = 8  # nodes of a run


class Slowest(NamedTuple):
    """What does not change on a mesh; L levels.

    block        (nb,) int8         slowest level of each own block
    node         (n_surface,) int8  level of each surface node when all blocks have their slowest
    highest      (n_surface,) int8  the slowest level of the blocks that touch it
    runs, run_first  (m, 2), (L+1,)    by `node`, ranges of surface nodes that are touched by no
                 slower block, none of them fixed
    nodes, first (n,), (L+1,)          the other surface nodes by `node`
    top, top_first                     likewise those with losses
    top_index    (n_surface,)       the place of each surface node in Heat.top, or -1
    """

    block: np.ndarray
    node: np.ndarray
    highest: np.ndarray
    runs: np.ndarray
    run_first: np.ndarray
    nodes: np.ndarray
    first: np.ndarray
    top: np.ndarray
    top_first: np.ndarray
    top_index: np.ndarray


class Levels(NamedTuple):
    """What the blocks have now.

    block        (nb,) int8         level of each own block
    order, first (nb,), (L+1,)      own blocks by level, in block order
    node         (n_surface,) int8  level of each surface node
    fast, fast_first  (n_surface,), (L+1,)  nodes that are faster than their slowest level
    turn         (nb,) base steps from one step of the phases to the next, a power of two
    moved        (nb,) base steps of the macro step before the phases' last step
    """

    block: np.ndarray
    order: np.ndarray
    first: np.ndarray
    node: np.ndarray
    fast: np.ndarray
    fast_first: np.ndarray
    turn: np.ndarray
    moved: np.ndarray


def by_level(levels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,), (count+1,) the indices sorted by their level 0, ..., count-1, and where each begins."""
    order = np.argsort(levels, kind="stable").astype(np.int32)
    return order, np.r_[0, np.cumsum(np.bincount(levels, minlength=count))]


def runs_by_level(
    node: np.ndarray, alike: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranges (m, 2) of at least SHORTEST neighbours of one level, all of them `alike` (n,), by
    level; where each level begins (count+1,); and which nodes (n,) are in none."""
    kind = np.where(alike, node, -1)
    ends = np.r_[0, np.flatnonzero(np.diff(kind)) + 1, len(kind)]
    runs = np.stack([ends[:-1], ends[1:]], axis=1)
    runs = runs[np.diff(runs)[:, 0] >= SHORTEST]
    runs = runs[kind[runs[:, 0]] >= 0]
    order, first = by_level(kind[runs[:, 0]], count)
    change = np.zeros(len(kind) + 1, int)
    change[runs[:, 0]] += 1
    change[runs[:, 1]] -= 1
    return runs[order], first, np.cumsum(change[:-1]) == 0


def slowest_levels(heat: Heat, level: np.ndarray, count: int) -> Slowest:
    """From the slowest level (n,) int8 of all leaves, of `count` levels."""
    mesh, nodes, top = heat.mesh, heat.mesh.nodes, heat.top
    node, highest = np.full(nodes.n_surface, count, np.int8), np.zeros(nodes.n_surface, np.int8)
    own, foreign = level[mesh.own], level[nodes.foreign_block]
    spread(own, nodes.tables, nodes.n_surface, node, highest)
    np.minimum.at(node, nodes.foreign_node, foreign)
    np.maximum.at(highest, nodes.foreign_node, foreign)
    alike = highest == node
    alike[heat.fixed] = False
    runs, run_first, single = runs_by_level(node, alike, count)
    order, first = by_level(node[single], count)
    top_index = np.full(nodes.n_surface, -1, np.int32)
    top_index[top] = np.arange(len(top))
    lossy, top_first = by_level(node[top], count)
    others = np.flatnonzero(single)[order].astype(np.int32)
    return Slowest(own, node, highest, runs, run_first, others, first,
                   top[lossy].astype(np.int32), top_first, top_index)


def empty_levels(slowest: Slowest, count: int) -> Levels:
    """Room for levels, to be given by `relevel`."""
    blocks, nodes = len(slowest.block), len(slowest.node)
    first, (turn, moved) = np.zeros((2, count + 1), np.int64), np.zeros((2, blocks), np.int64)
    return Levels(np.zeros(blocks, np.int8), np.zeros(blocks, np.int32), first[0],
                  slowest.node.copy(), np.zeros(nodes, np.int32), first[1], turn, moved)


@kernel()
def spread(level, tables, n_surface, fastest, slowest):
    """The lowest and the highest level (nb,) of the blocks that touch each surface node."""
    for block in range(len(level)):
        for entry in range(tables.surface_first[block], tables.surface_first[block + 1]):
            if tables.surface_slot[entry] != n_surface:  # hanging ones are in no vector
                node = tables.surface_node[entry]
                fastest[node] = min(fastest[node], level[block])
                slowest[node] = max(slowest[node], level[block])


@kernel()
def relevel(levels, slowest, tables, level, foreign):
    """Gives the own blocks the levels (nb,).

    foreign  (nodes, levels) of the blocks of other ranks that touch own nodes, where these are
             faster than their slowest level
    """
    blocks, node, fast, first = levels.block, levels.node, levels.fast, levels.fast_first
    for at in range(first[len(first) - 1]):
        node[fast[at]] = slowest.node[fast[at]]
    n_surface = len(node)
    for block in range(len(level)):
        blocks[block] = level[block]
        if level[block] < slowest.block[block]:
            for entry in range(tables.surface_first[block], tables.surface_first[block + 1]):
                if tables.surface_slot[entry] != n_surface:
                    at = tables.surface_node[entry]
                    node[at] = min(node[at], level[block])
    for at in range(len(foreign[0])):
        node[foreign[0][at]] = min(node[foreign[0][at]], foreign[1][at])
    sort_blocks(levels)
    list_fast(levels, slowest, tables, foreign[0])


@kernel()
def sort_blocks(levels):
    """Renews order and first."""
    at = 0
    for level in range(len(levels.first) - 1):
        levels.first[level] = at
        for block in range(len(levels.block)):
            if levels.block[block] == level:
                levels.order[at] = block
                at += 1
    levels.first[len(levels.first) - 1] = at


@kernel()
def list_fast(levels, slowest, tables, foreign):
    """Renews fast and fast_first: level by level, each node once."""
    node, fast, first = levels.node, levels.fast, levels.fast_first
    n_surface, count, taken = len(node), 0, np.int8(64)
    for level in range(len(first) - 1):
        first[level] = count
        for block in levels.order[levels.first[level] : levels.first[level + 1]]:
            if level < slowest.block[block]:
                for entry in range(tables.surface_first[block], tables.surface_first[block + 1]):
                    at = tables.surface_node[entry]
                    if tables.surface_slot[entry] != n_surface and node[at] == level:
                        if node[at] < slowest.node[at]:
                            fast[count] = at
                            node[at] += taken  # until all are listed
                            count += 1
        for index in range(len(foreign)):
            at = foreign[index]
            if node[at] == level and node[at] < slowest.node[at]:
                fast[count] = at
                node[at] += taken
                count += 1
    first[len(first) - 1] = count
    for at in range(count):
        node[fast[at]] -= taken
