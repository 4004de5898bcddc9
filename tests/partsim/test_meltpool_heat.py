"""Heat in the block of a melt pool: the alloy's closed forms, melting, a moving beam."""

import numpy as np
import pytest
from scipy.integrate import quad

from partsim.job import MaterialChoice
from partsim.meltpool import alloy as alloys
from partsim.meltpool import kernels
from partsim.meltpool.conduction import mean_metal, pool
from partsim.meltpool.heat import HALVES, Block, insulate
from partsim.meltpool.limits import step_of
from partsim.meltpool.source import Beam, beam, normalised_enthalpy
from partsim.parallel import global_sum
from tests.greens import Source, temperature_rise
from tests.order import observed_order
from tests.stefan import Stefan
from tests.track_job import job_of

STEEL = alloys.load(MaterialChoice(name="316L"))
# one conductivity and one capacity at all temperatures, nothing melts below 9900 K
PLAIN = STEEL.model_copy(update={
    "density": 8000.0, "heat_capacity": 600.0, "heat_capacity_slope": 0.0, "conductivity": 30.0,
    "conductivity_slope": 0.0, "latent_heat": 0.0, "solidus": 9900.0, "liquidus": 9950.0,
    "highest_temperature": 9990.0,
})
A = 30.0 / (8000.0 * 600.0)  # m^2/s


@pytest.mark.serial
def test_energy_is_the_integral_of_the_capacity():
    T = np.array([[[250.0, 300.0, 900.0, 1649.0, 1651.0, 1700.0, 1722.0, 1724.0, 3000.0]]])
    e, back, theta = np.empty_like(T), np.empty_like(T), np.zeros((3, 3, T.size + 2))
    kernels.energies(T, STEEL.table(), e)
    kernels.temperatures(e, STEEL.table(), back, theta)
    assert back == pytest.approx(T, rel=1e-12)
    kinks = [1650.0, 1723.0]
    for n, hot in enumerate(T.ravel()):
        for law, found in ((STEEL.capacity, e[0, 0, n]),
                           (STEEL.conductivity_at, theta[1, 1, n + 1])):
            exact = quad(law, 300.0, hot, points=[k for k in kinks if k < hot] or None)[0]
            assert found == pytest.approx(exact, rel=1e-9, abs=1e-6)
        assert STEEL.integrals(hot) == pytest.approx((e[0, 0, n], theta[1, 1, n + 1]), rel=1e-12)


def melted_column(cells, length, time, problem, law):
    """Temperatures (cells,) and centres in m of a column whose lower face has problem.face."""
    table, h = law.table(), length / cells
    T = np.full((cells, 1, 1), problem.far)
    e, theta = np.empty_like(T), np.empty((cells + 2, 3, 3))
    kernels.energies(T, table, e)
    steps = 8 * (cells // 32)**2 * 16
    face = law.integrals(problem.face)[1]
    for _ in range(steps):
        kernels.temperatures(e, table, T, theta)
        insulate(theta)
        theta[0] = 2 * face - theta[1]
        kernels.conduct(theta, time / steps / h**2, e)
    kernels.temperatures(e, table, T, theta)
    return T.ravel(), h * (np.arange(cells) + 0.5)


@pytest.mark.serial
def test_melting_of_a_half_space():
    """Neumann's solution with a mushy zone; the latent heat is half of all heat."""
    law = PLAIN.model_copy(update={"latent_heat": 3e5, "solidus": 1800.0, "liquidus": 1900.0})
    problem = Stefan(2600.0, 1900.0, 1800.0, 300.0, A, 3e5 / 600.0)
    errors, fronts = [], []
    for cells in (32, 64, 128):
        T, x = melted_column(cells, 8e-4, 2e-3, problem, law)
        exact = problem.temperature(x, 2e-3)
        errors.append(np.sqrt(np.mean((T - exact)**2)))
        fronts.append(np.interp(-1900.0, -T, x))
    hot, _ = problem.fronts()
    assert errors[-1] < 3.0 and observed_order([errors[0], errors[-1]], 4.0) > 1.2
    assert fronts[-1] == pytest.approx(hot * 2e-3**0.5, rel=5e-3)


@pytest.mark.serial
def test_beam_gives_its_power_to_the_cells():
    """Shares against the integrals of the Gaussian; what is below the depth gets nothing."""
    source = Beam(10.0, 4e-5, 3e-5)
    faces = np.linspace(-2e-5, 6e-5, 5)
    gauss = (lambda x: np.sqrt(2 / np.pi) / 4e-5 * np.exp(-2 * (x / 4e-5)**2))
    exact = [quad(gauss, a - 1e-5, b - 1e-5)[0] for a, b in zip(faces[:-1], faces[1:])]
    assert source.along(faces, 1e-5) == pytest.approx(exact, rel=1e-9)
    assert source.down(1e-5 * np.arange(-5, 1) - 2e-6) == pytest.approx(
        [0, 0, 0.8 / 3, 1 / 3, 1 / 3], abs=1e-12)


def conduction_error(comm, cell):
    """Mean square error around a beam that has moved for 0.125 ms, over the largest rise."""
    job = job_of(domain={"cell": cell, "margin": 1.28e-4, "width": 4.48e-4, "depth": 1.92e-4},
                 melt={"flow": False}, source={"form": "paper", "depth": 3.2e-5})
    block, source = Block(comm, job, PLAIN), beam(job, PLAIN)
    step, count = step_of(job, PLAIN)
    for number in range(count):
        block.advance(step, None, source, 0.8 * step * (number + 0.5))
    assert block.imbalance() < 1e-12
    nz, ny, nx = block.shape
    middles = [cell * (np.arange(n) + 0.5) for n in (nz, ny, nx)]
    z, y, x = np.meshgrid(middles[0] - nz * cell, middles[1], middles[2] + block.first * cell,
                          indexing="ij")
    near = (x > -2e-5) & (x < 1.2e-4) & (y < 6e-5) & (z > -6e-5)
    path = np.array([[0, 0, 0], [1e-4, 0, 0]]), np.array([0, step * count]), np.array([12.0])
    exact = temperature_rise(np.column_stack([x[near], y[near], z[near]]), step * count, path,
                             Source(4e-5, 3.2e-5, 30.0, 8000.0 * 600.0), 1e-3)
    found = np.zeros(block.shape)
    found[block.planes.start:block.planes.stop] = block.temperature - 300.0
    found = block.comm.allreduce(found)[near]
    return np.sqrt(np.mean((found - exact)**2)) / exact.max()


def test_moving_beam_second_order(comm):
    """Against Green's function of the half-space; the solver shares no formula with it."""
    errors = [conduction_error(comm, cell) for cell in (1.6e-5, 8e-6)]
    assert observed_order(errors) == pytest.approx(2, abs=0.3)
    assert errors[-1] < 0.004


@pytest.mark.serial
def test_pool_of_conduction():
    """Its edges are at the liquidus of a long track, from Green's function."""
    law = PLAIN.model_copy(update={"liquidus": 1700.0, "solidus": 1600.0})
    source = Beam(40.0, 4e-5, 3e-5)
    found = pool(source, 0.8, mean_metal(law, 300.0, 1700.0))
    x = np.linspace(-4e-4, 6e-5, 231)
    lines = [(x, found.width / 2, 0.0), (x, 0.0, -found.depth), (x, 0.0, 0.0)]
    path = np.array([[0, 0, 0], [2e-3, 0, 0]]), np.array([0, 2.5e-3]), np.array([40.0])
    side, bottom, middle = (
        temperature_rise(np.column_stack(np.broadcast_arrays(2e-3 + x, y, z)), 2.5e-3, path,
                         Source(4e-5, 3e-5, 30.0, 4.8e6), 1e-3)
        for x, y, z in lines
    )
    assert side.max() == pytest.approx(1400.0, rel=2e-3)
    assert bottom.max() == pytest.approx(1400.0, rel=2e-3)
    peak = middle.argmax()
    back = np.interp(1400.0, middle[:peak], x[:peak])
    front = np.interp(-1400.0, -middle[peak:], x[peak:])
    assert found.length == pytest.approx(front - back, rel=3e-3)
    assert pool(Beam(1.0, 4e-5, 3e-5), 0.8, mean_metal(law, 300.0, 1700.0)) == (0.0, 0.0, 0.0)


def test_surface_losses_are_booked(comm):
    """A block that only loses heat, by the fluxes of its uniform surface."""
    losses = {"film_coefficient": 5e4, "emissivity": 0.4, "ambient": 290.0}
    job = job_of(domain={"cell": 1.5e-5, "margin": 1.35e-4}, losses=losses,
                 track={"length": 1e-4, "initial_temperature": 900.0})
    block = Block(comm, job, PLAIN)
    block.advance(1e-6, None, None, 0.0)
    nz, ny, nx = block.shape
    flux = 5e4 * 610.0 + 0.4 * 5.670374419e-8 * (900.0**4 - 290.0**4)
    lost = HALVES * ny * nx * 1.5e-5**2 * 1e-6 * flux
    assert global_sum(comm, block.account.lost.value) == pytest.approx(lost, rel=1e-12)
    assert block.stored() == pytest.approx(-lost, rel=1e-9)


def test_shift_carries_heat_out(comm):
    job = job_of(domain={"cell": 1.5e-5, "margin": 1.35e-4})
    block, source = Block(comm, job, PLAIN), Beam(5.0, 4e-5, 3e-5)
    for _ in range(5):
        block.advance(1e-6, None, source, -1e-4)
    first, hot = block.first, block.extent(301.0)
    block.shift()
    assert block.first == first + 1
    assert block.extent(301.0)[1, 2] == hot[1, 2] - 1
    assert block.imbalance() < 1e-12
    assert global_sum(comm, block.account.carried.value) > 0


@pytest.mark.serial
def test_absorbed_power_of_both_forms():
    """(150 W, 0.5 m/s): depth 111 um, and 0.55 of the power in the form of the program."""
    job = job_of(laser={"power": 150.0, "speed": 0.5})
    code = beam(job, STEEL)
    assert code.depth == pytest.approx(111e-6, abs=0.6e-6)
    assert code.power / 150.0 == pytest.approx(0.55, abs=0.006)
    energy = 0.6 * 150 / (np.pi * 8084 * 758.6 * 1423 * np.sqrt(7.22e-6 * 0.5 * 4e-5**3))
    found = normalised_enthalpy(job.source, job.laser, STEEL, 300.0)
    assert found == pytest.approx(energy, rel=1e-12)
    paper = job_of(laser={"power": 150.0, "speed": 0.5}, source={"form": "paper"})
    assert beam(paper, STEEL) == Beam(0.6 * 150.0, 4e-5, code.depth)
