"""How much a stack of slices tells: neighbouring slices of one block show the same grains."""

import numpy as np

from partsim.crops.components import boundaries


def autocorrelation(labels: np.ndarray) -> np.ndarray:
    """(n,) correlation of the grain boundaries of slices k apart, k = 0 to n - 1.

    labels  (n, h, w), slices at equal distances

    C_k = mean over pairs of slices and pixels of (b - m)(b' - m) / (m - m^2), b = 1 on boundaries,
    m their mean. What all slices share, such as the seam of a track, counts as correlation.
    """
    b = boundaries(labels).reshape(len(labels), -1).astype(float)
    b -= b.mean()
    variance = (b**2).mean()
    if variance == 0:
        return np.ones(len(labels))
    products = b @ b.T / (b.shape[1] * variance)
    return np.array([products.diagonal(k).mean() for k in range(len(labels))])


def correlation_length(correlation: np.ndarray, distance: float) -> float:
    """Where the correlation of slices `distance` apart falls to 1/e, linear between them.

    NaN where it does not do so within the stack.
    """
    below = np.flatnonzero(correlation <= 1 / np.e)
    if len(below) == 0:
        return float("nan")
    k = int(below[0])
    drop = correlation[k - 1] - correlation[k]
    return distance * (k - 1 + (correlation[k - 1] - 1 / np.e) / drop)


def effective_number(correlation: np.ndarray) -> float:
    """How many independent slices tell a mean as well: n / (1 + 2 sum_k (1 - k/n) C_k).

    The sum ends before the first C_k that is not positive, where noise begins.
    """
    n = len(correlation)
    ends = np.flatnonzero(correlation <= 0)
    k = np.arange(1, ends[0] if len(ends) else n)
    return n / (1 + 2 * float(((1 - k / n) * correlation[k]).sum()))
