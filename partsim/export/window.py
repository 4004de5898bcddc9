"""The temperatures of a run's window as one file."""

from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.output.window import PATTERN
from partsim.wholefile import write_whole

UNITS = {"time": "s", "x": "m", "y": "m", "z": "m", "temperature": "K"}


def export_window(run: Path, target: Path) -> Path:
    """Joins the parts that a run has written, in the order of time.

    HDF5: `time` (n,), `x`, `y`, `z` of the points, `temperature` (n, nz, ny, nx) float32, nan
    where there was nothing yet; units as attributes.

    Raises UserError if the run has recorded nothing, a part is damaged, or `target` cannot be
    written.
    """
    paths = sorted(run.glob(PATTERN))
    if not paths:
        raise UserError(f"{run} holds no window_*.h5: its job has no [window], or no layer of it "
                        "has ended")
    parts = [read_part(path) for path in paths]
    shapes = {part["temperature"].shape[1:] for part in parts}
    if len(shapes) > 1:
        raise UserError(f"{run}: its window_*.h5 are of different boxes")
    joined = {name: np.concatenate([part[name] for part in parts])
              for name in ("time", "temperature")}
    joined |= {name: parts[0][name] for name in "xyz"}

    def fill(file: h5py.File) -> None:
        for name, unit in UNITS.items():
            packed = {"compression": "gzip"} if name == "temperature" else {}
            file.create_dataset(name, data=joined[name], **packed).attrs["unit"] = unit

    write_whole(target, fill)
    return target


def read_part(path: Path) -> dict[str, np.ndarray]:
    """The data sets of one part; UserError where it is damaged."""
    try:
        with h5py.File(path, "r") as file:
            return {name: file[name][()] for name in UNITS}
    except (OSError, KeyError) as problem:
        raise UserError(f"{path} is damaged or no part of a window") from problem
