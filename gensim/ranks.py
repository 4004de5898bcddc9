"""The processes of a run: started alone, by torchrun or by mpirun.

Ranks speak through torch.distributed: gradients by NCCL where every rank has a GPU of its own, all
else by gloo. Under mpirun MPI only tells who is who and where rank 0 listens.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist

from partsim.errors import UserError

Result = TypeVar("Result")
PATIENCE = timedelta(minutes=30)  # until a rank that does not come is given up
MPI_NAMES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")
TORCHRUN_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among all.

    nccl  the group in which gradients are summed, None: as all else by gloo
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    nccl: dist.ProcessGroup | None = None

    def share(self, count: int) -> range:
        """The numbers out of 0 ... count - 1 that are this rank's: a block of even size."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sums(self, values: list[float]) -> list[float]:
        """The sums over all ranks; collective."""
        if self.size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def gathered(self, value: Any) -> list:
        """What every rank gives, in their order; collective."""
        if self.size == 1:
            return [value]
        found = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def together(self, action: Callable[[], Result]) -> Result:
        """`action()` on every rank, which must not be collective; a UserError of one is all's."""
        result, problem = None, None
        try:
            result = action()
        except UserError as failure:
            problem = str(failure)
        first = next((text for text in self.gathered(problem) if text is not None), None)
        if first is not None:
            raise UserError(first)
        return result

    def on_first(self, action: Callable[[], None]) -> None:
        """`action()` on rank 0 only, the others wait; collective."""
        self.together(lambda: action() if self.rank == 0 else None)


class Place(NamedTuple):
    """Where this process is among those of its machine, and how many there are in all.

    number  on this machine
    cores   that each process of the machine may use, one set each
    """

    number: int
    cores: list[set[int]]
    size: int


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Joins the other ranks, each on a GPU of its own where there are; leaves them at the end.

    A rank without a GPU computes with as many threads as it has cores, shared with the ranks that
    may use the same ones, whatever OMP_NUM_THREADS says: torchrun sets it to 1.
    """
    place, cuda = _placed(), torch.cuda.is_available()
    device = torch.device("cuda", place.number % torch.cuda.device_count()) if cuda else (
        Ranks.device)
    torch.set_num_threads(threads(place))
    if cuda:
        torch.cuda.set_device(device)
    if place.size == 1:
        yield Ranks(device=device)
        return
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), place.size, device, _nccl(device) if cuda else None)
    finally:
        dist.destroy_process_group()


def threads(place: Place) -> int:
    """Cores of this process over the processes that may use some of them."""
    own = place.cores[place.number]
    return max(1, len(own) // sum(bool(own & other) for other in place.cores))


def _nccl(device: torch.device) -> dist.ProcessGroup | None:
    """All ranks by NCCL, which refuses two ranks on one GPU: then None; collective."""
    own = socket.gethostname(), str(torch.cuda.get_device_properties(device).uuid)
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, own)
    if len(set(everyone)) < len(everyone):
        return None
    return dist.new_group(backend="nccl", timeout=PATIENCE)


def _placed() -> Place:
    """This process among all; sets what torch.distributed looks for."""
    own = os.sched_getaffinity(0)
    if all(name in os.environ for name in TORCHRUN_NAMES):
        machine = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return Place(int(os.environ["LOCAL_RANK"]), [own] * machine, int(os.environ["WORLD_SIZE"]))
    if any(name in os.environ for name in MPI_NAMES):
        return _placed_by_mpi(own)
    return Place(0, [own], 1)


def _placed_by_mpi(cores: set[int]) -> Place:
    from mpi4py import MPI

    from partsim.parallel import abort_on_error

    abort_on_error()
    world = MPI.COMM_WORLD
    machine = world.Split_type(MPI.COMM_TYPE_SHARED)
    with socket.socket() as free:
        free.bind(("", 0))
        where = world.bcast((socket.gethostname(), free.getsockname()[1]))
    host = "127.0.0.1" if machine.size == world.size else where[0]
    names = {"MASTER_ADDR": host, "MASTER_PORT": where[1], "RANK": world.rank,
             "WORLD_SIZE": world.size}
    os.environ.update({name: str(value) for name, value in names.items()})
    return Place(machine.rank, machine.allgather(cores), world.size)
