"""The projection's Poisson equation by PETSc: conjugate gradients with algebraic multigrid."""

import numpy as np
from petsc4py import PETSc
from scipy import sparse

OPTIONS = {
    "ksp_type": "cg",
    "ksp_norm_type": "unpreconditioned",
    "ksp_rtol": 1e-12,
    "ksp_max_it": 200,
    "pc_type": "gamg",
    "pc_gamg_threshold": 0.02,
}
PREFIX = "pressure_"  # under which users may override them


def laplacian(weights: list[np.ndarray], shape: tuple[int, int, int]) -> sparse.csr_array:
    """(n, n) of -div(b grad) on unit cells; b at the inner faces across z, y, x."""
    number = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rows, columns, values = [], [], []
    for axis, weight in enumerate(weights):
        low = tuple(slice(None, -1) if axis == other else slice(None) for other in range(3))
        high = tuple(slice(1, None) if axis == other else slice(None) for other in range(3))
        here, there, b = number[low].ravel(), number[high].ravel(), weight.ravel()
        rows += [here, there, here, there]
        columns += [here, there, there, here]
        values += [b, b, -b, -b]
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(entries, shape=(number.size, number.size))


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
        matrix = laplacian(weights, self.shape)
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
