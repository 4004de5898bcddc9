"""Conditions (power in W, speed in m/s, initial temperature in K; NaN where unknown): in words, by
name, and which different ones there are."""

import numpy as np

from gensim.data.crops import CONDITIONS


def condition_text(condition: np.ndarray) -> str:
    """Such as `150 W, 0.8 m/s, 300 K`, without what is unknown."""
    units = ("W", "m/s", "K")
    known = [f"{x:g} {unit}" for x, unit in zip(condition, units, strict=True) if x == x]
    return ", ".join(known) or "unknown"


def named(condition: np.ndarray) -> dict[str, float | None]:
    """A condition (3,) by the names of its parts, None where unknown."""
    known = [None if np.isnan(x) else float(x) for x in condition]
    return dict(zip(CONDITIONS, known, strict=True))


def distinct_conditions(conditions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows (k, 3) of `conditions`, and which of them each row is (n,)."""
    unknown = -1.0  # known ones are positive; NumPy takes no two rows with NaN for equal
    filled = np.where(np.isnan(conditions), unknown, conditions)
    rows, which = np.unique(filled, axis=0, return_inverse=True)
    return np.where(rows == unknown, np.nan, rows), which.reshape(-1)
