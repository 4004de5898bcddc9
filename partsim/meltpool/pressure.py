"""Poisson equations of the projection in a box whose walls nothing passes."""

import numpy as np
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator, cg

MOST_ITERATIONS = 500


class Poisson:
    """lap phi = f on unit cells with no normal derivative, by a cosine transform; mean phi is 0.

    shape  (nz, ny, nx)
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        waves = [2 * np.cos(np.pi * np.arange(n) / n) - 2 for n in shape]
        self._symbol = waves[0][:, None, None] + waves[1][:, None] + waves[2]
        self._symbol[0, 0, 0] = 1.0

    def solve(self, f: np.ndarray) -> np.ndarray:
        """phi; the mean of f, which no such phi has, is left out."""
        waves = dctn(f, norm="ortho")
        waves /= self._symbol
        waves[0, 0, 0] = 0.0
        return idctn(waves, norm="ortho", overwrite_x=True)


class WeightedPoisson:
    """div(b grad phi) = f with b at the inner faces, by conjugate gradients preconditioned with
    the cosine transform of b = 1.

    weights  three arrays over the inner faces across z, y, x
    """

    def __init__(self, weights: list[np.ndarray], exact: Poisson) -> None:
        self.weights, self.exact = weights, exact

    def apply(self, phi: np.ndarray) -> np.ndarray:
        """div(b grad phi)."""
        out = np.zeros(self.exact.shape)
        for axis, weight in enumerate(self.weights):
            flux = weight * np.diff(phi, axis=axis)
            line, passed = np.moveaxis(out, axis, 0), np.moveaxis(flux, axis, 0)
            line[:-1] += passed
            line[1:] -= passed
        return out

    def solve(self, f: np.ndarray, tolerance: float) -> np.ndarray:
        """phi whose residual is below a tolerance times f, in the Euclidean norm.

        Raises ArithmeticError where that takes too long.
        """
        size = f.size

        def flat(action):
            return LinearOperator(
                (size, size), lambda x: -action(x.reshape(f.shape)).ravel(), dtype=float
            )

        phi, left = cg(
            flat(self.apply), -(f - f.mean()).ravel(), rtol=tolerance, maxiter=MOST_ITERATIONS,
            M=flat(self.exact.solve),
        )
        if left:
            raise ArithmeticError(f"the pressure is not solved after {MOST_ITERATIONS} iterations")
        return phi.reshape(f.shape)
