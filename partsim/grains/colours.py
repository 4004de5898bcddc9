"""Colours of orientations: inverse pole figures of a direction of the sample, by orix."""

import numpy as np
from orix.plot import IPFColorKeyTSL
from orix.quaternion import Orientation, symmetry
from orix.vector import Vector3d


def ipf_colours(quaternions: np.ndarray, direction: tuple[float, float, float] = (0.0, 0.0, 1.0)
                ) -> np.ndarray:
    """(n, 3) red, green, blue in [0, 1] of cubic crystals: <001> || direction is red."""
    key = IPFColorKeyTSL(symmetry.Oh, direction=Vector3d(direction))
    return key.orientation2color(Orientation(quaternions, symmetry=symmetry.Oh))
