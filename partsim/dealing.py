"""Who computes what while the beams move: the blocks around them apart from the others.

The blocks near a beam work in every base step, the others once in many. Ranks that own equal pieces
of the mesh would therefore wait for the one that has the beam. So a scan is divided into parts. In
each, all blocks that a beam comes near belong to one rank, with those that touch them, so that no
other rank shares nodes that are renewed in every base step; what this rank has less of are the
blocks of the background, which are cut along the Morton curve. Coarse ones are updated once in
several choices of levels, all in one go, and are cut by themselves: otherwise the rank that has
most of them would be waited for then, and the others in between. Among so many ranks that the
beam's own would have more to do than by equal pieces, all are cut. In a cool-down all count alike.
All of it follows from the paths, time and the mesh, so that a resumed run does the same.
"""

from typing import NamedTuple

import numpy as np

from .mesh.forest import Leaves
from .mesh.mesh import Grid
from .mesh.partition import deal
from .thermal.pace import INTERVAL, Pace, highest_levels, rhythm

# Of a scan. On the 1.6 M cells of layer 191 of cube.toml dealing anew takes 0.33 s on two ranks, in
# all 2.5 % of the layer. The beam's blocks are 39 % of the work, with 4 parts 43 %, with 12 34 %.
PARTS = 6
SHORTEST = 8192  # base steps of a part: dealing anew takes as long as 600
SAMPLE = 4  # macro steps between looks at the levels
# Cost of an update of a block that takes base steps near a beam, against another one's: with 3,
# two ranks compute equally long in layer 191 of cube.toml, 0.36 and 0.34 ms a base step.
HOT = 3.0


class Part(NamedTuple):
    """Base steps of a stretch in which the owners stay.

    start    base steps of the stretch before it
    updates  (n,) of each block per base step, weighted by their cost
    hot      (n,) those of them that are base steps near a beam
    beam     (n,) number of the beam with whose blocks a block stays together, or -1
    pause    (n,) intervals between choices of levels from one update of a block to the next
    """

    start: int
    updates: np.ndarray
    hot: np.ndarray
    beam: np.ndarray
    pause: np.ndarray

    def owner(self, cost: np.ndarray, ranks: int) -> np.ndarray:
        """(n,) who owns which block, from the cost (n,) of an update of each."""
        return deal(cost * self.updates, self.beam, ranks, self.pause)

    def pays(self, cost: np.ndarray, ranks: int) -> bool:
        """Whether equal pieces would wait longer: one of them has a beam's hot blocks on top."""
        work, hot, beams = cost * self.updates, cost @ self.hot, int(self.beam.max()) + 1
        largest = np.bincount(self.owner(cost, ranks), work).max()
        return not beams or bool(largest <= hot / beams + (work.sum() - hot) / ranks)


def even(leaves: Leaves, start: int = 0, updates: np.ndarray | None = None) -> Part:
    """No blocks stay together; all count alike if nothing is said of their updates (n,)."""
    count = len(leaves)
    updates = np.ones(count) if updates is None else updates
    return Part(start, updates, np.zeros(count), np.full(count, -1), np.ones(count))


def scan_parts(pace: Pace, leaves: Leaves, laser: int, length: int) -> list[Part]:
    """The parts of a scan of `laser` base steps in macro steps of `length`."""
    count, unit = min(max(laser // SHORTEST, 1), PARTS), max(length, INTERVAL)
    starts = np.unique(laser * np.arange(count) // count // unit * unit).tolist()
    limit, interval = highest_levels(pace, length)
    pause = np.maximum(2.0**limit / interval, 1.0)
    return [Part(start, *expected(pace, range(start, stop, SAMPLE * length), length),
                 beams(pace.visited(start, stop), leaves), pause)
            for start, stop in zip(starts, [*starts[1:], laser])]


def stretch_parts(scan: list[Part], grid: Grid, laser: int, ranks: int) -> list[Part]:
    """The parts of a whole stretch on so many ranks, from those of its scan."""
    if laser < SHORTEST or not all(part.pays(grid.active, ranks) for part in scan):
        scan = [even(grid.leaves, 0, np.mean([part.updates for part in scan], axis=0))]
    return scan if laser < SHORTEST else [*scan, even(grid.leaves, laser)]


def at(parts: list[Part], index: int) -> Part:
    """The part in which step number `index` of the stretch lies."""
    return [part for part in parts if part.start <= index][-1]


def expected(pace: Pace, steps: range, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,), (n,) Part.updates and Part.hot, from the levels as some macro steps begin."""
    limit, interval = highest_levels(pace, length)
    total, hot = np.zeros((2, len(limit)))
    for start in steps:
        level = rhythm(pace, limit, start, (interval, length)).level
        total += 0.5**level
        hot += pace.near & (level == 0)
    return (total + (HOT - 1) * hot) / len(steps), HOT * hot / len(steps)


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
