"""Sets what was timed against the limits of the machine: the records of kernels.json."""

from typing import Any, NamedTuple

import numpy as np

from partsim.errors import UserError
from partsim.phase.work import DEGREES_OF_FREEDOM, work
from partsim.work import Work
from perfmodel import sections
from perfmodel.measure import Timing

GIGA = 1e9


class Limits(NamedTuple):
    """What a rank's core can do.

    peak   flop/s of fused products in the widest registers
    clock  Hz, or None where llvm-mca cannot be asked for cycles
    """

    peak: float
    clock: float | None


class Run(NamedTuple):
    """How fast all ranks together were: degrees of freedom per second, and what each one takes.

    work    per degree of freedom
    cycles  per degree of freedom, None where unknown
    share   of the ports' work that is arithmetic, None where unknown
    single  flops of `work` in single precision, of which registers hold twice as many numbers
    """

    rate: float
    per_node: int
    work: Work
    cycles: float | None = None
    share: float | None = None
    single: float = 0.0


def phase_record(timing: Timing, limits: Limits) -> dict[str, Any]:
    """The record of a phase kernel."""
    visits = np.array(timing.visits)
    dofs = DEGREES_OF_FREEDOM * timing.points
    cycles = share = None
    if limits.clock:
        cycles, share = sections.cycles(visits) / dofs, sections.arithmetic_share(visits)
    rate = DEGREES_OF_FREEDOM * timing.points_per_second
    run = Run(rate, DEGREES_OF_FREEDOM, work(visits) * (1 / dofs), cycles, share)
    names = timing.kernel, timing.layout, timing.lanes, timing.ranks
    return record(names, run, timing.daxpy, limits)


def record(
    names: tuple[str, str, int | None, int], run: Run, daxpy: float, limits: Limits
) -> dict[str, Any]:
    """One record; daxpy in byte/s of all ranks."""
    kernel, layout, lanes, ranks = names
    flops, moved = run.work
    bounds = {"memory": daxpy / moved}
    if run.cycles and limits.clock:
        bounds["instructions"] = ranks * limits.clock / run.cycles
    else:
        bounds["arithmetic"] = ranks * limits.peak / (flops - run.single / 2)
    binds = min(bounds, key=bounds.__getitem__)
    return {
        "kernel": kernel,
        "layout": layout,
        "lanes": lanes,
        "ranks": ranks,
        "gdof_per_second": run.rate / GIGA,
        "gb_per_second": run.rate * moved / GIGA,
        "daxpy_gb_per_second": daxpy / GIGA,
        "bytes_per_dof": moved,
        "flops_per_dof": flops,
        "gflop_per_second": run.rate * flops / GIGA,
        "nanoseconds_per_node": 1e9 * run.per_node * ranks / run.rate,
        "roof": bounds[binds] / GIGA,
        "fraction_of_roof": run.rate / bounds[binds],
        "binds": binds,
        "arithmetic_share": run.share,
        "source": "declared",
    }


def section_rows() -> list[dict[str, Any]] | None:
    """The sections of the phase kernels, or None where llvm-mca cannot read them."""
    from partsim.phase.work import FLOPS

    try:
        table = sections.section_table()
    except UserError:
        return None
    return [
        {"name": sections.NAMES[number], "declared": FLOPS.get(number, 0), **row._asdict()}
        for number, row in table.items()
    ]
