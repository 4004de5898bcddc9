"""Grains in the eight colours that are farthest apart, the corners of the RGB cube.

A network sees grains that touch in different corners, and which is which is exchanged from image to
image: nothing but the boundaries is to be learnt. Each channel is one of two values, so that what
a sample shows is read by one threshold a channel, as the analog bits of Chen et al. (2023); two of
the 20 colours of Xie et al. are 41 grey levels apart, which a hue that drifts can bridge.
"""

import itertools

import numpy as np

from partsim.crops import palette

COLOURS = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)
READABLE = 127.5  # grey levels from a colour: half of what parts two
NONE = -1  # number of no colour
GREY = np.uint8(128)  # what shows where no grain is known or none can be read
SHOWN = (1, 2, 3, 4, 8, 9, 11, 12)  # of the 20 colours those farthest apart, 122 grey levels


def numbers(grains: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w) int8 numbers of COLOURS for grains (h, w), -1 where unknown, such that no two that
    touch are alike, as near as can be to the colours wanted (m, 3)."""
    found = palette.recolour(grains, wanted, COLOURS)
    return np.where(grains >= 0, found, NONE).astype(np.int8)


def drawn(numbers: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 of numbers (...) of COLOURS, GREY where there is none."""
    return painted(numbers, COLOURS)


def read(images: np.ndarray) -> np.ndarray:
    """(...) int8 numbers of the nearest of COLOURS, NONE farther than READABLE from it, of images
    (..., 3) uint8."""
    high = images > 127
    far = np.linalg.norm(images - 255.0 * high, axis=-1) > READABLE
    return np.where(far, NONE, high @ np.array([4, 2, 1])).astype(np.int8)


def shown(numbers: np.ndarray) -> np.ndarray:
    """(..., 3) uint8, numbers (...) in eight of the 20 colours that every crops file may have."""
    return painted(numbers, palette.colours()[list(SHOWN)])


def painted(numbers: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(..., 3) uint8, the colours (8, 3) of numbers (...), GREY where there is none."""
    return np.where((numbers == NONE)[..., None], GREY, colours[numbers])
