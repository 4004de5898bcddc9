"""The solid to be built."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A block with one corner at the origin and edges `size` (3,) in m along x, y, z."""

    size: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,), (3,) of the bounding box in m."""
        return np.zeros(3), np.array(self.size)

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(...) bool: which of the points (..., 3) in m lie in the box or on its surface."""
        low, high = self.bounds
        return ((points >= low) & (points <= high)).all(axis=-1)
