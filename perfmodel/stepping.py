"""Multirate steps beside the one-rate scheme: the same layers on the same mesh, in one run."""

from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.build import Build
from partsim.errors import UserError
from partsim.job import Job
from partsim.jobcheck import largest_ratio
from partsim.ledger import Ledger
from partsim.mesh.view import BlockView
from partsim.program import stretch
from perfmodel.layouts import before_layer

PIECE = 512  # base steps that the schemes take in turn, so that they share the machine's moods
STAGES = ("thermal", "phase", "halo", "growth")
PARTS = ("scan", "cooling")  # of a layer
PHASES = ("alpha_stable", "martensite")
QUANTILE = 0.999  # of the temperature difference in what has warmed
WARMED = 5.0  # K above the median
ALIKE = 1e-3  # difference of fractions that does not matter


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
    told = Told({part: np.zeros(2) for part in ("setup", *PARTS)},
                {part: np.zeros(2) for part in PARTS}, [])
    for layer in range(first, first + layers):
        told.seconds["setup"] += [begin_layer(build, layer, layer - first) for build in builds]
        told.rows.append({"layer": layer, "nodes": builds[1].site.mesh.total_nodes}
                         | walk_layer(builds, steps, told))
    return report(builds, told)


class Told(NamedTuple):
    """What the layers told.

    seconds, updates  (2,) of the scans and of the cool-downs, by one rate and by many; seconds also
                      of setting up a layer's solvers, which takes as long for a part of its steps
    rows              of each layer: the differences at the end of both
    """

    seconds: dict[str, np.ndarray]
    updates: dict[str, np.ndarray]
    rows: list[dict[str, Any]]


def walk_layer(builds: list[Build], steps: int | None, told: Told) -> dict[str, Any]:
    """The steps of a layer, all or so many and up to a whole macro step; the differences of the
    fields after the scan, behind the pool that then is, and after the cool-down."""
    total, laser = len(builds[0].stretch.steps), builds[0].stretch.laser
    ratio, row = largest_ratio(builds[1].job), {}
    end = min(-(-(steps or total) // ratio) * ratio, total)
    for part, start, stop in zip(PARTS, (0, laser), (min(laser, end), end)):
        if start < stop:
            before = [build.updates["explicit"] for build in builds]
            told.seconds[part] += walk(builds, start, stop)
            told.updates[part] += [build.updates["explicit"] - done
                                   for build, done in zip(builds, before)]
            row[part] = differences(*builds)
    return row


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


def begin_layer(build: Build, layer: int, number: int) -> float:
    """Lays the powder of a layer, but for the first, whose powder lies; seconds that its solvers
    take to set up: who gets which blocks, and where the beams come near; collective."""
    build.drop_mesh()
    build.number, build.index = number, 0
    build.stretch = stretch(build.job, build.part, number)
    if number:
        with build.timers("growth"):
            build.site.grow(layer, build.deal)
    build.comm.Barrier()
    began = perf_counter()
    build.parts_of(build.site.mesh)
    if build.macro_length() > 1:
        build.macro_solver(build.macro_length(), "laser")
    return build.comm.allreduce(perf_counter() - began, op=MPI.MAX)


def walk(builds: list[Build], start: int, stop: int) -> np.ndarray:
    """Seconds (2,) of both builds for steps of the layer, taken in turns; collective."""
    comm, seconds = builds[0].comm, np.zeros(2)
    for first in range(start, stop, PIECE):
        for which, build in enumerate(builds):
            comm.Barrier()
            began = perf_counter()
            while build.index < min(first + PIECE, stop):
                build.advance()
            comm.Barrier()
            seconds[which] += perf_counter() - began
    return np.max(comm.allgather(seconds), axis=0)


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
    missed = np.max([np.concatenate(comm.allgather(
        np.abs(one.site.state[name] - other.site.state[name])[mesh.owned]))
        for name in PHASES], axis=0)
    pools = [pool(build) for build in (one, other)]
    return {
        "max_temperature_difference_kelvin": float(gap.max()),
        "mean_temperature_difference_kelvin": float(gap.mean()),
        "warm_nodes": int(warm.sum()),
        "mean_difference_of_warm_nodes_kelvin": float(gap[warm].mean()) if warm.any() else 0.0,
        "quantile_999_of_warm_nodes_kelvin":
            float(np.quantile(gap[warm], QUANTILE)) if warm.any() else 0.0,
        "max_phase_difference": float(missed.max()),
        "mean_phase_difference": float(missed.mean()),
        "quantile_999_of_phase_differences": float(np.quantile(missed, QUANTILE)),
        "nodes_with_other_phases": int((missed > ALIKE).sum()),
        "pool_meters": [list(map(float, each)) for each in pools],
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


def report(builds: list[Build], told: Told) -> dict[str, Any]:
    """All that was measured; collective.

    speedup is that of set-up, scan and cool-down together; ideal_speedup how many times fewer nodes
    the scans renew with many rates; share_of_ideal the part of it that the scans gain.
    """
    comm, both = builds[0].comm, sum(told.seconds.values())
    scan, updates = told.seconds["scan"], told.updates["scan"]
    ideal = float(updates[0] / updates[1])
    scans = [row["scan"] for row in told.rows]
    ends = [row.get("cooling", row["scan"]) for row in told.rows]
    return {
        "speedup": float(both[0] / both[1]),
        "scan_speedup": float(scan[0] / scan[1]),
        "ideal_speedup": ideal,
        "share_of_ideal": float(scan[0] / scan[1]) / ideal,
        "max_temperature_difference_kelvin":
            max(row["max_temperature_difference_kelvin"] for row in scans),
        "max_phase_difference": max(row["max_phase_difference"] for row in ends),
        "ranks": comm.size,
        "base_steps": builds[1].clock.ticks,
        "schemes": {
            name: {
                **{f"{part}_seconds": float(told.seconds[part][which]) for part in told.seconds},
                "stage_seconds": {stage: build.timers.reduced(comm).get(stage, 0.0)
                                  for stage in STAGES},
                **{f"{part}_node_updates": float(told.updates[part][which]) for part in PARTS},
                "closing_error": build.energy()["closing_error"],
            }
            for which, (name, build) in enumerate(zip(("one rate", "multirate"), builds))
        },
        "layers": told.rows,
    }
