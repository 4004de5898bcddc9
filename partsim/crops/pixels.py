"""The sizes of images, and where their pixels lie.

A label is looked up at the centre of each pixel. That is what an electron beam does on a grid of
points, so simulated and measured maps pass one and the same channel; every grain keeps its share of
the area in the mean. A majority within the pixel would wear off thin grains and the ends of long
ones, by an amount that depends on the cells of the source.
"""

from typing import NamedTuple

import numpy as np

from partsim.errors import UserError

ROUND_OFF = 1e-6


class Image(NamedTuple):
    """A square of `side` m with pixels x pixels, looked up at sampled x sampled points."""

    side: float
    pixels: int
    sampled: int

    @property
    def pixel_size(self) -> float:
        return self.side / self.pixels

    def centres(self) -> np.ndarray:
        """(pixels,) where the label of each is looked up, in m from the edge.

        With fewer points than pixels: the point of the nearest one, which repeats some.
        """
        nearest = np.floor((np.arange(self.pixels) + 0.5) * self.sampled / self.pixels)
        return (nearest + 0.5) * self.side / self.sampled


# "paper": Xie et al., Engineering with Computers 42, 63 (2026); its networks see 128 pixels, made
# from 100 by repeating the nearest. The others are never finer than what they are looked up in.
IMAGES = {
    "default": Image(200e-6, 64, 64),
    "paper": Image(200e-6, 100, 100),
    "paper-network": Image(200e-6, 128, 100),
    "paper-longitudinal": Image(128e-6, 64, 64),
}


def image_of(name: str, step: float) -> Image:
    """The image of this name, to be looked up in points `step` m apart.

    Raises UserError for an unknown name, or where the points are too far apart.
    """
    if name not in IMAGES:
        raise UserError(f"--image {name} must be one of {', '.join(IMAGES)}")
    image = IMAGES[name]
    finest = image.side / image.sampled
    if step > finest * (1 + ROUND_OFF):
        raise UserError(
            f"--image {name} has a point every {finest:.4g} m, but it must be at least the "
            f"{step:.4g} m between the points of the grains: nothing is enlarged"
        )
    return image
