"""The declared work of the phase kernels against the operations of the plain kernels."""
import numpy as np
import pytest

from partsim.phase import kernels, rows, visits, work
from partsim.phase.model import PhaseLaw
from tests.counting import counted, counting

pytestmark = pytest.mark.serial

LAW = PhaseLaw()
# X_as, X_am, Y, T_old, T of points that go through different sections of the code
POINTS = {
    "stable": (0.9, 0.0, 0.0, 400.0, 400.01),
    "beta": (0.0, 0.0, 0.0, 1500.0, 1499.0),
    "forming": (0.01, 0.4, 0.0, 700.0, 699.9),
    "decomposing": (0.2, 0.5, 0.0, 780.0, 780.1),
    "saturated": (0.3, 0.6, 0.0, 600.0, 600.1),
    "growing": (0.2, 0.0, 0.0, 1000.0, 999.9),
    "dissolving": (0.7, 0.0, 0.0, 1150.0, 1150.1),
    "starting to dissolve": (0.9, 0.0, 0.0, 1150.0, 1150.1),
    "starting to grow": (0.0, 0.3, 0.0, 800.0, 799.0),
    "crowded": (0.5, 0.45, 0.0, 600.0, 600.0),
    "peaked": (0.3, 0.4, 0.0, 1200.0, 700.0),
    "melting": (0.3, 0.3, 0.0, 1700.0, 1900.0),
}
NO_CEILING = np.inf
SPANS = {
    "explicit": kernels.Span(1e-5, 0, False, 0.0, 0.0, NO_CEILING),
    "resting": kernels.Span(1e-3, 0, True, 1e-6, 0.4, NO_CEILING),
    "implicit": kernels.Span(1e-3, 1, False, 0.0, 0.0, NO_CEILING),
    "substeps": kernels.Span(3e-2, 3, False, 1e-6, 0.4, NO_CEILING),
}


def counted_and_declared(points, span):
    """Flops of the plain kernel on a batch of equal points, and what work.py says of it."""
    state = tuple(np.full(rows.WIDTH, value) for value in points)
    seen, scratch = kernels.no_visits(), np.zeros(rows.ROWS * rows.WIDTH)
    with counting(kernels) as count:
        kernels.move(counted(state), (0, 0, 0, rows.WIDTH), span, LAW, counted(scratch), seen)
    return count.flops, work.work(seen).flops, seen


@pytest.mark.parametrize("kind", POINTS)
@pytest.mark.parametrize("scheme", SPANS)
def test_declared_flops_are_executed(kind, scheme):
    flops, declared, _ = counted_and_declared(POINTS[kind], SPANS[scheme])
    assert flops == declared


def test_all_sections_are_visited_and_each_counts():
    """A wrong entry of the table cannot go unnoticed."""
    seen = sum(counted_and_declared(*pair)[2] for pair in
               [(point, span) for point in POINTS.values() for span in SPANS.values()])
    elsewhere = {visits.REST, visits.FORMING}
    assert {section for section in work.FLOPS if not seen[section]} <= elsewhere


def test_martensite_that_forms_alone():
    state = tuple(np.full(64, value) for value in POINTS["forming"])
    with counting(kernels) as count:
        kernels.form(counted(state), 0, 64, LAW)
    assert count.flops == 64 * work.FLOPS[visits.FORMING]


@pytest.mark.parametrize("section, entries", [(visits.REST, 1), (visits.READ, 4)])
def test_bytes_are_those_of_the_arrays(section, entries):
    assert work.BYTES[section] == entries * np.dtype(float).itemsize


def test_explicit_step_moves_16_bytes_per_degree_of_freedom():
    """Two fractions read and written, two temperatures read: the paper moves 24."""
    points = np.concatenate([np.full((5, rows.WIDTH), np.array(POINTS[kind])[:, None])
                             for kind in ("forming", "decomposing")], axis=1)
    seen = kernels.no_visits()
    whole = kernels.Groups(np.zeros(2, np.int64), np.array([0, points.shape[1]]))
    step = kernels.Step(1e-5, 0, 0.0, False)
    kernels.sweep(tuple(points.copy()), whole, kernels.awake(1), step, LAW, seen)
    moved = work.work(seen).bytes / (work.DEGREES_OF_FREEDOM * points.shape[1])
    assert moved == 16
