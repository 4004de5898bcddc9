"""The report of a study: every method beside the rows without training, on held-out and seen
conditions; means and standard deviations over seeds."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gensim.data.sheet import condition_text
from gensim.evaluate.measure import SPREAD
from gensim.evaluate.report import table_of
from gensim.study.cells import Cell, best_rates, grouped, label
from gensim.study.plan import StudyPlan
from partsim.wholefile import replace_json, replace_text

Result = dict[str, Any]
NOTES = """Errors are the mean over conditions of |mean / true mean - 1| in per cent; MAPE that of
histogram counts of pairs of crops; a floor is the same between two halves of the truth, as far as
that has several specimens; inclination in degrees; the score is the share of held-out
conditions whose truth is nearer to what was made for them than the truth of every condition that
taught, beside that of exchanged conditions. Plus or minus: standard deviation over seeds."""


def write(
    folder: Path, plan: StudyPlan, losses: dict[Cell, float], results: dict[Cell, Result],
    without: dict[str, Result],
) -> dict[str, Any]:
    """Writes study.json, all numbers, and report.md, the tables; the former.

    losses  on validation crops, of the search for learning rates

    Its `models` are the folders of the first seed, by row.
    """
    rows = {name: [result] for name, result in without.items()}
    rows |= {name: [results[cell] for cell in group] for name, group in grouped(results).items()}
    tree = {"plan": plan.model_dump(mode="json"), "learning_rates": best_rates(losses),
            "search": [{"method": cell.method, "rate": cell.rate, "validation_loss": loss}
                       for cell, loss in losses.items()],
            "models": {label(cell): cell.name for cell in results if cell.seed == plan.seeds[0]},
            "held_out": tabulated(rows, True), "seen": tabulated(rows, False)}
    replace_json(folder / "study.json", tree)
    replace_text(folder / "report.md", text(tree, rows))
    return tree


def tabulated(rows: dict[str, list[Result]], held_out: bool) -> dict[str, dict[str, Any]]:
    """row -> quantity -> [mean, standard deviation over seeds], over held-out or seen conditions.
    """
    table = {}
    for name, results in rows.items():
        found = [quantities(result, held_out) for result in results]
        kept = [each for each in found if each is not None]
        if kept:
            table[name] = {key: over_seeds([each[key] for each in kept]) for key in kept[0]}
    return table


def quantities(result: Result, held_out: bool) -> dict[str, float | None] | None:
    """The numbers of one cell; None where it has no such condition."""
    rows = [row for row in result["conditions"] if row["held_out" if held_out else "taught"]]
    if not rows:
        return None
    found: dict[str, float | None] = {}
    for name in SPREAD:
        found[f"{name} error"] = 100 * mean_size(rows, lambda r: r["measures"][name]["relative"])
        found[f"{name} MAPE"] = 100 * mean_size(rows, lambda r: r["measures"][name]["mape"])
        floors = mean_size(rows, lambda r: r["measures"][name]["floor_mape"])
        found[f"{name} MAPE floor"] = 100 * floors
    found["inclination error"] = mean_size(rows, lambda r: r["inclination"]["difference"])
    if held_out:
        found["score"], found["control"] = result["score"], result["control"]
        features = result.get("features", {})
        name = features.get("name", "Frechet")
        found[name], found[f"{name} floor"] = features.get("frechet"), features.get("floor")
    return found


def mean_size(rows: list[Result], value: Callable[[Result], float | None]) -> float:
    """The mean of a number's size over rows; NaN where a row has none."""
    return float(np.mean(np.abs(np.array([value(row) for row in rows], dtype=float))))


def over_seeds(values: Iterable[float | None]) -> list[float | None]:
    """[mean, standard deviation]; None where a value is missing."""
    known = np.array(list(values), dtype=float)
    if np.isnan(known).any():
        return [None, None]
    return [float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else 0.0]


def text(tree: dict[str, Any], rows: dict[str, list[Result]]) -> str:
    """report.md."""
    rates = ", ".join(f"{method} {rate:g}" for method, rate in tree["learning_rates"].items())
    parts = ["# Which way to a model of measured grains", f"Learning rates found: {rates}.",
             "## Held-out conditions", table(tree["held_out"]),
             "## Conditions that taught", table(tree["seen"]), NOTES,
             "## Condition by condition", by_condition(rows),
             "## Losses on validation crops, first seed", searched(tree["search"])]
    return "\n\n".join(parts) + "\n"


def table(found: dict[str, dict[str, list[float | None]]]) -> str:
    """A row a method."""
    names = list(dict.fromkeys(key for row in found.values() for key in row))
    return table_of(["", *names],
                    [[name, *(spread(row.get(key)) for key in names)] for name, row in
                     found.items()])


def searched(search: list[dict[str, Any]]) -> str:
    """A row a training of the search."""
    return table_of(["", "learning rate", "loss"],
                    [[each["method"], f"{each['rate']:g}", f"{each['validation_loss']:.4f}"]
                     for each in search])


def number(value: float | None, scale: float = 1.0) -> str:
    """Three digits."""
    return "-" if value is None else f"{scale * value:.3g}"


def spread(value: list[float | None] | None) -> str:
    """`mean +- deviation`."""
    if value is None or value[0] is None:
        return "-"
    return f"{value[0]:.3g}" + (f" +- {value[1]:.2g}" if value[1] else "")


def by_condition(rows: dict[str, list[Result]]) -> str:
    """Mean width, length (um) and inclination of the truth and of the first seed of each row."""
    lines = []
    for name, results in rows.items():
        for row in results[0]["conditions"]:
            sides = ("truth", "other")
            values = [number(row["measures"][name][side], 1e6) for name in ("width", "length")
                      for side in sides]
            values += [number(row["inclination"][side]) for side in sides]
            condition = [np.nan if x is None else x for x in row["condition"].values()]
            mark = ", held out" * row["held_out"]
            lines.append([name, condition_text(np.array(condition)) + mark, *values])
    header = ["", "condition", "true width", "width", "true length", "length",
              "true inclination", "inclination"]
    return table_of(header, lines)
