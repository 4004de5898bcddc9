"""How much a stack of slices tells: neighbouring slices of one block show the same grains."""

import numpy as np

from partsim.crops.components import boundaries


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """(n,) correlation of what is seen k places apart, k = 0 to n - 1; 1 where nothing varies.

    values  (n, m), m numbers at n equal distances

    C_k = mean over pairs and numbers of d d' / mean of d^2, d what a number is above its own mean:
    a pattern that all places share, such as the seam of a track, is no correlation. The mean is
    that of these places: where few are independent, C_k is too small by about one in their number.
    """
    apart = values - values.mean(axis=0)
    variance = (apart**2).mean()
    if variance == 0:
        return np.ones(len(values))
    products = apart @ apart.T / (values.shape[1] * variance)
    return np.array([products.diagonal(k).mean() for k in range(len(values))])


def boundary_maps(labels: np.ndarray) -> np.ndarray:
    """(n, h w) 1 on the grain boundaries of slices (n, h, w)."""
    return boundaries(labels).reshape(len(labels), -1).astype(float)


def boundary_counts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) each: boundaries across the rows and the columns of slices (n, h, w), from which the
    mean intercepts follow."""
    across, along = ((np.diff(labels, axis=axis) != 0).sum(axis=(1, 2)) for axis in (2, 1))
    return across[:, None].astype(float), along[:, None].astype(float)


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
