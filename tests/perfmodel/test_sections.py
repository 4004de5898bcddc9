"""The compiled kernels: full-width vector code, and what llvm-mca makes of it."""
import numpy as np
import pytest
from numba import njit, typeof

from partsim.errors import UserError
from partsim.phase import kernels, rows, work
from partsim.phase.model import PhaseLaw
from partsim.thermal import stencil
from perfmodel import sections
from perfmodel.assembly import innermost_loops, machine_code, straight_code
from perfmodel.mca import find_program

LAW = PhaseLaw()
pytestmark = pytest.mark.serial


@njit
def scaled(x):
    for i in range(len(x)):
        x[i] = 3.0 * x[i] + 1.0


@pytest.fixture(scope="module")
def widest():
    """Doubles that this compiler takes at a time where nothing stands in its way."""
    loops = innermost_loops(machine_code(scaled, (typeof(np.zeros(1)),)))
    return max(loop.lanes for loop in loops)


def arithmetic_loops(kernel, *arguments):
    """The innermost loops of a kernel that compute."""
    code = machine_code(kernel, tuple(map(typeof, arguments)))
    return [loop for loop in innermost_loops(code) if loop.flops]


def test_phase_step_is_full_width_vector_code(widest):
    """Every loop of a step that computes; no gather, and no call of the C library."""
    x = np.zeros(rows.WIDTH)
    span = kernels.Span(1e-5, 0, False, 0.0, 0.0, np.inf)
    scratch = np.zeros(rows.ROWS * rows.WIDTH)
    loops = arithmetic_loops(
        kernels.move, (x,) * 5, (0, 0, 0, rows.WIDTH), span, LAW, scratch, kernels.no_visits()
    )
    assert len(loops) > (10 if widest == 8 else 20)  # the compiler takes some loops as one
    for loop in loops:
        assert loop.lanes == widest and not loop.scalar, loop.label
        assert loop.gathers == loop.calls == 0


def test_a_loop_that_does_not_vectorise_is_seen(widest):
    """What the test above would miss if it could not fail."""

    @njit
    def recurrence(x):
        for i in range(1, len(x)):
            x[i] = 0.5 * x[i - 1] + x[i]

    loops = arithmetic_loops(recurrence, np.zeros(1))
    assert widest == 1 or any(loop.lanes < widest for loop in loops)


def test_stencil_is_full_width_vector_code(widest):
    size, x = (0,) * 8, np.zeros(2000)
    loops = arithmetic_loops(
        stencil.conduct_uniform, x, 1.0, size, stencil.make_weights(size), x, x, x
    )
    assert max(loop.lanes for loop in loops) == widest


@pytest.mark.parametrize("section", sections.LOOPS, ids=sections.NAMES.get)
def test_sections_are_vector_code(section, widest):
    """Also where short loops are unrolled into straight code."""
    for loop in sections.LOOPS[section]:
        code = machine_code(njit(error_model="numpy")(loop), (typeof(np.zeros(1)), typeof(LAW)))
        found = [one for one in innermost_loops(code) if one.lanes > 1] or [straight_code(code)]
        assert max(one.lanes for one in found) == widest


def test_cycles_of_the_sections():
    """Positive where something is computed, and the flops in the code near the declared ones."""
    try:
        find_program()
    except UserError as absent:
        pytest.skip(str(absent))
    table = sections.section_table()
    for section, row in table.items():
        assert row.cycles > 0, sections.NAMES[section]
        assert 0 <= row.share <= 1
    raised = table[sections.at.RAISED]
    assert raised.flops == pytest.approx(work.FLOPS[sections.at.RAISED], rel=0.1)
    visits = kernels.no_visits()
    visits[sections.at.RAISED] = 2
    assert sections.cycles(visits) == pytest.approx(2 * rows.WIDTH * raised.cycles)
    assert sections.arithmetic_share(visits) == pytest.approx(raised.share)
