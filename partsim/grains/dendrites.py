"""Dendritic growth: a cellular automaton on the blocks, temperatures and nuclei of the phase field.

Tips advance at V = A dT^B along the <100> axes of their grain, the undercooling dT being that of
the cell and at most the freezing range. Grains whose <100> lies along the gradient win.

All ranks keep the cells of all blocks. A rank finds captures and nuclei in its own blocks, and
melts and lengthens octahedra there and in the blocks around; captures are told to all in each step,
lengths between epochs. What happens therefore does not depend on the number of ranks.
"""

import numpy as np

from partsim.grains import octahedra, sampling
from partsim.grains.blocks import FIXED_WEIGHT, Grid, deal, widened
from partsim.grains.pool import SIDE, THROWN, THROWN_SOLID
from partsim.grains.nucleation import Chance
from partsim.grains.octahedra import CELLS, LIQUID, NEIGHBOURS, State
from partsim.grains.orientations import matrices, quaternions
from partsim.grains.temperature import TrackTemperature
from partsim.growjob import Dendritic

LIQUID_WEIGHT = 0.05  # work per liquid cell, as FIXED_WEIGHT


def tip_velocity(law: Dendritic, undercooling: np.ndarray | float) -> np.ndarray:
    """V in m/s."""
    return law.factor * np.clip(undercooling, 0, law.freezing_range) ** law.exponent


class DendriticLaw:
    """Grains of one window while one track is scanned; see phasefield.PhaseFieldLaw."""

    def __init__(self, comm, grid: Grid, job, liquidus: float, chance: Chance | None) -> None:
        self.comm, self.grid, self.job, self.grains = comm, grid, job, job.grains
        self.chance, self.liquidus, self.hot = chance, liquidus, liquidus
        if chance is not None and chance.in_solid:
            self.hot -= chance.deepest
        law = job.dendritic
        scale = law.factor * self.grains.step / self.grains.cell
        self.tip = (liquidus, law.freezing_range, scale, law.exponent)
        self.tally = np.zeros(4, np.int64)
        self.updates = 0

    def start(self, grain: np.ndarray, labels: np.ndarray) -> None:
        """Begins a track in metal whose grains are (nz, ny, nx) numbers among labels."""
        self.grain = grain
        self.known = len(labels)
        self.numbers = {int(label): n for n, label in enumerate(labels)}
        self.matrices = matrices(self._quaternions(labels))
        self.rest = np.ones(self.grid.shape, bool)
        self.least: dict[int, float] = {}
        self.weight: dict[int, float] = {}
        self.row_of: dict[int, int] = {}
        self.state = State(np.zeros((0, CELLS), np.int32), np.zeros((0, CELLS), np.float32),
                           np.zeros((0, CELLS, 3), np.float32))
        self.melted = np.zeros((0, CELLS), bool)

    def _quaternions(self, labels: np.ndarray) -> np.ndarray:
        return quaternions(self.grains.orientations, self.grains.seed, labels)

    def alive(self, hottest: np.ndarray) -> np.ndarray:
        """Numbers of the blocks that can change, of which hottest (bz, by, bx) bounds the K.

        Above `hot` (see phasefield.PhaseFieldLaw.alive) or with liquid warmer than grains.window;
        and all around them, where octahedra may be that capture their cells.
        """
        liquid = (hottest > self.grains.window) & ~self.rest
        return np.flatnonzero(widened((hottest > self.hot) | liquid, corners=True))

    def begin(self, alive: np.ndarray, heat: TrackTemperature, number: int) -> None:
        """Deals the alive blocks and samples the frames `number` and number + 1 there."""
        comm, grid = self.comm, self.grid
        self._make_new(alive)
        weights = np.array([self.weight.get(int(n), 0.0) for n in alive]) + FIXED_WEIGHT
        owner = deal(grid, alive, weights, comm.size)
        own = alive[owner == comm.rank]
        margin = np.setdiff1d(self._around(own).ravel(), own)
        near = np.concatenate([own, margin[np.isin(margin, alive)]]).astype(np.int64)
        self.own, self.near, self.dealt = len(own), near, alive
        self.rows = self._rows(near)
        self.corners, self.valid = SIDE * grid.places(own), grid.valid_of(own)
        self.around = self._rows(self._around(near).ravel()).reshape(-1, NEIGHBOURS)
        self.heat = tuple(heat.sample(number + n, grid, near) for n in (0, 1))
        self.kelvin = np.empty_like(self.heat[0])

    def _around(self, blocks: np.ndarray) -> np.ndarray:
        """(n, 27) blocks around and including blocks, -1 beyond the metal."""
        steps = np.indices((3, 3, 3)).reshape(3, -1).T[:, ::-1] - 1
        places = self.grid.places(blocks)[:, None] + steps
        inside = ((places >= 0) & (places < self.grid.shape[::-1])).all(axis=2)
        kept = np.where(inside[..., None], places, 0)
        number = np.ravel_multi_index(tuple(kept[..., c] for c in (2, 1, 0)), self.grid.shape)
        return np.where(inside, number, -1)

    def _rows(self, blocks: np.ndarray) -> np.ndarray:
        return np.array([self.row_of.get(int(n), -1) for n in blocks], np.int64)

    def _make_new(self, alive: np.ndarray) -> None:
        """Rows of blocks that have none, solid."""
        new = [int(n) for n in alive if int(n) not in self.row_of]
        first = len(self.row_of)
        self.row_of.update({block: first + n for n, block in enumerate(new)})
        grown = [np.concatenate([array, np.zeros((len(new), *array.shape[1:]), array.dtype)])
                 for array in (*self.state, self.melted)]
        self.state, self.melted = State(*grown[:3]), grown[3]
        for block in new:
            part = self.grain[self.grid.cut(block)]
            room = np.zeros((SIDE,) * 3, np.int32)
            room[tuple(slice(0, n) for n in part.shape)] = part
            self.state.label[self.row_of[block]] = room.ravel()

    def step(self, weight: float, number: int, measured: bool) -> None:
        """One step of all alive blocks at a weight of the later frame; number: of the step."""
        sampling.temperatures(*self.heat, np.float32(weight), self.kelvin)
        octahedra.melt(self.state, self.rows, self.kelvin, self.liquidus)
        octahedra.lengthen(self.state, self.rows, self.around, self.kelvin, self.tip)
        own = self.rows[:self.own]
        events = np.empty((CELLS * self.own, 7))
        count = octahedra.capture(self.state, own, self.around, self.kelvin, self.liquidus,
                                  self.matrices, events)
        nuclei = np.empty((CELLS * self.own if self.chance else 0, 3), np.int64)
        thrown = 0
        if self.chance is not None:
            thrown = octahedra.nuclei(self.state, own, self.corners, (*self.heat, self.kelvin),
                                      self.chance, number, nuclei, self.tally)
        told = self.comm.allgather((events[:count], nuclei[:thrown]))
        for captured, _ in told:
            octahedra.apply(self.state, captured)
        self._seed(np.concatenate([seeds for _, seeds in told]))
        self.updates += int(self.valid.prod(axis=1).sum())

    def _seed(self, seeds: np.ndarray) -> None:
        """Cells (row, cell, label) become grains of their own, in the order of their labels."""
        for row, cell, label in seeds[np.argsort(seeds[:, 2], kind="stable")]:
            if int(label) not in self.numbers:
                self.numbers[int(label)] = len(self.matrices)
                turn = matrices(self._quaternions(np.array([label])))
                self.matrices = np.concatenate([self.matrices, turn])
            self.state.label[row, cell] = self.numbers[int(label)]
            self.state.length[row, cell] = 0

    def end(self) -> None:
        """Tells all ranks the octahedra, and which of the alive blocks are at rest: all solid."""
        own = self.rows[:self.own]
        self.melted[own] |= self._hottest() > self.liquidus
        told = self.comm.allgather((own, *(array[own] for array in (*self.state, self.melted))))
        for rows, label, length, offset, melted in told:
            self.state.label[rows], self.state.length[rows] = label, length
            self.state.offset[rows], self.melted[rows] = offset, melted
        for block in self.dealt.tolist():
            label = self.state.label[self.row_of[block]].reshape((SIDE,) * 3)
            x, y, z = self.grid.valid_of(np.array([block]))[0]
            liquid = int((label[:z, :y, :x] == LIQUID).sum())
            self.weight[block] = LIQUID_WEIGHT * liquid
            self.least[block] = float(liquid == 0)
            self.rest.ravel()[block] = liquid == 0

    def _hottest(self) -> np.ndarray:
        """(own, 512) the larger of both frames."""
        both = np.maximum(*(values[:self.own] for values in self.heat))
        return both.reshape(-1, *(SIDE + 2,) * 3)[:, 1:-1, 1:-1, 1:-1].reshape(-1, CELLS)

    def grown(self) -> bool:
        """Whether no cell is liquid."""
        return all(self.least.values())

    def finish(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(block, labels (8, 8, 8), melted (8, 8, 8)) of all blocks that were alive; collective.

        The label of liquid is -1, that of a grain that was there its number: its own label may be
        that of a nucleus of an earlier track.
        """
        self.tally = np.array(self.comm.allgather(self.tally)).sum(axis=0)
        nuclei = list(self.numbers)[self.known:]
        names = np.array([*range(self.known), *nuclei, LIQUID], np.int64)  # the last one is of -1
        shape = (SIDE,) * 3
        return [
            (block, names[self.state.label[row]].reshape(shape), self.melted[row].reshape(shape))
            for block, row in sorted(self.row_of.items())
        ]

    def counts(self) -> dict[str, int]:
        """What happened so far, on all ranks."""
        return {
            "dropped_order_parameters": 0,
            "nuclei_thrown": int(self.tally[THROWN]),
            "nuclei_thrown_into_solid": int(self.tally[THROWN_SOLID]),
        }
