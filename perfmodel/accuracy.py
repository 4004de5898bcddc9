"""The largest errors of the exponentials, logarithms and powers of partsim.fastmath.

Each function is evaluated, compiled, at random and at equidistant points of its whole range and at
the ends of the range, and compared with the same function of NumPy in extended precision.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numba import vectorize

from partsim import fastmath
from partsim.errors import UserError
from partsim.phase.model import PhaseLaw

POINTS = 200_000  # random ones of a range, and as many equidistant ones
LEAST_BITS = 63  # of the reference's significand: an error of 2^-53 to a thousandth


class Interval(NamedTuple):
    """Arguments from low to high, even in their logarithm where they span many exponents."""

    low: float
    high: float
    logarithmic: bool = False


class Error(NamedTuple):
    """A row of the table: the largest error of a function in a range and the argument it is at.

    measure  "absolute" or "relative"
    """

    function: str
    range: str
    measure: str
    error: float
    where: float


class Case(NamedTuple):
    """A function in a range: its values (n,) and reference at arguments (n,), float and longdouble.

    measure  of its error, as in Error
    """

    name: str
    evaluate: Callable[[np.ndarray], np.ndarray]
    reference: Callable[[np.ndarray], np.ndarray]
    measure: str
    interval: Interval


NORMAL = Interval(2.0**-1022, 1.79e308, logarithmic=True)
NEAR_ONE = Interval(0.99, 1.01)
# function of fastmath, reference, measure, range
FUNCTIONS = (
    ("exp2", np.exp2, "relative", Interval(-1022.0, 1023.0)),
    ("exp2_normal", np.exp2, "relative", Interval(fastmath.SMALLEST, fastmath.LARGEST)),
    ("exp", np.exp, "relative", Interval(-708.0, 709.0)),
    ("log2", np.log2, "absolute", NORMAL),
    ("log2", np.log2, "absolute", NEAR_ONE),
    ("log", np.log, "absolute", NORMAL),
    ("log", np.log, "absolute", NEAR_ONE),
    ("exp_accurate", np.exp, "relative", Interval(-708.39, 709.0)),
    ("exp_accurate", np.exp, "relative", Interval(-0.34, 0.34)),  # where e^x is the Taylor sum
    ("log_accurate", np.log, "relative", NORMAL),
    ("log_accurate", np.log, "relative", NEAR_ONE),
)


def accuracy_table(points: int = POINTS) -> list[Error]:
    """A row for each function and range, with 2 `points` arguments and the ends in each."""
    if np.finfo(np.longdouble).nmant < LEAST_BITS:
        raise UserError("numpy.longdouble has no more digits than float on this machine, but the "
                        "errors need a reference in extended precision")
    generator = np.random.default_rng(1)
    return [largest_error(case, arguments(case.interval, points, generator)) for case in cases()]


def cases() -> Iterator[Case]:
    """Every function of fastmath in its ranges, powers with the exponents of the phase model."""
    compiled = {name: compile_loop(name) for name in {row[0] for row in FUNCTIONS}}
    for name, *rest in FUNCTIONS:
        yield Case(name, compiled[name], *rest)
    power = vectorize(["float64(float64, float64)"])(lambda x, a: fastmath.pow(x, a))
    for a in phase_exponents():
        yield power_case(power, a)


def compile_loop(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function of fastmath over arrays."""
    function = getattr(fastmath, name)
    return vectorize(["float64(float64)"])(lambda x: function(x))


def phase_exponents(law: PhaseLaw = PhaseLaw()) -> list[float]:
    """1/c, (c-1)/c, (c+1)/c and c of the growth and of the dissolution of alpha."""
    both = law.growth_exponent, law.dissolution_exponent
    return [a for c in both for a in (1 / c, (c - 1) / c, (c + 1) / c, c)]


def power_case(power: Callable, a: float) -> Case:
    """x^a of fractions x, from 1e-30 on or from where x^a is a normal number."""
    interval = Interval(max(1e-30, 2.0 ** (-1021 / a)), 0.9, logarithmic=True)
    return Case(
        f"pow(x, {a:.4g})",
        lambda x: power(x, a),
        lambda x: np.power(x, np.longdouble(a)),
        "relative",
        interval,
    )


def arguments(interval: Interval, points: int, generator: np.random.Generator) -> np.ndarray:
    """(2 points + 2,) random and equidistant arguments of an interval, and its ends."""
    low, high = np.log2(interval[:2]) if interval.logarithmic else interval[:2]
    inside = np.append(generator.uniform(low, high, points), np.linspace(low, high, points))
    if interval.logarithmic:
        inside = np.clip(np.exp2(inside), *interval[:2])
    return np.append(inside, interval[:2])


def largest_error(case: Case, x: np.ndarray) -> Error:
    """The row of a case from its arguments x (n,)."""
    exact = case.reference(x.astype(np.longdouble))
    errors = np.abs(case.evaluate(x) - exact)
    if case.measure == "relative":
        # where the exact value is 0 nothing but 0 is near
        errors /= np.maximum(np.abs(exact), np.finfo(float).tiny)
    at = int(np.argmax(errors))
    span = f"[{case.interval.low:.6g}, {case.interval.high:.6g}]"
    return Error(case.name, span, case.measure, float(errors[at]), float(x[at]))
