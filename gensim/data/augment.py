"""What may be done to a crop without leaving the process that made it."""

from dataclasses import dataclass

import numpy as np

from gensim.data.crops import FEW
from gensim.data.harmonics import mirrored
from gensim.data.sets import CropSet


@dataclass(frozen=True)
class Augmentation:
    """Which changes are made, each drawn anew for every image.

    mirror   cross-sections only, left to right. Both sides of a track are alike but for the order
             of the tracks, and the colour of an orientation stays: the colour key has the full
             cubic symmetry. Orientations are mirrored. A longitudinal section has no such symmetry.
    colours  the colours are exchanged where none is preferred, see CropSet.exchangeable
    dropout  probability that all conditions are hidden, and once more that the initial
             temperature alone is
    """

    mirror: bool = True
    colours: bool = True
    dropout: float = 0.1

    def image(self, crops: CropSet, crop: int, chance: np.random.Generator) -> np.ndarray:
        """(h, h, channels) uint8; `chance` gives the same numbers whatever is switched on."""
        flip, order = chance.random() < 0.5, chance.permuted(np.arange(FEW))
        image = crops.images(np.array([crop]))[0]
        if self.colours and (found := crops.exchangeable(crop)) is not None:
            image = exchanged(image, *found, order)
        if self.mirror and flip and crops.section == "cross":
            image = mirrored(image) if crops.drawn == "orientations" else image[:, ::-1]
        return image

    def conditions(self, known: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """The conditions (3,) with those hidden (NaN) that the dropout takes."""
        draw = chance.random()
        if draw < self.dropout:
            return np.full_like(known, np.nan)
        if draw < 2 * self.dropout:
            return np.append(known[:2], np.nan)
        return known


def exchanged(
    image: np.ndarray, numbers: np.ndarray, colours: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """(h, h, 3) uint8: colour i shown as another one, each used once.

    numbers  (h, h) of the colours (k, 3); a pixel without one (-1) keeps its own
    order    a permutation of k numbers or more, of which the rest is left out
    """
    other = colours[order[order < len(colours)]]
    return np.where((numbers >= 0)[..., None], other[numbers], image)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """(n, size, size, ...) from (n, h, h, ...): the value of the pixel in which a centre lies."""
    centres = (2 * np.arange(size) + 1) * images.shape[1] // (2 * size)
    return images[:, centres][:, :, centres]
