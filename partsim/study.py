"""Studies: under which conditions, and with which seeds, tracks are simulated; one TOML file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from partsim.errors import UserError
from partsim.schema import Section, parse_toml, read_text, require, validate
from partsim.units import EnergyDensity, Length, Number, Power, Speed, Temperature

SAME = 1e-9  # relative difference of numbers that mean the same condition
STRIDE = 1000  # between the seeds of one case and of the next
Seed = Annotated[int, Field(ge=0, lt=2**31)]
RunSeed = Annotated[int, Field(ge=0, lt=STRIDE)]


class Case(Section):
    """One condition; its number is its place in the list, from 1."""

    power: Power = Field(gt=0, description="nominal")
    speed: Speed = Field(gt=0, description="of the beam")
    initial_temperature: Temperature = Field(300.0, gt=0, description="of the metal")
    source_depth: Length | None = Field(
        None, gt=0, description="of the heat source; default: what the job's law gives"
    )
    absorptivity: Number | None = Field(
        None, gt=0, le=1, description="of this case; default: the job's"
    )
    hatch: Length | None = Field(None, gt=0, description="of this case; default: the job's")
    split: Literal["train", "validation", "held_out"] = Field(
        "train", description="of all its runs, but for the seeds of validation"
    )
    seeds: tuple[Seed, ...] | None = Field(
        None, description="of its grains, as many as the study's; default: the study's, and 1000 "
                          "times the number of the case more"
    )

    @property
    def condition(self) -> tuple[float, float, float]:
        return self.power, self.speed, self.initial_temperature


class Window(Section):
    """Where tracks neither lack fusion nor drill keyholes: bounds of P / (v hatch thickness)."""

    hatch: Length = Field(1e-4, gt=0, description="between tracks, of cases without their own")
    thickness: Length = Field(3e-5, gt=0, description="of a layer")
    lowest: EnergyDensity = Field(gt=0, description="energy density")
    highest: EnergyDensity = Field(gt=0, description="energy density")

    def density(self, case: Case) -> float:
        """P / (v hatch thickness) in J/m^3."""
        return case.power / (case.speed * (case.hatch or self.hatch) * self.thickness)


class Study(Section):
    """Every case is simulated once with every seed."""

    job: str | None = Field(
        None, description="job file that the cases vary, beside the study; partsim track needs it"
    )
    section: Literal["cross", "longitudinal"] = Field("cross", description="that is cropped")
    seeds: tuple[RunSeed, ...] = Field(min_length=1, description="of the runs of every case")
    validation_seeds: tuple[RunSeed, ...] = Field(
        (), description="of the runs that validate where the case teaches"
    )
    window: Window | None = Field(None, description="that all cases lie in")
    cases: tuple[Case, ...] = Field(min_length=1)

    def number_of(self, condition: Sequence[float]) -> int:
        """The number of the case with this power, speed and temperature; UserError if none."""
        for number, case in enumerate(self.cases, 1):
            if _same(case.condition, condition):
                return number
        power, speed, temperature = condition
        raise UserError(f"the study has no case of {power:g} W, {speed:g} m/s, {temperature:g} K")


def seeds_of(study: Study, number: int) -> tuple[int, ...]:
    """The seeds of the grains in the runs of a case, in the order of the study's.

    No two cases share one unless they say so: runs of the same seed grow from the same metal, and
    their grains agree in much of a section even where powers and speeds differ.
    """
    own = study.cases[number - 1].seeds
    return tuple(STRIDE * number + seed for seed in study.seeds) if own is None else own


def split_of(study: Study, number: int, seed: int) -> str:
    """The split of the run of a case whose grains have this seed; UserError where it has none."""
    own = seeds_of(study, number)
    if seed not in own:
        raise UserError(f"case {number} has no run with grains.seed = {seed}, but "
                        f"{', '.join(map(str, own))}")
    split = study.cases[number - 1].split
    validates = study.seeds[own.index(seed)] in study.validation_seeds
    return "validation" if split == "train" and validates else split


def is_study(path: Path) -> bool:
    """Whether a file lists cases; UserError where it cannot be read or is not TOML."""
    return "cases" in parse_toml(read_text(path, "job file"), f"job file {path}")


def load(path: Path) -> Study:
    """The study in a file; UserError names the first mistake in one line."""
    where = f"study {path}"
    study = validate(Study, parse_toml(read_text(path, "study"), where), f"{where}: ")
    try:
        _check_seeds(study)
        _check_cases(study)
        _check_metal(study)
        if study.window is not None:
            _check_window(study.window, study.cases)
    except UserError as problem:
        raise UserError(f"{where}: {problem}") from None
    return study


def _check_seeds(study: Study) -> None:
    text = ", ".join(map(str, study.seeds))
    require(len(set(study.seeds)) == len(study.seeds), "seeds", f"[{text}]", "different numbers")
    for place, seed in enumerate(study.validation_seeds):
        require(seed in study.seeds, f"validation_seeds[{place}]", f"{seed}",
                f"one of seeds, {text}")
    require(len(set(study.validation_seeds)) < len(study.seeds), "validation_seeds",
            "all of seeds", "fewer: nothing would be left to train on")


def _check_metal(study: Study) -> None:
    """No metal in two splits: grains that were trained with would be seen again in a test."""
    known: dict[int, tuple[int, str]] = {}
    for number, case in enumerate(study.cases, 1):
        own = seeds_of(study, number)
        require(len(set(own)) == len(own) == len(study.seeds), f"cases[{number - 1}].seeds",
                f"[{', '.join(map(str, own))}]", f"{len(study.seeds)} different numbers")
        for seed in own:
            split = split_of(study, number, seed)
            before, other = known.setdefault(seed, (number, split))
            require(other == split, f"cases[{number - 1}].seeds", f"{seed}",
                    f"another: it is that of cases[{before - 1}], which is in {other}, not {split}")


def _check_cases(study: Study) -> None:
    """Every condition once: twice the same, in two splits, would leak."""
    for place, case in enumerate(study.cases):
        for before in range(place):
            require(not _same(case.condition, study.cases[before].condition), f"cases[{place}]",
                    f"{case.power:g} W, {case.speed:g} m/s, {case.initial_temperature:g} K",
                    f"different from cases[{before}]")


def _check_window(window: Window, cases: Sequence[Case]) -> None:
    require(window.lowest < window.highest, "window.highest", f"{window.highest:g} J/m^3",
            f"more than window.lowest = {window.lowest:g} J/m^3")
    for place, case in enumerate(cases):
        density = window.density(case)
        require(window.lowest * (1 - SAME) <= density <= window.highest * (1 + SAME),
                f"cases[{place}]", f"{density:.4g} J/m^3",
                f"in the window, {window.lowest:g} to {window.highest:g} J/m^3")


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=SAME) for a, b in zip(one, other, strict=True))
