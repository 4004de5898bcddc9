"""Material files: the properties of an alloy with their sources, checked when they are read."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

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
    phase: PhaseConstants | None = None


class Material(Properties):
    """An alloy: densities in kg/m^3, conductivities in W/(m K), temperatures in K, all SI.

    phase    constants of the phase model by name, with the solidus and the liquidus, or None
    sources  where each value comes from, by entry
    """

    phase: dict[str, float] | None = None
    sources: dict[str, str] = Field(default_factory=dict)

    @property
    def constants(self) -> dict[str, Any]:
        """Everything that a result depends on, as JSON keeps it."""
        return self.model_dump(mode="json", exclude={"sources"})

    @property
    def largest_conductivity(self) -> float:
        """The largest conductivity of powder, melt and solid in W/(m K)."""
        return max(self.conductivity_powder, self.conductivity_melt, self.conductivity_solid)


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
    properties = validate(Properties, entries, prefix=f"{where}: ")
    check(properties, f"{where}: ")
    constants = {name: getattr(properties, name) for name in Properties.model_fields}
    if properties.phase is not None:
        melting = {"solidus": properties.solidus, "liquidus": properties.liquidus}
        constants["phase"] = melting | properties.phase.model_dump()
    return Material(**constants, sources=sources)


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
    """The values of a table whose entries may be tables of value and source; the sources."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in table.items():
        values[key] = entry
        if not isinstance(entry, dict):
            continue
        if "value" not in entry:
            values[key], inner = without_sources(entry, where, f"{above}{key}.")
            sources |= inner
            continue
        values[key] = entry["value"]
        for unknown in entry.keys() - {"value", "source"}:
            raise UserError(f"{where}: unknown entry {above}{key}.{unknown}")
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
