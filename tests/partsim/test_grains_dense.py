"""Phase field with all that it saves against the update of every order parameter of every cell.

Two tracks, the second of which remelts a part of the first. The environment variable
PARTSIM_FULL=1 takes a block of 100^3 cells and tells the rates.
"""

import os
from time import perf_counter

import numpy as np
import pytest
from mpi4py import MPI
from numba import njit

from partsim.grains import temperature
from partsim.grains.blocks import Grid
from partsim.grains.grow import GRAINS, grow
from partsim.crops.grainfile import read_block
from partsim.grains.layers import Metal, plan
from partsim.grains.temperature import TrackTemperature
from partsim.trackjob import parse
from tests.pools import LIQUIDUS, job_text, write_pool

pytestmark = pytest.mark.serial

CELL = 2e-6
SMALL = {"cells": 36, "length": 1.6e-5, "heat": 20.0, "diameter": 4.4e-5}
LARGE = {"cells": 100, "length": 8e-5, "heat": 30.0, "diameter": 9e-5}
FULL = os.environ.get("PARTSIM_FULL") == "1"
HATCH = 1.6e-5


def cube_job(cells, length, diameter, **_):
    """Two tracks in the middle of a cube, without nuclei."""
    edge = cells * CELL
    text = job_text(
        length, CELL, f"step = 4e-7\ndiameter = {diameter!r}\n[scan]\nlayers = 1\ntracks = 2\n"
        f'hatch = {HATCH!r}\n[nucleation]\nrule = "none"\n')
    text = text.replace("margin = 4e-5", f"margin = {(edge - length) / 2!r}")
    text = text.replace("width = 1.2e-4", f"width = {edge!r}")
    return parse(text.replace("depth = 6.4e-5", f"depth = {edge!r}"), "cube.toml")


@njit(error_model="numpy", fastmath={"contract"})
def dense_step(eta, kelvin, new, constants):
    """new = eta one Euler step later, equations (11) to (15), everywhere; no flux through faces.

    eta, new   (nz, ny, nx, grains)
    kelvin     (nz, ny, nx)
    constants  (L_0 dt, Q/R, hottest, liquidus, m, kappa/h^2, gamma)
    """
    mobility, activation, hottest, liquidus, m, kappa, gamma = constants
    nz, ny, nx, grains = eta.shape
    one, six, four = gamma / gamma, eta.dtype.type(6), eta.dtype.type(4) * gamma
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                T = kelvin[k, j, i]
                L = mobility * np.exp(-activation / min(T, hottest))
                melt = one + one if T > liquidus else one - one
                own, out = eta[k, j, i], new[k, j, i]
                left, right = eta[k, j, max(i - 1, 0)], eta[k, j, min(i + 1, nx - 1)]
                front, back = eta[k, max(j - 1, 0), i], eta[k, min(j + 1, ny - 1), i]
                below, above = eta[max(k - 1, 0), j, i], eta[min(k + 1, nz - 1), j, i]
                squares = one - one
                for g in range(grains):
                    squares += own[g] * own[g]
                for g in range(grains):
                    e = own[g]
                    around = left[g] + right[g] + front[g] + back[g] + below[g] + above[g]
                    force = e * (e * e - one + four * (squares - e * e) + melt)
                    out[g] = e - L * (m * force - kappa * (around - six * e))


class Everywhere:
    """The order parameters of all grains in all cells of a job's window, never cut.

    updates, seconds  cell updates and what they took
    """

    def __init__(self, job, file, precision=np.float64):
        self.job, self.file, self.plan = job, file, plan(job, file.header["length"])
        self.grid, metal = Grid(self.plan.window), Metal(self.plan)
        metal.lay(MPI.COMM_SELF, 0)
        labels = np.arange(int(metal.grain.max()) + 1)
        self.eta = (metal.grain[..., None] == labels).astype(precision)
        law, dt = job.phase_field, job.grains.step
        self.constants = (law.mobility * dt, law.activation / law.gas_constant, law.hottest,
                          LIQUIDUS, law.barrier, law.gradient / CELL**2, law.interaction)
        self.melted = np.zeros(self.plan.window, bool)
        self.updates, self.seconds = 0, 0.0

    def kelvin(self, heat, number):
        """(nz, ny, nx) K of a frame."""
        blocks = heat.sample(number, self.grid, np.arange(self.grid.count)).reshape(-1, 10, 10, 10)
        whole = np.zeros([8 * n for n in self.grid.shape], np.float32)
        for block, values in enumerate(blocks):
            whole[self.grid.cut(block)] = values[1:-1, 1:-1, 1:-1]
        return whole[tuple(map(slice, self.plan.window))].astype(float)

    def track(self, number, most=None):
        """A track until all is solid, or at most so many steps."""
        heat = TrackTemperature(
            self.file, self.plan.placement(number, self.file.header["length"])
        )
        time, dt, new = heat.file.time, self.job.grains.step, np.empty_like(self.eta)
        first, later = 0, self.kelvin(heat, 0)
        for frame in range(len(time) - 1):
            before, later = later, self.kelvin(heat, frame + 1)
            off = time[frame] >= self.file.header["duration"]
            if off and self.eta.max(axis=-1).min() >= 0.9:
                return
            self.melted |= np.maximum(before, later) > LIQUIDUS
            steps = range(first, int(np.ceil(time[frame + 1] / dt - 1e-9)))
            for n in steps[:most]:
                weight = (n * dt - time[frame]) / (time[frame + 1] - time[frame])
                kelvin, began = before + weight * (later - before), perf_counter()
                dense_step(self.eta, kelvin.astype(self.eta.dtype), new,
                           tuple(map(self.eta.dtype.type, self.constants)))
                self.eta, new = new, self.eta
                self.seconds += perf_counter() - began
                self.updates += kelvin.size
            first = steps.stop
            if most and len(steps):
                return


def test_nothing_that_is_saved_changes_a_grain(tmp_path):
    """Blocks that are held, order parameters cut and dropped, single precision, profiles made anew
    for each track: at most one melted cell in two thousand ends with another grain."""
    case = LARGE if FULL else SMALL
    job = cube_job(**case)
    source = write_pool(tmp_path / "temperature.h5", length=case["length"], heat=case["heat"])
    summary = grow(MPI.COMM_SELF, job, source, tmp_path)
    found = read_block(tmp_path / GRAINS).grain
    whole = Everywhere(job, temperature.read(source))
    before = whole.eta.argmax(axis=-1)
    for number in range(2):
        whole.track(number)
    expected = whole.eta.argmax(axis=-1)
    differ, melted = int((found != expected).sum()), int(whole.melted.sum())
    tell(case, summary, whole, (differ, melted, int((expected != before).sum())))
    assert summary["dropped_order_parameters"] == 0
    assert melted > 2000 and (expected != before).sum() > 200
    assert differ <= melted / 2000


def tell(case, summary, whole, counts):
    """Prints what the run was about: pytest -s shows it."""
    rates = {"dense, double": whole.updates / whole.seconds}
    if FULL:
        single = Everywhere(whole.job, whole.file, np.float32)
        single.track(0, 1)  # compiles
        single.updates, single.seconds = 0, 0.0
        single.track(0, 20)
        rates["dense, single"] = single.updates / single.seconds
    rates["alive"] = summary["alive_cell_updates_per_second"]
    print(f"\n{case['cells']}^3 cells, {whole.eta.shape[-1]} grains: of {counts[1]} melted cells "
          f"{counts[0]} differ, {counts[2]} changed their grain")
    print({name: f"{rate / 1e6:.3g} M cells/s" for name, rate in rates.items()})
    print(f"alive updates {summary['alive_cell_updates'] / 1e6:.4g} M, dense "
          f"{whole.updates / 1e6:.4g} M; seconds {summary['growth_seconds']:.3g} and "
          f"{whole.seconds:.3g}")
