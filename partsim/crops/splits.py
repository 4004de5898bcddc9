"""Which crops teach and which test: whole runs, and whole conditions where they are held out."""

from collections.abc import Mapping

import numpy as np

from partsim.errors import UserError

SPLITS = ("train", "validation", "held_out")
CONDITION = ("power", "speed", "initial_temperature")


def check_splits(columns: Mapping[str, np.ndarray], where: str) -> None:
    """Neighbouring slices of one run are nearly equal: dealt to two splits, one leaks to the other.

    Raises UserError where crops of a run are in more than one split, or where a condition that is
    held out is trained on in the same domain. Runs of a map, whose condition is unknown, are told
    apart by their number only.
    """
    runs: dict[tuple, str] = {}
    conditions: dict[tuple, str] = {}
    names = ("domain", "case", "run", "split", *CONDITION)
    for domain, case, run, split, *condition in sorted(set(zip(*map(columns.get, names)))):
        key = (domain, int(case), int(run), *_known(condition))
        if runs.setdefault(key, split) != split:
            raise UserError(
                f"crops file {where}: run {run} of case {case} ({domain}) is in the splits "
                f"{runs[key]} and {split}, but a run must be in one"
            )
        if not _known(condition):
            continue
        group = "held_out" if split == "held_out" else "seen"
        if conditions.setdefault((domain, *condition), group) != group:
            raise UserError(
                f"crops file {where}: {condition[0]:g} W, {condition[1]:g} m/s, "
                f"{condition[2]:g} K ({domain}) is held out and trained on"
            )


def _known(condition: list[float]) -> tuple[float, ...]:
    """The condition, or nothing where it is unknown: NaN is not equal to itself."""
    return () if np.isnan(condition).any() else tuple(map(float, condition))
