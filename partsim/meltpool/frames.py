"""The temperature file of one track: what is hot, frame by frame, in one HDF5 file.

Attributes: format, cell (m, edge h), initial_temperature, solidus, liquidus (K), power (W,
nominal), absorbed_power (W), speed (m/s), length (m, of the track), duration (s, laser on), job
(text).
Datasets, with n frames of one shape:

    time         (n,)             s, from when the laser starts; goes on after `duration`
    corner       (n, 3)           x y z index of the frame's first cell
    temperature  (n, nz, ny, nx)  K; outside of a frame the metal is at most 1000 K
    pool         (n, 3)           m, width, depth and length of what is above the isotherm that its
                                  attribute tells

x runs along the scan from the beam's start, y from the centre line, z up from the top surface.
Cell (i, j, k) has its centre at ((i + 1/2) h, (j + 1/2) h, (k + 1/2) h); the uppermost cells have
k = -1.
"""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from partsim.meltpool.heat import FROZEN, Block, Box
from partsim.meltpool.shape import pool_size
from partsim.output.shared_file import explained, partial_of

FORMAT = "partsim temperature 1"
RIM = 1  # cells around what is hot


@dataclass
class Frames:
    """Frames as they come: hot boxes (nz, ny, nx) of y >= 0, each of its own size."""

    times: list[float] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    sizes: list[np.ndarray] = field(default_factory=list)

    def take(self, block: Block, time: float) -> None:
        """Keeps what is hot in the block; collective, the frames are the same on all ranks."""
        box = hot_box(block)
        values = block.gathered(block.temperature, box)
        self.times.append(time)
        self.firsts.append(box.first)
        self.sizes.append(pool_size(values, block.alloy.liquidus, block.edge))
        self.boxes.append(values.astype(np.float32))

    def shape(self) -> tuple[int, int, int]:
        """The smallest shape of y >= 0 that holds every frame."""
        return tuple(np.max([box.shape for box in self.boxes], axis=0))

    def filled(self, number: int) -> np.ndarray:
        """A frame of both halves in the common shape.

        Cells that were never kept hold the nearest kept value, which is not hot.
        """
        box = self.boxes[number]
        nz, ny, nx = (int(more) - have for more, have in zip(self.shape(), box.shape))
        whole = np.pad(box, ((nz, 0), (0, ny), (0, nx)), mode="edge")
        return np.concatenate([whole[:, ::-1], whole], axis=1)

    def melted(self, liquidus: float) -> int:
        """How many cells of both halves were above the liquidus in at least one frame."""
        nz, ny, _ = self.shape()
        start = min(self.firsts)
        end = max(first + box.shape[2] for first, box in zip(self.firsts, self.boxes))
        ever = np.zeros((nz, ny, end - start), bool)
        for first, box in zip(self.firsts, self.boxes):
            deep, wide, long = box.shape
            left = first - start
            ever[nz - deep:, :wide, left:left + long] |= box > liquidus
        return 2 * int(ever.sum())

    def corners(self) -> np.ndarray:
        """(n, 3) x y z index of the first cell of each frame."""
        nz, ny, _ = self.shape()
        return np.array([[first, -ny, -nz] for first in self.firsts])


def hot_box(block: Block) -> Box:
    """The cells above 1000 K and a rim around them; the first ones of the block if none is."""
    extent = block.extent(FROZEN)
    nz, ny, nx = block.shape
    if extent is None:
        return Box(block.first, (1, 1, 1))
    low, high = extent
    left, right = max(low[2] - RIM, 0), min(high[2] + RIM, nx)
    cells = (min(nz - low[0] + RIM, nz), min(high[1] + RIM, ny), right - left)
    return Box(block.first + int(left), tuple(int(n) for n in cells))


def write(path: Path, frames: Frames, header: dict) -> None:
    """Writes the file, whole or absent; header holds its attributes. Raises UserError."""
    partial = partial_of(path)

    def fill() -> None:
        with h5py.File(partial, "w") as file:
            file.attrs.update({"format": FORMAT, **header})
            file["time"] = np.array(frames.times)
            file["corner"] = frames.corners()
            file["pool"] = np.array(frames.sizes)
            file["pool"].attrs["isotherm"] = header["liquidus"]
            first = frames.filled(0)
            values = file.create_dataset(
                "temperature", (len(frames.times), *first.shape), "f4", chunks=(1, *first.shape),
                compression="gzip", compression_opts=1, shuffle=True,
            )
            for number in range(len(frames.times)):
                values[number] = frames.filled(number)
        partial.replace(path)

    explained(path, fill)
