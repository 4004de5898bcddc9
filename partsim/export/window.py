"""The temperature of a snapshot in a box, sampled on a regular grid."""

from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.output.shared_file import explained
from partsim.output.slices import Snapshot

MOST_POINTS = 50_000_000


def grid_axes(low: np.ndarray, high: np.ndarray, spacing: float) -> list[np.ndarray]:
    """Places in m along x, y, z from the lower corner on; UserError for a box without points."""
    if not (np.asarray(high) > low).all():
        raise UserError(f"window = {list(low)} to {list(high)} m, but it must have a volume")
    counts = np.floor((np.asarray(high) - low) / spacing + 1e-6).astype(int) + 1
    if counts.prod(dtype=float) > MOST_POINTS:
        raise UserError(f"spacing = {spacing:g} m, but it must give at most {MOST_POINTS} points")
    return [start + spacing * np.arange(count) for start, count in zip(low, counts)]


def export_window(
    snapshot: Path, target: Path, box: tuple[np.ndarray, np.ndarray], spacing: float
) -> Path:
    """Writes HDF5: x, y, z in m and temperature [z, y, x] in K, NaN outside the mesh.

    box  (3,), (3,) m, lower and upper corner; values are trilinear in the cell that holds a point
    """
    axes = grid_axes(*box, spacing)
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    with Snapshot(snapshot) as file:
        place = file.view.locate(np.stack([x, y, z], axis=-1).reshape(-1, 3))
        values = file.at_nodes(place, ["temperature"])["temperature"].reshape(x.shape)
        time = file.header["time"]

    def write() -> None:
        with h5py.File(target, "w") as out:
            for name, array in zip("xyz", axes):
                out[name] = array
                out[name].attrs["unit"] = "m"
            out["temperature"] = values
            out["temperature"].attrs["unit"] = "K"
            out.attrs["time"] = time

    explained(target, write)
    return target
