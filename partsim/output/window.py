"""Temperatures in all finest cells of a box over time, for models that start from a history.

Samples wait on the ranks until `store`, which writes those of a layer, since the last checkpoint,
or since they were too many, as one file: whole or absent, so that a killed run loses none that it
would not repeat.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from mpi4py import MPI

from partsim.mesh.view import BlockView
from partsim.output.points import box_points
from partsim.output.probes import Found, located_once
from partsim.parallel import first_rank_only
from partsim.wholefile import write_whole

PATTERN = "window_*.h5"
MOST_WAITING = 1 << 24  # temperatures, until a part is due
SLIVER = 1e-6  # of the interval: steps are not multiples of it to the last bit


class Box(NamedTuple):
    """The points of a window and when they are read.

    x, y, z  m, coordinates of the points along each axis
    every    s, between samples: the first step that ends at a multiple of it or later
    layers   in which samples are taken, none: all
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    every: float
    layers: tuple[int, ...]


class Window:
    """Samples of the temperature at the points of a box, in parts window_TICKS.h5.

    `locate` is due on every new mesh, `sample` when `due` says so. Points outside the mesh, for
    instance in layers to come, give nan.
    """

    def __init__(self, comm: MPI.Comm, folder: Path, box: Box) -> None:
        self.comm, self.folder, self.box = comm, folder, box
        self.points, self.taken = box_points(box.x, box.y, box.z), -1
        self._waiting: list[tuple[float, np.ndarray, np.ndarray]] = []

    def locate(self, view: BlockView) -> None:
        """Takes over a new mesh; collective."""
        self.found: Found = located_once(self.comm, view, self.points)

    def due(self, time: float, layer: int) -> bool:
        """Whether a sample is to be taken at `time`, the end of a step."""
        if self.box.layers and layer not in self.box.layers:
            return False
        return self._number(time) > self.taken

    def sample(self, time: float, corners: np.ndarray) -> None:
        """Keeps the temperatures of this rank's points; corners (m, 8) in K at `time`."""
        values = (corners * self.found.place.weights).sum(axis=1)
        self._waiting.append((time, self.found.probe, values))
        self.taken = self._number(time)

    @property
    def full(self) -> bool:
        """Whether so much waits that it should be stored; the same on all ranks."""
        return len(self._waiting) * len(self.points) >= MOST_WAITING

    def store(self, ticks: int) -> None:
        """Writes what waits as the part of this time in base steps; collective, UserError."""
        if not self._waiting:
            return
        times = np.array([time for time, _, _ in self._waiting])
        parts = self.comm.gather([(number, values) for _, number, values in self._waiting])
        whole = None
        if parts is not None:
            whole = np.full((len(times), len(self.points)), np.nan)
            for part in parts:
                for row, (number, values) in zip(whole, part):
                    row[number] = values
        path = self.folder / f"window_{ticks:010d}.h5"
        first_rank_only(self.comm, lambda: write_whole(path, self._layout(times, whole)))
        self._waiting = []

    def resume(self, time: float, ticks: int) -> None:
        """Deletes the parts later than the step from which the run goes on; collective."""
        first_rank_only(self.comm, lambda: self._forget(ticks))
        self.taken = self._number(time)

    def _number(self, time: float) -> int:
        return int(np.floor(time / self.box.every + SLIVER))

    def _forget(self, ticks: int) -> None:
        for path in self.folder.glob(PATTERN):
            if int(path.stem.partition("_")[2]) > ticks:
                path.unlink()

    def _layout(self, times: np.ndarray, values: np.ndarray) -> Callable[[h5py.File], None]:
        box = self.box
        shape = (len(times), len(box.z), len(box.y), len(box.x))

        def fill(file: h5py.File) -> None:
            file["time"] = times
            file["temperature"] = values.reshape(shape).astype(np.float32)
            for name in ("x", "y", "z"):
                file[name] = getattr(box, name)

        return fill
