"""Times the kernels of the track scale on a melt pool of a job and on grains that grow into it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim.errors import UserError
from partsim.grains import kernels as phase_field
from partsim.grains import phasefield
from partsim.grains import work as grains_work
from partsim.grains.blocks import Grid
from partsim.grains.exchange import FaceExchange
from partsim.grains.ghosts import Around
from partsim.grains.pool import CELLS, SIDE
from partsim.grains.sampling import Heat
from partsim.grains.store import Store
from partsim.grains.voronoi import voronoi
from partsim.meltpool import alloy as alloys
from partsim.meltpool import check, kernels
from partsim.meltpool import work as melt_work
from partsim.meltpool.track import TrackRun
from partsim.meltpool.walls import padded
from partsim.trackjob import TrackJob
from partsim.work import Work
from perfmodel.counters import region
from perfmodel.judge import Limits, Run, record
from perfmodel.stream import Step, daxpy_gb_per_second, measure

TRIALS = 5
POOL_STEPS = 40  # with liquid in motion, before its kernels are timed
WINDOW = 64  # cells along an edge of the window in which grains grow
UNDERCOOLING = 43.0  # K, of all its cells
GROWN_STEPS = 50  # before the phase field is timed


class Kernel(NamedTuple):
    """A kernel to be timed: one pass of a rank over `count` degrees of freedom.

    work    per degree of freedom
    single  flops of it in single precision
    """

    name: str
    layout: str
    once: Callable[[], object]
    count: float
    work: Work
    single: float = 0.0


def measure_tracks(comm: MPI.Comm, job: TrackJob, limits: Limits) -> list[dict[str, Any]]:
    """Records of all kernels, each rank on a pool and a window of its own; collective."""
    records = []
    for kernel in [*melt_kernels(pool_of(job), job.path.name), *grain_kernels(job)]:
        before = daxpy_gb_per_second(comm)
        with region(kernel.name):
            rates = measure(comm, Step(kernel.once, float(kernel.count)), TRIALS)
        daxpy = 0.5 * (before + daxpy_gb_per_second(comm)) * comm.size * 1e9
        run = Run(rates.best, 1, kernel.work, single=kernel.single)
        names = kernel.name, kernel.layout, None, comm.size
        records.append(record(names, run, daxpy, limits))
    return records


def pool_of(job: TrackJob) -> TrackRun:
    """A track on one rank, some steps after its liquid began to flow; raises UserError if the job
    is wrong or has no flow."""
    if not job.melt.flow:
        raise UserError("melt.flow = false, but the kernels of flow are to be timed")
    alloy = alloys.load(job.material, job.path.parent)
    check.check(job, alloy)
    run = TrackRun(MPI.COMM_SELF, job, alloy)
    flowing = 0
    while flowing < POOL_STEPS and run.steps < run.laser_steps:
        run.advance()
        flowing += run.flow is not None
    if run.flow is None:
        raise UserError(f"laser.power = {job.laser.power:g} W, but it must melt the metal")
    return run


def melt_kernels(run: TrackRun, job: str) -> Iterator[Kernel]:
    """Of a step of heat in the block, and of flow in the box around the pool.

    Nothing that later steps need is kept: the pool is used up.
    """
    block, flow, dt = run.block, run.flow, run.dt
    layout = f"block of {job}, {block.energy.size} cells"
    number = dt / block.edge**2
    yield Kernel("conduction", layout, lambda: kernels.conduct(block.theta, number, block.energy),
                 block.energy.size, melt_work.CONDUCT)
    yield Kernel(
        "temperature of energy", layout,
        lambda: kernels.temperatures(block.energy, block.table, block.temperature, block.theta),
        block.energy.size, melt_work.TEMPERATURES,
    )
    count = int(np.prod(flow.cells))
    layout = f"flow of {job}, {count} cells"
    velocity, liquid = flow.velocity.reshape(3, -1), run.liquid
    carried = padded(block.gathered(block.energy, run.box)).ravel()
    out = np.empty(flow.cells)
    yield Kernel("convection of heat", layout, lambda: kernels.transport(
        carried, velocity, flow.strides, 0, liquid.weight, out), count, melt_work.TRANSPORT)
    yield Kernel("rates of momentum", layout, flow.rates, count, melt_work.ACCELERATE)
    now, mobile = flow.rates(), flow.mobility(dt, None)
    factors = dt / 2, dt / (liquid.density * flow.edge)

    def predict() -> None:
        for axis in range(3):
            kernels.predict(velocity[axis], now[axis].ravel(), flow.before[axis].ravel(),
                            flow.pressure.ravel(), mobile[axis].ravel(),
                            int(flow.strides[axis]), factors)

    yield Kernel("velocities before the pressure", layout, predict, count, melt_work.PREDICT)
    yield Kernel("divergence", layout, flow.divergence, count, melt_work.DIVERGENCE)
    rates = flow.divergence()
    yield Kernel("pressure, direct", layout, lambda: flow.poisson.solve(rates), count,
                 melt_work.poisson(flow.cells))


def grain_kernels(job: TrackJob) -> Iterator[Kernel]:
    """The phase field of grains above which liquid is undercooled by the same amount."""
    store, rows, faces = growing(job)
    law, dtype = job.phase_field, store.pool.eta.dtype
    valid = np.full((len(rows), 3), SIDE)
    liquidus = alloys.load(job.material, job.path.parent).liquidus
    kelvin = np.full((len(rows), CELLS), liquidus - UNDERCOOLING, np.float32)
    heat = Heat(kelvin, kelvin, np.float32(0), phasefield.rates(law, job.grains, liquidus))
    numbers, none = phasefield.constants(law, job.grains, dtype.type), np.zeros(0, dtype)
    around = Around(faces.neighbours, valid, faces())

    def step() -> None:
        while not phase_field.advance(store.pool, rows, around, numbers, heat, none):
            store.enlarge()

    for _ in range(GROWN_STEPS):
        step()
    alive = int(store.pool.count[rows].sum())
    each, kept = alive / len(rows), sum(map(store.kept_share, rows)) / alive
    layout = f"{WINDOW}^3 cells, {each:.1f} order parameters a block, {kept:.0%} of them kept"
    yield Kernel("phase field", layout, step, alive * CELLS,
                 grains_work.advance(each, dtype.itemsize, kept),
                 grains_work.advance_single(each, dtype.itemsize, kept))


def growing(job: TrackJob) -> tuple[Store, np.ndarray, FaceExchange]:
    """Voronoi grains in the lower half of a window on one rank, liquid in the upper half."""
    comm, grid = MPI.COMM_SELF, Grid((WINDOW,) * 3)
    grain = voronoi(comm, grid.cells, job.grains.cell, job.grains.diameter, (job.grains.seed, 0))
    grain[WINDOW // 2:] = -1
    store = Store(job.phase_field.slots, phasefield.DTYPES[job.phase_field.precision])
    blocks = np.arange(grid.count)
    for block in blocks:
        store.make(int(block), grain[grid.cut(int(block))].astype(np.int64))
    owner = dict.fromkeys(blocks.tolist(), 0)
    return store, store.rows(blocks), FaceExchange(comm, grid, store, blocks, owner)
