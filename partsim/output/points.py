"""The centres of the finest cells in a box."""

from collections.abc import Sequence

import numpy as np


def centres_along(
    low: Sequence[float], high: Sequence[float], origin: Sequence[float], h: float
) -> list[np.ndarray]:
    """m, coordinates along x, y, z of all lattice cells of edge h whose centre lies in a box."""
    low, high, origin = (np.asarray(corner) for corner in (low, high, origin))
    first = np.ceil((low - origin) / h - 0.5 - 1e-6)
    last = np.floor((high - origin) / h - 0.5 + 1e-6)
    return [origin[a] + h * (np.arange(first[a], last[a] + 1) + 0.5) for a in range(3)]


def box_points(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(n, 3) m, all points with these coordinates, x fastest."""
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
