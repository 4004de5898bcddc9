"""The channel that every domain goes through: grains shown in 20 colours, and read from them.

What is compared are never the grains that a simulation knows, but those seen in an image: sampled
images have no others. So crops whose grains are known are drawn anew in the colours of Xie et al.,
Engineering with Computers 42, 63 (2026), Table 1, such that no two grains that touch are alike.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from gensim.data import corners
from partsim.crops import palette

READABLE = 20.5  # grey levels from a colour: half of what parts the two that are most alike


def read(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, h, w) numbers of the nearest colours, and the share (n,) of pixels that are unreadable.

    A pixel farther than READABLE from all colours takes the number of the nearest readable one.
    """
    distance, numbers = cKDTree(palette.colours().astype(float)).query(images.astype(float))
    unreadable = distance > READABLE
    for row in np.flatnonzero(unreadable.any(axis=(1, 2)) & ~unreadable.all(axis=(1, 2))):
        place = ndimage.distance_transform_edt(
            unreadable[row], return_distances=False, return_indices=True
        )
        numbers[row] = numbers[row][tuple(place)]
    return numbers, unreadable.mean(axis=(1, 2))


def drawn(numbers: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) uint8 images of numbers (n, h, w) of colours."""
    return palette.colours()[numbers]


def outlined(numbers: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) uint8, images whose colours follow from the boundaries in numbers (n, h, w)
    alone: each piece has the first of the corners of the RGB cube that no piece it touches has.

    Colours of a crop are near its orientations' own, those of models are exchanged and may be
    fewer: without this, distances between images would measure which colours are frequent.
    """
    alike = np.zeros((int(numbers.max()) + 1, 3), np.uint8)
    return corners.drawn(np.stack([corners.numbers(image, alike) for image in numbers]))
