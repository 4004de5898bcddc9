"""What the ranks of a run agree on: sums, largest values and failures.

A failure of one rank that the others do not know of leaves them waiting for ever. Therefore a
mistake of the user is raised on every rank (`raise_together`, `together`), and any other exception
ends all ranks (`abort_on_error`).
"""

import math
import platform
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

import numpy as np
import psutil
from mpi4py import MPI

from partsim.errors import UserError

Result = TypeVar("Result")


def world() -> MPI.Comm:
    """All ranks of this run."""
    return MPI.COMM_WORLD


def alone() -> MPI.Comm:
    """This rank only."""
    return MPI.COMM_SELF


def raise_together(comm: MPI.Comm, problem: str | None) -> None:
    """Raises UserError on every rank when any rank has a problem; collective.

    What all ranks say is said once; otherwise each text is headed by its rank.
    """
    texts = comm.allgather(problem)
    if all(text is None for text in texts):
        return
    if len(set(texts)) == 1:
        raise UserError(texts[0])
    raise UserError("; ".join(f"rank {rank}: {text}" for rank, text in enumerate(texts) if text))


def together(comm: MPI.Comm, action: Callable[[], Result]) -> Result:
    """The value of `action()` on this rank; collective, although `action` itself must not be.

    A UserError or OSError of any rank becomes a UserError of all.
    """
    value, problem = None, None
    try:
        value = action()
    except (UserError, OSError) as failure:
        problem = one_line(failure)
    raise_together(comm, problem)
    return value


def first_rank_only(comm: MPI.Comm, action: Callable[[], None]) -> None:
    """Calls `action()` on rank 0; its UserError or OSError is a UserError of all; collective."""
    together(comm, lambda: action() if comm.rank == 0 else None)


def from_first(comm: MPI.Comm, action: Callable[[], Result]) -> Result:
    """What `action()` gives on rank 0, on every rank; its UserError or OSError is one of all."""
    return comm.bcast(together(comm, lambda: action() if comm.rank == 0 else None))


def free_memory(comm: MPI.Comm) -> float:
    """Bytes that are free on all machines of these ranks together; collective, the same on all."""
    own = (platform.node(), psutil.virtual_memory().available)
    return sum(dict(comm.allgather(own)).values())


def one_line(failure: Exception) -> str:
    """The text of an exception without line breaks, a missing one replaced by its type."""
    return " ".join(str(failure).split()) or type(failure).__name__


def global_sum(comm: MPI.Comm, values: np.ndarray | float) -> float | int:
    """Sum of all values of all ranks; collective.

    The sums of the ranks are added exactly and rounded once, so that the order of arrival and the
    numbering of the ranks play no part; integers stay integers.
    """
    parts = comm.allgather(np.sum(values).item())
    return sum(parts) if isinstance(parts[0], int) else math.fsum(parts)


def global_max(
    comm: MPI.Comm, values: np.ndarray | float, empty: float = -math.inf
) -> float | int:
    """Largest value of all ranks, `empty` standing in for a rank that holds none; collective."""
    return max(comm.allgather(np.max(values).item() if np.size(values) else empty))


def rank_print(comm: MPI.Comm, text: str) -> None:
    """Prints on rank 0, at once."""
    if comm.rank == 0:
        print(text, flush=True)


def abort_on_error() -> None:
    """From now on an uncaught exception of one rank ends all ranks, after its traceback."""
    comm = world()

    def report_and_abort(
        kind: type[BaseException], failure: BaseException, trace: TracebackType | None
    ) -> None:
        lines = traceback.format_exception(kind, failure, trace)
        if comm.size > 1:
            lines.append(f"raised on rank {comm.rank}\n")
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
        if comm.size > 1:
            comm.Abort(1)

    sys.excepthook = report_and_abort
