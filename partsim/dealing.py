"""Who computes what while the beams move: the blocks around them apart from the others.

The blocks near a beam work in every base step, the others once in many. Ranks that own equal pieces
of the mesh would therefore wait for the one that has the beam. So a scan is divided into parts. In
each, all blocks that a beam comes near belong to one rank, with those that touch them, so that no
other rank shares nodes that are renewed in every base step; what this rank has less of are the
blocks of the background, which are cut along the Morton curve. In a cool-down all blocks count
alike. All of it follows from the paths, time and the mesh, so that a resumed run does the same.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from .mesh.forest import Leaves
from .mesh.partition import deal
from .thermal.pace import INTERVAL, Pace, highest_levels, levels_within

# Of a scan. On the 1.6 M cells of layer 191 of cube.toml dealing anew takes 0.33 s on two ranks, 2.5 %
# of the layer in all; what belongs to the beam is 39 % of the work, with 4 parts 43 %, with 12 34 %.
PARTS = 6
SAMPLE = 4  # macro steps between looks at the levels
# Cost of an update of a block that takes base steps near a beam, against another one's: with 3, two
# ranks compute equally long at three places of layer 191 of cube.toml, 0.60 and 0.61 ms a base step.
HOT = 3.0


class Part(NamedTuple):
    """Base steps of a stretch in which the owners stay.

    start    base steps of the stretch before it
    updates  (n,) of each block per base step, weighted by their cost
    beam     (n,) number of the beam that comes near, or -1
    """

    start: int
    updates: np.ndarray
    beam: np.ndarray

    def owner(self, cost: np.ndarray, ranks: int) -> np.ndarray:
        """(n,) who owns which block, from the cost (n,) of an update of each."""
        return deal(cost * self.updates, self.beam, ranks)


def at(parts: Iterable[Part], index: int) -> Part:
    """The part in which step number `index` of the stretch lies."""
    return [part for part in parts if part.start <= index][-1]


def even(leaves: Leaves, start: int = 0) -> Part:
    """All blocks count alike."""
    return Part(start, np.ones(len(leaves)), np.full(len(leaves), -1))


def parts(pace: Pace, leaves: Leaves, laser: int, length: int) -> Iterator[Part]:
    """The parts of a scan of `laser` base steps in macro steps of `length`, and the cool-down."""
    unit = max(length, INTERVAL)
    starts = np.unique(laser * np.arange(PARTS) // PARTS // unit * unit).tolist()
    for start, stop in zip(starts, [*starts[1:], laser]):
        yield Part(start, updates(pace, range(start, stop, SAMPLE * length), length),
                   beams(pace.visited(start, stop), leaves))
    yield even(leaves, laser)


def updates(pace: Pace, steps: range, length: int) -> np.ndarray:
    """(n,) Part.updates, from the levels at the beginning of some macro steps."""
    limit, interval = highest_levels(pace, length)
    total = np.zeros(len(limit))
    for start in steps:
        level = levels_within(pace, limit, start, interval)
        total += np.where(pace.near & (level == 0), HOT, 0.5**level)
    return total / len(steps)


def beams(near: np.ndarray, leaves: Leaves) -> np.ndarray:
    """(n,) Part.beam; near (beams, n). A block that touches those of two goes to the first."""
    beside = leaves.neighbours()
    beam = np.full(len(leaves), -1)
    for number in reversed(range(len(near))):
        seen = beside[near[number]]
        beam[seen[seen >= 0]] = number
        beam[((beside >= 0) & near[number][beside]).any(axis=1)] = number
    for number in reversed(range(len(near))):
        beam[near[number]] = number
    return beam
