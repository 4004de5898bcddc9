"""The fast and the accurate transcendental functions against 40 digits, and their machine code."""
import re
from decimal import Decimal, localcontext

import llvmlite.binding
import numpy as np
import pytest
from numba import njit

from partsim import fastmath

pytestmark = pytest.mark.serial

RANDOM = np.random.default_rng(5)


def compiled(function, *constants):
    """function(x, *constants) over an array, compiled."""

    @njit
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i], *constants)

    def evaluate(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return evaluate


def relative_error(values, x, exact):
    """Largest relative error of values over exact(Decimal(x)), taken with 40 digits."""
    with localcontext() as context:
        context.prec = 40
        errors = [abs(Decimal(float(v)) / exact(Decimal(float(a))) - 1) for v, a in zip(values, x)]
    return float(max(errors))


WIDE = np.concatenate([RANDOM.uniform(-700, 700, 1500), RANDOM.uniform(-1, 1, 1500)])
TINY = RANDOM.uniform(-1e-6, 1e-6, 300)


def test_exp_has_the_error_of_the_papers_polynomial():
    error = relative_error(compiled(fastmath.exp)(WIDE), WIDE, Decimal.exp)
    assert 1.1e-10 < error < 1.23e-10


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_accurate_exp(form):
    x = np.concatenate([WIDE, TINY, [0.0, 709.0, -708.0]])
    plain = np.vectorize(fastmath.exp_accurate.py_func)
    values = compiled(fastmath.exp_accurate)(x) if form == "compiled" else plain(x)
    assert relative_error(values, x, Decimal.exp) < 2.3e-16


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_accurate_log(form):
    x = np.concatenate([np.exp(WIDE), 1 + TINY[TINY != 0], RANDOM.uniform(0.5, 2, 1000)])
    plain = np.vectorize(fastmath.log_accurate.py_func)
    values = compiled(fastmath.log_accurate)(x) if form == "compiled" else plain(x)
    assert relative_error(values, x, Decimal.ln) < 4e-16


def test_log_has_an_absolute_error():
    x = np.concatenate([np.exp(WIDE), 1 + TINY])
    assert np.abs(compiled(fastmath.log)(x) - np.log(x)).max() < 3.8e-10
    assert np.abs(compiled(fastmath.log2)(x) - np.log2(x)).max() < 5.5e-10


@pytest.mark.parametrize(
    "a, error",
    [(0.6016, 2.8e-10), (1.3984, 5.7e-10), (0.9091, 3.6e-10), (1.0909, 4.3e-10), (1 / 2.51, 2e-10),
     (1 / 11, 1.3e-10)],
)
def test_pow(a, error):
    x = 10 ** RANDOM.uniform(-30, np.log10(0.9), 100_000)
    assert np.abs(compiled(fastmath.pow, a)(x) / x**a - 1).max() < error


def test_ends_of_the_range():
    ends = np.array([-1e300, -750.0, 1000.0, 1e300, np.inf, -np.inf])
    for function in (fastmath.exp, fastmath.exp_accurate):
        low, _, high, *_ = values = compiled(function)(ends)
        assert 0 < low < 1e-307 and 1e307 < high < np.inf
        np.testing.assert_array_equal(values, [low, low, high, high, high, low])
    assert 0 < compiled(fastmath.pow, 0.6)(np.zeros(1))[0] < 1e-184


def test_exponential_keeps_a_nan():
    for function in (fastmath.exp2, fastmath.exp, fastmath.exp_accurate):
        assert np.isnan(compiled(function)(np.array([np.nan])))[0], function


def test_a_value_does_not_depend_on_its_place():
    """Vector body and scalar rest of a loop round alike."""
    x = RANDOM.uniform(1e-6, 50, 1003)
    order = RANDOM.permutation(x.size)
    for function in (fastmath.exp, fastmath.log2, fastmath.exp_accurate, fastmath.log_accurate):
        evaluate = compiled(function)
        np.testing.assert_array_equal(evaluate(x)[order], evaluate(x[order]))


def machine_code(function, *constants):
    @njit
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i], *constants)

    loop(np.ones(8), np.ones(8))
    return loop.inspect_asm(loop.signatures[0])


def scale(x):
    return 3.0 * x + 1.0


@pytest.mark.parametrize("name", ["exp", "log", "exp_accurate", "log_accurate", "pow"])
def test_compiles_to_full_width_registers(name):
    features = llvmlite.binding.get_host_cpu_features()
    if not features.get("avx512f") or "zmm" not in machine_code(njit(scale)):
        pytest.skip("the compiler does not use 512-bit registers on this processor")
    code = machine_code(getattr(fastmath, name), *([0.6] if name == "pow" else []))
    fused = re.findall(r"vfn?m(?:add|sub)\d+pd[^\n]*%(.)mm", code)
    assert fused.count("z") >= 7, "the polynomial runs in zmm registers"
    assert fused.count("y") == fused.count("x") == 0
