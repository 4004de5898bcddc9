"""Colours of orientations: inverse pole figures of the build direction, by orix."""

import numpy as np
from orix.plot import IPFColorKeyTSL
from orix.quaternion import Orientation, Rotation, symmetry
from orix.vector import Vector3d


def ipf(orientations: np.ndarray) -> np.ndarray:
    """(n, 3) uint8 colours of cubic crystals from unit quaternions (n, 4), sample to crystal.

    The direction is z of the sample, along which the part is built; <001> is red.
    """
    key = IPFColorKeyTSL(symmetry.Oh, direction=Vector3d.zvector())
    found = key.orientation2color(Orientation(orientations, symmetry=symmetry.Oh))
    return np.rint(255 * np.clip(found, 0, 1)).astype(np.uint8)


def from_bunge(angles: np.ndarray) -> np.ndarray:
    """(n, 4) unit quaternions, sample to crystal, from Bunge angles (n, 3) in degrees."""
    return Rotation.from_euler(angles, degrees=True).data
