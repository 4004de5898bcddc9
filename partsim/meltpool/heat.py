"""The block of metal in which heat is conducted, in slabs of planes along z, one for each rank."""

from dataclasses import dataclass, field

import numpy as np

from partsim.errors import UserError
from partsim.ledger import Sum
from partsim.meltpool import kernels
from partsim.meltpool.alloy import Alloy
from partsim.meltpool.source import REACH, Beam
from partsim.parallel import global_max, global_sum
from partsim.trackjob import SurfaceLosses, TrackJob

STEFAN_BOLTZMANN = 5.670374419e-8  # W/(m^2 K^4), CODATA 2018
HALVES = 2  # only y >= 0 is computed
FROZEN = 1000.0  # K, the file of temperatures must hold what is hotter


@dataclass(frozen=True)
class Box:
    """Cells of the block that touch its top and its symmetry plane.

    first  x index of the first column     cells  (3,)  their number along z, y, x
    """

    first: int
    cells: tuple[int, int, int]


@dataclass
class Account:
    """Energy in J of the whole block: absorbed from the beam, lost by the top surface, and carried
    out by columns that left the moving block, less what their successors brought."""

    absorbed: Sum = field(default_factory=Sum)
    lost: Sum = field(default_factory=Sum)
    carried: Sum = field(default_factory=Sum)


class Block:
    """Energy and temperature of this rank's planes; collective where ranks must agree.

    shape        (nz, ny, nx) of the whole block, y >= 0      first  x index of its first column
    planes       this rank's range along z, plane nz - 1 at the top
    energy       (own nz, ny, nx)  J/m^3
    temperature  (own nz, ny, nx)  K
    """

    def __init__(self, comm, job: TrackJob, alloy: Alloy) -> None:
        domain = job.domain
        self.comm, self.alloy, self.edge = comm, alloy, domain.cell
        self.table, self.losses = alloy.table(), job.losses
        self.apparent = job.melt.energy == "apparent"
        self.shape = block_shape(job)
        self.first = -round(domain.margin / domain.cell)
        if comm.size > self.shape[0]:
            raise UserError(f"{comm.size} ranks, but at most {self.shape[0]} planes of cells")
        bounds = [self.shape[0] * rank // comm.size for rank in range(comm.size + 1)]
        self.planes = range(bounds[comm.rank], bounds[comm.rank + 1])
        own = (len(self.planes), *self.shape[1:])
        self.initial = job.track.initial_temperature
        self.temperature = np.full(own, self.initial)
        self.energy = np.empty(own)
        self.theta = np.empty(tuple(n + 2 for n in own))
        self.account = Account()
        kernels.energies(self.temperature, self.table, self.energy)
        self.initial_energy = float(self.energy[0, 0, 0])
        self.renew()

    @property
    def has_top(self) -> bool:
        """Whether this rank holds the uppermost plane."""
        return self.planes.stop == self.shape[0]

    def renew(self) -> None:
        """Temperature and conduction of the present energy."""
        if self.apparent:
            kernels.warm_by_capacity(self.energy, self.table, self.temperature)
            kernels.energies(self.temperature, self.table, self.energy)
        scratch = np.empty_like(self.temperature) if self.apparent else self.temperature
        kernels.temperatures(self.energy, self.table, scratch, self.theta)
        insulate(self.theta)
        self.exchange()

    def exchange(self) -> None:
        """Ghost planes of theta from the neighbouring ranks."""
        waiting = []
        for other, mine, ghost in ((-1, 1, 0), (1, -2, -1)):
            rank = self.comm.rank + other
            if 0 <= rank < self.comm.size:
                waiting.append(self.comm.Isend(self.theta[mine], rank))
                waiting.append(self.comm.Irecv(self.theta[ghost], rank))
        for request in waiting:
            request.Wait()

    def advance(self, step: float, change: tuple[Box, np.ndarray] | None, beam: Beam | None,
                centre: float) -> None:
        """One explicit Euler step of de/dt = lap theta - div(u e) + q.

        change  the box of the flow and, for own planes in it, what convection adds in J/m^3
        beam    with its centre in m, None while it is off
        """
        lost = self.surface_loss(step)
        kernels.conduct(self.theta, step / self.edge**2, self.energy)
        if lost is not None:
            self.energy[-1] -= lost / self.edge
        if change is not None:
            box, values = change
            self.view(self.energy, box)[...] += values
        if beam is not None:
            self.heat(beam, step, centre)
        self.renew()

    def view(self, values: np.ndarray, box: Box) -> np.ndarray:
        """This rank's part of a box, a view."""
        nz, ny, nx = box.cells
        low = max(self.shape[0] - nz - self.planes.start, 0)
        left = box.first - self.first
        return values[low:, :ny, left:left + nx]

    def first_plane(self, box: Box) -> int:
        """The plane of a box with which this rank's part begins."""
        return max(self.planes.start - (self.shape[0] - box.cells[0]), 0)

    def gathered(self, values: np.ndarray, box: Box) -> np.ndarray:
        """A box of all ranks' values, on every rank; collective."""
        own = np.ascontiguousarray(self.view(values, box))
        if self.comm.size == 1:
            return own
        whole = np.empty(box.cells)
        counts = self.comm.allgather(own.size)
        self.comm.Allgatherv(own, [whole, counts])
        return whole

    def heat(self, beam: Beam, step: float, centre: float) -> None:
        """Adds the energy of the beam to the cells within its reach."""
        h, reach = self.edge, REACH * beam.radius
        left = max(int((centre - reach) // h) - self.first, 0)
        right = min(int((centre + reach) // h) + 1 - self.first, self.shape[2])
        wide = min(int(reach // h) + 1, self.shape[1])
        deep = np.arange(self.planes.start, self.planes.stop + 1) - self.shape[0]
        down = beam.down(deep * h)
        low = np.argmax(down > 0) if (down > 0).any() else len(down)
        across = beam.along(np.arange(wide + 1) * h)
        along = beam.along(np.arange(self.first + left, self.first + right + 1) * h, centre)
        given = beam.power * step * down[low:, None, None] * across[:, None] * along
        self.energy[low:, :wide, left:right] += given / h**3
        self.account.absorbed.add(HALVES * float(given.sum()))

    def surface_loss(self, step: float) -> np.ndarray | None:
        """Heat in J/m^2 that the top surface loses in a step; books it."""
        losses: SurfaceLosses = self.losses
        if not self.has_top or (losses.film_coefficient == 0 and losses.emissivity == 0):
            return None
        T, ambient = self.temperature[-1], losses.ambient
        radiated = losses.emissivity * STEFAN_BOLTZMANN * (T**4 - ambient**4)
        lost = step * (losses.film_coefficient * (T - ambient) + radiated)
        self.account.lost.add(HALVES * self.edge**2 * float(lost.sum()))
        return lost

    def shift(self) -> None:
        """Moves the block by one column along x; fresh metal enters in front.

        Raises UserError on every rank where a column that leaves is still hot.
        """
        if global_max(self.comm, self.temperature[:, :, 0]) > FROZEN:
            raise UserError(
                f"domain.length leaves metal above {FROZEN:g} K behind, but it must hold the whole "
                "trail of the beam"
            )
        gone = float((self.energy[:, :, 0] - self.initial_energy).sum())
        self.account.carried.add(HALVES * self.edge**3 * gone)
        for values, fresh in (
            (self.energy, self.initial_energy), (self.temperature, self.initial)
        ):
            values[:, :, :-1] = values[:, :, 1:]
            values[:, :, -1] = fresh
        self.first += 1
        self.renew()

    def stored(self) -> float:
        """Energy in J above that of the initial temperature; collective."""
        own = float((self.energy - self.initial_energy).sum())
        return HALVES * self.edge**3 * global_sum(self.comm, own)

    def imbalance(self) -> float:
        """|stored + lost + carried - absorbed| / absorbed; collective."""
        account = self.account
        absorbed = global_sum(self.comm, account.absorbed.value)
        spent = global_sum(self.comm, account.lost.value + account.carried.value)
        return abs(self.stored() + spent - absorbed) / absorbed if absorbed else 0.0

    def extent(self, threshold: float) -> np.ndarray | None:
        """(2, 3) z y x indices of the first cell hotter than that and behind the last one, in the
        whole block; None if there is none; collective."""
        hot = self.temperature > threshold
        lines = [hot.any(axis=(1, 2)), hot.any(axis=(0, 2)), hot.any(axis=(0, 1))]
        own = None
        if lines[0].any():
            low = [int(np.argmax(line)) for line in lines]
            high = [len(line) - int(np.argmax(line[::-1])) for line in lines]
            own = np.array([low, high])
            own[:, 0] += self.planes.start
        found = [ends for ends in self.comm.allgather(own) if ends is not None]
        if not found:
            return None
        ends = np.array(found)
        return np.array([ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)])


def block_shape(job: TrackJob) -> tuple[int, int, int]:
    """Cells of the block along z, along y on one side of the track, along x."""
    domain = job.domain
    length = domain.length or job.track.length + 2 * domain.margin
    half_width = domain.width / 2
    return tuple(max(round(size / domain.cell), 1) for size in (domain.depth, half_width, length))


def insulate(theta: np.ndarray) -> None:
    """Ghosts equal to their neighbours: no heat passes the faces of the block."""
    for axis in range(3):
        line = np.moveaxis(theta, axis, 0)
        line[0], line[-1] = line[1], line[-2]
