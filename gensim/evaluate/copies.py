"""Whether sampled crops are copies: how near each is to the nearest crop trained with.

Colours are exchanged in training, so that boundaries are compared: maps of them, smoothed, of mean
0 and length 1. The distance is 1 - their correlation: 0 for a copy, also one in other colours.
"""

import numpy as np
from scipy import ndimage

from partsim.crops.components import boundaries

BLURRED = 1.0  # pixels


def outlines(labels: np.ndarray) -> np.ndarray:
    """(n, h w) smoothed maps of the boundaries of labels (n, h, w), of mean 0 and length 1."""
    maps = ndimage.gaussian_filter(boundaries(labels).astype(float), (0, BLURRED, BLURRED))
    maps = maps.reshape(len(labels), -1)
    maps -= maps.mean(axis=1, keepdims=True)
    length = np.linalg.norm(maps, axis=1, keepdims=True)
    return maps / np.where(length > 0, length, 1)


def nearest(labels: np.ndarray, known: np.ndarray, mirrored: bool) -> np.ndarray:
    """(n,) distance of labels (n, h, w) to the nearest of known ones (m, h, w).

    mirrored  whether their mirror images count as known
    """
    wanted = outlines(labels)
    best = (wanted @ outlines(known).T).max(axis=1)
    if mirrored:
        best = np.maximum(best, (wanted @ outlines(known[..., ::-1]).T).max(axis=1))
    return 1 - best
