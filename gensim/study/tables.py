"""The report of a study: every method beside the rows without training, on held-out and seen
conditions; means and standard deviations over seeds."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gensim.data.conditions import condition_text
from gensim.evaluate.measure import MEASURES
from gensim.evaluate.report import table_of
from gensim.study.cells import Cell, best_rates, grouped, label
from gensim.study.plan import StudyPlan
from partsim.wholefile import replace_json, replace_text

Result = dict[str, Any]
Table = dict[str, dict[str, list[float | None]]]
INCLINATION, LARGEST = "inclination error", "largest inclination error"
FRECHET, KERNEL = "Frechet distance", "kernel distance"
MEANS = (*(f"{name} error" for name in MEASURES), INCLINATION, LARGEST)
SCORES = {"score": "score", "score less bias": "score_less_bias", "control": "control"}
HISTOGRAMS = (*(f"{name} MAPE" for name in MEASURES), *(f"{name} MAE" for name in MEASURES),
              "width distance", "length distance")
IMAGES = (FRECHET, KERNEL, "nearest copy", "unreadable", "removed")
RATIOS = (FRECHET, KERNEL, "width MAPE", "length MAPE", "width distance", "length distance")
NOTES = """Held-out conditions are held out of the experiment; the simulation may have them. Errors
are the mean over conditions of |mean / true mean - 1| in per cent, inclination in degrees; MAPE in
per cent and MAE are those of the histogram counts of pairs of crops, distances (Wasserstein) in um.
The score is the share of held-out conditions whose truth is nearer to what was made for them than
the truth of every condition that taught, beside that of exchanged conditions (control), and with
the mean bias at conditions that taught taken off first. Frechet and kernel distance (KID) are those
of the features of {features} in all held-out images; the nearest copy is the median distance of
their outlines to those of a crop that taught, 0 for a copy; pixels unreadable and removed in per
cent.

"Another run" is a second run of each condition beside the first: what no method can beat, and still
too good, as both have the laser and the hatch of one machine. Plus or minus is the standard
deviation over seeds, of the refining training and of sampling; the refined models share one
pretrained model: its chance is not in it, and what it has seen comes on top of what they see."""
BESIDE = """Each seed's value over that of the baseline with this seed. In Xie et al. (2026),
one model each and other crops, fine-tuning has 0.71 of the baseline's FID and 0.28 of its MAPE of
the width (16 % for 58 %), distillation 0.75 and 0.47 (27 %)."""


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
            "held_out": tabulated(rows, True), "seen": tabulated(rows, False),
            "beside_baseline": beside_baseline(rows, baselines(results))}
    replace_json(folder / "study.json", tree)
    replace_text(folder / "report.md", text(tree, rows))
    return tree


def tabulated(rows: dict[str, list[Result]], held_out: bool) -> Table:
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
    for name in MEASURES:
        found[f"{name} error"] = 100 * mean_size(rows, lambda r: r["measures"][name]["relative"])
    turns = sizes(rows, lambda r: r["inclination"]["difference"])
    found[INCLINATION], found[LARGEST] = float(turns.mean()), float(turns.max())
    for name in MEASURES:
        found[f"{name} MAPE"] = 100 * mean_size(rows, lambda r: r["measures"][name]["mape"])
        found[f"{name} MAE"] = mean_size(rows, lambda r: r["measures"][name]["mae"])
    for name in ("width", "length"):
        distance = mean_size(rows, lambda r: r["measures"][name]["wasserstein"])
        found[f"{name} distance"] = 1e6 * distance
    return found | (of_all(result) if held_out else {})


def of_all(result: Result) -> dict[str, float | None]:
    """The numbers that a cell has once, of its held-out conditions together."""
    features, copies = result.get("features", {}), result.get("copies", {})
    return {
        **{name: result[entry] for name, entry in SCORES.items()},
        FRECHET: features.get("frechet"), KERNEL: features.get("kernel"),
        "nearest copy": copies["other"]["median"] if copies else None,
        "unreadable": 100 * result["unreadable"], "removed": 100 * result["removed"],
    }


def sizes(rows: list[Result], value: Callable[[Result], float | None]) -> np.ndarray:
    """A number's size in each row, NaN where a row has none."""
    return np.abs(np.array([value(row) for row in rows], dtype=float))


def mean_size(rows: list[Result], value: Callable[[Result], float | None]) -> float:
    """The mean of a number's size over rows; NaN where a row has none."""
    return float(sizes(rows, value).mean())


def over_seeds(values: Iterable[float | None]) -> list[float | None]:
    """[mean, standard deviation]; None where a value is missing."""
    known = np.array(list(values), dtype=float)
    if np.isnan(known).any():
        return [None, None]
    return [float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else 0.0]


def baselines(cells: Iterable[Cell]) -> dict[str, str]:
    """The row of each refined one's baseline: that with the same cases."""
    return {label(cell): label(cell._replace(method="baseline")) for cell in cells
            if cell.method != "baseline"}


def beside_baseline(rows: dict[str, list[Result]], base_of: dict[str, str]) -> Table:
    """row -> quantity -> [mean, standard deviation] of its ratio to its baseline, seed by seed, on
    held-out conditions."""
    table: Table = {}
    for name, base_name in base_of.items():
        if base_name not in rows:
            continue
        pairs = [(quantities(mine, True), quantities(base, True))
                 for mine, base in zip(rows[name], rows[base_name], strict=True)]
        table[name] = {key: over_seeds([ratio(mine and mine[key], base and base[key])
                                        for mine, base in pairs]) for key in RATIOS}
    return table


def ratio(one: float | None, other: float | None) -> float | None:
    """one / other, None where that says nothing."""
    return one / other if one is not None and other else None


def text(tree: dict[str, Any], rows: dict[str, list[Result]]) -> str:
    """report.md."""
    held, seen = tree["held_out"], tree["seen"]
    features = [result["features"]["name"] for results in rows.values() for result in results
                if "features" in result]
    parts = ["# Which way to a model of measured grains",
             "## Held-out conditions", table(held, (*MEANS, *SCORES)), table(held, HISTOGRAMS),
             table(held, IMAGES), NOTES.format(features=features[0] if features else "no network"),
             "## Beside the baseline", BESIDE, table(tree["beside_baseline"], RATIOS),
             "## Conditions that taught", table(seen, MEANS), table(seen, HISTOGRAMS),
             "## Condition by condition", by_condition(rows),
             "## Losses on validation crops, first seed", searched(tree["search"])]
    return "\n\n".join(parts) + "\n"


def table(found: Table, names: Iterable[str]) -> str:
    """A row a method, a column a quantity."""
    names = list(names)
    return table_of(["", *names], [[name, *(plus_minus(row.get(key)) for key in names)]
                                   for name, row in found.items()])


def searched(search: list[dict[str, Any]]) -> str:
    """A row a training of the search."""
    return table_of(["", "learning rate", "loss"],
                    [[each["method"], f"{each['rate']:g}", f"{each['validation_loss']:.4f}"]
                     for each in search])


def number(value: float | None, scale: float = 1.0) -> str:
    """Three digits."""
    return "-" if value is None else f"{scale * value:.3g}"


def plus_minus(value: list[float | None] | None) -> str:
    """`mean +- deviation`."""
    if value is None or value[0] is None:
        return "-"
    return f"{value[0]:.3g}" + (f" +- {value[1]:.2g}" if value[1] else "")


def by_condition(rows: dict[str, list[Result]]) -> str:
    """Mean width, length (um) and inclination of the truth and, over seeds, of each row."""
    lines = []
    for name, results in rows.items():
        for same in zip(*(result["conditions"] for result in results)):
            values: list[str] = []
            for measure in ("width", "length"):
                found = [row["measures"][measure] for row in same]
                values += [number(found[0]["truth"], 1e6),
                           plus_minus(over_seeds(scaled(each["other"], 1e6)
                                                 for each in found))]
            found = [row["inclination"] for row in same]
            values += [number(found[0]["truth"]),
                       plus_minus(over_seeds(each["other"] for each in found))]
            condition = [np.nan if x is None else x for x in same[0]["condition"].values()]
            mark = ", held out" * same[0]["held_out"]
            lines.append([name, condition_text(np.array(condition)) + mark, *values])
    header = ["", "condition", "true width", "width", "true length", "length",
              "true inclination", "inclination"]
    return table_of(header, lines)


def scaled(value: float | None, scale: float) -> float | None:
    """The product, None of none."""
    return None if value is None else scale * value
