"""Material files: the properties of an alloy with their sources, checked when they are read.

A property that depends on the temperature is given as a table {T = [...], value = [...]}, linear
between its points and constant beyond. The density is constant; powder has that of the solid.
"""

import difflib
import itertools
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.schema import Section, parse_toml, read_text, require, validate
from partsim.units import (
    Conductivity,
    Density,
    Enthalpy,
    HeatCapacity,
    MolarMass,
    Number,
    PerKelvin,
    Pressure,
    Rate,
    Temperature,
)

Positive = Field(gt=0)
Fraction = Field(ge=0, le=1)
SHIPPED = resources.files("partsim") / "materials"
# K, tables must reach from here, the temperature of a room, to the liquidus
ROOM = 300.0


class Curve(Section):
    """A property at rising temperatures, linear between them and constant beyond.

    T      (n,) K
    value  (n,) in SI, positive
    """

    T: tuple[Annotated[Temperature, Positive], ...] = Field(min_length=2)
    value: tuple[Any, ...]

    @model_validator(mode="after")
    def _points(self) -> Self:
        if len(self.value) != len(self.T):
            raise ValueError(f"as many values as temperatures, {len(self.T)}")
        if not all(low < high for low, high in itertools.pairwise(self.T)):
            raise ValueError("at rising temperatures T")
        return self

    def mean(self, low: float, high: float) -> float:
        """The mean over the temperatures from `low` to `high` in K."""
        inner = [t for t in self.T if low < t < high]
        points = np.array([low, *inner, high])
        return float(np.trapezoid(np.interp(points, self.T, self.value), points) / (high - low))


class HeatCapacityCurve(Curve):
    """A specific heat capacity over the temperature."""

    value: tuple[Annotated[HeatCapacity, Positive], ...]


class ConductivityCurve(Curve):
    """A conductivity over the temperature."""

    value: tuple[Annotated[Conductivity, Positive], ...]


class Curves(Section):
    """The properties that may depend on the temperature."""

    heat_capacity: HeatCapacityCurve | None = None
    conductivity_powder: ConductivityCurve | None = None
    conductivity_melt: ConductivityCurve | None = None
    conductivity_solid: ConductivityCurve | None = None


class PhaseConstants(Section):
    """Constants of the phase model, named as in partsim.phase.model.PhaseLaw."""

    alpha_start: Temperature = Field(gt=0, description="T_as,sta: above it there is no alpha")
    alpha_end: Temperature = Field(gt=0, description="T_as,end: below it alpha is at its largest")
    alpha_exponent: PerKelvin = Field(gt=0, description="k_as,eq of the alpha equilibrium")
    martensite_start: Temperature = Field(gt=0, description="T_am,sta: above it none forms")
    martensite_end: Temperature = Field(gt=0, description="T_inf: below it it is at its largest")
    martensite_exponent: PerKelvin = Field(gt=0, description="k_am,eq of its pseudo-equilibrium")
    largest_alpha: Number = Field(gt=0, lt=1, description="largest fraction of both alphas")
    growth_exponent: Number = Field(gt=1, description="c_as of the growth of alpha")
    dissolution_exponent: Number = Field(gt=1, description="c_b of the dissolution of alpha")
    rate: Rate = Field(gt=0, description="k_1, rate of growth when hot")
    rate_centre: Temperature = Field(gt=0, description="k_2, where it is half of that")
    rate_slope: PerKelvin = Field(gt=0, description="k_3, steepness there")
    dissolution_factor: Number = Field(gt=0, description="f, dissolution against growth")
    regularisation_end: Temperature = Field(gt=0, description="T_reg,2: no alpha is left")


class Properties(Section):
    """What a material file holds; every entry is a value, or a table of value and source."""

    name: str = Field(strict=True, min_length=1, description="of the alloy")
    density: Density = Positive
    heat_capacity: HeatCapacity = Positive
    conductivity_powder: Conductivity = Positive
    conductivity_melt: Conductivity = Positive
    conductivity_solid: Conductivity = Positive
    solidus: Temperature = Positive
    liquidus: Temperature = Positive
    emissivity: Number = Fraction
    ambient: Temperature = Positive
    boiling: Temperature = Positive
    evaporation_pressure: Pressure = Field(ge=0, description="C_P, recoil pressure factor")
    molar_mass: MolarMass = Positive
    evaporation_enthalpy: Enthalpy = Positive
    enthalpy_reference: Temperature = Field(gt=0, description="T_h0, zero of the vapour's enthalpy")
    evaporation_cap: Temperature = Field(gt=0, description="T_max, hotter metal evaporates like it")
    latent_heat: Enthalpy | None = Field(None, gt=0, description="of fusion")
    phase: PhaseConstants | None = None


class Material(Properties):
    """An alloy: densities in kg/m^3, conductivities in W/(m K), temperatures in K, all SI.

    What depends on the temperature has its mean below the solidus here (the melt's conductivity:
    from the liquidus to the boiling point), and its table in `curves`.

    latent_heat  J/kg that melting takes, 0 where the job does not ask for it
    curves       properties that depend on the temperature, by entry
    phase        constants of the phase model by name, with the solidus and the liquidus, or None
    sources      where each value comes from, by entry
    """

    latent_heat: Enthalpy = 0.0
    curves: dict[str, Curve] = Field(default_factory=dict)
    phase: dict[str, float] | None = None
    sources: dict[str, str] = Field(default_factory=dict)

    @property
    def constants(self) -> dict[str, Any]:
        """Everything that a result depends on, as JSON keeps it."""
        return self.model_dump(mode="json", exclude={"sources"})

    def extremes(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value of a property over all temperatures."""
        values = self.curves[name].value if name in self.curves else (getattr(self, name),)
        return min(values), max(values)

    @property
    def smallest_heat_capacity(self) -> float:
        """The smallest specific heat capacity in J/(kg K), without the latent heat."""
        return self.extremes("heat_capacity")[0]

    @property
    def largest_conductivity(self) -> float:
        """The largest conductivity of powder, melt and solid in W/(m K)."""
        names = ("conductivity_powder", "conductivity_melt", "conductivity_solid")
        return max(self.extremes(name)[1] for name in names)


def load(choice: MaterialChoice, base: Path | str = ".") -> Material:
    """The material of the package by its name, or of a file relative to the folder `base`.

    Raises UserError for an unknown name, and for a file that is missing, malformed or incomplete.
    """
    if choice.file is None:
        where, text = shipped(choice.name)
    else:
        path = Path(base) / choice.file
        where, text = str(path), read_text(path, "material file")
    entries, sources = without_sources(parse_toml(text, f"material file {where}"), where)
    curves = take_curves(entries, f"{where}: ")
    properties = validate(Properties, entries, prefix=f"{where}: ")
    check(properties, f"{where}: ")
    check_curves(properties, curves, f"{where}: ")
    require(not choice.latent_heat or properties.latent_heat is not None, "material.latent_heat",
            "true", f"false, as long as {where} has no latent_heat")
    constants = {name: getattr(properties, name) for name in Properties.model_fields}
    constants["latent_heat"] = properties.latent_heat if choice.latent_heat else 0.0
    for name, curve in curves.items():
        constants[name] = curve.mean(*mean_range(name, properties))
    if properties.phase is not None:
        melting = {"solidus": properties.solidus, "liquidus": properties.liquidus}
        constants["phase"] = melting | properties.phase.model_dump()
    return Material(**constants, curves=curves, sources=sources)


def take_curves(entries: dict[str, Any], prefix: str) -> dict[str, Curve]:
    """The properties that are tables, by entry; in `entries` a number takes the place of each."""
    tables = {name: entries[name] for name in Curves.model_fields
              if isinstance(entries.get(name), dict)}
    curves = validate(Curves, tables, prefix)
    found = {name: getattr(curves, name) for name in tables}
    entries.update({name: curve.value[0] for name, curve in found.items()})
    return found


def mean_range(name: str, properties: Properties) -> tuple[float, float]:
    """The temperatures in K over which the mean stands for a property."""
    if name == "conductivity_melt":
        return properties.liquidus, properties.boiling
    return properties.ambient, properties.solidus


def shipped(name: str) -> tuple[str, str]:
    """Name and text of a material file of the package; upper and lower case are the same."""
    names = sorted(Path(entry.name).stem for entry in SHIPPED.iterdir())
    if name.lower() not in names:
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f'material.name = "{name}", but it must be one of {", ".join(names)}{hint}')
    file = f"{name.lower()}.toml"
    return file, (SHIPPED / file).read_text(encoding="utf-8")


def without_sources(
    table: dict[str, Any], where: str, above: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a table whose entries may be tables of value, T and source; the sources."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in table.items():
        values[key] = entry
        if not isinstance(entry, dict):
            continue
        if not entry.keys() & {"value", "T"}:
            values[key], inner = without_sources(entry, where, f"{above}{key}.")
            sources |= inner
            continue
        for unknown in entry.keys() - {"value", "source", "T"}:
            raise UserError(f"{where}: unknown entry {above}{key}.{unknown}")
        pair = {name: entry[name] for name in ("T", "value") if name in entry}
        values[key] = pair if "T" in pair else entry["value"]
        if "source" in entry:
            sources[above + key] = str(entry["source"])
    return values, sources


def check(material: Properties, prefix: str) -> None:
    """Raises UserError where the properties contradict each other."""
    solidus = f"{material.solidus:g} K"
    require(material.liquidus > material.solidus, f"{prefix}liquidus", f"{material.liquidus:g} K",
            f"above the solidus, {solidus}")
    require(material.ambient < material.solidus, f"{prefix}ambient", f"{material.ambient:g} K",
            f"below the solidus, {solidus}")
    require(material.boiling > material.liquidus, f"{prefix}boiling", f"{material.boiling:g} K",
            f"above the liquidus, {material.liquidus:g} K")
    require(material.evaporation_cap >= material.boiling, f"{prefix}evaporation_cap",
            f"{material.evaporation_cap:g} K",
            f"at least the boiling point, {material.boiling:g} K")


def check_curves(material: Properties, curves: dict[str, Curve], prefix: str) -> None:
    """Raises UserError where a table does not cover the temperatures that it is needed for."""
    for name, curve in curves.items():
        least = material.liquidus if name == "conductivity_melt" else ROOM
        most = material.solidus
        if name in ("heat_capacity", "conductivity_melt"):
            most = material.liquidus
        require(curve.T[0] <= least and curve.T[-1] >= most, f"{prefix}{name}.T",
                f"{curve.T[0]:g} K to {curve.T[-1]:g} K",
                f"a range that holds {least:g} K to {most:g} K")
