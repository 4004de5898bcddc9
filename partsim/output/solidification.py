"""When the cells of a box melt and solidify, how fast they cool then and in which gradient.

What models of grains start from: at the centre of every cell of the box, each passage of the
liquidus with its time, the cooling rate -dT/dt and the temperature gradient.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from mpi4py import MPI

from partsim.mesh.view import CORNERS, BlockView
from partsim.output.history import History
from partsim.output.probes import Found, located_once

NAME = "solidification_events.csv"
COLUMNS = ("time", "x", "y", "z", "solidifies", "cooling_rate", "gx", "gy", "gz")


class Solidification:
    """Passages of the liquidus at points, as a table of COLUMNS in SI units.

    `locate` is due on every new mesh and `sample` after every step; events wait on the ranks until
    `flush`. Times are interpolated between steps. The table is in the order of steps, then points,
    whatever the number of ranks.
    """

    def __init__(
        self, comm: MPI.Comm, folder: Path, points: np.ndarray, liquidus: float
    ) -> None:
        """points (n, 3) in m, liquidus in K."""
        self.comm, self.points, self.liquidus = comm, points, liquidus
        self.table = History(comm, folder / NAME, COLUMNS)
        self._waiting: list[np.ndarray] = []

    def locate(self, view: BlockView, corners: Callable[[Found], np.ndarray], time: float) -> None:
        """Takes over a new mesh; collective.

        corners  (m, 8) temperatures at the corners of the cells of what is found
        """
        self.found = located_once(self.comm, view, self.points)
        self.edge = np.ones(0)
        if len(self.found.probe):
            self.edge = view.edge[self.found.place.block]
        self.before = (corners(self.found) * self.found.place.weights).sum(axis=1)
        self.time = time

    def sample(self, time: float, corners: np.ndarray) -> None:
        """What has passed the liquidus since the last call; corners (m, 8) in K at `time`."""
        now = (corners * self.found.place.weights).sum(axis=1)
        passed = np.flatnonzero((self.before >= self.liquidus) != (now >= self.liquidus))
        if len(passed):
            self._waiting.append(self._events(passed, time, now[passed], corners[passed]))
        self.before, self.time = now, time

    def _events(
        self, passed: np.ndarray, time: float, now: np.ndarray, corners: np.ndarray
    ) -> np.ndarray:
        """(m, 10) the point's number, then COLUMNS."""
        before, dt = self.before[passed], time - self.time
        number = self.found.probe[passed]
        when = self.time + dt * (self.liquidus - before) / (now - before)
        signs = np.where(CORNERS == 1, 1.0, -1.0)  # of the corners, of differences across the cell
        gradient = corners @ signs / (4 * self.edge[passed, None])
        return np.column_stack([number, when, self.points[number], now < self.liquidus,
                                (before - now) / dt, gradient])

    def flush(self) -> None:
        """Appends what waits to the table; collective."""
        own = np.concatenate(self._waiting) if self._waiting else np.zeros((0, 1 + len(COLUMNS)))
        parts = self.comm.gather(own)
        rows = np.concatenate(parts) if parts else own[:0]
        order = np.lexsort((rows[:, 0], rows[:, 1]))
        self.table.extend(rows[order, 1:].tolist())
        self._waiting = []

    def start(self) -> None:
        """Begins an empty table; collective."""
        self.table.start()

    def resume(self, time: float) -> None:
        """Drops the rows later than the `time` from which the run goes on; collective."""
        self.table.resume(time)
