"""Which way grains have grown: the direction of their boundaries, and how deep the metal melted."""

import numpy as np
from scipy import ndimage

SMOOTHED = 1.5  # pixels, standard deviation: stairs become slanted lines, to 0.6 degrees
QUARTER = 25e-6  # m from the centre of the track: a quarter of a pool about 100 um wide
HALF_STRIP = 10e-6  # m


def structure_tensor(labels: np.ndarray) -> np.ndarray:
    """(h, w, 3) entries xx, xz, zz of the structure tensor of a label image (h, w), z upwards.

    J = sum over labels of g g^T, g the gradient of the label's smoothed indicator (Bigun and
    Granlund 1987), so that it is large at boundaries, and g stands on them.
    """
    total = np.zeros((*labels.shape, 3))
    for value in np.unique(labels):
        smooth = ndimage.gaussian_filter((labels == value).astype(float), SMOOTHED, mode="nearest")
        down, x = np.gradient(smooth)
        total += np.stack([x * x, -x * down, down * down], axis=-1)
    return total


def strip_tensor(labels: np.ndarray, pixel_size: float) -> np.ndarray:
    """(3,) the tensor summed over both strips at a quarter of the pool's width (cross section).

    The right one is mirrored, so that grains that lean towards the centre lean to the right.
    """
    tensor = structure_tensor(labels)
    x = (np.arange(labels.shape[1]) + 0.5 - labels.shape[1] / 2) * pixel_size
    left, right = (np.abs(x - side * QUARTER) < HALF_STRIP for side in (-1, 1))
    mirror = np.array([1, -1, 1])
    return tensor[:, left].sum(axis=(0, 1)) + mirror * tensor[:, right].sum(axis=(0, 1))


def whole_tensor(labels: np.ndarray, _pixel_size: float) -> np.ndarray:
    """(3,) the tensor summed over a whole (longitudinal) section."""
    return structure_tensor(labels).sum(axis=(0, 1))


def from_vertical(tensor: np.ndarray) -> np.ndarray:
    """Degrees in (-90, 90] of boundaries from the vertical, positive to the right.

    theta = -atan2(2 J_xz, J_xx - J_zz) / 2 of tensors (..., 3); NaN where there is no boundary.
    """
    xx, xz, zz = np.moveaxis(np.asarray(tensor, float), -1, 0)
    angle = -np.degrees(np.arctan2(2 * xz, xx - zz)) / 2
    return np.where(xx + zz > 0, np.where(angle <= -90, angle + 180, angle), np.nan)


def from_horizontal(tensor: np.ndarray) -> np.ndarray:
    """Degrees in [0, 180) of boundaries from the scan's direction, tensors (..., 3)."""
    return (90 - from_vertical(tensor)) % 180


def turned(gap: np.ndarray | float) -> np.ndarray | float:
    """Differences of directions in degrees, in [-90, 90): a boundary turned by 180 is itself."""
    return (gap + 90) % 180 - 90


def melted_depth(labels: np.ndarray) -> float:
    """Pixels from the top to where the mean vertical segment jumps in a longitudinal section.

    The two constants that fit the mean length of the vertical segments through each row best, by
    least squares, meet at the boundary of regrown grains and substrate.
    """
    mean = vertical_lengths(labels).mean(axis=1)
    cuts = np.arange(1, len(mean))
    misfit = [mean[:k].var() * k + mean[k:].var() * (len(mean) - k) for k in cuts]
    return float(cuts[np.argmin(misfit)])


def vertical_lengths(labels: np.ndarray) -> np.ndarray:
    """(h, w) pixels of the vertical segment of equal labels in which each pixel lies."""
    begins = np.ones(labels.shape, bool)
    begins[1:] = labels[1:] != labels[:-1]
    segment = np.cumsum(begins.T.ravel()) - 1  # every column begins a new one
    return np.bincount(segment)[segment].reshape(labels.T.shape).T.astype(float)
