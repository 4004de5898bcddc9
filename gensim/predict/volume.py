"""Images in the part, for ParaView: VTKHDF image data, a slab one pixel thick."""

from pathlib import Path

import h5py
import numpy as np

from partsim.wholefile import write_whole

VERSION = (1, 0)  # of VTKHDF


def write_slab(
    path: Path, image: np.ndarray, pixel_size: float, centre: np.ndarray, along: np.ndarray
) -> None:
    """Writes an image (h, w, 3) as a slab normal to `along` (2,), its top at high z, its columns
    to the left of `along`: with x along, they follow y.

    centre  (3,) m
    """
    height, width = image.shape[:2]
    axes = np.array([[along[0], -along[1], 0.0], [along[1], along[0], 0.0], [0.0, 0.0, 1.0]])
    origin = centre - axes @ (0.5 * pixel_size * np.array([1, width, height]))

    def fill(file: h5py.File) -> None:
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = VERSION
        root.attrs.create("Type", b"ImageData", dtype=h5py.string_dtype("ascii", 9))
        root.attrs["WholeExtent"] = np.array([0, 1, 0, width, 0, height], np.int64)
        root.attrs["Origin"] = origin
        root.attrs["Spacing"] = np.full(3, pixel_size)
        root.attrs["Direction"] = axes.ravel()
        cells = root.create_group("CellData")
        cells["colour"] = np.ascontiguousarray(image[::-1])[:, :, None]

    write_whole(path, fill)
