"""What is measured on the grains of a crop.

    width, length  m      segments of horizontal and vertical lines between two boundaries: every
                          row and column is a line, what the edge of the crop cuts does not count
    area           m^2    of each grain, those that the edge cuts included
    aspect         1      sqrt(l1 / l2), eigenvalues of the covariance of a grain's pixels, with the
                          1/12 pixel^2 of each pixel itself
    inclination    degrees  of the boundaries: of a cross section from the vertical, towards the
                          centre of the track; of a longitudinal one from the scan's direction
    depth          m      of the melted metal, longitudinal sections only
"""

from typing import NamedTuple

import numpy as np

from gensim.evaluate.growth import (
    from_horizontal,
    from_vertical,
    melted_depth,
    strip_tensor,
    whole_tensor,
)
from gensim.evaluate.pieces import cleaned, pieces_of

MEASURES = ("width", "length", "area", "aspect")  # many values a crop
OF_PIXEL = 1 / 12  # pixel^2, variance of a place within a pixel


class Measured(NamedTuple):
    """The measures of n crops, crop by crop.

    values   name of MEASURES -> n arrays
    tensor   (n, 3)  whose sum over crops has the inclination, see growth
    depth    (n,)    m, NaN in cross sections
    removed  (n,)    share of the pixels in pieces too small to be believed
    section  of all crops
    """

    values: dict[str, list[np.ndarray]]
    tensor: np.ndarray
    depth: np.ndarray
    removed: np.ndarray
    section: str

    def inclination(self, which: np.ndarray) -> float:
        """Degrees, of some crops together."""
        angle = from_vertical if self.section == "cross" else from_horizontal
        return float(angle(self.tensor[which].sum(axis=0)))

    def pooled(self, name: str, which: np.ndarray) -> np.ndarray:
        """The values of MEASURES of some crops together."""
        return np.concatenate([self.values[name][crop] for crop in which] or [np.zeros(0)])

    def mean(self, name: str, which: np.ndarray) -> float:
        """Of all values of some crops; NaN where they have none."""
        values = self.pooled(name, which)
        return float(values.mean()) if len(values) else float("nan")


def measured(labels: np.ndarray, pixel_size: float, section: str) -> Measured:
    """The measures of crops from their labels (n, h, w)."""
    tensor_of = strip_tensor if section == "cross" else whole_tensor
    values: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    tensors, depths, removed = [], [], []
    for crop in labels:
        clean, share = cleaned(crop, pixel_size)
        values["width"].append(segments(clean) * pixel_size)
        values["length"].append(segments(clean.T) * pixel_size)
        area, aspect = shapes(pieces_of(clean))
        values["area"].append(area * pixel_size**2)
        values["aspect"].append(aspect)
        tensors.append(tensor_of(clean, pixel_size))
        depths.append(np.nan if section == "cross" else melted_depth(clean) * pixel_size)
        removed.append(share)
    return Measured(values, np.array(tensors).reshape(-1, 3), np.array(depths),
                    np.array(removed), section)


def segments(labels: np.ndarray) -> np.ndarray:
    """Pixels of all segments of equal labels along rows that end at a boundary on both sides."""
    row, column = np.nonzero(labels[:, 1:] != labels[:, :-1])
    return np.diff(column)[row[1:] == row[:-1]]


def shapes(pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) pixels and aspect ratios of the pieces (h, w), numbers from 0."""
    which = pieces.ravel()
    z, x = (place.ravel().astype(float) for place in np.indices(pieces.shape))
    area = np.bincount(which).astype(float)
    mean_x, mean_z = (np.bincount(which, place) / area for place in (x, z))
    dx, dz = x - mean_x[which], z - mean_z[which]
    xx, zz, xz = (np.bincount(which, product) / area for product in (dx * dx, dz * dz, dx * dz))
    half_sum = (xx + zz) / 2 + OF_PIXEL
    half_gap = np.hypot((xx - zz) / 2, xz)
    return area, np.sqrt((half_sum + half_gap) / (half_sum - half_gap))
