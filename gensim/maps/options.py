"""Options of `gensim import` as users write them."""

import math
from typing import Any

from partsim.errors import UserError
from partsim.units import Angle, Length, unit_of


def length_of(option: str, text: str) -> float:
    """A length in m; UserError where the text is none."""
    return _quantity(option, text, Length)


def angle_of(option: str, text: str) -> float:
    """An angle in degrees; UserError where the text is none."""
    return math.degrees(_quantity(option, text, Angle))


def _quantity(option: str, text: str, kind: Any) -> float:
    unit = unit_of(kind, kind.__metadata__)
    try:
        return unit.read(text)
    except ValueError:
        raise UserError(f"{option} {text} must be {unit.kind} such as {unit.example}") from None
