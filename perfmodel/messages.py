"""What messages between ranks cost: a ping-pong of two ranks, an exchange of all neighbours."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
from mpi4py import MPI
from pydantic import Field

from partsim.mesh.halo import Channel
from partsim.schema import Section
from partsim.units import Number
from perfmodel.stream import on_ranks

SMALLEST = 8  # bytes, of which the latency is told
SIZES = (SMALLEST, 1 << 10, 1 << 13, 1 << 16, 1 << 20, 1 << 23)  # bytes
TRIALS = 10
TRIAL_SECONDS = 0.01
WARM_UP = 10  # messages, also to see how many fit into a trial
MOST = 10_000  # in a trial


class Message(Section):
    """One message between two ranks, in the fastest and in the typical trial."""

    link: Literal["node", "network"] = Field(description="ranks of one node, or of two")
    bytes: int = Field(strict=True, gt=0)
    seconds: Number = Field(gt=0, description="half of a ping-pong, the best of the trials")
    median_seconds: Number = Field(gt=0)


class Exchange(Section):
    """One message to and one from each neighbour, of all ranks at once."""

    ranks: int = Field(strict=True, ge=2)
    neighbours: int = Field(strict=True, ge=1)
    bytes: int = Field(strict=True, gt=0, description="of each message")
    seconds: Number = Field(gt=0, description="until the slowest rank has all, best of the trials")
    median_seconds: Number = Field(gt=0)


class Seconds(NamedTuple):
    """s, of an action in the fastest and in the typical trial."""

    best: float
    median: float


def ping_pongs(comm: MPI.Comm) -> list[Message]:
    """Messages of all SIZES from rank 0 to another of its node, and of another; collective.

    Empty on one rank. The ranks that take no part sleep.
    """
    found = []
    for link, partner in partners(comm.allgather(MPI.Get_processor_name())).items():
        times = on_ranks(comm, (0, partner), lambda pair: [ping_pong(pair, n) for n in SIZES])
        found += [
            Message(link=link, bytes=size, seconds=time.best, median_seconds=time.median)
            for size, time in zip(SIZES, times)
        ]
    return found


def partners(nodes: Sequence[str]) -> dict[str, int]:
    """The first other rank of rank 0's node, and the first of another node, where they exist."""
    found: dict[str, int] = {}
    for rank, node in enumerate(nodes[1:], start=1):
        found.setdefault("node" if node == nodes[0] else "network", rank)
    return found


def ping_pong(pair: MPI.Comm, size: int) -> Seconds:
    """The time of a message of so many bytes, half of there and back; collective on two ranks."""
    buffer, other = np.zeros(size, np.uint8), 1 - pair.rank

    def there_and_back() -> None:
        if pair.rank == 0:
            pair.Send(buffer, other)
            pair.Recv(buffer, other)
        else:
            pair.Recv(buffer, other)
            pair.Send(buffer, other)

    times = timed(pair, there_and_back)
    return Seconds(times.best / 2, times.median / 2)


def exchanges(comm: MPI.Comm) -> list[Exchange]:
    """Exchanges of all SIZES with both neighbours in a ring, by partsim's channels; collective.

    Two ranks have one neighbour each; empty on one rank.
    """
    ring = sorted({(comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size} - {comm.rank})
    found = []
    for size in SIZES if ring else ():
        channel = Channel(comm, ring, [(size // 8, size // 8)] * len(ring), tag=1)
        for values in channel.sent:
            values.fill(1.0)
        time = timed(comm, channel.exchange)
        channel.close()
        found.append(
            Exchange(
                ranks=comm.size, neighbours=len(ring), bytes=size, seconds=time.best,
                median_seconds=time.median,
            )
        )
    return found


def timed(comm: MPI.Comm, action: Callable[[], None]) -> Seconds:
    """The time of an action of all ranks, as often as fits into TRIAL_SECONDS; collective.

    Of each trial the time of the rank that took longest counts.
    """
    warm = mean_seconds(action, WARM_UP)
    count = comm.bcast(int(min(max(TRIAL_SECONDS / warm, 1), MOST)))
    own = np.empty(TRIALS)
    for trial in range(TRIALS):
        comm.Barrier()
        own[trial] = mean_seconds(action, count)
    longest = np.empty_like(own)
    comm.Allreduce(own, longest, op=MPI.MAX)
    return Seconds(float(longest.min()), float(np.median(longest)))


def mean_seconds(action: Callable[[], None], count: int) -> float:
    """s of one action, so many in a row."""
    began = perf_counter()
    for _ in range(count):
        action()
    return (perf_counter() - began) / count
