"""Multirate steps beside the one-rate scheme: the same layers on the same mesh, in one run."""

from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.build import Build
from partsim.errors import UserError
from partsim.job import Job
from partsim.ledger import Ledger
from partsim.mesh.view import BlockView
from partsim.program import stretch
from perfmodel.layouts import before_layer

PIECE = 512  # base steps that the schemes take in turn, so that they share the machine's moods
STAGES = ("thermal", "phase", "halo")
PHASES = ("alpha_stable", "martensite")
QUANTILE = 0.999  # of the temperature difference in what has warmed
WARMED = 5.0  # K above the median


class Pool(NamedTuple):
    """m, extents of what is above the liquidus along x, y and z."""

    x: float
    y: float
    z: float


def measure_stepping(
    comm: MPI.Comm, job: Job, first: int, layers: int, steps: int | None
) -> dict[str, Any]:
    """Wall times and differences of both schemes over some layers; collective.

    first   the layer that both begin with, in the state of the layer-averaged estimate
    layers  how many
    steps   base steps of each layer, by default its scan and its cool-down; fewer are rounded up to
            whole macro steps
    """
    one = job.model_copy(update={"time": job.time.model_copy(update={"ratio": 1})})
    builds = [before_layer(each, first, first + layers - 1, comm) for each in (one, job)]
    warm_up(builds)
    seconds, rows = np.zeros(2), []
    for layer in range(first, first + layers):
        for build in builds:
            begin_layer(build, layer, layer - first)
        seconds += walk(builds, comm, steps)
        rows.append({"layer": layer, "nodes": builds[1].site.mesh.total_nodes}
                    | differences(*builds))
    return report(builds, seconds, rows)


def warm_up(builds: list[Build]) -> None:
    """Compiles what the steps need, and forgets that they were taken."""
    for build in builds:
        kept = {name: values.copy() for name, values in build.site.state.items()}
        build.advance()
        for name, values in kept.items():
            build.site.state[name][:] = values
        build.site.settle(build.site.mesh, build.site.state)
        forget(build)


def forget(build: Build) -> None:
    """Clears accounts, clocks and counters."""
    build.drop_mesh()
    build.index, build.clock.ticks, build.peak = 0, 0, 0.0
    build.timers.seconds.clear()
    build.updates = dict.fromkeys(build.updates, 0)
    build.seconds["explicit"] = 0.0
    build.steps = dict.fromkeys(build.steps, 0)
    build.site.ledger = Ledger()
    build.first_enthalpy = build.site.enthalpy()


def begin_layer(build: Build, layer: int, number: int) -> None:
    """Lays the powder of a layer, but for the first, whose powder lies."""
    build.drop_mesh()
    build.number, build.index = number, 0
    build.stretch = stretch(build.job, build.part, number)
    if number:
        build.site.grow(layer, build.deal)


def walk(builds: list[Build], comm: MPI.Comm, steps: int | None) -> np.ndarray:
    """Seconds (2,) of both builds for the steps of the layer, taken in turns."""
    total, ratio = len(builds[0].stretch.steps), builds[1].job.time.ratio
    end = min(-(-(steps or total) // ratio) * ratio, total)
    seconds = np.zeros(2)
    for start in range(0, end, PIECE):
        for which, build in enumerate(builds):
            comm.Barrier()
            began = perf_counter()
            while build.index < min(start + PIECE, end):
                build.advance()
            seconds[which] += perf_counter() - began
    longest = np.empty(2)
    comm.Allreduce(seconds, longest, op=MPI.MAX)
    return longest


def differences(one: Build, other: Build) -> dict[str, Any]:
    """Of the fields of two builds on the same mesh, and of their pools; collective."""
    comm, mesh = one.comm, one.site.mesh
    if not np.array_equal(mesh.leaves.corner, other.site.mesh.leaves.corner):
        raise UserError(f"layer {mesh.layer}: the meshes of both schemes have become different, "
                        "compare fewer layers")
    one.drop_solvers()
    one.site.redeal(lambda *_: other.site.mesh.owner)
    mesh = one.site.mesh
    T, other_T = (np.concatenate(comm.allgather(build.site.state["temperature"][mesh.owned]))
                  for build in (one, other))
    gap, warm = np.abs(T - other_T), T > np.median(T) + WARMED
    missed = max(float(np.abs(one.site.state[name] - other.site.state[name])[mesh.owned].max())
                 for name in PHASES)
    pools = [pool(build) for build in (one, other)]
    return {
        "max_temperature_difference_kelvin": float(gap.max()),
        "mean_temperature_difference_kelvin": float(gap.mean()),
        "warm_nodes": int(warm.sum()),
        "mean_difference_of_warm_nodes_kelvin": float(gap[warm].mean()) if warm.any() else 0.0,
        "quantile_999_of_warm_nodes_kelvin":
            float(np.quantile(gap[warm], QUANTILE)) if warm.any() else 0.0,
        "max_phase_difference": comm.allreduce(missed, op=MPI.MAX),
        "pool_meters": [list(each) for each in pools],
    }


def pool(build: Build) -> Pool:
    """The molten pool's extents, to where the field crosses the liquidus between nodes."""
    view, liquidus = build.site.view(), build.material.liquidus
    sizes = []
    for axis in (2, 1, 0):
        low, high = extent(view, axis, liquidus)
        low, high = build.comm.allreduce(low, op=MPI.MIN), build.comm.allreduce(high, op=MPI.MAX)
        sizes.append(max(high - low, 0.0))
    return Pool(*sizes)


def extent(view: BlockView, axis: int, level: float) -> tuple[float, float]:
    """m, lowest and highest place along an axis of the nodes (0 z, 1 y, 2 x) above a level.

    The last pair of neighbours is interpolated.
    """
    T = np.moveaxis(np.where(view.active_nodes, view.nodes["temperature"], -np.inf), axis + 1, 1)
    place = np.moveaxis(view.node_positions()[..., 2 - axis], axis + 1, 1)
    low, high = np.inf, -np.inf
    above = T >= level
    if above.any():
        low, high = place[above].min(), place[above].max()
    left, right = T[:, :-1], T[:, 1:]
    crossing = ((left >= level) != (right >= level)) & np.isfinite(left) & np.isfinite(right)
    share = (level - left[crossing]) / (right[crossing] - left[crossing])
    where = place[:, :-1][crossing] * (1 - share) + place[:, 1:][crossing] * share
    return min(low, where.min(initial=np.inf)), max(high, where.max(initial=-np.inf))


def report(builds: list[Build], seconds: np.ndarray, rows: list[dict]) -> dict[str, Any]:
    """All that was measured; collective."""
    one, other = builds
    ideal = other.updates["equivalent"] / other.updates["explicit"]
    speedup = float(seconds[0] / seconds[1])
    names = {"one rate": (one, seconds[0]), "multirate": (other, seconds[1])}
    return {
        "speedup": speedup,
        "ideal_speedup": float(ideal),
        "share_of_ideal": speedup / float(ideal),
        "max_temperature_difference_kelvin":
            max(row["max_temperature_difference_kelvin"] for row in rows),
        "max_phase_difference": max(row["max_phase_difference"] for row in rows),
        "ranks": one.comm.size,
        "base_steps": int(sum(other.steps.values())),
        "schemes": {
            name: {
                "seconds": float(spent),
                "stage_seconds": {stage: build.timers.reduced(one.comm).get(stage, 0.0)
                                  for stage in STAGES},
                "node_updates_per_second": build.rate(),
                "closing_error": build.energy()["closing_error"],
            }
            for name, (build, spent) in names.items()
        },
        "layers": rows,
    }
