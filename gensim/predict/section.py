"""Images side by side in a plane across the lines of a part."""

from typing import NamedTuple

import numpy as np

from gensim.predict.places import Place

GREY = 235  # where there is no image; what cannot be read of one is darker


class Section(NamedTuple):
    """image (h, w, 3) uint8, its top at high z and its columns along y; centre (3,) m; m of a
    pixel; how many pixels an image is wide."""

    image: np.ndarray
    centre: np.ndarray
    pixel_size: float
    tile: int


def laid(places: list[Place], images: np.ndarray, pixel_size: float) -> Section:
    """The images (k, h, h, 3) of those k places that are not refused; the places come row by row
    from the top, as `places.tiles` has them."""
    tile = images.shape[1]
    every = np.full((len(places), tile, tile, 3), GREY, np.uint8)
    every[[place.refused is None for place in places]] = images
    rows = len({float(place.point[2]) for place in places})
    grid = every.reshape(rows, -1, tile, tile, 3).transpose(0, 2, 1, 3, 4)
    image = grid.reshape(rows * tile, -1, 3)
    centre = np.mean([place.point for place in places], axis=0)
    return Section(image, centre, pixel_size, tile)
