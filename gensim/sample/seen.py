"""What is seen in sampled images: colours alone, or grains and their orientations."""

from typing import NamedTuple

import numpy as np

from gensim.data import corners, harmonics
from gensim.data.crystals import mean_orientations, segmented
from gensim.data.sets import Drawn
from partsim.crops.components import edges
from partsim.crops.ipf import ipf

TOLERANCE = 10.0  # degrees between pixels of a grain: those of samples are noisy


class Seen(NamedTuple):
    """As a crops file has them; the grain of a pixel is -1 where images have colours only.

    images  (n, h, h, 3) uint8    grains  (n, h, h) int32    orientations  (m, 4)
    """

    images: np.ndarray
    grains: np.ndarray
    orientations: np.ndarray


def seen(images: np.ndarray, drawn: Drawn) -> Seen:
    """Of images (n, h, h, channels) uint8 of a model whose grains are drawn in this way.

    Corners are shown in colours that every crops file may have, grey where none can be read.
    """
    if drawn == "orientations":
        return crystals(images)
    if drawn == "corners":
        images = corners.shown(corners.read(images))
    return Seen(images, np.full(images.shape[:3], -1, np.int32), np.empty((0, 4)))


def crystals(images: np.ndarray) -> Seen:
    """Of images in the nine channels of harmonics.py: grains of pixels that are nearly alike."""
    pairs = np.stack(edges(images[0, ..., 0]), axis=1)
    grains, means = np.empty(images.shape[:3], np.int32), [np.empty((0, 4))]
    for image, numbers in zip(images, grains, strict=True):
        points = harmonics.orientations(image).reshape(-1, 4)
        labels = segmented(points, pairs, TOLERANCE)
        numbers[:] = labels.reshape(numbers.shape) + sum(map(len, means))
        means.append(mean_orientations(points, labels))
    orientations = np.concatenate(means)
    return Seen(ipf(orientations)[grains], grains, orientations)
