"""Multirate forward Euler: every block at its own multiple of the base step.

A block of level l takes steps of 2^l base steps. Its elements keep their residual over the whole
step; a node takes steps of the fastest block that it touches, with the present residual of that one
and the frozen ones of the others. What an element gives to its nodes adds up to zero over the same
time, so that energy is conserved to round-off; with one level this is forward Euler of .explicit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ..ledger import Ledger
from ..mesh.halo import Part
from ..prefetch import fetch_doubles
from .content import walk
from .heat import Heat
from .kernels import sweep_block
from .levels import empty_levels, relevel, slowest_levels
from .losses import cool_surface, cool_surface_content
from .pace import FOLLOW, Pace, highest_levels, rhythm
from .source import Optics, aim_steps, beam_room, empty_beam, empty_beams


class Field(NamedTuple):
    """What the kernels need of the mesh beside Conduction; rates are those of one base step.

    first, second  (nb+1,)       nodes that a block is home to, Mesh.home
    block_rates    (nb,)         s K/J, of interior nodes
    node_rates     (n_surface,)  s K/J, 0 at fixed nodes
    ratio          (n_top,)      K m^2/W of Heat.top, 0 at fixed nodes
    capacity       (n_top,)      J/K, 0 where another rank owns the node
    slow_ratio, slow_capacity  (n_top,)  the same in the order of Slowest.top
    owned          from which node on a node is the rank's own
    """

    first: np.ndarray
    second: np.ndarray
    block_rates: np.ndarray
    node_rates: np.ndarray
    ratio: np.ndarray
    capacity: np.ndarray
    slow_ratio: np.ndarray
    slow_capacity: np.ndarray
    owned: int


class Room(NamedTuple):
    """Scratch for the losses of one level: nodes and the rest, each (n_top,)."""

    nodes: np.ndarray
    ratio: np.ndarray
    capacity: np.ndarray
    before: np.ndarray
    after: np.ndarray
    scaled: np.ndarray


class Multirate:
    """Macro steps of `length` base steps dt on one mesh, along the paths of a stretch.

    pace    which levels the blocks may have; paths, optics  the beams, none for a cool-down
    levels  of the blocks and nodes now
    peak    K, highest temperature so far of a block under the beam
    limit   (n,) the highest level that each leaf may have; level (n,) that of all leaves now
    at_border  (nb,) which own blocks share nodes with other ranks
    parts   of the halo, for the blocks of each level that is faster than the slowest near a beam
    dark    a source of nothing
    updates node updates of the whole mesh so far, each block's nodes taken to be those of its cells
    """

    def __init__(self, heat: Heat, dt: float, ledger: Ledger, length: int, pace: Pace):
        mesh, nodes, top = heat.mesh, heat.mesh.nodes, heat.top
        self.heat, self.dt, self.ledger, self.length, self.pace = heat, dt, ledger, length, pace
        self.count = length.bit_length()
        self.limit, self.interval = highest_levels(pace, length)
        self.slowest = slowest_levels(heat, self.limit, self.count)
        self.levels = empty_levels(self.slowest, self.count)
        conduction = heat.conduction
        rates = dt / heat.capacity[: nodes.n_surface]
        rates[heat.fixed] = 0.0
        ratio = dt * mesh.area[top] / heat.capacity[top]
        ratio[np.isin(top, heat.fixed)] = 0.0
        block_rates = dt / (heat.volumetric * conduction.edge**3)
        capacity = np.where(top >= nodes.n_ghost, heat.capacity[top], 0.0)
        slow = self.slowest.top_index[self.slowest.top]
        self.field = Field(*mesh.home, block_rates, rates, ratio, capacity, ratio[slow],
                           capacity[slow], nodes.n_ghost)
        self.residual = np.zeros((self.count, nodes.n_slots))
        self.room = Room(np.zeros(len(top), np.int64), *np.zeros((5, len(top))))
        cells = mesh.active / mesh.active.sum()
        self.weight = mesh.total_nodes * cells
        self.paths, self.peak, self.updates = (), 0.0, 0.0
        borders = [np.zeros(0, np.int64), *mesh.border_blocks]
        self.at_border = np.isin(mesh.own, np.concatenate(borders))
        self.parts: list[Part] = []
        self.foreign_blocks, first = np.unique(nodes.foreign_block, return_index=True)
        self.foreign_first = np.r_[first, len(nodes.foreign_block)]  # entries, block after block
        nowhere = Optics(1.0, 1.0, (0.0, 0.0), ((0, 1), (0, 1)))
        self.dark = empty_beam(nowhere, 1, (0, 0))
        self.beams = empty_beams(nowhere, 1, (0, 0), self.interval)

    def aim_at(self, paths: Sequence, optics: Optics) -> "Multirate":
        """Gives the steps the paths (ScanPath, times from 0) of beams that work together."""
        lattice, top = self.heat.mesh.lattice, self.heat.mesh.top
        room = sum(beam_room(path, self.dt, optics.radius) for path in paths)
        self.paths, self.optics = paths, optics
        self.beams = empty_beams(optics, room, (top - lattice.layer, top), self.interval)
        return self

    def begin(self, start: int, since: int) -> np.ndarray:
        """Gives blocks their levels and aims the beams for the `interval` steps from `start` on.

        start  base steps of the stretch        since  base steps of the macro step

        Returns the own blocks whose phases now take shorter steps than the one that they are in.
        """
        mesh, nodes, levels = self.heat.mesh, self.heat.mesh.nodes, self.levels
        steps = self.interval, self.length
        level, turn = rhythm(self.pace, self.limit, start, steps)
        self.level = level
        length = 1 << level.astype(int)
        fires = np.where(length <= self.interval, self.interval // length, since % length == 0)
        self.updates += float(self.weight @ fires)
        beside = self.beside(self.limit)
        relevel(levels, self.slowest, nodes.tables, level[mesh.own], beside)
        turn = 1 << turn[mesh.own].astype(int)
        if since == 0:
            levels.moved[:] = 0
        behind = np.flatnonzero((turn < levels.turn) & (levels.moved < since))
        levels.turn[:] = turn
        if nodes.sharing.ranks:
            fast = self.interval.bit_length() - 1
            beside = self.beside(np.full(len(level), fast))
            self.parts = [self.part(each, beside) for each in range(fast)]
        self.load(start)
        return behind

    def beside(self, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Own nodes that blocks of other ranks touch which are faster than `limit` (n,), once for
        each, and the levels of these."""
        blocks, first = self.foreign_blocks, self.foreign_first
        quick = np.flatnonzero(self.level[blocks] < limit[blocks])
        entries = np.concatenate([np.arange(0), *(np.arange(first[at], first[at + 1])
                                                  for at in quick)])
        nodes = self.heat.mesh.nodes
        return nodes.foreign_node[entries], self.level[nodes.foreign_block[entries]]

    def part(self, level: int, beside: tuple[np.ndarray, np.ndarray]) -> Part:
        """The shared nodes that blocks of a level touch; few of these are at a border.

        beside  own nodes that faster blocks of other ranks touch, once for each, and their levels
        """
        mesh, (node, of_node) = self.heat.mesh, beside
        tables, waste = mesh.nodes.tables, mesh.nodes.n_surface
        touched = [node[of_node == level]]
        for block in np.flatnonzero((self.levels.block == level) & self.at_border):
            entries = slice(tables.surface_first[block], tables.surface_first[block + 1])
            real = tables.surface_slot[entries] != waste
            touched.append(tables.surface_node[entries][real])
        return mesh.halo.part(np.concatenate(touched))

    def shares(self, level: int) -> bool:
        """Whether blocks of this level share nodes with other ranks."""
        if level < len(self.parts):
            return bool(self.parts[level].messages)
        return bool(self.partners(level))

    def exchange(self, level: int) -> None:
        """Sums what the blocks of a level have added to the nodes they share."""
        if level < len(self.parts):
            self.heat.mesh.halo.sum_part(self.residual[level], self.parts[level])
        else:
            self.heat.mesh.halo.sum(self.residual[level], self.partners(level))

    def partners(self, level: int) -> list[int]:
        """Places in Sharing.ranks of those with whom blocks of this level share nodes."""
        return [place for place, blocks in enumerate(self.heat.mesh.border_blocks)
                if (self.level[blocks] == level).any()]

    def load(self, start: int) -> None:
        """The sources of the `interval` steps from `start` on; books their energy."""
        if not self.paths:
            return
        self.beams.count[:] = 0
        energy = np.zeros(self.interval)
        for path in self.paths:
            aim_steps(self.beams, path.times, path.ends, path.power, (start, self.dt), self.optics,
                      energy)
        for value in energy:
            self.ledger.laser.add(float(value))

    def book(self, peak: float, lost: np.ndarray) -> None:
        """Takes account of what some base steps (m, 2) have lost, see `settle`."""
        self.peak = max(self.peak, peak)
        for plate, top in lost:
            self.ledger.lost_plate.add(float(plate) * self.dt)
            self.ledger.lost_top.add(float(top))


@kernel(forceinline=True)
def highest_level(time, count):
    """The highest of `count` levels whose steps begin or end `time` base steps after a sync."""
    level = 0
    while level + 1 < count and time & ((2 << level) - 1) == 0:
        level += 1
    return level


@kernel(forceinline=True)
def fetch_block(block, state, field, conduction, told):
    """Asks for most of what the step of a block reads and writes; told: whether T_old changes."""
    low, end = field.second[block], field.second[block + 1]
    fetch_doubles(state[0], low, end)
    if told:
        fetch_doubles(state[1], low, end)
    if not conduction.solid[block]:
        cells = conduction.consolidated[block]
        fetch_doubles(cells, 0, len(cells))


@kernel(forceinline=True)
def remember(block, state, field, fresh):
    """T_old of a block's nodes becomes T, or the higher one of both where it is not fresh."""
    temperature, former = state
    for first in (field.first, field.second):
        for n in range(first[block], first[block + 1]):
            old, now = former[n], temperature[n]
            former[n] = now if fresh | (now > old) else old


@kernel()
def fire(state, residual, field, conduction, source, levels, time, table, work):
    """Blocks whose step begins at `time` begin it; returns the peak as `sweep` does.

    state     (T, T_old), (n_total,) each: T_old is what T was when the phases of its home had their
              last step, in blocks of the levels below FOLLOW the highest since then
    residual  (L, n_slots)  W, of the blocks of each level, 0 where they begin
    source    (beam, dark): the sources of blocks of level 0 and of the others
    """
    temperature, peak = state[0], 0.0
    for level in range(highest_level(time, residual.shape[0]) + 1):
        arrays = (temperature, temperature, residual[level])
        beam = source[0] if level == 0 else source[1]
        for at in range(levels.first[level], levels.first[level + 1]):
            block = levels.order[at]
            if at + 1 < levels.first[level + 1]:
                coming = levels.order[at + 1]
                told = level < FOLLOW or levels.moved[coming] == time
                fetch_block(coming, state, field, conduction, told)
            fresh = levels.moved[block] == time
            if fresh or level < FOLLOW:
                remember(block, state, field, fresh)
            rate = field.block_rates[block] * (1 << level)
            peak = max(peak, sweep_block(block, arrays, conduction, beam, rate, table, work))
    return peak


@kernel()
def settle_nodes(nodes, level, used, arrays, owned, table):
    """A step of those surface nodes (n,) that have the level; `used` as in `settle`.

    arrays  temperature, residual, Field.node_rates, Levels.node, Slowest.highest

    Returns what passes the plate, J s^-1 x base steps. The loop calls nothing with tuples: their
    arrays would be counted in and out at every node.
    """
    temperature, residual, rates, node_level, highest = arrays
    through = 0.0
    for at in range(len(nodes)):
        node = nodes[at]
        if node_level[node] != level:
            continue
        last = highest[node]
        total = residual[level, node]
        for other in range(level + 1, last + 1):
            total += residual[other, node]
        for other in range(level, min(used, last) + 1):
            residual[other, node] = 0.0
        old, rate = temperature[node], rates[node]
        lost = rate * (1 << level) * total
        temperature[node] = old - lost if table is None else walk(old, -lost, table)
        if rate == 0.0 and node >= owned:
            through -= total * (1 << level)
    return through


@kernel(forceinline=True)
def settle_run(temperature, residual, rates, node_level, level, table):
    """`settle_nodes` of neighbouring nodes of which none is fixed or touched by a slower block.

    A loop without branches, so that it becomes vector code where there is no table.
    """
    for n in range(len(temperature)):
        mine, total = node_level[n] == level, residual[n]
        residual[n] = 0.0 if mine else total
        old, lost = temperature[n], rates[n] * (1 << level) * total
        if table is None:
            temperature[n] = old - lost if mine else old
        elif mine:
            temperature[n] = walk(old, -lost, table)


@kernel()
def settle(temperature, residual, field, levels, slowest, time, law, table, room, lost):
    """Surface nodes whose step begins at `time` take it.

    lost  (2,)  is added to: J s^-1 x base steps through the plate, J through the top, of own nodes
    """
    arrays = (temperature, residual, field.node_rates, levels.node, slowest.highest)
    for level in range(highest_level(time, residual.shape[0]) + 1):
        used = highest_level(time + (1 << level), residual.shape[0])  # residuals used up then
        for run in range(slowest.run_first[level], slowest.run_first[level + 1]):
            start, stop = slowest.runs[run, 0], slowest.runs[run, 1]
            settle_run(temperature[start:stop], residual[level, start:stop],
                       field.node_rates[start:stop], levels.node[start:stop], level, table)
        slow = slowest.nodes[slowest.first[level] : slowest.first[level + 1]]
        fast = levels.fast[levels.fast_first[level] : levels.fast_first[level + 1]]
        lost[0] += settle_nodes(slow, level, used, arrays, field.owned, table)
        lost[0] += settle_nodes(fast, level, used, arrays, field.owned, table)
        lost[1] += cool_level(temperature, field, levels, slowest, level, law, table, room)


@kernel()
def cool_level(temperature, field, levels, slowest, level, law, table, room):
    """What the top loses at the nodes of a level in their step; returns the J of own nodes."""
    count, times = 0, 1 << level
    for at in range(slowest.top_first[level], slowest.top_first[level + 1]):
        node = slowest.top[at]
        if levels.node[node] == level:
            room.nodes[count] = node
            room.ratio[count] = field.slow_ratio[at] * times
            room.capacity[count] = field.slow_capacity[at]
            count += 1
    for at in range(levels.fast_first[level], levels.fast_first[level + 1]):
        place = slowest.top_index[levels.fast[at]]
        if place >= 0:
            room.nodes[count] = levels.fast[at]
            room.ratio[count] = field.ratio[place] * times
            room.capacity[count] = field.capacity[place]
            count += 1
    nodes, ratio = room.nodes[:count], room.ratio[:count]
    before, after = room.before[:count], room.after[:count]
    if table is None:
        cool_surface(temperature, nodes, ratio, law, before, after)
    else:
        scaled = room.scaled[:count]
        cool_surface_content(temperature, nodes, ratio, law, table, scaled, before, after)
    gone = 0.0
    for at in range(count):
        gone += room.capacity[at] * (before[at] - after[at])
    return gone
