"""Backward Euler by Newton's method and CG.

    (theta(T^{n+1}) - theta(T^n)) m/dt + K(r_c, T^n) T^{n+1} + A q(T^{n+1}) = 0,

with the heat content as a temperature, theta(T) (see .content), T itself where the heat capacity is
constant and no latent heat is taken. The conductivity is that of the old temperature; the surface
losses are those of the new one. Newton's correction is added to the heat content: as a change of
temperature it would jump to and fro across the latent heat.
"""

import numpy as np
from petsc4py import PETSc

from ..ledger import Ledger
from .content import rewarm, slopes
from .heat import Heat
from .kernels import apply, slab, store_kappa
from .losses import losses

THERMAL_SOLVER = {
    "ksp_type": "cg",
    "pc_type": "jacobi",
    "ksp_max_it": 5000,
    "ksp_error_if_not_converged": True,
}
LARGEST_NEWTON = 30
LARGEST_DROP = 0.3
ROUND_OFF = 4 * np.finfo(float).eps  # share of the terms of a residual that may be left of them


class Operator:
    """PETSc's view of m theta'/dt + K + A q': matrix-free product and diagonal, on owned nodes."""

    def __init__(self, heat: Heat):
        self.heat, mesh = heat, heat.mesh
        size = heat.conduction.size
        self.kappa = np.zeros((mesh.n_blocks, len(size) * slab(size)))
        self.local_diagonal = np.zeros(mesh.nodes.n_total)
        self.stiff_diagonal = np.zeros(mesh.nodes.n_total)
        self.input = np.zeros(mesh.nodes.n_total)
        self.output = np.zeros(mesh.nodes.n_total)

    def renew(self, temperature: np.ndarray) -> None:
        """Takes the conductivities at this temperature."""
        diagonal = np.zeros(self.heat.mesh.block_shape())
        store_kappa(temperature, self.heat.conduction, self.heat.work, self.kappa, diagonal)
        self.stiff_diagonal = self.heat.mesh.assemble(diagonal)

    def conduct(self, vector: np.ndarray) -> np.ndarray:
        """K vector (n_total,) at owned and ghost nodes; the ghosts of `vector` must be right."""
        heat, nodes = self.heat, self.heat.mesh.nodes
        contributions = heat.contributions
        apply(vector, heat.conduction, self.kappa, heat.work, contributions, self.output)
        heat.mesh.halo.sum(contributions)
        self.output[: nodes.n_surface] = contributions[: nodes.n_surface]
        contributions[: nodes.n_surface + 1] = 0.0
        return self.output

    def mult(self, _matrix, x, y) -> None:
        """y = (m theta'/dt + K + A q') x; fixed nodes are held at zero."""
        owned, fixed = self.heat.mesh.owned, self.heat.fixed
        self.input[owned] = x.array_r
        self.input[self.heat.fixed_owned] = 0.0
        self.heat.mesh.halo.to_ghosts(self.input)
        product = self.conduct(self.input)
        product += self.local_diagonal * self.input
        product[fixed] = 0.0
        y.array[:] = product[owned]
        y.array[self.heat.fixed_owned - owned.start] += x.array_r[
            self.heat.fixed_owned - owned.start
        ]

    def getDiagonal(self, _matrix, diagonal) -> None:  # noqa: N802 (PETSc's name)
        """The diagonal, for the preconditioner."""
        owned = self.heat.mesh.owned
        diagonal.array[:] = (self.local_diagonal + self.stiff_diagonal)[owned]


def make_solver(operator: Operator, prefix: str, options: dict) -> PETSc.KSP:
    """A Krylov solver with its settings under one PETSc prefix, where users may override them."""
    mesh = operator.heat.mesh
    local = mesh.nodes.n_total - mesh.nodes.n_ghost
    matrix = PETSc.Mat().createPython(((local, None), (local, None)), operator, comm=mesh.comm)
    matrix.setOption(PETSc.Mat.Option.SPD, True)
    matrix.setUp()
    database = PETSc.Options(prefix)
    for name, value in options.items():
        if not database.hasName(name):
            database[name] = value
    solver = PETSc.KSP().create(mesh.comm)
    solver.setOptionsPrefix(prefix)
    solver.setOperators(matrix)
    solver.setFromOptions()
    return solver


class Implicit:
    """Backward Euler steps of any length on one mesh.

    tolerance  K, largest residual (in temperature, r dt / m) that is accepted beside round-off
    """

    def __init__(self, heat: Heat, ledger: Ledger, tolerance: float):
        self.heat, self.ledger, self.tolerance = heat, ledger, tolerance
        self.operator = Operator(heat)
        self.solver = make_solver(self.operator, "thermal_", THERMAL_SOLVER)
        matrix = self.solver.getOperators()[0]
        self.correction, self.right = matrix.createVecs()
        self.iterations = 0
        self.flux, self.rise = np.zeros((2, len(heat.top)))

    def residual(self, temperature: np.ndarray, old: np.ndarray, dt: float) -> np.ndarray:
        """(n_total,) W, m (theta - old)/dt + K T + A q(T), also at fixed nodes; renews the slopes.

        old  K, theta at the start of the step
        """
        heat, top = self.heat, self.heat.top
        residual = self.operator.conduct(temperature).copy()
        residual += heat.capacity * (heat.content(temperature) - old) / dt
        losses(temperature[top], heat.law, self.flux, self.rise)
        area = heat.mesh.area[top]
        residual[top] += area * self.flux
        self.operator.local_diagonal = self.slope(temperature) * heat.capacity / dt
        self.operator.local_diagonal[top] += area * self.rise
        return residual

    def slope(self, temperature: np.ndarray) -> np.ndarray | float:
        """(n,) d theta / d T at the temperatures (n,), or 1 for all."""
        return 1.0 if self.heat.table is None else slopes(temperature, self.heat.table)

    def correct(self, temperature: np.ndarray) -> None:
        """Takes Newton's correction off the temperature of the owned nodes, then of the ghosts."""
        heat, owned = self.heat, self.heat.mesh.owned
        # Newton overshoots where evaporation is far from balance: T must stay positive.
        old = temperature[owned]
        new = old - self.slope(old) * np.minimum(self.correction.array_r, LARGEST_DROP * old)
        if heat.table is not None:
            rewarm(old, new, heat.table)
            np.maximum(new, (1 - LARGEST_DROP) * old, out=new)
        temperature[owned] = new
        heat.mesh.halo.to_ghosts(temperature)

    def error(self, residual: np.ndarray, temperature: np.ndarray, dt: float) -> float:
        """Largest r dt / m in K on any rank, less the round-off of r's terms; collective."""
        heat, owned = self.heat, self.heat.mesh.owned
        capacity = heat.capacity[owned] / dt
        inertia = self.slope(temperature[owned]) * capacity
        terms = (inertia + self.operator.stiff_diagonal[owned]) * temperature[owned]
        beyond = (np.abs(residual[owned]) - ROUND_OFF * terms) / capacity
        return heat.mesh.comm.allreduce(beyond.max(initial=0.0), op=max)

    def step(self, temperature: np.ndarray, dt: float, plate: float | None = None) -> None:
        """Advances `temperature` (n_total,) by dt; the fixed nodes go to `plate` K where given."""
        heat, owned = self.heat, self.heat.mesh.owned
        old = heat.content(temperature).copy()
        self.operator.renew(temperature)
        if plate is not None:
            temperature[heat.fixed] = plate
        for _ in range(LARGEST_NEWTON):
            residual = self.residual(temperature, old, dt)
            reaction = float(residual[heat.fixed_owned].sum())
            residual[heat.fixed] = 0.0
            error = self.error(residual, temperature, dt)
            if error <= self.tolerance:
                break
            self.solve(residual[owned], error)
            self.correct(temperature)
        else:
            raise RuntimeError(
                f"implicit step of {dt:g} s: residual {error:g} K after Newton's method"
            )
        self.ledger.lost_plate.add(-dt * reaction)
        top = heat.top_owned
        self.ledger.lost_top.add(dt * float(heat.mesh.area[heat.top[top]] @ self.flux[top]))

    def solve(self, residual: np.ndarray, error: float) -> None:
        """correction = J^-1 residual, as exactly as the remaining error asks for."""
        self.right.array[:] = residual
        # the preconditioner must be that of this system, however the run came to it
        self.solver.getOperators()[0].stateIncrease()
        wanted = min(max(0.1 * self.tolerance / error, 1e-12), 1e-2)
        self.solver.setTolerances(rtol=wanted, atol=0.0)
        self.solver.solve(self.right, self.correction)
        self.iterations += self.solver.getIterationNumber()

    def close(self) -> None:
        """Frees PETSc's objects."""
        for thing in (self.solver, self.correction, self.right):
            thing.destroy()
