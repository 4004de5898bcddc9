"""What neighbouring ranks tell each other about the nodes they share."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from mpi4py import MPI

from .local import max_shared, sum_shared
from .nodes import Sharing


PART = 3  # tag of messages of a part


def among(values: np.ndarray, where: np.ndarray, sorter: np.ndarray) -> np.ndarray:
    """Places in `where`, sorted by `sorter`, of those of `values` that are there."""
    if not len(where):
        return np.zeros(0, np.int64)
    place = np.searchsorted(where, values, sorter=sorter)
    place = sorter[np.minimum(place, len(where) - 1)]
    return place[where[place] == values]


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


class Part(NamedTuple):
    """Some of the shared nodes: what a sum at them takes.

    nodes, slot_first, slots  as in Sharing
    messages  (rank, slots to send, slots to fill) of each neighbour that is concerned
    """

    nodes: np.ndarray
    slot_first: np.ndarray
    slots: np.ndarray
    messages: list[tuple[int, np.ndarray, np.ndarray]]


class Halo:
    """Sums, maxima and copies over the nodes that several ranks keep."""

    def __init__(self, comm: MPI.Comm, sharing: Sharing):
        self.comm, self.sharing = comm, sharing
        slots = [(len(s), r[1] - r[0]) for s, r in zip(sharing.send_slots, sharing.receive)]
        nodes = [(len(s), len(r)) for s, r in zip(sharing.send_nodes, sharing.receive_nodes)]
        self._slots = Channel(comm, sharing.ranks, slots, 1)
        self._nodes = Channel(comm, sharing.ranks, nodes, 2)
        self.everyone = range(len(sharing.ranks))
        self._sorters = [np.argsort(slots, kind="stable") for slots in sharing.send_slots]

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

    def part(self, nodes: np.ndarray) -> Part:
        """The shared ones among the surface nodes (k,), which may come more than once.

        All ranks that share a node must have it in the part or none of them.
        """
        sharing, end = self.sharing, len(self.sharing.nodes)
        if not end or not len(nodes):
            return Part(sharing.nodes[:0], sharing.slot_first[:1], sharing.slots[:0], [])
        nodes = np.unique(nodes)
        place = np.minimum(np.searchsorted(sharing.nodes, nodes), end - 1)
        place = place[sharing.nodes[place] == nodes]
        low = sharing.slot_first[place]
        count = sharing.slot_first[place + 1] - low
        first = np.r_[0, np.cumsum(count)]
        slots = sharing.slots[np.repeat(low - first[:-1], count) + np.arange(first[-1])]
        messages = []
        for rank, send, sorter, ends in zip(
            sharing.ranks, sharing.send_slots, self._sorters, sharing.receive
        ):
            fill = np.sort(slots[(slots >= ends[0]) & (slots < ends[1])])
            sent = send[np.sort(among(slots, send, sorter))]
            if len(sent) or len(fill):
                messages.append((rank, sent, fill))
        return Part(sharing.nodes[place], first, slots, messages)

    def sum_part(self, contributions: np.ndarray, part: Part) -> None:
        """`sum` at the nodes of a part, where alone something has been added."""
        received = [np.empty(len(fill)) for _, _, fill in part.messages]
        requests = [self.comm.Irecv(into, rank, PART)
                    for (rank, _, _), into in zip(part.messages, received) if len(into)]
        sent = [contributions[send] for _, send, _ in part.messages]
        requests += [self.comm.Isend(out, rank, PART)
                     for (rank, _, _), out in zip(part.messages, sent) if len(out)]
        MPI.Request.Waitall(requests)
        for (_, _, fill), into in zip(part.messages, received):
            contributions[fill] = into
        sum_shared(contributions, part.slot_first, part.slots, part.nodes)

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
