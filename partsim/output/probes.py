"""Values at fixed points over time, as a table with one row per time."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.mesh.view import NOWHERE, BlockView, Location
from partsim.output.history import History

FIELDS = ("temperature", "alpha_stable", "martensite", "beta")


class Found(NamedTuple):
    """The probes that this rank evaluates on the present mesh; each belongs to one rank at most.

    probe    (m,)    numbers of the probes
    place    their blocks, cells and weights
    """

    probe: np.ndarray
    place: Location

    def gather(self, nodal: np.ndarray) -> np.ndarray:
        """(m, 8) a nodal field (nb, B+1, B+1, B+1) at the corners of the probes' cells."""
        corners = self.place.corners(nodal.shape[-1] - 1)
        return nodal.reshape(len(nodal), nodal.shape[-1] ** 3)[self.place.block[:, None], corners]


def located_once(comm: MPI.Comm, view: BlockView, points: np.ndarray) -> Found:
    """Which of the points (n, 3) in m this rank evaluates on a mesh; collective.

    A point between cells of several ranks goes to the cell that comes first in the fixed order of
    BlockView.locate, so that its value does not depend on the number of ranks.
    """
    place = view.locate(points)
    best = np.empty_like(place.side)
    comm.Allreduce(place.side, best, op=MPI.MIN)
    mine = np.flatnonzero((place.side == best) & (best < NOWHERE))
    return Found(mine, place.rows(mine))


class Probes:
    """Samples fields at points and appends them to a CSV: `time`, then `<name>.<field>` each.

    Once per mesh, `locate` decides which rank evaluates which probe. `sample` needs the fields at
    eight nodes per probe and no message; the samples wait on the ranks until `flush`, which must
    be called before a checkpoint is written. Probes outside the mesh, for instance in layers to
    come, give nan.
    """

    def __init__(
        self, comm: MPI.Comm, path: Path, points: np.ndarray, names: Sequence[str],
        fields: Sequence[str] = FIELDS,
    ) -> None:
        """points (n, 3) in m."""
        self.comm = comm
        self.points = np.asarray(points, float).reshape(-1, 3)
        self.fields = tuple(fields)
        self.table = History(
            comm, path, ["time", *(f"{name}.{field}" for name in names for field in fields)]
        )
        self._times: list[float] = []
        self._waiting: list[np.ndarray] = []

    def locate(self, view: BlockView) -> Found:
        """The probes of this rank on a new mesh; collective."""
        return located_once(self.comm, view, self.points)

    def sample(self, time: float, found: Found, corners: dict[str, np.ndarray]) -> None:
        """Keeps the values of this rank's probes at `time`.

        corners  field -> (m, 8), values at the corners of the cells of `found`
        """
        values = np.full((len(self.points), len(self.fields)), -np.inf)
        for column, name in enumerate(self.fields):
            values[found.probe, column] = (corners[name] * found.place.weights).sum(axis=-1)
        self._times.append(time)
        self._waiting.append(values)

    def flush(self) -> None:
        """Appends the waiting samples to the table; collective, UserError on every rank."""
        shape = (len(self._times), self.points.shape[0] * len(self.fields))
        values = np.array(self._waiting, float).reshape(shape)
        everywhere = np.empty_like(values)
        self.comm.Allreduce(values, everywhere, op=MPI.MAX)
        everywhere[np.isneginf(everywhere)] = np.nan
        self.table.extend([time, *row] for time, row in zip(self._times, everywhere))
        self._times, self._waiting = [], []

    def start(self) -> None:
        """Begins an empty table; collective."""
        self.table.start()

    def resume(self, time: float) -> None:
        """Drops the rows later than the `time` from which the run goes on; collective."""
        self.table.resume(time)
