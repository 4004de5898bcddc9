"""The in-core cost of the phase kernels, section by section, as llvm-mca reads it off their code.

Every section of the code (partsim/phase/visits.py) is compiled alone, so that each of its loops
runs once for every lane. With the visits of a run this gives the cycles that the ports need for it
at the least: the roof of its own mix of instructions.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit, typeof

from partsim.phase import rows
from partsim.phase import visits as at
from partsim.phase.model import PhaseLaw
from perfmodel.assembly import innermost_loops, machine_code, straight_code
from perfmodel.mca import Throughput, analyse

LAW = PhaseLaw()
DT, TOLERANCE, MOST = 1e-5, 1e-6, 0.4
OLD, NEW = rows.BEFORE, rows.AFTER
X_as, X_am = rows.ALPHA, rows.MARTENSITE
# the loops that make up a section
LOOPS = {
    at.LOADED: [lambda work, law: rows.survey(work, law)],
    at.COMPARED: [lambda work, law: rows.unchanging(work, law.largest_alpha, 0.0)],
    at.COOLING: [lambda work, law: rows.can_form(work, DT, law)],
    at.ADMITTED: [lambda work, law: rows.admit(work, law)],
    at.EQUILIBRIA: [lambda work, law: rows.equilibria(work, NEW, law)],
    at.SATURATIONS: [lambda work, law: rows.saturations(work, NEW, law)],
    at.SLOWNESSES: [lambda work, law: rows.slownesses(work, NEW, law)],
    at.SUPPLIED: [lambda work, law: rows.supply_rows(work, X_as, X_am, law)],
    at.GROWN: [lambda work, law: rows.growth_rows(work, X_as, X_am, law)],
    at.RAISED: [
        lambda work, law: rows.raise_rows(work, OLD, rows.WIDTH, 1.0 / law.growth_exponent)
    ],
    at.EULER: [lambda work, law: rows.euler_rows(work, DT, law)],
    at.STARTED: [lambda work, law: rows.start(work, DT, law)],
    at.HOT_EULER: [
        lambda work, law: rows.hot_euler_rows(work, DT),
        lambda work, law: rows.bound_rows(work, law),
    ],
    at.SOUGHT: [lambda work, law: rows.seek(work, X_as, X_am, law)],
    at.FOUND: [lambda work, law: rows.dissolve_rows(work, X_as, X_am, law)],
    at.ARRESTED: [lambda work, law: rows.arrest(work, DT, law)],
    at.CREPT: [lambda work, law: rows.creep(work, DT, law)],
    at.KNOWN: [
        lambda work, law: rows.known_rows(work, DT),
        lambda work, law: rows.bound_rows(work, law),
    ],
    at.ITERATED: [lambda work, law: rows.iterate_rows(work, DT)],
    at.SCALED: [lambda work, law: rows.scale(work, law)],
    at.GATED: [lambda work, law: rows.gate(work, law)],
    at.MELTED: [
        lambda work, law: rows.regularise(work, law),
        lambda work, law: rows.melt(work, law),
    ],
    at.LATE: [lambda work, law: rows.follow_growth(work, DT, law)],
    at.MEASURED: [lambda work, law: rows.patience(work, TOLERANCE, MOST, law)],
}
HALF = 0.5  # of a function's arithmetic, below which its loops are not what it does
NAMES = {number: name.lower() for name, number in vars(at).items() if name.isupper()}


class Section(NamedTuple):
    """A section as llvm-mca sees it.

    flops   per lane, in its instructions
    cycles  per lane, at which it could be repeated
    share   of the work of the arithmetic's ports that is arithmetic
    binds   what limits it
    """

    flops: float
    cycles: float
    share: float
    binds: str


@cache
def section_table() -> dict[int, Section]:
    """Every section; raises UserError where llvm-mca or the processor's model is absent."""
    return {
        section: together([part for loop in loops for part in analysed(loop)])
        for section, loops in LOOPS.items()
    }


def analysed(loop: Callable) -> list[tuple[float, Throughput]]:
    """The vector code of a section's function: (passes per lane, what llvm-mca says) of each loop.

    Short loops over a batch are unrolled: then the whole function is one pass over its lanes.
    """
    types = typeof(np.zeros(1)), typeof(LAW)
    code = machine_code(njit(error_model="numpy")(loop), types)
    wide = [found for found in innermost_loops(code) if found.lanes > 1]
    straight = straight_code(code)
    if wide and sum(found.flops for found in wide) >= HALF * straight.flops:
        return [
            (1 / (result.loop.elements or result.loop.lanes), result) for result in analyse(wide)
        ]
    return [(1 / rows.WIDTH, result) for result in analyse([straight])]


def together(parts: list[tuple[float, Throughput]]) -> Section:
    """The sum of the parts of a section."""
    work = sum(passes * result.port_work for passes, result in parts)
    useful = sum(passes * result.useful_work for passes, result in parts)
    passes, slowest = max(parts, key=lambda part: part[0] * part[1].cycles)
    return Section(
        sum(passes * result.loop.flops for passes, result in parts),
        sum(passes * result.cycles for passes, result in parts),
        useful / work if work else 0.0,
        slowest.binds,
    )


def cycles(visits: np.ndarray) -> float:
    """The cycles that the sections gone through need at the least."""
    table = section_table()
    return rows.WIDTH * float(sum(visits[section] * table[section].cycles for section in table))


def arithmetic_share(visits: np.ndarray) -> float:
    """The share of the ports' work that is arithmetic, over all sections gone through."""
    table = section_table()
    weight = {section: visits[section] * table[section].cycles for section in table}
    useful = sum(weight[section] * table[section].share for section in table)
    return float(useful / sum(weight.values()))
