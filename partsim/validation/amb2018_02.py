"""NIST AM Bench 2018-02: melt pools of single tracks on bare IN625, computed beside measured.

One absorptivity for all cases and one depth of the source: eq. (6) puts the heat evenly into one
powder layer, and the layers of the builds of this benchmark are 20 um thick. The absorptivity was
fitted to the three widths of AMMT; their depths, the length and everything of CBM are predictions.
"""

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from partsim import parallel
from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.jobcheck import is_whole
from partsim.part import material as materials
from partsim.part.material import Material
from partsim.units import Unit

from .pool import Pool, measure
from .track import Beam, Field, Track

NAME = "amb2018-02"
FACTS = resources.files("partsim") / "validation" / "amb2018_02.csv"
BOUNDARY = 1563.15  # K, 1290 degC: what NIST calls the edge of the pool
ROOM = 298.0  # K
ABSORPTIVITY = 0.32
DEPTH = 2e-5  # m
TRAVEL = 2e-3  # m
PLACES = TRAVEL * np.array([0.7, 0.8, 0.9, 1.0])  # where the pools are measured
CELL = Unit("m", "a length", '"10 um"')
FINEST = 2e-6  # m, a smaller cell is a slip of the unit
KEYHOLE = 0.5  # measured depth over width above which the beam drills a hole
FITTED = "AMMT"
SENSITIVE = "AMMT-B"
LESS_ABSORBED, DEEPER = 0.9, 1.5  # factors on absorptivity and depth of the source
# mean absolute deviations of width and depth and deviation of the length of AMMT-B, in per cent,
# of other programs on AMMT A-C with an absorptivity of 0.33
OTHERS = {"3DThesis": (3.6, 6.6, -37.0), "pbf": (5.9, 9.2, -11.0)}
SIZES = ("width", "depth", "length")


@dataclass(frozen=True)
class Case:
    """A measured track: power in W, speed in m/s, 1/e^2 radius in m; sizes of its pool in m.

    measured, scatter  by "width", "depth", "length", None where it is not told
    """

    name: str
    power: float
    speed: float
    radius: float
    measured: dict[str, float | None]
    scatter: dict[str, float | None]

    @property
    def drilled(self) -> bool:
        """Whether the measured pool is too deep for heat conduction."""
        return self.measured["depth"] > KEYHOLE * self.measured["width"]


@dataclass(frozen=True)
class Result:
    """The computed pools of a case at PLACES, and the last field (on rank 0 only).

    lost  share of the absorbed power that radiation and evaporation take
    """

    case: Case
    pools: list[Pool]
    lost: float
    field: Field | None

    @property
    def mean(self) -> Pool:
        """Mean over the places."""
        return Pool(*np.mean(self.pools, axis=0).tolist())

    @property
    def unsteady(self) -> float:
        """Largest deviation of a width or depth from the mean, relative to it."""
        sizes = np.array(self.pools)[:, :2]
        return float(np.abs(sizes / sizes.mean(axis=0) - 1).max())


def cell_edge(text: str) -> float:
    """m, the edge of the finest cells that a user asks for.

    Raises UserError unless it is a length and the depth of the source a multiple of it.
    """
    try:
        cell = CELL.read(text)
    except ValueError as problem:
        raise UserError(f'--cell "{text}" must be {problem}') from None
    if not (cell >= FINEST and is_whole(DEPTH / cell)):
        raise UserError(f'--cell "{text}" must be {1e6 * DEPTH:g} um divided by a whole number, '
                        f"and at least {1e6 * FINEST:g} um")
    return cell


def read_cases() -> list[Case]:
    """The measured cases of the package."""
    lines = FACTS.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [read_case(row) for row in rows]


def read_case(row: dict[str, str]) -> Case:
    """A case from a row of the table, whose lengths are in um and speeds in mm/s."""
    scatter = {"width": "width_sd", "depth": "depth_sd", "length": "length_unc"}

    def metres(column: str) -> float | None:
        return float(row[column]) * 1e-6 if row[column] else None

    return Case(
        row["case"], float(row["power_W"]), float(row["speed_mm_s"]) * 1e-3,
        float(row["spot_D4sigma_um"]) * 1e-6 / 2,
        {name: metres(f"{name}_um") for name in SIZES},
        {name: metres(scatter[name]) for name in SIZES},
    )


def compute(case: Case, alloy: Material, cell: float, source: tuple[float, float]) -> Result:
    """The pools of a case; collective.

    source  absorptivity, and depth in m over which the heat is spread
    """
    absorptivity, depth = source
    comm = parallel.world()
    beam = Beam(absorptivity * case.power, case.speed, case.radius, depth)
    track = Track(comm, alloy, beam, (cell, TRAVEL), ROOM)
    fields = list(track.fields(PLACES))
    found = [None if field is None else measure(field, BOUNDARY) for field in fields]
    pools = comm.bcast(found)
    lost = parallel.global_sum(comm, track.ledger.lost_top.value) / track.ledger.laser.value
    track.close()
    return Result(case, pools, lost, fields[-1])


def validate(cell: float, folder: Path | None) -> dict[str, Any]:
    """Computes all cases with finest cells of `cell` m; the report; collective.

    A picture of the pools goes to `folder` where one is given.
    """
    alloy = materials.load(MaterialChoice(name="IN625", latent_heat=True))
    source = ABSORPTIVITY, DEPTH
    results = [compute(case, alloy, cell, source) for case in read_cases()]
    central = next(result for result in results if result.case.name == SENSITIVE)
    changes = {
        f"absorptivity x {LESS_ABSORBED}": (LESS_ABSORBED * ABSORPTIVITY, DEPTH),
        f"source depth x {DEEPER}": (ABSORPTIVITY, DEEPER * DEPTH),
    }
    sensitivity = {
        name: relative(compute(central.case, alloy, cell, changed).mean, central.mean)
        for name, changed in changes.items()
    }
    if folder is not None and parallel.world().rank == 0:
        from .picture import draw

        draw(results, BOUNDARY, folder / "amb2018-02.png")
    return {
        "benchmark": "NIST AM Bench 2018-02, doi 10.1007/s40192-020-00169-1",
        "model": {
            "material": "IN625 with c_p(T), k(T) and latent heat; a bare plate at 298 K",
            "melt_boundary_K": BOUNDARY,
            "finest_cell_um": cell * 1e6,
            "absorptivity": ABSORPTIVITY,
            "absorptivity_chosen": f"one for all cases, fitted to the widths of {FITTED} only; "
            "depths, lengths and CBM are predictions",
            "source_depth_um": DEPTH * 1e6,
            "source_depth_chosen": "eq. (6): one powder layer, 20 um in the builds of AM Bench "
            "2018; the value matters, see sensitivity",
        },
        "pools": [row for result in results for row in rows(result)],
        "steadiness": {result.case.name: steadiness(result) for result in results},
        "validity": {result.case.name: validity(result.case) for result in results},
        f"mean_deviation_{FITTED}_percent": deviations(results) | {
            f"of_{name}": dict(zip(SIZES, figures, strict=True))
            for name, figures in OTHERS.items()
        },
        f"sensitivity_of_{SENSITIVE}_percent": sensitivity,
    }


def relative(pool: Pool, reference: Pool) -> dict[str, float]:
    """Deviation of each size of a pool from a reference, in per cent."""
    pairs = zip(SIZES, pool, reference, strict=True)
    return {name: 100 * (value / other - 1) for name, value, other in pairs}


def rows(result: Result) -> list[dict[str, Any]]:
    """What was measured and computed of a case, in um and per cent."""
    case, found = result.case, []
    for name, value in zip(SIZES, result.mean, strict=True):
        measured, scatter = case.measured[name], case.scatter[name]
        found.append({
            "case": case.name,
            "size": name,
            "measured_um": None if measured is None else round(measured * 1e6, 1),
            "scatter_um": None if scatter is None else round(scatter * 1e6, 1),
            "computed_um": round(value * 1e6, 1),
            "difference_percent": None if measured is None
            else round(100 * (value / measured - 1), 1),
        })
    return found


def steadiness(result: Result) -> str:
    """How steady the pools are, and what the surface loses, in words."""
    return (f"width and depth within {100 * result.unsteady:.2g} % over the last "
            f"{1e3 * (PLACES[-1] - PLACES[0]):.2g} mm; losses {100 * result.lost:.2g} % of the "
            "absorbed power")


def validity(case: Case) -> str:
    """What the measured shape says about a model of conduction alone."""
    ratio = case.measured["depth"] / case.measured["width"]
    text = f"measured depth / width {ratio:.2f}: "
    if case.drilled:
        return text + f"above {KEYHOLE}, towards a keyhole; a conduction model is not valid"
    return text + "conduction mode"


def deviations(results: list[Result]) -> dict[str, float]:
    """Mean absolute deviation of width and depth, mean deviation of the length, in per cent."""
    chosen = [result for result in results if result.case.name.startswith(FITTED)]
    found = {}
    for place, name in enumerate(SIZES):
        off = [result.mean[place] / result.case.measured[name] - 1 for result in chosen
               if result.case.measured[name] is not None]
        found[name] = 100 * float(np.mean(off if name == "length" else np.abs(off)))
    return found
