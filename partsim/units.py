"""Quantities as engineers write them ("80 um", "960 mm/s", "20 degC"), turned into SI floats.

A type such as `Length` is a float for everybody who reads it; pydantic models that carry it accept
a text with a unit of the right dimension, or a plain number that already is SI.
"""

import functools
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([\w°%*/^(). -]*?)\s*")


@functools.cache
def registry() -> Any:
    """The table of units, made at first use: importing pint takes a quarter of a second.

    Its numbers are decimal, so that "80 um" is the float 8e-05 and not its neighbour.
    """
    import pint

    return pint.UnitRegistry(non_int_type=Decimal)


def converted(number: str, unit: str, wanted: str) -> float:
    """`number` in `unit`, expressed in the unit `wanted`; ValueError where that makes no sense."""
    units = registry()
    try:
        quantity = units.Quantity(Decimal(number), units.parse_units(unit))
        return float(quantity.to(wanted).magnitude)
    except Exception as problem:  # pint meets texts without sense with a dozen unrelated kinds
        raise ValueError(f"no unit of {wanted}: {unit}") from problem


@dataclass(frozen=True)
class Unit:
    """Marks a float of a pydantic model as a quantity.

    symbol   the SI unit in which the float is stored
    example  how a user may write such a quantity
    """

    symbol: str
    kind: str
    example: str

    def read(self, value: object) -> float:
        """The SI value of a number or a text with a unit; ValueError says what is wanted."""
        wanted = f"{self.kind} such as {self.example}"
        if self.symbol != "1":
            wanted += f" or a number in {self.symbol}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(wanted)
        try:
            number = self._parsed(value) if isinstance(value, str) else float(value)
        except (ValueError, OverflowError) as problem:
            raise ValueError(wanted) from problem
        if not math.isfinite(number):
            raise ValueError(f"{wanted}, and finite")
        return number

    def _parsed(self, text: str) -> float:
        match = QUANTITY.fullmatch(text)
        if match is None:
            raise ValueError("not a number with a unit")
        return converted(match[1], match[2], "" if self.symbol == "1" else self.symbol)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def unit_of(annotation: object, metadata: tuple | list = ()) -> Unit | None:
    """The unit that stands in a type or anywhere inside it, as in a tuple of lengths."""
    for item in metadata:
        if isinstance(item, Unit):
            return item
    parts = get_args(annotation)
    found = (unit_of(part, getattr(part, "__metadata__", ())) for part in parts)
    return next((unit for unit in found if unit is not None), None)


def quantity(symbol: str, kind: str, example: str) -> Any:
    """The type of a float that is read with the unit `symbol`."""
    return Annotated[float, Unit(symbol, kind, f'"{example}"')]


Length = quantity("m", "a length", "80 um")
Speed = quantity("m/s", "a speed", "960 mm/s")
Power = quantity("W", "a power", "180 W")
Time = quantity("s", "a time", "10 us")
WallTime = quantity("min", "a time", "30 min")
Temperature = quantity("K", "a temperature", "20 degC")
Angle = quantity("rad", "an angle", "67 deg")
Number = Annotated[float, Unit("1", "a number without unit", "0.01")]
Density = quantity("kg/m^3", "a density", "4090 kg/m^3")
HeatCapacity = quantity("J/(kg K)", "a specific heat capacity", "1130 J/(kg K)")
Conductivity = quantity("W/(m K)", "a conductivity", "28.6 W/(m K)")
Pressure = quantity("Pa", "a pressure", "54 kPa")
Enthalpy = quantity("J/kg", "a specific enthalpy", "8.84 MJ/kg")
MolarMass = quantity("kg/mol", "a molar mass", "47.8 g/mol")
PerKelvin = quantity("1/K", "a number per kelvin", "0.0068 1/K")
Rate = quantity("1/s", "a rate", "0.294 1/s")
EnergyDensity = quantity("J/m^3", "an energy density", "1.2 MJ/m^3")
