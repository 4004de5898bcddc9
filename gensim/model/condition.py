"""Process conditions as the vector that is added to the network's embedding of time.

Each condition c, scaled to x = (c - offset)/scale, becomes the Fourier features
[sin 2 pi f_1 x ... sin 2 pi f_k x, cos 2 pi f_1 x ... cos 2 pi f_k x]. Two values of it look alike
to the network as far as their features have a large scalar product, the mean of
cos 2 pi f_i (x - x'): for normal frequencies of spread s that is exp(-2 pi^2 s^2 (x - x')^2).

The paper (Xie et al. 2026, section 3.1; the spread is that of its released program) takes s = 30:
conditions 1 W apart have nothing in common, so that nothing is learned from one for the other.
Ours is s = 1/2: over a third of the range of the training data the product falls to exp(-1/2), as
conditions of a study are a fifth to a half of the range apart and what they change changes slowly.
"""

from statistics import NormalDist

import numpy as np
from pydantic import BaseModel, ConfigDict

SPREAD = 0.5  # of our frequencies, cycles per range of the conditions


class Embedding(BaseModel):
    """Fourier features of some of the conditions (power, speed, initial temperature).

    offset, scale  of each condition embedded, in W, m/s, K
    frequencies    shared by all conditions, cycles per unit of the scaled condition
    width          length of the vector, what remains is zero
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    frequencies: tuple[float, ...]
    width: int

    @property
    def count(self) -> int:
        """How many of power, speed and initial temperature are embedded: the first ones."""
        return len(self.offset)

    def __call__(self, conditions: np.ndarray) -> np.ndarray:
        """(n, width) float64 from (n, 3); the features of an unknown condition are zero."""
        count = self.count
        scaled = (np.asarray(conditions, float)[:, :count] - self.offset) / np.array(self.scale)
        angle = 2 * np.pi * scaled[:, :, None] * np.array(self.frequencies)
        features = np.concatenate([np.sin(angle), np.cos(angle)], axis=2)
        vector = np.where(np.isnan(features), 0.0, features).reshape(len(scaled), -1)
        return np.pad(vector, ((0, 0), (0, self.width - vector.shape[1])))

    def kernel(self, one: np.ndarray, other: np.ndarray) -> float:
        """How alike two conditions (3,) look: the cosine between their vectors, 1 if equal."""
        a, b = self(np.stack([one, other]))
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def smooth_frequencies(count: int) -> tuple[float, ...]:
    """The quantiles of |N(0, SPREAD)| at the middles of `count` equal shares.

    Even quantiles follow the kernel of the distribution better than as many random numbers.
    """
    normal = NormalDist(0, SPREAD)
    return tuple(normal.inv_cdf(0.5 + (i + 0.5) / (2 * count)) for i in range(count))
