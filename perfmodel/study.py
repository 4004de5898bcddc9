"""All measurements of `perfmodel kernels`, in order."""

from typing import Any

from mpi4py import MPI

from partsim.errors import UserError
from partsim.job import Job
from perfmodel.judge import Limits, phase_record, section_rows
from perfmodel.mca import fused_flops_per_cycle
from perfmodel.measure import phase_timings, variant_timings
from perfmodel.scan import measure_job
from perfmodel.stream import fma_lanes, fma_step, measure, on_ranks

Records = list[dict[str, Any]]


def measure_all(
    comm: MPI.Comm, job: Job, layer: int, variants: bool
) -> tuple[Records, dict[str, Any], Records | None]:
    """Records of all kernels, facts about the job, the sections of the phase kernels; collective.

    The sections are None where llvm-mca cannot read them: then the roof is the peak.
    """
    sections = comm.bcast(section_rows() if comm.rank == 0 else None)
    limits = {1: on_ranks(comm, [0], lambda one: measured_limits(one, sections is not None))}
    limits[comm.size] = measured_limits(comm, sections is not None)
    timings = list(phase_timings(comm))
    if comm.size > 1:
        timings += on_ranks(comm, [0], lambda one: list(phase_timings(one)))
    if variants:
        timings += on_ranks(comm, [0], lambda _: list(variant_timings(fma_lanes())))
    records = comm.bcast(
        [phase_record(timing, limits[timing.ranks]) for timing in timings]
        if comm.rank == 0 else None
    )
    of_job, facts = measure_job(comm, job, layer, limits[comm.size])
    return records + of_job, facts, sections


def measured_limits(comm: MPI.Comm, has_model: bool) -> Limits:
    """The peak of a core while those of all ranks of `comm` are busy, which lowers the clock of
    most processors, and this clock; collective."""
    lanes = max(fma_lanes())
    peak = measure(comm, fma_step(lanes)).best / comm.size
    try:
        clock = peak / fused_flops_per_cycle() if has_model else None
    except UserError:
        clock = None
    return Limits(peak, comm.bcast(clock))
