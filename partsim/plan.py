"""What a job will cost and what to expect of it, told before it runs."""

from math import ceil
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from partsim import parallel
from partsim.estimate.average import Estimate, estimate
from partsim.estimate.meshes import layer_meshes
from partsim.estimate.patch import Effects, Patch, measured_effects, phase_law
from partsim.grouping import grouped
from partsim.job import Job
from partsim.jobcheck import (
    BYTES_PER_CELL, INTERPRETER_BYTES, largest_ratio, longest_explicit_step,
)
from partsim.part import material as materials
from partsim.part import shape
from partsim.part.material import Material
from partsim.part.scanfile import line_spacing
from partsim.part.strategy import Sweep
from partsim.phase.integrate import BlockPhases, Options, PhaseFields
from partsim.phase.ranges import Groups
from partsim.program import Stretch, final_stretch, layer_stretch
from partsim.thermal.pace import FOLLOW, INTERVAL
from partsim.thermal.superstep import stage_count

WIDEST = 160  # cells along the edges of the patch on which the kernels are timed
TRIALS = 30
COOLING = 100.0  # K/s, of the blocks whose phases are timed
NEAR = 16  # blocks around a beam and behind it, counted as if they took base steps; of the cube
STAGE = 1.3  # explicit steps that a stage of a super-step costs; measured 1.0 to 1.8, noisily
MILLIMETRE = 1e-3


class Speeds(NamedTuple):
    """Seconds per node: of an explicit step, of a phase step with the laser on, and without."""

    thermal: float
    laser_phases: float
    cooling_phases: float


class Costs(NamedTuple):
    """What work costs on one mesh.

    speeds   of the kernels
    updates  of a node per base step, the mean over the mesh
    """

    speeds: Speeds
    updates: float


class Work(NamedTuple):
    """Steps of a layer, and what each node costs in it.

    laser, cooling     steps
    stages             of those of the latter that are super-steps
    seconds            s, simulated
    thermal, phases    s per node
    near               s, of thermal and phases around the beams
    """

    laser: int
    cooling: int
    stages: int
    seconds: float
    thermal: float
    phases: float
    near: tuple[float, float]


def plan(job: Job) -> dict[str, Any]:
    """Cost and outcome of a checked job; collective, as many ranks as will run it.

    Not in the wall time: output, adaptation of the mesh, the memory that ranks share, imbalance.
    """
    material = materials.load(job.material, job.path.parent)
    effects = measured_effects(job, material)
    expected = estimate(job, material, effects)
    job = grouped(job)
    meshes = layer_meshes(job)
    speeds = measured_speeds(job, material)
    costs = [Costs(speeds, updates_per_step(job, material, each)) for each in meshes["shares"]]
    works = [
        layer_work(layer, job, material, each) for layer, each in zip(meshes["layer"], costs)
    ]
    final = work_of(final_stretch(job), job, material, costs[-1])
    told = {
        "job": str(job.path),
        **cost(job, meshes, [*works, final]),
        "calibration": calibration(speeds, effects),
        "layers": layer_rows(job, meshes, works, expected),
    }
    if {job.phase.laser_scheme, job.phase.cooling_scheme} != {"off"}:
        told["heights"] = height_rows(expected)
    return told


def cost(job: Job, meshes: dict[str, np.ndarray], works: list[Work]) -> dict[str, Any]:
    """Size, steps, memory and wall time of the run; `works` has the final cooling last.

    Ranks are taken to share everything, also what is near a beam, which belongs to one of them: the
    time is too short where there are more than some four ranks for a beam.
    """
    ranks = parallel.world().size
    nodes = np.append(meshes["nodes"], meshes["nodes"][-1])
    near = np.sum([work.near for work in works], axis=0)
    seconds = {
        "thermal": float(nodes @ [work.thermal for work in works] + near[0]) / ranks,
        "phase": float(nodes @ [work.phases for work in works] + near[1]) / ranks,
    }
    return {
        "ranks": ranks,
        **{name: int(meshes[name].max()) for name in ("blocks", "cells", "nodes")},
        "steps": {
            "laser": sum(work.laser for work in works),
            "cooling": sum(work.cooling for work in works),
            "cooling_stages": sum(work.stages for work in works),
        },
        "simulated_seconds": sum(work.seconds for work in works),
        "memory_bytes_per_rank": round(BYTES_PER_CELL * int(nodes.max()) / ranks)
        + INTERPRETER_BYTES,
        "wall_seconds": sum(seconds.values()),
        "wall_hours": sum(seconds.values()) / 3600,
        "stage_seconds": seconds,
    }


def calibration(speeds: Speeds, effects: Effects) -> dict[str, Any]:
    """What was measured."""
    return {
        "node_updates_per_second": 1 / speeds.thermal,
        "phase_nanoseconds_per_node_with_laser": speeds.laser_phases * 1e9,
        "phase_nanoseconds_per_node_in_cooling": speeds.cooling_phases * 1e9,
        "scan": [
            {"temperature_kelvin": temperature, "lost_share": effect.lost_share,
             "depth_without_alpha_millimetres": effect.depth / MILLIMETRE}
            for temperature, effect in zip(*effects, strict=True)
        ],
    }


def layer_rows(
    job: Job, meshes: dict[str, np.ndarray], works: list[Work], expected: Estimate
) -> list[dict[str, Any]]:
    """Mesh, steps, lost share and temperature at the end of the cool-down of every layer."""
    group = job.layers.group
    ends = slice(job.layers.start * group - 1, None, group)
    lost, residual = (values[ends] for values in (expected.lost_share, expected.residual))
    return [
        {name: int(meshes[name][i]) for name in ("layer", "blocks", "cells", "nodes")}
        | {"laser_steps": work.laser, "cooling_steps": work.cooling,
           "lost_share": float(lost[i]), "residual_kelvin": float(residual[i])}
        for i, work in enumerate(works)
    ]


def height_rows(expected: Estimate) -> list[dict[str, float]]:
    """Fractions at the end of the build in the middle of every layer."""
    columns = expected.z / MILLIMETRE, expected.alpha_stable, expected.martensite
    names = "height_millimetres", "alpha_stable", "martensite"
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def layer_work(layer: int, job: Job, material: Material, costs: Costs) -> Work:
    """Steps and cost of all sweeps over a layer."""
    part, count = shape.load(job), job.layers.group
    sweeps = (layer_stretch(job, part, int(layer), Sweep(k, count)) for k in range(count))
    works = [work_of(stretch, job, material, costs) for stretch in sweeps]
    *sums, near = (np.sum(values, axis=0).tolist() for values in zip(*works, strict=True))
    return Work(*sums, near)


def work_of(stretch: Stretch, job: Job, material: Material, costs: Costs) -> Work:
    """Steps and cost of a layer or of the final cooling."""
    longest, (speeds, updates) = longest_explicit_step(job, material), costs
    ratio = largest_ratio(job)  # base steps of the phases' steps, 2^FOLLOW at most near a beam
    dt = job.time.step * np.array(stretch.steps[stretch.laser:], float)
    long = dt[(dt > longest) | stretch.final]
    stages = sum(stage_count(each, longest) for each in long.tolist())
    base = stretch.laser + stretch.hold
    explicit = base * updates + len(stretch.steps) - len(long) - base
    substeps = float(np.ceil(dt / job.phase.largest_substep).sum())
    substeps -= stretch.hold * (1 - 1 / ratio)
    near = stretch.laser * (1 - updates) * NEAR * job.mesh.block**3 * len(stretch.paths)
    return Work(
        stretch.laser, len(dt), stages, job.time.step * sum(stretch.steps),
        speeds.thermal * (explicit + STAGE * stages),
        speeds.laser_phases * stretch.laser / ratio + speeds.cooling_phases * substeps,
        (near * speeds.thermal, near * speeds.laser_phases / min(ratio, 2**FOLLOW)),
    )


def updates_per_step(job: Job, material: Material, shares: np.ndarray) -> float:
    """Updates of a node per base step, the mean over cells of which shares (levels,) have 1, 2, 4,
    ... times the finest edge; but for what is near the beams."""
    stable = longest_explicit_step(job, material) / job.time.step
    longest = np.minimum(largest_ratio(job), stable * 4.0 ** np.arange(len(shares)))
    longest[0] = min(longest[0], INTERVAL)  # beams pass nearly all of the finest cells
    return float(shares @ 0.5 ** np.floor(np.log2(np.maximum(longest, 1))))


def measured_speeds(job: Job, material: Material) -> Speeds:
    """Times of the kernels on a patch of the job's own cells, on the slowest rank; collective."""
    cell, hatch = job.mesh.cell, line_spacing(job, shape.load(job))
    length, width = (min(edge, WIDEST * cell) for edge in job.part.size[:2])
    patch = Patch(job, material, job.layers.temperature, (length, ceil(width / hatch)))
    nodes = len(patch.temperature)
    beam = patch.beam(patch.line(0))
    ticks = iter(range(TRIALS))
    thermal = typical_seconds(lambda: beam.step(patch.temperature, next(ticks) * beam.dt))
    schemes = job.phase.laser_scheme, job.phase.cooling_scheme
    phases = [phase_seconds(scheme, job, material, nodes) for scheme in schemes]
    patch.close()
    slowest = [parallel.global_max(parallel.world(), t) / nodes for t in (thermal, *phases)]
    return Speeds(*slowest)


def phase_seconds(scheme: str, job: Job, material: Material, nodes: int) -> float:
    """Seconds of a phase step on blocks that cool, with both alphas present; most of them rest."""
    size = (job.mesh.block + 1) ** 3
    blocks = max(1, nodes // size)
    ends = size * np.arange(blocks + 1)
    fields = PhaseFields(*(np.full(ends[-1], value) for value in (0.3, 0.5, 0.0)))
    options = Options(job.phase.largest_substep, job.phase.rest_tolerance)
    groups = Groups(np.zeros_like(ends), ends)
    phases = BlockPhases(fields, groups, phase_law(job, material), options)
    temperature = np.linspace(500.0, 900.0, blocks).repeat(size)

    def cool() -> None:
        before = temperature.copy()
        np.subtract(temperature, COOLING * job.time.step, out=temperature)
        phases.step(scheme, before, temperature, job.time.step)

    return typical_seconds(cool)


def typical_seconds(action) -> float:
    """Median of the wall times of TRIALS calls."""
    times = []
    for _ in range(TRIALS):
        began = perf_counter()
        action()
        times.append(perf_counter() - began)
    return float(np.median(times))
