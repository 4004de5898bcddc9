"""Frames of one track's temperature, read from the file of `partsim melt` and laid on any track."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.grains import sampling
from partsim.grains.blocks import Grid
from partsim.grains.pool import ROOM
from partsim.schema import require

FORMAT = "partsim temperature 1"
NUMBERS = (
    "cell", "initial_temperature", "solidus", "liquidus", "power", "absorbed_power",
    "speed", "length", "duration",
)
LEAST_CELLS = 10  # across the pool
FOLLOWED = 1000.0  # K, files hold what is hotter
LEAST_COOLING = 200.0  # K below the liquidus to which the file must follow the metal


@dataclass(frozen=True)
class TemperatureFile:
    """What partsim.meltpool.frames has written, the frames themselves being read one by one.

    header  the numbers NUMBERS in SI units
    time    (n,) s    corner (n, 3)    pool (n, 3) m: width, depth, length
    sum     checksum of times, corners and header
    """

    path: Path
    header: dict[str, float]
    time: np.ndarray
    corner: np.ndarray
    pool: np.ndarray
    sum: int

    def frame(self, number: int) -> np.ndarray:
        """(nz, ny, nx) K."""
        return _frame(self.path, number, self.sum)


@lru_cache(maxsize=3)
def _frame(path: Path, number: int, sum: int) -> np.ndarray:
    """A frame of the file that has this checksum, kept for the next two calls."""
    try:
        with h5py.File(path, "r") as file:
            values = file["temperature"][number]
    except OSError as problem:
        raise UserError(f"temperature file {path} is damaged: frame {number} cannot be read"
                        ) from problem
    if not np.isfinite(values).all():
        raise UserError(f"temperature file {path}: frame {number} is not finite")
    return np.ascontiguousarray(values, np.float32)


def read(path: Path) -> TemperatureFile:
    """The file, checked: complete, resolved by at least 10 cells, cooled down at its end.

    Raises UserError with one line for anything else.
    """
    if not path.exists():
        raise UserError(f"temperature file {path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            found = _read(file, path)
    except (OSError, KeyError) as problem:
        raise UserError(f"{path} is damaged or no temperature file of partsim melt") from problem
    _check(found)
    return found


def checksum(path: Path) -> int | None:
    """TemperatureFile.sum of a file, without a look at its frames; None where it is none."""
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path).sum
    except (OSError, KeyError, UserError):
        return None


def _read(file: h5py.File, path: Path) -> TemperatureFile:
    if file.attrs.get("format") != FORMAT:
        raise UserError(f'{path} is no temperature file of partsim melt, format "{FORMAT}"')
    header = {name: float(file.attrs[name]) for name in NUMBERS}
    time, corner, pool = (file[name][()] for name in ("time", "corner", "pool"))
    shape = file["temperature"].shape
    if len(shape) != 4 or not len(time) == len(corner) == len(pool) == shape[0] >= 2:
        raise UserError(f"temperature file {path} is damaged: its frames are not as many as times")
    known = time.tobytes() + corner.tobytes() + pool.tobytes() + repr(header).encode()
    return TemperatureFile(path, header, time, corner, pool, zlib.crc32(known))


def _check(found: TemperatureFile) -> None:
    path, header = found.path, found.header
    if not (np.isfinite(found.time).all() and (np.diff(found.time) > 0).all()):
        raise UserError(f"temperature file {path} is damaged: its times do not increase")
    on = found.time <= header["duration"] * (1 + 1e-9)
    middle = on & (found.time >= header["duration"] / 2)
    width = float(found.pool[middle if middle.any() else on, 0].mean())
    require(width >= LEAST_CELLS * header["cell"], f"{path}: cell", f"{header['cell']:g} m",
            f"at most a tenth of the pool's width, {width:.3g} m")
    last = float(found.frame(len(found.time) - 1).max())
    limit = header["liquidus"] - LEAST_COOLING
    if found.time[-1] <= header["duration"] or last > limit + 1:
        raise UserError(f"temperature file {path} ends at {last:.0f} K, but it must follow the "
                        f"cool-down to {limit:.0f} K")
    for number in range(len(found.time) - 1):
        found.frame(number)


@dataclass(frozen=True)
class Placement:
    """Where a track lies in the window, whose surface is z = 0 of the track.

    cell      m, of the window
    start     x of the beam's start and y of the centre line in the window, m
    backward  whether it runs towards smaller x
    depth     m, of the window
    """

    cell: float
    start: tuple[float, float]
    backward: bool
    depth: float


class TrackTemperature:
    """Temperature of the window while one track is scanned and cools."""

    def __init__(self, file: TemperatureFile, placement: Placement) -> None:
        self.file, self.placement = file, placement
        self.outside = file.header["initial_temperature"]

    def affine(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Position of the window's first cell among a frame's cell centres, and way per cell."""
        h, place = self.file.header["cell"], self.placement
        ratio, half = place.cell / h, place.cell / 2
        sign = -1.0 if place.backward else 1.0
        along = sign * (half - place.start[0]) / h
        origin = np.array([along, (half - place.start[1]) / h, (half - place.depth) / h])
        return origin - 0.5 - self.file.corner[number], ratio * np.array([sign, 1.0, 1.0])

    def hottest(self, number: int, grid: Grid) -> np.ndarray:
        """(bz, by, bx) K, at least the largest temperature in each block."""
        out = np.empty(grid.shape)
        frame = self.file.frame(number)
        start, pitch = self.affine(number)
        sampling.hottest(frame, start, pitch, self.outside, grid.valid, out)
        return out

    def sample(self, number: int, grid: Grid, blocks: np.ndarray) -> np.ndarray:
        """(n, 1000) K at the cells of blocks, zero in ghosts and outside of the metal."""
        out = np.empty((len(blocks), ROOM), np.float32)
        start, pitch = self.affine(number)
        frame = self.file.frame(number)
        corners, valid = 8 * grid.places(blocks), grid.valid_of(blocks)
        for n in range(len(blocks)):
            sampling.sample(frame, start, pitch, self.outside, corners[n], valid[n], out[n])
        return out
