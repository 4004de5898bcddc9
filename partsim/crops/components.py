"""Connected pieces of label images: pixels that share an edge and a label."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def edges(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat numbers of the two pixels on either side of every inner edge of an image (h, w)."""
    number = np.arange(labels.size).reshape(labels.shape)
    first = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    second = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    return first, second


def components(labels: np.ndarray) -> np.ndarray:
    """(h, w) numbers from 0 of the pieces of equal labels (h, w)."""
    flat = labels.ravel()
    first, second = edges(labels)
    same = flat[first] == flat[second]
    link = (np.ones(same.sum(), bool), (first[same], second[same]))
    graph = coo_array(link, shape=(flat.size, flat.size))
    return connected_components(graph, directed=False)[1].reshape(labels.shape)


def touching(pieces: np.ndarray) -> np.ndarray:
    """(k, 2) pairs of different labels that share an edge of a pixel, each pair once."""
    flat = pieces.ravel()
    first, second = edges(pieces)
    pairs = np.sort(np.stack([flat[first], flat[second]], axis=1), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def boundaries(labels: np.ndarray) -> np.ndarray:
    """(..., h, w) bool: pixels whose right or lower neighbour has another label."""
    found = np.zeros(labels.shape, bool)
    found[..., :-1] |= labels[..., :-1] != labels[..., 1:]
    found[..., :-1, :] |= labels[..., :-1, :] != labels[..., 1:, :]
    return found
