"""The table of errors against the bounds that fastmath states, its reference against Decimal."""

import re
from decimal import Decimal, localcontext

import numpy as np
import pytest

from partsim import fastmath
from partsim.errors import UserError
from perfmodel import accuracy

pytestmark = pytest.mark.serial

EXACT = {
    np.exp: Decimal.exp,
    np.log: Decimal.ln,
    np.exp2: lambda x: Decimal(2) ** x,
    np.log2: lambda x: x.ln() / Decimal(2).ln(),
}


@pytest.fixture(scope="module")
def table():
    return accuracy.accuracy_table(30_000)


def stated_bound(function):
    """The error that the docstring of a function of fastmath states."""
    name, *exponent = re.match(r"(\w+)(?:\(x, (.*)\))?", function).groups()
    name = name.removesuffix("_normal")
    number = r"(\d[\d.]*e-\d+)"
    found = re.search(rf"error (?:below )?{number}(?: \|a\| \+ {number})?",
                      getattr(fastmath, name).__doc__)
    first, second = found.groups()
    return float(first) if second is None else float(first) * float(exponent[0]) + float(second)


def test_errors_are_those_that_fastmath_states(table):
    for row in table:
        bound = stated_bound(row.function)
        assert 0.01 * bound < row.error < bound, row


def test_every_function_and_exponent_has_a_row(table):
    functions = {row.function for row in table}
    public = {"exp2", "exp2_normal", "exp", "log2", "log", "exp_accurate", "log_accurate"}
    powers = {f"pow(x, {a:.4g})" for a in (1 / 2.51, 1.51 / 2.51, 3.51 / 2.51, 2.51, 1 / 11,
                                           10 / 11, 12 / 11, 11)}
    assert functions == public | powers
    assert len({row[:2] for row in table}) == len(table) == 11 + 8


def test_a_row_can_be_checked_by_hand(table):
    """The error stands at its argument, which lies in the range."""
    row = next(row for row in table if row.function == "exp")
    low, high = map(float, row.range.strip("[]").split(", "))
    assert low <= row.where <= high
    error = Decimal(fastmath.exp(row.where)) / Decimal(row.where).exp() - 1
    assert abs(float(error)) == pytest.approx(row.error, rel=1e-4)


def as_decimal(value):
    """A longdouble, exactly; its significand is the sum of two floats."""
    significand, exponent = np.frexp(value)
    high = float(significand)
    return (Decimal(high) + Decimal(float(significand - high))) * Decimal(2) ** int(exponent)


def reference_error(reference, exact, x):
    """Largest relative error of a reference at the arguments x (n,), with 40 digits."""
    with localcontext() as context:
        context.prec = 40
        pairs = zip(map(as_decimal, reference(x.astype(np.longdouble))), map(Decimal, x.tolist()))
        return max(float(abs(value / exact(argument) - 1)) for value, argument in pairs)


SAMPLE = np.random.default_rng(7)


@pytest.mark.parametrize("row", accuracy.FUNCTIONS, ids=lambda row: row[0])
def test_reference_is_a_thousand_times_better_than_double(row):
    _, reference, _, interval = row
    x = SAMPLE.permutation(accuracy.arguments(interval, 2000, SAMPLE))[:150]
    assert reference_error(reference, EXACT[reference], x[x != 1]) < 2.0**-62


def test_reference_of_powers():
    for a in accuracy.phase_exponents():
        case = accuracy.power_case(None, a)
        x = accuracy.arguments(case.interval, 15, SAMPLE)
        assert reference_error(case.reference, lambda x: x ** Decimal(a), x) < 2.0**-62


def test_arguments_fill_the_range():
    for interval in (accuracy.NORMAL, accuracy.NEAR_ONE):
        x = accuracy.arguments(interval, 5000, SAMPLE)
        assert x.min() == interval.low and x.max() == interval.high
        along = np.log2(x) if interval.logarithmic else x
        assert np.diff(np.sort(along)).max() < 1.01 * np.ptp(along) / 4999


def test_a_value_that_should_be_zero_is_not_near():
    interval = accuracy.Interval(1.0, 2.0)
    case = accuracy.Case("wrong", lambda x: x * 0 + 1e-20, np.log, "relative", interval)
    row = accuracy.largest_error(case, np.array([1.0, 2.0]))
    assert row.where == 1.0 and row.error > 1e100


def test_machine_without_extended_precision_is_refused(monkeypatch):
    monkeypatch.setattr(np, "longdouble", np.float64)
    with pytest.raises(UserError, match="longdouble"):
        accuracy.accuracy_table()
