"""Reading a temperature file, see partsim.meltpool.frames for what is in it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.meltpool.check import LEAST_CELLS
from partsim.meltpool.frames import FORMAT

NUMBERS = ("cell", "initial_temperature", "solidus", "liquidus", "power", "absorbed_power", "speed",
           "length", "duration")
DATASETS = {"time": 1, "corner": 2, "temperature": 4, "pool": 2}  # and their dimensions
Result = TypeVar("Result")


class TemperatureFile:
    """A temperature file that passed its checks; frames are read when they are asked for.

    header         its attributes: numbers in SI units, and the job's text
    time, corner, pool  as in the file
    """

    def __init__(self, path: Path) -> None:
        """Raises UserError where the file is none of ours, damaged, or its pool is unresolved."""
        self.path = path
        self._file = self._explained(lambda: h5py.File(path, "r", locking="best-effort"))
        self._explained(self._check_parts)
        self.header = {name: float(self._file.attrs[name]) for name in NUMBERS}
        self.header["job"] = str(self._file.attrs["job"])
        self.time, self.corner, self.pool = self._explained(
            lambda: tuple(self._file[name][()] for name in ("time", "corner", "pool"))
        )
        self._check_values()

    def __enter__(self) -> "TemperatureFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of every frame."""
        return self._file["temperature"].shape[1:]

    def frame(self, number: int) -> np.ndarray:
        """(nz, ny, nx) K. Raises UserError where the file is damaged there."""
        return self._explained(lambda: self._file["temperature"][number])

    def _explained(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        except OSError as problem:
            reason = "it is truncated, damaged or not HDF5"
            if problem.errno:
                reason = os.strerror(problem.errno)
            raise UserError(f"temperature file {self.path} cannot be read: {reason}") from None

    def _require(self, condition: bool, wanted: str) -> None:
        if not condition:
            raise UserError(f"temperature file {self.path} {wanted}")

    def _check_parts(self) -> None:
        attributes = self._file.attrs
        self._require(attributes.get("format") == FORMAT, f'is not of the format "{FORMAT}"')
        for name in (*NUMBERS, "job"):
            self._require(name in attributes, f"has no attribute {name}")
        for name, dimensions in DATASETS.items():
            self._require(name in self._file, f"has no dataset {name}")
            self._require(self._file[name].ndim == dimensions,
                          f"must have {dimensions} dimensions in {name}")

    def _check_values(self) -> None:
        counts = {len(self._file[name]) for name in DATASETS}
        self._require(len(counts) == 1 and counts != {0}, "must have as many frames in all parts")
        self._require(bool((np.diff(self.time) > 0).all()), "must have times that rise")
        width, cell = float(self.pool[:, 0].max()), self.header["cell"]
        self._require(width >= LEAST_CELLS * cell,
                      f"holds a pool {width:.3g} m wide in cells of {cell:g} m, but it must have "
                      f"at least {LEAST_CELLS} cells across")
