"""How warm the part is where the beam is about to come.

On a grid over the part and in each layer, the temperature of the solid one finest cell under the
fresh powder at the end of the last step before the beam is within `arrivals.reach`. The heat of
lines nearer than that, which pass before the one that melts the place, is not in it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.mesh.view import BlockView
from partsim.output.history import History
from partsim.output.probes import located_once
from partsim.part.arrival import Arrivals

NAME = "arrivals.csv"
COLUMNS = ("time", "layer", "x", "y", "z", "arrives", "power", "speed", "temperature")


class Places(NamedTuple):
    """Where the beam comes to in a layer: points (n, 3) in m, and when, in s of the stretch."""

    layer: int
    points: np.ndarray
    arrivals: Arrivals


def grid(size: np.ndarray, spacing: float) -> np.ndarray:
    """(n, 2) m, the middles of squares about `spacing` wide that cover the part's bounding box."""
    along = [np.arange(count) + 0.5 for count in np.maximum(np.rint(size[:2] / spacing), 1)]
    x, y = np.meshgrid(*(each * edge / len(each) for each, edge in zip(along, size)))
    return np.stack([x.ravel(), y.ravel()], axis=1)


class ArrivalTable:
    """The table of COLUMNS in SI units; power as the part absorbs it, `time` that of the reading.

    ahead  s, the longest step: a place is read when the next step could bring the beam near it
    """

    def __init__(self, comm: MPI.Comm, folder: Path, ahead: float) -> None:
        self.comm, self.ahead = comm, ahead
        self.table = History(comm, folder / NAME, COLUMNS)
        self._waiting: list[np.ndarray] = []

    def enter(self, places: Places, now: float) -> None:
        """Takes over a layer, or goes on with it, `now` seconds after it began.

        What was due before now has been read.
        """
        self.places = places
        self.unread = places.arrivals.time > (now + self.ahead if now > 0 else -np.inf)
        self.unread &= np.isfinite(places.arrivals.time)

    def locate(self, view: BlockView) -> None:
        """Takes over a new mesh; collective."""
        self.found = located_once(self.comm, view, self.places.points)

    def due(self, now: float) -> bool:
        """Whether a place is to be read, `now` seconds after the layer began; the same on all."""
        return bool((self.unread & (self.places.arrivals.time <= now + self.ahead)).any())

    def sample(self, time: float, now: float, corners: np.ndarray) -> None:
        """Keeps what is due of this rank's places; corners (m, 8) in K at the run's `time`."""
        arrives, power, speed = self.places.arrivals
        due = self.unread & (arrives <= now + self.ahead)
        mine = due[self.found.probe]
        number = self.found.probe[mine]
        values = (corners * self.found.place.weights).sum(axis=1)[mine]
        each = np.ones(len(number))
        self._waiting.append(np.column_stack([
            number, time * each, self.places.layer * each, self.places.points[number],
            arrives[number] - now + time, power[number], speed[number], values,
        ]))
        self.unread &= ~due

    def flush(self) -> None:
        """Appends what waits to the table; collective."""
        own = np.concatenate(self._waiting) if self._waiting else np.zeros((0, 1 + len(COLUMNS)))
        parts = self.comm.gather(own)
        rows = np.concatenate(parts) if parts else own[:0]
        order = np.lexsort((rows[:, 0], rows[:, 1]))
        self.table.extend([row[0], int(row[1]), *row[2:]] for row in rows[order, 1:].tolist())
        self._waiting = []

    def start(self) -> None:
        """Begins an empty table; collective."""
        self.table.start()

    def resume(self, time: float) -> None:
        """Drops the rows later than the `time` from which the run goes on; collective."""
        self.table.resume(time)
