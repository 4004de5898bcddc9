"""Times the steps of a real job: the explicit stage and the phases, alone and on all ranks."""

from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.build import Build
from partsim.job import Job
from partsim.mesh.mesh import Mesh
from partsim.phase import visits as at
from partsim.phase.integrate import BlockPhases, PhaseFields
from partsim.phase.work import DEGREES_OF_FREEDOM, work
from partsim.thermal.work import step_work
from perfmodel.counters import region
from perfmodel.incore import sweep_seconds_in_cache
from perfmodel.judge import Limits, Run, record
from perfmodel.layouts import scanning
from perfmodel.stream import daxpy_gb_per_second

WARM_UP = 150  # laser steps before anything is timed
STEPS = 40  # of a round
ROUNDS = 5  # alone and together in turn
COMPARED = 100  # steps with and without rest


class Seconds(NamedTuple):
    """Of a step, typically: the largest median of the ranks.

    A rank waits for the slower one inside its thermal stage, so that the stages of different ranks
    do not add up to the whole step.
    """

    thermal: float
    phase: float
    whole: float


def time_steps(build: Build, comm: MPI.Comm, steps: int = STEPS) -> Seconds:
    """Laser steps of a build; all ranks of `comm` take theirs at the same time; collective."""
    spent = np.empty((steps, 3))
    comm.Barrier()
    for step in range(steps):
        began = perf_counter()
        build.thermal_step(1, "laser")
        middle = perf_counter()
        build.phase_step(1, "laser")
        ended = perf_counter()
        spent[step] = middle - began, ended - middle, ended - began
        build.index += 1
    slowest = np.empty(3)
    comm.Allreduce(np.median(spent, axis=0), slowest, op=MPI.MAX)
    return Seconds(*map(float, slowest))


def measure_job(
    comm: MPI.Comm, job: Job, layer: int, limits: Limits
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Records of both stages of a layer's scan, and facts about the mesh and the ranks; collective.

    Every rank runs the whole mesh by itself, all at the same time; then they share one mesh.
    """
    alone = scanning(job, layer, MPI.COMM_SELF, WARM_UP)
    shared = scanning(job, layer, comm, WARM_UP) if comm.size > 1 else None
    alone.site.phases.visits[:] = 0
    before = daxpy_gb_per_second(comm)
    rounds = []
    for _ in range(ROUNDS):
        with region("steps of a job"):
            own = time_steps(alone, comm)
        rounds.append((own, time_steps(shared, comm) if shared else own))
    daxpy = 0.5 * (before + daxpy_gb_per_second(comm)) * comm.size * 1e9
    mesh, name = alone.site.mesh, f"layer {layer} of {job.path.name}"
    thermal = thermal_run(alone, comm.size, min(own.thermal for own, _ in rounds))
    phases = phase_run(alone, comm.size, min(own.phase for own, _ in rounds))
    records = [
        record((kernel, name, None, comm.size), run, daxpy, limits)
        for kernel, run in (("explicit stage of a job", thermal), ("phases of a job", phases))
    ]
    facts = {"job": name, "blocks": len(mesh.leaves), "nodes": mesh.total_nodes}
    facts |= {"solid blocks": float(alone.site.heat.conduction.solid.mean())}
    in_cache = sweep_seconds_in_cache(alone) / mesh.total_nodes
    facts |= {"sweep in cache ns per node": 1e9 * in_cache}
    facts |= {"rounds": [step_row(*pair, mesh, comm.size) for pair in rounds]}
    if shared:
        facts["shared efficiency"] = efficiency(rounds, comm.size)
    facts |= {"rest": compare_rest(alone)}
    return records, facts


def thermal_run(build: Build, ranks: int, seconds: float) -> Run:
    """The explicit stage: a degree of freedom is a node."""
    mesh, conduction = build.site.mesh, build.site.heat.conduction
    nodes = mesh.nodes.n_total
    each = step_work(conduction, mesh.nodes.n_surface, nodes) * (1 / nodes)
    return Run(ranks * nodes / seconds, 1, each)


def phase_run(build: Build, ranks: int, seconds: float) -> Run:
    """The phases, of which most rest."""
    dofs = DEGREES_OF_FREEDOM * build.site.mesh.nodes.n_total
    each = work(build.site.phases.visits) * (1 / (ROUNDS * STEPS * dofs))
    return Run(ranks * dofs / seconds, DEGREES_OF_FREEDOM, each)


def step_row(alone: Seconds, shared: Seconds, mesh: Mesh, ranks: int) -> dict[str, float]:
    """ns per node of a step: alone while the others do the same, and shared, times the ranks."""
    scale = 1e9 / mesh.total_nodes
    return {
        "alone thermal ns per node": alone.thermal * scale,
        "alone phases ns per node": alone.phase * scale,
        "alone step ns per node": alone.whole * scale,
        "shared step ns per node and rank": shared.whole * scale * ranks,
    }


def efficiency(rounds: list[tuple[Seconds, Seconds]], ranks: int) -> dict[str, float]:
    """How much of the ranks' time alone a shared step takes, 1 being ideal: best and median."""
    ratio = [alone.whole / (ranks * shared.whole) for alone, shared in rounds]
    best = min(alone.whole for alone, _ in rounds) / min(ranks * s.whole for _, s in rounds)
    return {"of the best steps": best, "median of the rounds": float(np.median(ratio))}


def compare_rest(build: Build) -> dict[str, float]:
    """Shares of the nodes that rest, times with and without, and what the rest misses."""
    site = build.site
    site.phases.catch_up(site.state["temperature"])
    fields = PhaseFields(*(values.copy() for values in site.phases.fields))
    options = site.phases.options._replace(rest_tolerance=0.0)
    restless = BlockPhases(fields, site.phases.groups, site.phase_law, options)
    site.phases.visits[:] = 0
    spent = np.empty((COMPARED, 3))
    for step in range(COMPARED):
        clocks = [perf_counter()]
        build.thermal_step(1, "laser")
        for phases in (site.phases, restless):
            clocks.append(perf_counter())
            phases.step("explicit", site.former, site.state["temperature"], build.clock.base)
        spent[step] = np.diff([*clocks, perf_counter()])
        build.index += 1
    thermal, resting, never = np.median(spent, axis=0) * 1e9 / site.mesh.total_nodes
    site.phases.catch_up(site.state["temperature"])
    owned = COMPARED * site.mesh.total_nodes
    missed = [np.abs(a - b).max() for a, b in zip(site.phases.fields[:2], fields[:2], strict=True)]
    return {
        "share of the nodes that rests": site.phases.visits[at.REST] / owned,
        "share that only forms martensite": site.phases.visits[at.FORMING] / owned,
        "phases ns per node": float(resting),
        "phases ns per node without rest": float(never),
        "phases over thermal": float(resting / thermal),
        "missed stable alpha": float(missed[0]),
        "missed martensite": float(missed[1]),
    }
