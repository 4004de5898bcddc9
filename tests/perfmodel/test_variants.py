"""Kernels compiled in other widths and with the C library, in processes of their own."""
import os
import sys

import numpy as np
import pytest
from numba import njit

from partsim.errors import UserError
from perfmodel.assembly import innermost_loops, machine_code, vector_width
from perfmodel.variants import Variant, run_variant

HERE = "tests.perfmodel.test_variants"
pytestmark = pytest.mark.serial


def polynomial(request):
    """The widths in the machine code of a small kernel, and its result; runs in the child."""

    @njit(cache=True)
    def evaluate(x, out):
        for i in range(x.size):
            out[i] = (x[i] * 0.3 + 1.0) * x[i] - 2.0

    x = np.linspace(0, 1, request["points"])
    out = np.empty_like(x)
    evaluate(x, out)
    lanes = [loop.lanes for loop in innermost_loops(machine_code(evaluate))]
    packed = [loop.packed["mul"] * loop.lanes for loop in innermost_loops(machine_code(evaluate))]
    return {"lanes": lanes, "packed": packed, "out": out.tolist()}


def exponentials(request):
    """exp over an array, and whether C's function is called for it; runs in the child."""
    from partsim import fastmath
    from partsim.phase import lane

    exp = lane.exp

    @njit
    def evaluate(x, out):
        for i in range(x.size):
            out[i] = exp(x[i])

    x = np.linspace(-5, 5, 64)
    out = np.empty_like(x)
    evaluate(x, out)
    return {
        "out": out.tolist(),
        "calls": "$exp" in machine_code(evaluate),
        "replaced_in_time": lane.exp is fastmath.exp,
        "threads": os.environ["OMP_NUM_THREADS"],
    }


def functions(request):
    """Every function of fastmath at one place, compiled; runs in the child."""
    from partsim import fastmath

    names = ("exp", "exp2", "exp2_normal", "exp_accurate", "log", "log2", "log_accurate")
    values = {name: getattr(fastmath, name)(1.7) for name in names}
    return values | {"pow": fastmath.pow(1.7, 0.3)}


def fail(request):
    raise UserError("points = -1, but it must be positive")


def sleep(request):
    import time

    time.sleep(60)


def test_each_width_comes_out():
    answers = {n: run_variant(Variant(n), f"{HERE}:polynomial", {"points": 37}) for n in (1, 2, 4)}
    for lanes, answer in answers.items():
        assert max(answer["lanes"]) == min(lanes, vector_width()), f"{lanes} lanes"
        assert answer["out"] == answers[1]["out"]
    assert not any(answers[1]["packed"])


def test_library_replaces_the_functions():
    own, library = (run_variant(Variant(1, b), f"{HERE}:exponentials", {}) for b in (False, True))
    assert library["calls"] and not own["calls"]
    assert library["replaced_in_time"] and library["threads"] == "1"
    assert library["out"] != own["out"]
    np.testing.assert_allclose(library["out"], own["out"], rtol=1e-9)
    np.testing.assert_allclose(library["out"], np.exp(np.linspace(-5, 5, 64)), rtol=1e-15)


def test_library_is_exact():
    x = 1.7
    assert run_variant(Variant(library=True), f"{HERE}:functions", {}) == pytest.approx(
        {
            "exp": np.exp(x),
            "exp_accurate": np.exp(x),
            "exp2": np.exp2(x),
            "exp2_normal": np.exp2(x),
            "log": np.log(x),
            "log_accurate": np.log(x),
            "log2": np.log2(x),
            "pow": x**0.3,
        },
        rel=1e-15,
    )


def test_failure_is_told_by_its_last_line():
    with pytest.raises(RuntimeError, match=f"{HERE}:fail failed .*: .*points = -1, but it must"):
        run_variant(Variant(), f"{HERE}:fail", {})
    with pytest.raises(RuntimeError, match="has no attribute 'nothing'"):
        run_variant(Variant(), f"{HERE}:nothing", {})


def test_timeout():
    with pytest.raises(RuntimeError, match="took longer than 0.5 s"):
        run_variant(Variant(), f"{HERE}:sleep", {}, timeout=0.5)


def test_replacing_too_late_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "partsim.phase", sys)
    with pytest.raises(AssertionError, match="already"):
        Variant(library=True).apply()


def test_wrong_width():
    with pytest.raises(UserError, match=r"lanes = 3, but it must be one of \(1, 2, 4, 8\)"):
        Variant(3)
