"""Images of grains: the colour of an orientation is that of its inverse pole figure."""

import numpy as np

from partsim.crops import palette
from partsim.crops.ipf import ipf

# "ipf": the colour of each grain; "palette": the nearest of the 20 of Xie et al. such that grains
# that touch differ; "palette-plain": the nearest
KINDS = ("ipf", "palette", "palette-plain")


def draw(grains: np.ndarray, orientations: np.ndarray, kind: str = "ipf") -> np.ndarray:
    """(n, h, w, 3) uint8 images of grains (n, h, w), the rows of orientations (m, 4)."""
    wanted = ipf(orientations)
    if kind == "ipf":
        return wanted[grains]
    numbers = {"palette": palette.recolour, "palette-plain": palette.plain}[kind]
    return palette.colours()[np.stack([numbers(labels, wanted) for labels in grains])]
