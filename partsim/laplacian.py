"""The seven-point Laplacian of cells in a box as a sparse matrix."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse


def laplacian(weights: Sequence[np.ndarray], shape: tuple[int, int, int]) -> sparse.csr_array:
    """(n, n) of what each of the n cells of an array of this shape gains from its neighbours.

    weights  of the faces between two cells, an array across each of the three axes
    """
    number = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rows, columns, values = [], [], []
    for axis, weight in enumerate(weights):
        lower, upper = (side.ravel() for side in sides(number, axis))
        weight = weight.ravel()
        rows += [lower, upper, lower, upper]
        columns += [upper, lower, lower, upper]
        values += [weight, weight, -weight, -weight]
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(entries, shape=(number.size, number.size))


def sides(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of what lies below and above each face across an axis."""
    along = np.moveaxis(values, axis, 0)
    return np.moveaxis(along[:-1], 0, axis), np.moveaxis(along[1:], 0, axis)
