"""Grains of an image of labels: connected pieces, without those too small to be believed."""

import numpy as np
from scipy import ndimage
from skimage.measure import label

SMALLEST = 4e-6  # m, width and height below which a piece is noise (Xie et al.)


def pieces_of(labels: np.ndarray) -> np.ndarray:
    """(h, w) numbers from 0 of the pieces of equal labels that share edges of pixels."""
    return label(labels, background=-1, connectivity=1) - 1


def cleaned(labels: np.ndarray, pixel_size: float) -> tuple[np.ndarray, float]:
    """(h, w) labels without pieces narrower or lower than SMALLEST, and the share of their pixels.

    The label of the neighbour with which a piece shares the longest boundary takes it over, that of
    one not small first; again until none is small. Where all are, they are left as they are.
    """
    labels, changed = labels.copy(), np.zeros(labels.shape, bool)
    while True:
        pieces = pieces_of(labels)
        small = small_pieces(pieces, pixel_size)
        if small.all() or not small.any():
            return labels, float(changed.mean())
        heir = heirs(pieces, small)
        first = np.unique(pieces, return_index=True)[1]
        changed |= small[pieces]
        labels = labels.ravel()[first][heir][pieces]


def small_pieces(pieces: np.ndarray, pixel_size: float) -> np.ndarray:
    """(m,) whether the bounding box of a piece is narrower or lower than SMALLEST."""
    boxes = ndimage.find_objects(pieces + 1)
    sides = np.array([[side.stop - side.start for side in box] for box in boxes])
    return (sides * pixel_size < SMALLEST).any(axis=1)


def heirs(pieces: np.ndarray, small: np.ndarray) -> np.ndarray:
    """(m,) which piece takes over each: itself where it is not small.

    Of the neighbours those that are not small come first, then the longest boundary, then the
    lowest number. A small piece among small ones waits: it takes itself over.
    """
    heir = np.arange(len(small))
    one, other, length = boundary_lengths(pieces)
    wanted = small[one] & ~small[other]
    one, other, length = one[wanted], other[wanted], length[wanted]
    order = np.lexsort((-other, length, one))
    heir[one[order]] = other[order]  # the last one written, the longest, stays
    if (heir == np.arange(len(small)))[small].all():
        return joined_anyhow(pieces, small, heir)
    return heir


def joined_anyhow(pieces: np.ndarray, small: np.ndarray, heir: np.ndarray) -> np.ndarray:
    """The heirs where small pieces have small neighbours only: the first of them gives way."""
    one, other, length = boundary_lengths(pieces)
    mine = one == np.flatnonzero(small)[0]
    heir[one[mine][0]] = other[mine][np.argmax(length[mine])]
    return heir


def boundary_lengths(pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of touching pieces, each both ways round, and the edges of pixels they share."""
    sides = [(pieces[:, :-1], pieces[:, 1:]), (pieces[:-1], pieces[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs, length = np.unique(np.r_[pairs, pairs[:, ::-1]], axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], length
