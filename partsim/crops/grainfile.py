"""What `partsim grow` has written: the grains of a block of metal, and how they came about."""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from partsim.errors import UserError

HEAD = ("cell", "power", "absorbed_power", "speed", "initial_temperature")


class Head(NamedTuple):
    """Conditions of one simulation: m, W, W, m/s, K; the seed, and the text of the job."""

    cell: float
    power: float
    absorbed_power: float
    speed: float
    initial_temperature: float
    seed: int
    job: str

    @property
    def condition(self) -> tuple[float, float, float]:
        return self.power, self.speed, self.initial_temperature


class Block(NamedTuple):
    """Grains of a block, x along the scan, y along the hatch, z up to the top surface.

    grain         (nz, ny, nx) rows of orientations
    orientations  (m, 4) unit quaternions w x y z, sample to crystal
    melted        (nz, ny, nx) bool: molten at least once; None where the file does not tell
    """

    head: Head
    grain: np.ndarray
    orientations: np.ndarray
    melted: np.ndarray | None


def read_head(path: Path) -> Head:
    """The conditions of a file of grains, its arrays left alone; UserError where it is none."""
    return _opened(path, _head)


def read_block(path: Path) -> Block:
    """A file of grains, checked; UserError in one line where it is damaged or none."""
    block = _opened(path, _block)
    if block.grain.ndim != 3 or block.grain.size == 0:
        raise UserError(f"grains file {path}: grain has the shape {block.grain.shape}, but it must "
                        "be (nz, ny, nx)")
    rows = len(block.orientations)
    if block.grain.min() < 0 or block.grain.max() >= rows:
        raise UserError(
            f"grains file {path}: grain = {block.grain.min()} to {block.grain.max()}, but they "
            f"must be rows of orientations, 0 to {rows - 1}"
        )
    return block


def _opened(path: Path, take):
    try:
        with h5py.File(path, "r") as file:
            return take(file)
    except FileNotFoundError:
        raise UserError(f"grains file {path} does not exist") from None
    except KeyError as problem:
        raise UserError(f"grains file {path} is incomplete: {problem.args[0]}") from problem
    except (OSError, RuntimeError, TypeError, ValueError) as problem:
        raise UserError(f"grains file {path} is cut short, damaged or not HDF5") from problem


def _head(file: h5py.File) -> Head:
    told = file.attrs
    return Head(*(float(told[name]) for name in HEAD), int(told["seed"]), str(told["job"]))


def _block(file: h5py.File) -> Block:
    melted = file["melted"][()].astype(bool) if "melted" in file else None
    return Block(_head(file), file["grain"][()], file["orientations"][()], melted)
