"""The multi-order-parameter phase field on the blocks that can change.

    d eta_i/dt = -L (m (eta_i^3 - eta_i + 4 gamma eta_i sum_{j != i} eta_j^2
                        + 2 (1 - zeta)^2 eta_i) - kappa lap eta_i)

(equations (11) to (15) of Xie 2026), explicit Euler steps, the Laplacian of six neighbours, no flux
through the surface of the metal. Below the liquidus eta = 0 is unstable, so that solid grows as a
pulled front at the speed of `front_speed`, which falls with the undercooling. Every grain is an
order parameter of its own.

Two cuts keep the order parameters few. Values below the cutoff are zero, which slows the front: the
cutoff is very small. And where another grain leads, a value below a share of the norm of all eta of
the cell is zero: it cannot win there, and the tail that pulls the front is the leader's.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from partsim.grains import kernels, nucleation
from partsim.grains.blocks import FIXED_WEIGHT, NEW_WEIGHT, Grid, deal, widened
from partsim.grains.exchange import FaceExchange, move_blocks
from partsim.grains.ghosts import Around
from partsim.grains.kernels import Law
from partsim.grains.nucleation import SOLID, Chance
from partsim.grains.pool import (
    CELLS, DROPPED, SIDE, THROWN, THROWN_SOLID, WIDE, mark_liquid, winners,
)
from partsim.grains.sampling import Heat
from partsim.grains.store import Store
from partsim.grains.temperature import TrackTemperature
from partsim.growjob import Grains, PhaseField
from partsim.parallel import together

GROWN = 0.9  # eta of a cell that has finished solidifying
SPARE = 4096  # order parameters for which there must be room before nuclei come
DTYPES = {"single": np.float32, "double": np.float64}


def mobility(law: PhaseField, temperature: np.ndarray | float) -> np.ndarray:
    """L_g = L_0 exp(-Q / (R T)) in m^3/(J s)."""
    kept = np.minimum(temperature, law.hottest)
    return law.mobility * np.exp(-law.activation / (law.gas_constant * kept))


def front_speed(law: PhaseField, temperature: float, cell: float, step: float) -> float:
    """Speed of a flat front along an axis of the lattice, in m/s, below the liquidus.

    min over q of h / (q dt) ln(1 + dt L m (1 + 2 K (cosh q - 1))), K = kappa / (m h^2): it is
    pulled by the linear growth of its tail exp(-q x / h). Without a cutoff of the tail.
    """
    growth = float(mobility(law, temperature)) * law.barrier * step
    K = law.gradient / (law.barrier * cell**2)

    def speed(q: float) -> float:
        return cell / (q * step) * np.log1p(growth * (1 + 2 * K * (np.cosh(q) - 1)))

    return float(minimize_scalar(speed, bounds=(1e-3, 20), method="bounded",
                                 options={"xatol": 1e-9}).fun)


def longest_step(law: PhaseField, cell: float) -> float:
    """s, of explicit steps: 2 / (L m (4 + 12 K)) at the hottest mobility, K = kappa / (m h^2).

    4 L m is the rate at which an order parameter near 1 decays in liquid, 12 L m K that of the
    steepest wave of the lattice.
    """
    K = law.gradient / (law.barrier * cell**2)
    return 2 / (float(mobility(law, law.hottest)) * law.barrier * (4 + 12 * K))


class PhaseFieldLaw:
    """Grains of one window while one track is scanned; collective in all its methods.

    rest   (bz, by, bx)  whether each block is at rest
    least  {block: smallest over its cells of the largest eta}, of all blocks that ever were alive
    """

    def __init__(self, comm, grid: Grid, job, liquidus: float, chance: Chance | None) -> None:
        self.comm, self.grid, self.law, self.grains = comm, grid, job.phase_field, job.grains
        self.chance = chance
        self.hot = liquidus
        if chance is not None and chance.in_solid:
            self.hot -= chance.deepest
        self.dtype = DTYPES[self.law.precision]
        self.constants = constants(self.law, self.grains, self.dtype)
        self.rates = rates(self.law, self.grains, liquidus)
        self.tally = np.zeros(4, np.int64)
        self.updates = 0

    def start(self, grain: np.ndarray, labels: np.ndarray) -> None:
        """Begins a track in metal whose grains are (nz, ny, nx) numbers among labels.

        Of all grains one is as good as another here, so that labels play no part.
        """
        self.grain = grain
        self.store = Store(self.law.slots, self.dtype)
        self.rest = np.zeros(self.grid.shape, bool)
        self.least: dict[int, float] = {}
        self.weight: dict[int, int] = {}
        self.owner: dict[int, int] = {}

    def alive(self, hottest: np.ndarray) -> np.ndarray:
        """Numbers of the blocks that can change, of which hottest (bz, by, bx) bounds the K.

        - Above `hot`, the liquidus, or less by the undercooling in which nuclei form wherever they
          do also in solid; and what lies across a face from there.
        - Warmer than grains.window and not at rest: some cell has no eta of 1/2, or the last step
          changed an eta by more than phase_field.rest_change. Solid is pinned by the lattice, its
          boundaries being one cell wide: only their profiles relax.
        """
        relaxes = (hottest > self.grains.window) & ~self.rest
        return np.flatnonzero(widened(hottest > self.hot, corners=False) | relaxes)

    def begin(self, alive: np.ndarray, heat: TrackTemperature, number: int) -> None:
        """Deals the alive blocks and samples the frames `number` and number + 1 there."""
        comm, grid, store = self.comm, self.grid, self.store
        weights = np.array([self.weight.get(int(n), NEW_WEIGHT) for n in alive]) + FIXED_WEIGHT
        dealt = dict(zip(alive.tolist(), deal(grid, alive, weights, comm.size).tolist()))
        old = {n: self.owner[n] for n in dealt if n in self.owner}
        moves = [(n, old[n], dealt[n]) for n in sorted(old) if old[n] != dealt[n]]
        move_blocks(comm, store, moves)
        self.owner.update(dealt)
        together(comm, lambda: self._make_new(alive, dealt, old))  # its error is of one rank
        self.exchange = FaceExchange(comm, grid, store, alive, self.owner)
        self.own = np.array([n for n in alive.tolist() if dealt[n] == comm.rank], np.int64)
        self.rows = store.rows(self.own)
        store.tidy(self.rows)
        self.valid, self.corners = grid.valid_of(self.own), SIDE * grid.places(self.own)
        frames = [inside(heat.sample(number + n, grid, self.own)) for n in (0, 1)]
        store.melted[self.rows] |= np.maximum(*frames) > self.rates[3]
        self.heat = Heat(*frames, np.float32(0), self.rates)

    def _make_new(self, alive: np.ndarray, dealt: dict, old: dict) -> None:
        """Order parameters of alive blocks, and of the blocks beside them, that have none yet."""
        new = [n for n in dealt if n not in old]
        for n, beside in zip(alive.tolist(), self.grid.neighbours(alive).tolist()):
            for other in beside:
                if other >= 0 and other not in self.owner:
                    self.owner[other] = dealt[n]
                    new.append(other)
        for n in new:
            if self.owner[n] == self.comm.rank:
                self.store.make(n, self.grain[self.grid.cut(n)].astype(np.int64))

    def step(self, weight: float, number: int, measured: bool) -> None:
        """One step of all alive blocks at a weight of the later frame; number: of the step."""
        store, law = self.store, self.constants
        heat = self.heat._replace(weight=np.float32(weight))
        around = Around(self.exchange.neighbours, self.valid, self.exchange())
        change = np.zeros(len(self.rows) if measured else 0, self.dtype)
        dropped = store.pool.tally[DROPPED]
        while not kernels.advance(store.pool, self.rows, around, law, heat, change):
            store.pool.tally[DROPPED] = dropped  # what is repeated counts once
            store.enlarge()
        if self.chance is not None:
            store.reserve(SPARE)
            nucleation.nucleate(store.pool, self.rows, self.corners, heat, self.chance, number)
        self.updates += int(self.valid.prod(axis=1).sum())
        if measured:
            self.change = change

    def end(self) -> None:
        """Tells all ranks which of the alive blocks are at rest now; after a measured step."""
        labels = np.empty((SIDE, SIDE, SIDE), np.int64)
        pool = self.store.pool
        least = [winners(pool, row, valid, labels) for row, valid in zip(self.rows, self.valid)]
        told = self.comm.allgather((self.own, pool.count[self.rows], least, self.change))
        for blocks, counts, smallest, change in told:
            self.weight.update(zip(blocks.tolist(), counts.tolist()))
            self.least.update(zip(blocks.tolist(), smallest))
            still = (np.array(smallest) >= SOLID) & (change < self.law.rest_change)
            self.rest.ravel()[blocks] = still

    def grown(self) -> bool:
        """Whether no cell has a largest eta below 0.9."""
        return all(value >= GROWN for value in self.least.values())

    def finish(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(block, labels (8, 8, 8), melted (8, 8, 8)) of all blocks that were alive; collective.

        The label of liquid is -1.
        """
        found = []
        for block in self.store.blocks():
            if block in self.least:
                labels = np.full((SIDE, SIDE, SIDE), -1, np.int64)
                row = self.store.row_of[block]
                valid = self.grid.valid_of([block])[0]
                winners(self.store.pool, row, valid, labels)
                mark_liquid(self.store.pool, row, valid, labels)
                melted = self.store.melted[row].reshape(labels.shape)
                found.append((block, labels, melted.copy()))
        self.tally += np.array(self.comm.allgather(self.store.pool.tally)).sum(axis=0)
        return sorted(sum(self.comm.allgather(found), []), key=lambda item: item[0])

    def counts(self) -> dict[str, int]:
        """What happened so far, on all ranks."""
        return {
            "dropped_order_parameters": int(self.tally[DROPPED]),
            "nuclei_thrown": int(self.tally[THROWN]),
            "nuclei_thrown_into_solid": int(self.tally[THROWN_SOLID]),
        }


def constants(law: PhaseField, grains: Grains, dtype: type) -> Law:
    """The constants of the kernels in the precision of the order parameters."""
    K = law.gradient / (law.barrier * grains.cell**2)
    four = 4 * law.interaction
    return Law(*map(dtype, (four, 1 - four, K, 6 * K - 1, 3 * K, law.cutoff, law.share**2)))


def rates(law: PhaseField, grains: Grains, liquidus: float) -> tuple[float, float, float, float]:
    """Those of sampling.Heat."""
    return (law.mobility * law.barrier * grains.step, law.activation / law.gas_constant,
            law.hottest, liquidus)


def inside(wide: np.ndarray) -> np.ndarray:
    """(n, 512) what blocks with ghosts (n, 1000) have in their cells."""
    return wide.reshape(-1, WIDE, WIDE, WIDE)[:, 1:-1, 1:-1, 1:-1].reshape(-1, CELLS)
