"""The metal of a melt pool: what its energy tells about temperature and conduction, in closed form.

Heat capacity and conductivity are linear in temperature between two temperatures and constant
outside; melting adds the latent heat evenly between solidus and liquidus. Energy per volume e(T)
and the integral of the conductivity theta(T) are therefore quadratic between a few knots.
"""

from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import Field

from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.part.material import without_sources
from partsim.schema import Section, parse_toml, read_text, require, validate
from partsim.units import (
    Conductivity, ConductivitySlope, Density, Enthalpy, HeatCapacity, HeatCapacitySlope, Number,
    Rate, SurfaceTensionSlope, Temperature, Viscosity,
)

SHIPPED = resources.files("partsim") / "alloys"


class Alloy(Section):
    """What an alloy file holds; every entry is a value, or a table of value and source.

    c_p = heat_capacity + heat_capacity_slope T and likewise the conductivity k, with T kept between
    lowest_temperature and highest_temperature.
    """

    name: str = Field(strict=True, min_length=1)
    density: Density = Field(gt=0)
    heat_capacity: HeatCapacity = Field(gt=0)
    heat_capacity_slope: HeatCapacitySlope = Field(ge=0)
    conductivity: Conductivity = Field(gt=0)
    conductivity_slope: ConductivitySlope = Field(ge=0)
    lowest_temperature: Temperature = Field(gt=0)
    highest_temperature: Temperature = Field(gt=0)
    solidus: Temperature = Field(gt=0)
    liquidus: Temperature = Field(gt=0)
    latent_heat: Enthalpy = Field(ge=0)
    viscosity: Viscosity = Field(gt=0)
    surface_tension_slope: SurfaceTensionSlope
    drag_rate: Rate = Field(ge=0, description="A of the drag A (1 - f)^2 / (f^3 + drag_floor)")
    drag_floor: Number = Field(gt=0, description="keeps the drag of the solid finite")

    def capacity(self, temperature: np.ndarray | float) -> np.ndarray:
        """rho (c_p + L / (T_l - T_s) between solidus and liquidus) in J/(m^3 K)."""
        T = np.asarray(temperature, dtype=float)
        kept = np.clip(T, self.lowest_temperature, self.highest_temperature)
        mushy = (T >= self.solidus) & (T < self.liquidus)
        latent = np.where(mushy, self.latent_heat / (self.liquidus - self.solidus), 0.0)
        return self.density * (self.heat_capacity + self.heat_capacity_slope * kept + latent)

    def conductivity_at(self, temperature: np.ndarray | float) -> np.ndarray:
        """k in W/(m K)."""
        kept = np.clip(temperature, self.lowest_temperature, self.highest_temperature)
        return self.conductivity + self.conductivity_slope * kept

    @property
    def largest_diffusivity(self) -> float:
        """Largest k / (rho c_p) in m^2/s; each is a ratio of linear functions of T."""
        T = np.array([self.lowest_temperature, self.highest_temperature])
        return float(np.max(self.conductivity_at(T) / self.capacity(T)))

    def integrals(self, temperature: float) -> tuple[float, float]:
        """e in J/m^3 and theta in W/m at a temperature in K."""
        table = self.table()
        row = table[np.searchsorted(table[1:, 0], temperature, side="right")]
        x = temperature - row[0]
        return (float(row[1] + x * (row[2] + x * row[3] / 2)),
                float(row[4] + x * (row[5] + x * row[6] / 2)))

    def table(self) -> np.ndarray:
        """(n, 7) the quadratic pieces of e and theta for partsim.meltpool.kernels.

        Columns T_0, e_0, c, dc/dT, theta_0, k, dk/dT: in its piece, with x = T - T_0, e = e_0 +
        c x + dc/dT x^2 / 2 (J/m^3) and theta = theta_0 + k x + dk/dT x^2 / 2 (W/m). The first row
        also serves below its knot; e and theta are zero at the lowest tabulated temperature.
        """
        low, high = self.lowest_temperature, self.highest_temperature
        knots = np.unique([low, self.solidus, self.liquidus, high])
        slopes = np.where(knots < high, 1.0, 0.0)
        c, k = self.capacity(knots), self.conductivity_at(knots)
        dc = slopes * self.density * self.heat_capacity_slope
        dk = slopes * self.conductivity_slope
        x = np.diff(knots)
        e = np.concatenate([[0.0], np.cumsum(c[:-1] * x + dc[:-1] * x**2 / 2)])
        theta = np.concatenate([[0.0], np.cumsum(k[:-1] * x + dk[:-1] * x**2 / 2)])
        pieces = np.column_stack([knots, e, c, dc, theta, k, dk])
        below = [low, 0.0, c[0], 0.0, 0.0, k[0], 0.0]
        return np.vstack([below, pieces])


def load(choice: MaterialChoice, base: Path | str = ".") -> Alloy:
    """The alloy of the package by its name, or of a file relative to the folder `base`.

    Raises UserError for an unknown name, and for a file that is missing, malformed or
    contradictory.
    """
    if choice.file is None:
        where, text = _shipped(str(choice.name))
    else:
        path = Path(base) / choice.file
        where, text = str(path), read_text(path, "alloy file")
    entries, _ = without_sources(parse_toml(text, f"alloy file {where}"), where)
    alloy = validate(Alloy, entries, prefix=f"{where}: ")
    check(alloy, f"{where}: ")
    return alloy


def _shipped(name: str) -> tuple[str, str]:
    names = sorted(Path(entry.name).stem for entry in SHIPPED.iterdir())
    if name.lower() not in names:
        raise UserError(f'material.name = "{name}", but it must be one of {", ".join(names)}')
    file = f"{name.lower()}.toml"
    return file, (SHIPPED / file).read_text(encoding="utf-8")


def check(alloy: Alloy, prefix: str) -> None:
    """Raises UserError where the temperatures are not in their order."""
    require(alloy.liquidus > alloy.solidus, f"{prefix}liquidus", f"{alloy.liquidus:g} K",
            f"above the solidus, {alloy.solidus:g} K")
    require(alloy.lowest_temperature < alloy.solidus, f"{prefix}lowest_temperature",
            f"{alloy.lowest_temperature:g} K", f"below the solidus, {alloy.solidus:g} K")
    require(alloy.highest_temperature >= alloy.liquidus, f"{prefix}highest_temperature",
            f"{alloy.highest_temperature:g} K", f"at least the liquidus, {alloy.liquidus:g} K")
