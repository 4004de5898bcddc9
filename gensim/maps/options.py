"""Options of `gensim import` as users write them, and its report."""

import json
import math
from pathlib import Path
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


def report(told: dict[str, Any], json_file: Path | None) -> None:
    """Prints a nested table as JSON, and writes it to a file."""
    text = json.dumps(told, indent=2)
    print(text)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
