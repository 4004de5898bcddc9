"""What neighbouring ranks tell each other about the nodes they share."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from mpi4py import MPI

from .local import max_shared, sum_shared
from .nodes import Sharing


class Channel:
    """One message to and one from each neighbour, through fixed buffers and persistent requests."""

    def __init__(self, comm: MPI.Comm, ranks: list[int], sizes: list[tuple[int, int]], tag: int):
        self.sent = [np.empty(out) for out, _ in sizes]
        self.received = [np.empty(into) for _, into in sizes]
        self.requests: list[list[MPI.Prequest]] = []
        for other, out, into in zip(ranks, self.sent, self.received):
            pair = [comm.Recv_init(into, other, tag)] if into.size else []
            pair += [comm.Send_init(out, other, tag)] if out.size else []
            self.requests.append(pair)

    def exchange(self, which: Iterable[int] | None = None) -> None:
        """Sends `sent`, fills `received`, of all neighbours or those at some places."""
        places = range(len(self.requests)) if which is None else which
        requests = [request for place in places for request in self.requests[place]]
        MPI.Prequest.Startall(requests)
        MPI.Prequest.Waitall(requests)

    def close(self) -> None:
        """Gives the requests back to MPI."""
        for request in itertools.chain(*self.requests):
            request.Free()


class Halo:
    """Sums, maxima and copies over the nodes that several ranks keep."""

    def __init__(self, comm: MPI.Comm, sharing: Sharing):
        self.comm, self.sharing = comm, sharing
        slots = [(len(s), r[1] - r[0]) for s, r in zip(sharing.send_slots, sharing.receive)]
        nodes = [(len(s), len(r)) for s, r in zip(sharing.send_nodes, sharing.receive_nodes)]
        self._slots = Channel(comm, sharing.ranks, slots, 1)
        self._nodes = Channel(comm, sharing.ranks, nodes, 2)
        self.everyone = range(len(sharing.ranks))

    def _collect(self, contributions: np.ndarray, which: Sequence[int]) -> None:
        sharing, channel = self.sharing, self._slots
        for place in which:
            np.take(contributions, sharing.send_slots[place], out=channel.sent[place])
        channel.exchange(which)
        for place in which:
            first, last = sharing.receive[place]
            contributions[first:last] = channel.received[place]

    def sum(self, contributions: np.ndarray, which: Sequence[int] | None = None) -> None:
        """Every shared node gets the sum of its slots in block order; slots are zeroed.

        which  places in Sharing.ranks of the neighbours with whom this is done, by default all: on
               both sides none of the others' slots may hold anything
        """
        which = self.everyone if which is None else which
        if len(which) == 0:
            return
        self._collect(contributions, which)
        sum_shared(contributions, self.sharing.slot_first, self.sharing.slots, self.sharing.nodes)

    def max(self, contributions: np.ndarray) -> None:
        """Every shared node gets the largest of its slots, on every rank."""
        if not self.sharing.ranks:
            return
        self._collect(contributions, self.everyone)
        max_shared(contributions, self.sharing.slot_first, self.sharing.slots, self.sharing.nodes)

    def to_ghosts(self, vector: np.ndarray) -> None:
        """Ghost nodes get the values of their owners."""
        for buffer, nodes in zip(self._nodes.sent, self.sharing.send_nodes):
            np.take(vector, nodes, out=buffer)
        self._nodes.exchange()
        for buffer, nodes in zip(self._nodes.received, self.sharing.receive_nodes):
            vector[nodes] = buffer

    def close(self) -> None:
        """Frees what MPI holds for this halo; call it when the mesh is replaced."""
        self._slots.close()
        self._nodes.close()
