"""Times the phase kernels on the synthetic layouts, each beside the DAXPY of the same moment."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.phase import kernels
from partsim.phase.model import PhaseLaw
from perfmodel.counters import region
from perfmodel.layouts import BLOCK_SIZES, phase_points
from perfmodel.stream import Step, daxpy_gb_per_second, measure
from perfmodel.variants import Variant, run_variant

POINTS = 1_500_000  # of a rank: 60 MB, more than its part of any cache
TRIALS = 5
LAW = PhaseLaw()
SCHEMES = {  # the step is that with the laser on, and one of the cool-down
    "explicit phases": kernels.Step(1e-5, 0, 0.0, False),
    "implicit phases": kernels.Step(1e-3, 1, 0.0, False),
}


class Timing(NamedTuple):
    """A kernel as it ran, all ranks together.

    kernel, layout     what
    lanes              doubles that the compiler was told to take at a time, None for its own choice
    ranks              that ran at the same time
    points_per_second  in the best trial
    daxpy              byte/s, of as many ranks, before and after
    visits             (SECTIONS,) of a pass of one rank over its points
    points             of a rank
    """

    kernel: str
    layout: str
    lanes: int | None
    ranks: int
    points_per_second: float
    daxpy: float
    visits: list[int]
    points: int


def phase_timings(comm: MPI.Comm, lanes: int | None = None) -> Iterator[Timing]:
    """Both schemes on all layouts, all ranks at the same time; collective."""
    for kernel, step in SCHEMES.items():
        for block in BLOCK_SIZES:
            yield phase_timing(comm, kernel, step, block)._replace(lanes=lanes)


def phase_timing(comm: MPI.Comm, kernel: str, step: kernels.Step, block: int) -> Timing:
    """One scheme on one layout; collective."""
    points = phase_points(block, POINTS, comm.rank)
    whole = kernels.Groups(np.zeros(2, np.int64), np.array([0, POINTS]))
    visits = kernels.no_visits()

    def once() -> None:
        kernels.sweep(points, whole, kernels.awake(1), step, LAW, visits)

    once()
    seen = visits.tolist()
    before = daxpy_gb_per_second(comm)
    with region(f"{kernel} in blocks of {block}"):  # LIKWID's tables part fields by commas
        rates = measure(comm, Step(once, float(POINTS)), TRIALS)
    daxpy = 0.5 * (before + daxpy_gb_per_second(comm)) * comm.size * 1e9
    layout = f"blocks of {block}"
    return Timing(kernel, layout, None, comm.size, rates.best, daxpy, seen, POINTS)


def timings_in_child(request: Mapping[str, Any]) -> list[Timing]:
    """What a process of variants.py measures, on one rank."""
    return list(phase_timings(MPI.COMM_SELF, request["lanes"]))


def variant_timings(widths: tuple[int, ...]) -> Iterator[Timing]:
    """The same at each width of the vectors, and with the C library's exp, log and pow; one rank.

    Each is compiled anew in a process of its own, which takes a minute.
    """
    target = "perfmodel.measure:timings_in_child"
    for lanes in widths:
        for row in run_variant(Variant(lanes), target, {"lanes": lanes}):
            yield Timing(*row)
    for row in run_variant(Variant(library=True), target, {"lanes": None}):
        timing = Timing(*row)
        yield timing._replace(kernel=f"{timing.kernel}, C library")
