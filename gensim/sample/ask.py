"""The conditions that a user asks for, from words or from a job of partsim."""

import re
from pathlib import Path

import numpy as np

from partsim.errors import UserError
from partsim.job import load as load_job
from partsim.units import Length, Power, Speed, Temperature, unit_of

KINDS = (Power, Speed, Temperature)
WANTED = 'such as "150 W, 0.8 m/s" or "150 W, 800 mm/s, 400 K"'


def condition(text: str) -> np.ndarray:
    """(3,) of "150 W, 0.8 m/s, 400 K"; a missing temperature is NaN, "unknown" all three."""
    if text.strip() == "unknown":
        return np.full(3, np.nan)
    words = [word.strip() for word in text.split(",")]
    if not 2 <= len(words) <= 3:
        raise UserError(f'--condition "{text}" must be {WANTED}, or "unknown"')
    found = np.full(3, np.nan)
    for place, (word, kind) in enumerate(zip(words, KINDS, strict=False)):
        found[place] = read(f'--condition "{text}"', word, kind)
    return found


def read(option: str, word: str, kind: object) -> float:
    """The positive SI value of a quantity; UserError names the option."""
    unit = unit_of(kind, kind.__metadata__)
    try:
        value = unit.read(word if re.search("[A-Za-z]", word) else float(word))
    except ValueError:
        value = -1.0
    if value <= 0:
        raise UserError(f"{option}: {word} must be {unit.kind} above 0 such as {unit.example}")
    return value


def point(text: str) -> np.ndarray:
    """(3,) m of "1 mm,1 mm,0.5 mm"; UserError where it is none."""
    unit, words = unit_of(Length, Length.__metadata__), text.split(",")
    try:
        found = np.array([unit.read(word.strip()) for word in words])
    except ValueError:
        found = np.empty(0)
    if found.shape != (3,):
        raise UserError(f'--at {text} must be three lengths such as "1 mm,1 mm,0.5 mm"')
    return found


def condition_of_job(path: Path, power: str | None) -> np.ndarray:
    """(3,) the speed of a job's laser and the temperature of its layers, with the power given.

    A job states the absorbed power, while a model is trained with the nominal one.
    """
    if power is None:
        raise UserError(f'--job {path} needs --power, such as "150 W": nominal, while a job has the'
                        " absorbed power")
    job = load_job(path)
    return np.array([read("--power", power, Power), job.laser.speed, job.layers.temperature])
