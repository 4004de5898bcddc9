"""What ranks tell each other: blocks that change their owner, and faces of blocks in every step."""

import numpy as np

from partsim.grains.blocks import Grid
from partsim.grains.ghosts import Faces, pack_faces
from partsim.grains.pool import SQUARE
from partsim.grains.store import Store

BLOCKS, FACES = 1, 2  # tags of messages


def move_blocks(comm, store: Store, moves: list[tuple[int, int, int]]) -> None:
    """Hands over blocks: (block, from, to) in one order on all ranks; collective."""
    requests = []
    for to in sorted({b for _, a, b in moves if a == comm.rank}):
        mine = [block for block, a, b in moves if a == comm.rank and b == to]
        requests.append(comm.isend(store.packed(mine), to, BLOCKS))
    for source in sorted({a for _, a, b in moves if b == comm.rank}):
        store.unpack(comm.recv(source=source, tag=BLOCKS))
    for request in requests:
        request.wait()


def opposite(direction: np.ndarray) -> np.ndarray:
    """The direction back."""
    return direction ^ 1


class FaceExchange:
    """Faces that alive blocks need of blocks on other ranks, in one order on both sides.

    neighbours  (n, 6)  of the alive rows of this rank, as in kernels.Around
    """

    def __init__(self, comm, grid: Grid, store: Store, alive: np.ndarray, owner: dict) -> None:
        """alive: all alive blocks of all ranks, in order; owner: the rank of each that exists."""
        self.comm, self.store = comm, store
        beside = grid.neighbours(alive)
        ranks = np.array([owner[int(block)] for block in alive], np.int64)
        own = np.flatnonzero(ranks == comm.rank)
        self.neighbours = np.full((len(own), 6), -1, np.int32)
        place = {int(n): position for position, n in enumerate(own)}
        self.sends: dict[int, tuple[list, list]] = {}
        self.sources: dict[int, int] = {}
        wanted: dict[int, list[tuple[int, int]]] = {}
        for n, direction in zip(*np.nonzero(beside >= 0)):
            other, rank = int(beside[n, direction]), int(ranks[n])
            holder = owner[other]
            if rank == holder == comm.rank:
                self.neighbours[place[int(n)], direction] = store.row_of[other]
            elif rank == comm.rank:
                wanted.setdefault(holder, []).append((place[int(n)], int(direction)))
            elif holder == comm.rank:
                rows, directions = self.sends.setdefault(rank, ([], []))
                rows.append(store.row_of[other])
                directions.append(int(opposite(direction)))
        self._number(wanted)

    def _number(self, wanted: dict[int, list[tuple[int, int]]]) -> None:
        number = 0
        for source in sorted(wanted):
            self.sources[source] = len(wanted[source])
            for position, direction in wanted[source]:
                self.neighbours[position, direction] = -2 - number
                number += 1

    def __call__(self) -> Faces:
        """The faces of this step from all other ranks; collective."""
        requests = [
            self.comm.isend(self._packed(*map(np.array, self.sends[rank])), rank, FACES)
            for rank in sorted(self.sends)
        ]
        parts = [self.comm.recv(source=source, tag=FACES) for source in sorted(self.sources)]
        for request in requests:
            request.wait()
        return self._joined(parts)

    def _packed(self, rows: np.ndarray, directions: np.ndarray) -> Faces:
        pool = self.store.pool
        most = int(pool.count[rows].sum())
        faces = Faces(np.zeros(len(rows) + 1, np.int64), np.zeros(most, np.int64),
                      np.zeros((most, SQUARE), pool.eta.dtype))
        used = pack_faces(pool, rows, directions, faces)
        return Faces(faces.starts, faces.labels[:used], faces.values[:used])

    def _joined(self, parts: list[Faces]) -> Faces:
        dtype = self.store.pool.eta.dtype
        offsets = np.cumsum([0, *(len(part.labels) for part in parts)])
        starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets)]
        return Faces(
            np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
            np.concatenate([np.zeros(0, np.int64), *(part.labels for part in parts)]),
            np.concatenate([np.zeros((0, SQUARE), dtype), *(part.values for part in parts)]),
        )
