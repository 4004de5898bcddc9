"""Counted flops against sums taken from the source, and counted runs against compiled ones.

The work declared beside a kernel is checked in the same way: run it on one batch or block in the
state in question, divide by the lanes or cells, and compare with its Work.
"""

import math
import sys
from math import erf

import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

from partsim import fastmath
from partsim.phase import kernels as phase
from partsim.phase.model import PhaseLaw
from partsim.thermal import kernels as thermal
from partsim.work import Work
from tests.counting import Counted, counted, counting, values

pytestmark = pytest.mark.serial

HERE = sys.modules[__name__]
FMA = 2
EXP2 = 2 + 2 + 1 + 3 * FMA + 3 * FMA + 1 + 1 + FMA + 1  # whole, f, f2, low, high, significand
LOG2 = 1 + 2 + 3 * 3 * FMA + 2 * FMA + 2  # m, m2 and m4, three cubics, their sum, exponent
FLOPS = {
    "exp2": EXP2,
    "exp2_normal": EXP2,
    "exp": 1 + EXP2,
    "log2": LOG2,
    "log": 1 + LOG2,
    "pow": LOG2 + 1 + EXP2,
    # whole, i, r, r2 and r4, three cubics, their sum
    "exp_accurate": 2 + 1 + 2 * FMA + 2 + 3 * 3 * FMA + 3 * FMA + 1,
    # i, t, s and s2, low and high, s2 s2 twice and the series, the sum
    "log_accurate": 1 + 3 + 2 + 2 * 3 * FMA + 2 + 2 * FMA + 1 + 1 + 3 * FMA,
}


@pytest.mark.parametrize("name", FLOPS)
@pytest.mark.parametrize("x", [0.37, 3.3, 41.0])
def test_functions_have_the_flops_of_their_source(name, x):
    arguments = (x, 0.6) if name == "pow" else (x,)
    with counting(fastmath) as count:
        value = getattr(fastmath, name)(*counted(arguments))
    assert count.flops == FLOPS[name]
    assert count.divisions == (name == "log_accurate")
    # fma rounds twice in plain Python
    assert float(value) == pytest.approx(getattr(fastmath, name)(*arguments), rel=1e-15)


def phase_step(points, substeps):
    if substeps == 0:
        phase.advance_explicit(*points, 1e-3, PhaseLaw())
    else:
        phase.advance_crank_nicolson(*points, 1e-3, PhaseLaw(), 1e-3 / substeps)


@pytest.mark.parametrize("substeps", [0, 2])
def test_phase_kernel(substeps):
    """The law is passed uncounted, so that what depends on it alone is a constant."""
    X_as, X_am = np.random.default_rng(1).uniform(0, 0.45, (2, phase.WIDTH))
    X_as[:5] = 0.0
    T_old = np.linspace(500, 1900, phase.WIDTH)
    points = (X_as, X_am, np.zeros(phase.WIDTH), T_old, T_old + np.sin(T_old))
    own = counted(points)
    with counting(phase) as count:
        phase_step(own, substeps)
    before = X_as.copy()
    phase_step(points, substeps)
    assert np.abs(X_as - before).max() > 1e-5
    for array, compiled in zip(own, points):
        np.testing.assert_allclose(values(array), compiled, rtol=0, atol=1e-12)
    exponentials = 1 + 2 * substeps  # at least, of each lane
    assert exponentials * EXP2 < count.flops / phase.WIDTH < 40 * exponentials * (EXP2 + LOG2)
    assert 0 < count.divisions < count.flops / EXP2


def heat_flow(temperature, size, active):
    """The flux in W that leaves the nodes of a block with the temperatures (B+1)^3 in K."""
    work = thermal.make_workspace(size)
    work.values[: len(temperature)] = temperature
    n = len(size)
    work.kappa.reshape(n, -1)[:, [j * (n + 1) + i for j, i in np.ndindex(n, n)]] = 30.0
    thermal.conduct(work.values, work.kappa, 1e-5, active, size, work.corners, work.flux)
    return work.flux[: len(temperature)]


def test_conduction():
    size, active = (0,) * 4, 3
    temperature = np.random.default_rng(2).uniform(300, 2000, (len(size) + 1) ** 3)
    flux = heat_flow(temperature, size, active)
    with counting(thermal) as count:
        own = heat_flow(counted(temperature), size, active)
    np.testing.assert_allclose(values(own), flux, rtol=0, atol=1e-12 * np.abs(flux).max())
    assert np.abs(flux).max() > 0
    # each of eight corners multiplies, and takes part in a few sums; rows are padded
    assert 8 * 2 < count.flops / (active * len(size) ** 2 * len(size)) < 8 * 20
    assert count.divisions == count.roots == count.calls == 0


@njit(error_model="numpy")
def chosen(x, y, factor):
    """4 flops with both sides; factor * factor is one more if the factor is data."""
    return x * y if x > 0.0 else (x + y + 1.0) / (factor * factor)


@njit
def spread(x, out):
    """Per item a root, a call, two products and a sum; what NumPy makes counts too."""
    total = np.zeros(1, np.float64)
    for i in range(len(x)):
        out[i] = 0.0
        total[0] = 2.0 * math.sqrt(x[i]) * erf(x[i])
        out[i] += total[0]


@pytest.mark.parametrize("x", [-2.0, 2.0])
@pytest.mark.parametrize("factor, flops", [(4.0, 4), (Counted(4.0), 5)])
def test_both_sides_count_and_constants_do_not(x, factor, flops):
    with counting(HERE) as count:
        value = chosen(Counted(x), Counted(3.0), factor)
    assert value == chosen(x, 3.0, 4.0)
    assert (count.flops, count.divisions) == (flops, 1)


def test_roots_and_calls_are_told_apart():
    x, out = np.array([1.0, 4.0, 9.0]), np.zeros(3)
    own = counted(out)
    with counting(HERE) as count:
        spread(counted(x), own)
    spread(x, out)
    np.testing.assert_allclose(values(own), out, rtol=1e-15)
    assert (count.flops, count.roots, count.calls) == (3 * (1 + 2 + 1), 3, 3)


def test_what_is_stored_counts():
    """Zeros written by a kernel are data like what they replace."""
    array = counted(np.ones((2, 3)))
    array[0] = 0.0
    array[1, 1:] = np.array([5.0, 6.0])
    assert all(type(item) is Counted for item in array.ravel())
    np.testing.assert_array_equal(values(array), [[0, 0, 0], [1, 5, 6]])


def test_what_numpy_makes_beside_a_kernel_counts():
    with counting(HERE):
        made = np.zeros(2), np.zeros(2, np.float64), np.full((1, 2), 3.0), np.array([1.0, 2.0])
        places = np.zeros(2, np.int64)
    assert all(type(item) is Counted for array in made for item in array.ravel())
    assert places.dtype == np.int64


def test_divisions_are_those_of_the_compiled_kernel():
    one, zero = Counted(1.0), Counted(0.0)
    assert one / zero == math.inf
    assert -one / zero == -math.inf
    assert math.isnan(zero / zero)


@pytest.mark.parametrize("other", [2, 2.0, np.float64(2.0), np.int64(2), Counted(2.0)])
def test_any_other_operand_counts(other):
    for x, y in ((other, Counted(3.0)), (Counted(3.0), other)):
        with counting() as count:
            results = x + y, x - y, x * y, x / y
        assert all(type(value) is Counted for value in results) and count.flops == 4
        x, y = float(x), float(y)
        assert results == (x + y, x - y, x * y, x / y)


def test_array_operations_count_each_element():
    with counting() as count:
        results = np.array([8.0, 6.0]) / Counted(2.0) - counted(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(values(results), [3, 2])
    assert count.flops == 4 and count.divisions == 2
    assert all(type(item) is Counted for item in results)


@pytest.mark.parametrize("operate", [np.exp, lambda x: x % 2, lambda x: x // 2, lambda x: x**0.5])
def test_what_has_no_declared_flops_is_refused(operate):
    with pytest.raises(TypeError):
        operate(Counted(3.0))


def test_signs_and_comparisons_are_no_flops():
    with counting() as count:
        assert abs(-Counted(2.0)) > Counted(1.0)
        assert type(abs(-Counted(2.0))) is Counted
        assert count.flops == 0
        assert Counted(2.0) ** 2 + 1 == 5
        assert count.flops == 2


def test_kernels_are_compiled_again_afterwards():
    with pytest.raises(ZeroDivisionError):
        with counting(phase):
            assert not isinstance(fastmath.exp, Dispatcher)
            1 / 0
    assert isinstance(fastmath.exp, Dispatcher) and isinstance(phase.sweep, Dispatcher)
    assert phase.np is np


def test_integers_and_structures():
    law, (number, places) = counted((PhaseLaw(), (3, np.arange(3))))
    assert isinstance(law, PhaseLaw) and type(law.solidus) is Counted
    assert type(number) is int and places.dtype == np.int64


def test_work():
    total = 3 * Work(100, 40) + Work(20, 0) * 2
    assert total == sum([Work(300, 120), Work(40, 0)], Work(0, 0)) == Work(340, 120)
    assert total.intensity == pytest.approx(340 / 120)
    assert Work(1, 0).intensity == math.inf
    assert total.seconds(34.0, 10.0) == 12.0  # by its bytes
    assert total.seconds(34.0, 100.0) == 10.0  # by its flops
