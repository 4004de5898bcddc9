"""How far apart two sets of feature vectors are: Frechet distance and kernel distance (KID)."""

from typing import NamedTuple

import numpy as np

from partsim.errors import UserError

LEAST_PER_DIMENSION = 2  # vectors, below which a covariance says nothing


class Projection(NamedTuple):
    """Principal axes of a training set: y = (x - mean) axes; `share` of its variance they keep."""

    mean: np.ndarray
    axes: np.ndarray
    share: float

    @classmethod
    def of(cls, features: np.ndarray, dimensions: int) -> "Projection":
        """The first principal axes of features (n, d)."""
        mean = features.mean(axis=0)
        _, size, axes = np.linalg.svd(features - mean, full_matrices=False)
        kept = min(dimensions, len(axes))
        total = float((size**2).sum())
        share = float((size[:kept] ** 2).sum()) / total if total > 0 else 1.0
        return cls(mean, axes[:kept].T, share)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) @ self.axes


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of features (n, d) and (m, d).

    Heusel et al., NeurIPS 2017, (6). The trace of the root is the sum of the singular values of
    X_a X_b^T, with C = X^T X: exact and never complex.

    Raises UserError below LEAST_PER_DIMENSION vectors a dimension.
    """
    least = LEAST_PER_DIMENSION * a.shape[1]
    if min(len(a), len(b)) < least:
        raise UserError(f"a Frechet distance in {a.shape[1]} dimensions needs {least} images of "
                        f"both sets, but there are {len(a)} and {len(b)}")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    x = (a - mean_a) / np.sqrt(len(a) - 1)
    y = (b - mean_b) / np.sqrt(len(b) - 1)
    cross = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    gap = ((mean_a - mean_b) ** 2).sum()
    return float(gap + (x**2).sum() + (y**2).sum() - 2 * cross)


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """KID: unbiased squared MMD with the kernel (x.y / d + 1)^3 (Binkowski et al., ICLR 2018)."""
    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:
        k = kernel(x, x)
        return (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())
