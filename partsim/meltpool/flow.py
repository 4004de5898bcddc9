"""Incompressible flow in a box around the pool: one step of velocity and pressure.

Convection and viscosity by second-order Adams-Bashforth, drag of the mushy zone implicit at each
face, then the increment of the pressure that makes the flow free of divergence.
"""

from dataclasses import dataclass

import numpy as np

from partsim.meltpool import kernels
from partsim.meltpool.kernels import HIGH, LOW
from partsim.meltpool.pressure import Poisson, WeightedPoisson
from partsim.meltpool.walls import SLIP, STICK, Wall, Walls, fill

Z, Y, X = range(3)
DRAG_REST = 0.3  # of the divergence, is left to the projection without drag


@dataclass(frozen=True)
class Liquid:
    """density kg/m^3, viscosity Pa s, weight of the convection scheme (kernels.face_value), and the
    projection: with the "drag", "direct" without it, or with it by "multigrid"."""

    density: float
    viscosity: float
    weight: float
    projection: str = "direct"


def pool_walls(slope: dict[int, np.ndarray]) -> Walls:
    """Walls of the box of a melt pool: solid around, symmetry at y = 0, a surface on top that is
    pulled; slope as in partsim.meltpool.walls.Wall."""
    walls = {(axis, side): Wall(STICK) for axis in range(3) for side in (0, 1)}
    return walls | {(Y, 0): Wall(SLIP), (Z, 1): Wall(SLIP, slope)}


class Flow:
    """Velocities and pressure of a box of cells.

    cells     (nz, ny, nx)
    velocity  (3, nz+5, ny+5, nx+5)  m/s, components z, y, x on the lower faces, with ghosts
    pressure  (nz+5, ny+5, nx+5)     Pa, with ghosts that are not used
    """

    def __init__(self, liquid: Liquid, edge: float, cells: tuple[int, int, int]) -> None:
        self.liquid, self.edge = liquid, edge
        self.cells = tuple(cells)
        shape = tuple(n + LOW + HIGH for n in self.cells)
        self.velocity = np.zeros((3, *shape))
        self.before = np.zeros((3, *shape))
        self.pressure = np.zeros(shape)
        self.strides = np.array([shape[1] * shape[2], shape[2], 1])
        self.poisson = Poisson(self.cells)
        self.inner = tuple(slice(LOW, n + LOW) for n in self.cells)
        self.started = False
        self._drag, self._mobility = np.zeros(shape), np.zeros((3, *shape))

    def moved(self, cells: tuple[int, int, int], columns: int) -> "Flow":
        """The same flow in a box of other cells that begins `columns` later along x; both boxes
        have the top and the symmetry plane in common, and what is new is at rest."""
        new = Flow(self.liquid, self.edge, cells)
        new.started = self.started
        nz, ny = (min(a, b) for a, b in zip(self.cells[:2], cells[:2]))
        first = max(columns, 0)
        last = min(columns + cells[2], self.cells[2])

        def part(flow: Flow, skip: int) -> tuple:
            top = flow.cells[0] + LOW
            return (..., slice(top - nz, top + 1), slice(LOW, LOW + ny),
                    slice(LOW + first - skip, LOW + max(last, first) - skip))

        here, there = part(self, 0), part(new, columns)
        for name in ("velocity", "before", "pressure"):
            getattr(new, name)[there] = getattr(self, name)[here]
        return new

    def step(self, dt: float, walls: Walls, drag: np.ndarray | None = None) -> None:
        """Advances by dt s; drag (nz, ny, nx) in 1/s at the cells."""
        fill(self.velocity, walls)
        now = self.rates()
        mobility = self.mobility(dt, drag)
        flat = self.velocity.reshape(3, -1)
        factors = (dt / 2, dt / (self.liquid.density * self.edge))
        for axis in range(3):
            kernels.predict(
                flat[axis], now[axis].ravel(), self.before[axis].ravel(), self.pressure.ravel(),
                mobility[axis].ravel(), int(self.strides[axis]), factors,
            )
        self.before = now
        self.project(dt, mobility)
        fill(self.velocity, walls)

    def rates(self) -> np.ndarray:
        """-div(u u) + nu lap u at the inner faces, m/s^2; sets the former rates in a first step."""
        now = np.zeros_like(self.velocity)
        flat, out = self.velocity.reshape(3, -1), now.reshape(3, -1)
        nu = self.liquid.viscosity / self.liquid.density
        rates = (1 / self.edge, nu / self.edge**2)
        for axis in range(3):
            kernels.accelerate(axis, flat, self.strides, self.cells, rates, self.liquid.weight,
                               out[axis])
        if not self.started:
            self.before, self.started = now, True
        return now

    def mobility(self, dt: float, drag: np.ndarray | None) -> np.ndarray:
        """1 / (1 + dt drag) at the inner faces, the drag a mean of two cells; 0 elsewhere."""
        whole, out = self._drag, self._mobility
        whole[self.inner] = 0.0 if drag is None else drag
        corner = LOW * int(self.strides.sum())
        for axis in range(3):
            stride = int(self.strides[axis])
            cells = tuple(n - (axis == other) for other, n in enumerate(self.cells))
            kernels.mobilities(whole.ravel(), stride, dt, corner + stride, cells, out[axis])
        return out

    def faces(self, axis: int) -> tuple[slice, ...]:
        """Where the inner faces across an axis are in a padded array."""
        return tuple(
            slice(LOW + (axis == other), n + LOW) for other, n in enumerate(self.cells)
        )

    def project(self, dt: float, mobility: np.ndarray) -> None:
        """Subtracts (dt / rho) b grad phi, with b the mobility or 1, so that div u vanishes; adds
        phi to the pressure.

        With the mobility, a few iterations leave a rest that the direct solve then removes.
        """
        weights = [mobility[axis][self.faces(axis)] for axis in range(3)]
        if self.liquid.projection == "multigrid":
            from partsim.meltpool.multigrid import Multigrid

            potential = Multigrid(self.cells).solve(self.divergence(), weights)
            self.correct(dt, weights, potential)
            return
        if self.liquid.projection == "drag":
            potential = WeightedPoisson(weights, self.poisson).solve(self.divergence(), DRAG_REST)
            self.correct(dt, weights, potential)
        self.correct(dt, [1.0, 1.0, 1.0], self.poisson.solve(self.divergence()))

    def correct(self, dt: float, weights: list, potential: np.ndarray) -> None:
        """u -= weights grad phi, p += rho phi / dt; potential phi in m/s times the cell edge."""
        for axis in range(3):
            self.velocity[axis][self.faces(axis)] -= weights[axis] * np.diff(potential, axis=axis)
        self.pressure[self.inner] += (self.liquid.density * self.edge / dt) * potential

    def divergence(self) -> np.ndarray:
        """h div u in the cells, m/s."""
        out = np.empty(self.cells)
        kernels.divergence(self.velocity.reshape(3, -1), self.strides, out)
        return out

    def fastest(self) -> float:
        """Largest component of the velocity in m/s; ghosts, which extrapolate, do not count."""
        return float(np.abs(self.velocity[(slice(None), *self.inner)]).max())

    def at_cells(self) -> np.ndarray:
        """(nz, ny, nx, 3) components x, y, z at the cell centres."""
        means = []
        for axis in (X, Y, Z):
            line = np.moveaxis(self.velocity[axis], axis, 0)
            means.append(np.moveaxis(line[:-1] + line[1:], 0, axis)[self.inner] / 2)
        return np.stack(means, axis=-1)
