"""The projection's Poisson equation by PETSc: conjugate gradients with algebraic multigrid."""

import numpy as np
from petsc4py import PETSc

from partsim.laplacian import laplacian

OPTIONS = {
    "ksp_type": "cg",
    "ksp_norm_type": "unpreconditioned",
    "ksp_rtol": 1e-12,
    "ksp_max_it": 200,
    "pc_type": "gamg",
    "pc_gamg_threshold": 0.02,
}
PREFIX = "pressure_"  # under which users may override them


class Multigrid:
    """div(b grad phi) = f with nothing passing the walls; mean phi is 0.

    shape  (nz, ny, nx)
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        options = PETSc.Options(PREFIX)
        for name, value in OPTIONS.items():
            if not options.hasName(name):
                options[name] = value

    def solve(self, f: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
        """phi; the mean of f, which no such phi has, is left out.

        Raises ArithmeticError where the residual does not become small.
        """
        matrix = -laplacian(weights, self.shape)
        here = PETSc.COMM_SELF
        system = PETSc.Mat().createAIJ(
            matrix.shape, csr=(matrix.indptr, matrix.indices, matrix.data), comm=here
        )
        constant = PETSc.NullSpace().create(constant=True, comm=here)
        system.setNullSpace(constant)
        phi, right = system.createVecs()
        right.array[:] = -(f - f.mean()).ravel()
        solver = PETSc.KSP().create(here)
        solver.setOptionsPrefix(PREFIX)
        solver.setOperators(system)
        solver.setFromOptions()
        solver.solve(right, phi)
        reason, found = solver.getConvergedReason(), phi.array.reshape(self.shape).copy()
        for thing in (solver, phi, right, constant, system):
            thing.destroy()
        if reason < 0:
            raise ArithmeticError(f"multigrid leaves the pressure unsolved (PETSc: {reason})")
        return found - found.mean()
