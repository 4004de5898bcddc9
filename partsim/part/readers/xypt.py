"""The XYPT files of the NIST AM-Bench 2022 data (AMB2022-01): what the galvo was told, in HDF5.

Groups XYPT/<layer> hold X and Y in mm and P in W, as rows of one sample every 10 us. Samples that
lie evenly on a straight line with the same power become one segment: no sample is farther than the
tolerance from the place of the beam at its time. Such files have gigabytes: a layer is read alone.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.part.readers.layers import Layer
from partsim.part.readers.moves import Source, check_moves, check_sizes
from partsim.part.scan import ScanPath

CLOCK = 1e-5  # s
MILLIMETRE = 1e-3
TOLERANCE = 1e-7  # m
MOST_SAMPLES = 50_000_000
MOST_PACKED = 1100  # bytes that a byte of the file can become: the limit of deflate
ROUNDS = 40
NAMES = ("X", "Y", "P")


class Layers(Sequence):
    """The layers of a file; each is read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = guarded(path, group_names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Layer:
        name = self.names[index]
        x, y, power = guarded(self.path, samples, name)
        source = Source(f"{self.path}, XYPT/{name}", "sample")
        return Layer(name, None, (path_of(x, y, power, source),))


def guarded(path: Path, action, *arguments):
    """action(open file, ...); what the HDF5 library says of a broken file becomes a UserError."""
    try:
        with h5py.File(path, "r") as file:
            return action(file, path, *arguments)
    except UserError:
        raise
    # a broken file shows itself in many kinds
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError,
            UnicodeDecodeError, MemoryError, OverflowError, NotImplementedError) as problem:
        text = " ".join(str(problem).split())
        raise UserError(f"{path} is not an HDF5 file that can be read: {text}") from None


def group_names(file: h5py.File, path: Path) -> list[str]:
    """Names of the layers, numbers in their order first."""
    group = file.get("XYPT")
    if not isinstance(group, h5py.Group) or not len(group):
        raise UserError(f"{path}: XYPT = none, but it must be a group that holds layers")
    return sorted(group, key=lambda name: (not name.isdecimal(), len(name), name))


def samples(file: h5py.File, path: Path, name: str) -> list[np.ndarray]:
    """X, Y and P of a layer, (n,) each, as in the file."""
    group = file["XYPT"].get(name)
    if not isinstance(group, h5py.Group):
        raise UserError(f"{path}: XYPT/{name} must be a group with X, Y and P")
    values = [column(group.get(key), f"{path}: XYPT/{name}/{key}", path) for key in NAMES]
    if len({len(column) for column in values}) > 1 or len(values[0]) < 2:
        raise UserError(f"{path}: XYPT/{name} has {', '.join(str(len(v)) for v in values)} samples,"
                        " but X, Y and P must have equally many, at least 2")
    return values


def column(data: object, where: str, path: Path) -> np.ndarray:
    """A dataset as a vector, its size checked before it is read."""
    if not isinstance(data, h5py.Dataset) or data.shape is None or data.dtype.kind not in "fiu":
        raise UserError(f"{where} must be a dataset of numbers")
    room = min(data.id.get_storage_size(), path.stat().st_size) * MOST_PACKED
    chunk = math.prod(data.chunks or (1,))
    if data.size > MOST_SAMPLES or data.nbytes > room or chunk > MOST_SAMPLES:
        raise UserError(f"{where} claims {data.size} samples, but it must be at most "
                        f"{MOST_SAMPLES}, and what the file can hold")
    return np.asarray(data[()]).ravel().astype(float)


def path_of(x: np.ndarray, y: np.ndarray, power: np.ndarray, source: Source) -> ScanPath:
    """The path through samples (n,) of x and y in mm and of the power in W.

    The power of a sample holds until the next one.
    """
    places = np.arange(len(x))
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(power)
    if not finite.all():
        source.refuse(int(np.argmin(finite)), "value", "not finite", "a number")
    largest = max(np.abs(x).max(), np.abs(y).max())
    ends = np.column_stack([x, y, np.zeros_like(x)])
    # scaled after the check: the product of a huge number may overflow
    ends = MILLIMETRE * ends if largest < 1e300 else ends
    check_sizes(source, np.append(places[:1], places), np.vstack([ends[:1], ends]), power)
    check_moves(source, places, ends, np.full(len(x) - 1, CLOCK), power[:-1])
    corners = merged(ends[:, :2], power)
    return ScanPath(ends[corners], CLOCK * corners, power[corners[:-1]])


def merged(points: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Numbers of the samples that remain as corners, of points (n, 2) in m.

    Runs of equal power are split at the sample that is farthest from the beam, until none is
    farther than the tolerance (Douglas-Peucker, with the distance taken at equal times).
    """
    last = len(points) - 1
    corners = np.unique([0, *(np.flatnonzero(np.diff(power[:last])) + 1), last])
    number = np.arange(len(points))
    for _ in range(ROUNDS):
        x, y = (np.interp(number, corners, points[corners, axis]) for axis in range(2))
        off = np.hypot(x - points[:, 0], y - points[:, 1])
        worst = np.maximum.reduceat(off, corners[:-1])
        run = np.clip(np.searchsorted(corners, number, side="right") - 1, 0, len(worst) - 1)
        split = np.flatnonzero((off > TOLERANCE) & (off == worst[run]))
        if not split.size:
            return corners
        corners = np.union1d(corners, split)
    # splitting does not end: no two samples of what is left belong together
    return np.union1d(corners, np.flatnonzero(worst[run] > TOLERANCE))
