"""Steps put together by hand, energy, ranks, and the width of the kernels' instructions."""

import re
from types import SimpleNamespace

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import njit
from scipy.linalg import eigh

from partsim.mesh.forest import box_leaves
from partsim.mesh.lattice import Lattice
from partsim.part.scan import ScanPath
from partsim.thermal import kernels, losses, multirate
from partsim.thermal.losses import make_loss_law
from tests.dense_laws import surface_loss
from tests.heat_run import HeatRun
from tests.manufactured import legendre_factor
from tests.meshes import (
    CELL, alone, cell_points, everywhere, make_mesh, material, node_points, noise, present,
    scattered, small_lattice, varied_leaves, varied_mesh,
)  # fmt: skip
from tests.trilinear import Elements


def random_plate(comm, block=4):
    """Hanging nodes, partly consolidated powder, and random temperatures."""
    lattice = small_lattice(block)
    mesh = make_mesh(comm, lattice, varied_leaves(lattice, 3, seed=4), 3)
    lower = cell_points(mesh)
    consolidated = np.where(lower[..., 2] < lattice.plate, 1.0, noise(lower, 8))
    return HeatRun(mesh, lambda points: 400 + 1400 * noise(points, 9), True, True, consolidated)


def small_plate(comm):
    """Hanging nodes on 16 x 8 x 8 finest cells, half consolidated, random temperatures."""
    around = (0, 16), (0, 8)
    lattice = Lattice(CELL, 4, 1, (2, 1, 1), (0.0, 0.0, 0.0), 8, 1, 0, around, around)
    leaves = box_leaves(4, 1, 0, np.zeros(3, int), np.array([16, 8, 8]))
    mesh = make_mesh(comm, lattice, leaves.split(leaves.corner[:, 0] > 0), 0)
    consolidated = 1.0 * (noise(cell_points(mesh), 8) > 0.5)
    return HeatRun(mesh, lambda points: 400 + 900 * noise(points, 9), False, True, consolidated)


class ByHand:
    """The same problem in matrices: mass, stiffness and area of the free vertices."""

    def __init__(self, run):
        self.mesh, mesh = run.mesh, run.mesh
        self.elements = elements = Elements(mesh.leaves, mesh.top)
        self.points = elements.points[~elements.hanging]
        self.bottom = self.points[:, 2] == 0
        self.mass = 4090 * 1130 * elements.volume(CELL)
        self.area = elements.area(CELL)
        rows = everywhere(mesh, run.heat.conduction.consolidated)
        r_c = rows[elements.leaf, elements.place]
        self.stiffness = elements.stiffness(28.6 * r_c + 0.286 * (1 - r_c), CELL)
        self.before = self.of(run)

    def of(self, run):
        """A run's temperature at the free vertices of all ranks."""
        shown, points = (everywhere(run.mesh, each(run.mesh)) for each in (present, node_points))
        values = np.empty(len(self.elements.points))
        values[self.elements.at(points[shown])] = run.blocks()[shown]
        return values[~self.elements.hanging]

    def losses(self, temperature):
        """W/m^2."""
        setup = SimpleNamespace(material=material(), radiation=True, evaporation=True)
        return surface_loss(temperature, setup)


@pytest.mark.parametrize("block", [4, 8])
def test_explicit_step_by_hand(comm, block):
    """(T' - T) m / dt = -K T, then T'' + dt A/m q(T'') = T', and the bottom stays."""
    run, dt = random_plate(comm, block), 1e-4
    hand = ByHand(run)
    run.explicit(dt, 1)
    rate = hand.stiffness @ hand.before / hand.mass
    conducted = hand.before - dt * np.where(hand.bottom, 0, rate)
    after = hand.of(run)
    flux = hand.losses(after)
    balance = after + dt * hand.area / hand.mass * flux - conducted
    assert np.abs(balance).max() < 1e-9
    taken = run.mesh.comm.allreduce(run.ledger.lost_top.value)
    assert taken == pytest.approx(dt * (hand.area * flux).sum(), rel=1e-9)
    through = -dt * (hand.stiffness @ hand.before)[hand.bottom].sum()
    assert run.mesh.comm.allreduce(run.ledger.lost_plate.value) == pytest.approx(through, rel=1e-9)
    run.close()


@pytest.mark.parametrize("dt, plate", [(1e-3, None), (0.1, None), (0.05, 700.0)])
def test_super_step_by_modes(comm, dt, plate):
    """Without losses each mode of K v = r m v decays by its own factor; what is lost went out."""
    run = small_plate(comm)
    hand = ByHand(run)
    start = float(hand.before[hand.bottom][0]) if plate is None else plate
    run.temperature[run.heat.fixed] = start
    run.start = run.enthalpy()
    run.long([dt], plate)
    free = ~hand.bottom
    mass = hand.mass[free] ** 0.5
    rates, modes = eigh(hand.stiffness.toarray()[free][:, free] / np.outer(mass, mass))
    share = modes.T @ (mass * (hand.before[free] - start))
    after = start + modes @ (legendre_factor(dt, run.longest, rates) * share) / mass
    np.testing.assert_allclose(hand.of(run)[free], after, atol=1e-8)
    assert (hand.of(run)[hand.bottom] == start).all()
    assert comm.allreduce(run.ledger.lost_top.value) == 0
    assert abs(run.gap()) < 1e-11
    run.close()


def test_super_steps_lose_what_many_explicit_steps_lose(comm):
    """To 1 in 1000 through the top and the plate, which are booked stage by stage."""
    fine, coarse = (random_plate(comm) for _ in range(2))
    fine.explicit(1e-5, 8000)
    coarse.long([1e-4] * 20 + [2e-4] * 20 + [8e-4] * 30 + [5e-3] * 10)
    for name in ("lost_top", "lost_plate"):
        lost, expected = (comm.allreduce(getattr(run.ledger, name).value)
                          for run in (coarse, fine))
        assert lost == pytest.approx(expected, rel=1e-3), name
    np.testing.assert_allclose(coarse.temperature, fine.temperature, rtol=1e-3)
    for run in (fine, coarse):
        assert abs(run.gap()) < 1e-11
        run.close()


def track():
    """A line over the powder at 0.96 m/s, and the way back beside it after a pause."""
    ends = np.array([[-2e-4, -4e-5, 0], [3e-4, -4e-5, 0], [3e-4, 4e-5, 0], [-2e-4, 4e-5, 0]])
    spent = np.array([5e-4 / 0.96, 1.3e-4, 5e-4 / 0.96])
    return ScanPath(ends, np.r_[0, np.cumsum(spent)], np.array([180.0, 0.0, 180.0]))


def printed(mesh, **choices):
    """A run on a mesh whose uppermost layer is powder."""
    below = cell_points(mesh)[..., 2] < mesh.lattice.top(mesh.layer - 1)
    return HeatRun(mesh, lambda points: np.full(points.shape[:-1], 400.0), **choices,
                   consolidated=1.0 * below)


def test_account_closes_without_losses(comm):
    run, path = printed(varied_mesh(comm)), track()
    run.explicit(1e-5, int(path.duration / 1e-5) + 1, path)
    assert run.ledger.laser.value == pytest.approx(path.energy(), rel=1e-13)
    assert abs(run.gap()) < 1e-12
    assert comm.allreduce(run.temperature.max(), max) > 3000
    run.long([1e-4, 1e-3, 0.1])
    assert abs(run.gap()) < 1e-12
    assert run.ledger.lost_top.value == run.ledger.lost_plate.value == 0
    run.close()


def test_account_closes_with_losses_and_a_cold_plate(comm):
    run, path = printed(varied_mesh(comm), lossy=True, fixed=True), track()
    run.explicit(1e-5, int(path.duration / 1e-5) + 1, path)
    assert abs(run.gap()) < 1e-10
    lost = comm.allreduce(run.ledger.lost_top.value)
    assert 0.05 < lost / path.energy() < 0.5
    run.long([1e-4, 3e-4, 1e-3, 0.01, 0.1])
    run.long([0.1, 1.0], plate=350.0)
    assert abs(run.gap()) < 1e-10
    bottom = run.mesh.bottom
    assert (run.temperature[bottom] == 350.0).all()
    run.long(30 * [0.5], plate=293.0)
    np.testing.assert_allclose(run.temperature, 293.0, atol=1e-3)
    assert abs(run.gap()) < 1e-10
    run.close()


def test_consolidation_of_the_melt_stays(comm):
    """Powder under the beam is dense metal afterwards, beside the track it still is powder."""
    run, path = printed(varied_mesh(comm), lossy=True), track()
    run.explicit(1e-5, int(path.duration / 1e-5) + 60, path)
    rows = everywhere(run.mesh, run.heat.conduction.consolidated)
    new = Elements(run.mesh.leaves, run.mesh.top)
    in_layer = new.lower[:, 2] >= run.mesh.top - 1
    r_c = rows[new.leaf, new.place][in_layer]
    assert r_c.max() == 1 and (r_c == 1).sum() > 10 and (r_c == 0).sum() > 10
    run.close()


@pytest.mark.parametrize("given_out", [lambda mesh: mesh, scattered], ids=["cut", "at random"])
def test_ranks_do_not_show_in_the_result(comm, given_out):
    mesh, path = given_out(varied_mesh(comm)), track()
    run, serial = (printed(each, lossy=True, fixed=True) for each in (mesh, alone(mesh)))
    for each in (run, serial):
        each.explicit(1e-5, 60, path)
    np.testing.assert_array_equal(run.blocks(), serial.blocks())
    for each in (run, serial):
        each.long([1e-3, 1e-2])
    np.testing.assert_array_equal(run.blocks(), serial.blocks())
    run.close()


@pytest.mark.serial
@pytest.mark.skipif(
    not llvm.get_host_cpu_features().get("avx"), reason="the processor has no AVX"
)
def test_kernels_are_vector_code():
    """Of 256 bits or 512, of which LLVM takes the former on some processors that have both.

    Compiled here: what a cache holds may come from elsewhere.
    """
    size = (0,) * 8
    work, conduct = kernels.make_workspace(size), njit(kernels.conduct.py_func)
    conduct(work.values, work.kappa, 1.0, 8, size, work.corners, work.flux)
    cool = njit(error_model="numpy")(losses.newton_twice.py_func)
    cool(*np.full((2, 64), 1e-9), make_loss_law(material(), True, True), np.empty(64))
    settle = njit(multirate.settle_run.py_func)
    settle(*np.ones((3, 64)), np.ones(64, np.int8), 1, None)
    for function, operations, least in ((conduct, "v(add|sub|mul)pd", 20),
                                        (cool, "v(div|sqrt|mul)pd", 20),
                                        (settle, "v(f?n?madd...|sub|mul)pd", 3)):
        lines = list(function.inspect_asm().values())[-1].splitlines()
        packed = [line for line in lines if re.search(operations, line)]
        wide = [line for line in packed if re.search("%[yz]mm", line)]
        assert len(wide) > least and len(wide) > 0.8 * len(packed)
