"""Two beams in one explicit step: on a linear problem the rise is the sum of that of each."""

import math

import numpy as np
import pytest
from mpi4py import MPI

from partsim.ledger import Ledger
from partsim.part.scan import ScanPath
from partsim.thermal.explicit import Explicit
from partsim.thermal.heat import Heat
from partsim.thermal.losses import make_loss_law
from partsim.thermal.source import Optics
from partsim.timers import Timers
from tests.heat_run import RADIUS
from tests.meshes import material, nodal, total, varied_mesh

START, STEP, COUNT = 400.0, 1e-5, 40
LINEAR = material(conductivity_powder=28.6)  # one conductivity, whatever melts
# begin and end in lattice points, power in W, share of the time; the second beam ends in a step
TRACKS = [((9.0, 9.5), (14.0, 9.5), 180.0, 1.0), ((22.0, 22.0), (22.0, 17.0), 90.0, 0.5315)]


def path_of(lattice, begin, end, power, share):
    """A straight track between lattice points that takes a share of all steps."""
    corners = np.array([[*point, lattice.top(3)] for point in (begin, end)], float)
    times = np.array([0.0, share * STEP * COUNT])
    return ScanPath(lattice.position(corners), times, np.array([power]))


@pytest.fixture
def mesh(comm):
    made = varied_mesh(comm)
    yield made
    made.close()


def heated(mesh, paths):
    """Temperature in K (n_total,) after all steps, and the heat that is booked and stored in J."""
    solid = np.ones((mesh.n_blocks, mesh.lattice.block**3))
    heat = Heat(mesh, LINEAR, make_loss_law(LINEAR, False, False), False, solid)
    temperature = nodal(mesh, lambda points: np.full(points.shape[:-1], START))
    ledger, lattice = Ledger(), mesh.lattice
    optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
    explicit = Explicit(heat, STEP, ledger, Timers()).aim_at(paths, optics)
    for number in range(COUNT):
        explicit.step(temperature, number * STEP)
    heat_capacity = LINEAR.density * LINEAR.heat_capacity
    stored = heat_capacity * total(mesh, mesh.volume * (temperature - START))
    return temperature - START, ledger.laser.value, stored


def test_rise_of_two_beams_is_the_sum_of_that_of_each(mesh):
    paths = [path_of(mesh.lattice, *track) for track in TRACKS]
    alone = [heated(mesh, [path])[0] for path in paths]
    for order in (paths, paths[::-1]):
        both = heated(mesh, order)[0]
        np.testing.assert_allclose(both, sum(alone), atol=1e-10)
    highest = [mesh.comm.allreduce(rise.max(initial=0.0), MPI.MAX) for rise in alone]
    assert min(highest) > 100


def test_account_holds_the_energy_of_both_beams(mesh):
    paths = [path_of(mesh.lattice, *track) for track in TRACKS]
    _, booked, stored = heated(mesh, paths)
    expected = math.fsum(p * share * STEP * COUNT for *_, p, share in TRACKS)
    assert booked == pytest.approx(expected, rel=1e-13)
    assert stored == pytest.approx(expected, rel=1e-10)
