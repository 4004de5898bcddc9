"""The report of a study: every method beside the rows without training, on held-out and seen
conditions; means and standard deviations over seeds."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gensim.data.conditions import condition_text
from gensim.evaluate.measure import MEASURES
from gensim.evaluate.report import table_of
from gensim.study.cells import ALL, AS_PLANNED, Cell, best_rates, grouped, label
from gensim.study.plan import StudyPlan
from gensim.study.reference import ANOTHER_RUN
from partsim.wholefile import replace_json, replace_text

Result = dict[str, Any]
Table = dict[str, dict[str, list[float | None]]]
INCLINATION, LARGEST = "inclination error", "largest inclination error"
FRECHET, KERNEL = "Frechet distance", "kernel distance"
MEANS = (*(f"{name} error" for name in MEASURES), INCLINATION, LARGEST)
SCORES = tuple(f"{name}{how}" for how in ("", " less bias")
               for name in ("score", "distance ratio", "control"))
HISTOGRAMS = (*(f"{name} MAPE" for name in MEASURES), *(f"{name} MAE" for name in MEASURES),
              "width distance", "length distance")
PIXELS = ("unreadable", "removed")
IMAGES = (FRECHET, KERNEL, "images", "nearest copy", *PIXELS)
RATIOS = (FRECHET, "width MAPE", "length MAPE", "width distance", "length distance")
NOTES = """Held-out conditions are held out of the experiment; the simulation may have them. Errors
are the mean over conditions of |mean / true mean - 1| in per cent, inclination in degrees; MAPE in
per cent and MAE are those of the histogram counts of pairs of crops, distances (Wasserstein) in um.
The score is the share of held-out conditions whose truth is nearer to what was made for them than
the truth of every condition that taught; the distance ratio, below 1 for such conditions, is how
much nearer; the control is the score with conditions exchanged; less bias: with the mean deviation
at conditions that taught taken off first (gensim/study/score.py). Frechet and kernel distance (KID)
are those of {features}. The nearest copy is the median distance of the outlines of grains to those
of a crop of the experiment that taught, 0 for a copy; pixels unreadable and removed in per cent.

"Another run", if there is one, is the last run of each condition beside the others: what chance
does to single runs. All else is judged by all runs, whose mean chance moves less, and by their more
images. All runs have the laser and the hatch of one machine. Plus or minus is the standard
deviation over seeds, of the refining training and of sampling; the refined models share one
pretrained model: its chance is not in it, and what it has seen comes on top of what they see."""
BESIDE = """Each seed's value over that of the baseline with this seed; rows without training, of
one value, are set beside all. In Xie et al. (2026), one model each and other crops, fine-tuning has
0.71 of the baseline's FID and 0.28 of its MAPE of the width (16 % for 58 %), distillation 0.75 and
0.47 (27 %)."""
INTERVALS = """Means in um and degrees; in brackets the bootstrap interval of the truth over its
runs, with two runs no more than the range of both."""
SEARCHED = """\\* chosen. Where it is the least or the greatest that was tried, the best may lie
beyond."""


def write(
    folder: Path, plan: StudyPlan, losses: dict[Cell, float | None], results: dict[Cell, Result],
    without: dict[str, Result],
) -> dict[str, Any]:
    """Writes study.json, the numbers of the tables, and report.md; the former. What each cell has
    beyond them is in its own JSON.

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
            "beside_baseline": beside_baseline(rows, baselines(results, without))}
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
    for name in PIXELS:
        found[name] = 100 * mean_size(rows, lambda r: r[name])
    return found | (of_all(result) if held_out else {})


def of_all(result: Result) -> dict[str, float | None]:
    """The numbers that a cell has once, of its held-out conditions together."""
    features, copies = result.get("features", {}), result.get("copies", {})
    scored = [result["scores"].get(how, {}) for how in ("as made", "less bias")]
    found = [each.get(name) for each in scored for name in ("score", "distance_ratio", "control")]
    return {
        **dict(zip(SCORES, found, strict=True)),
        FRECHET: features.get("frechet"), KERNEL: features.get("kernel"),
        "images": features["images"][1] if features else None,
        "nearest copy": copies["other"]["median"] if copies else None,
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
    if not np.isfinite(known).all():
        return [None, None]
    return [float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else 0.0]


def baselines(cells: Iterable[Cell], without: Iterable[str]) -> dict[str, str]:
    """The row of the baseline of each row without training, but that with a truth of its own, and
    of each refined one: that with the same cases."""
    base = {cell.cases: label(cell) for cell in cells
            if cell.method == "baseline" and cell.images == AS_PLANNED}
    rows = {name: base[ALL] for name in without if ALL in base and name != ANOTHER_RUN}
    return rows | {label(cell): base[cell.cases] for cell in cells
                   if cell.method != "baseline" and cell.cases in base}


def beside_baseline(rows: dict[str, list[Result]], base_of: dict[str, str]) -> Table:
    """row -> quantity -> [mean, standard deviation] of its ratio to its baseline, seed by seed, on
    held-out conditions."""
    table: Table = {}
    for name, base_name in base_of.items():
        bases = rows[base_name]
        ours = rows[name] if len(rows[name]) > 1 else rows[name] * len(bases)
        pairs = [(quantities(mine, True), quantities(base, True))
                 for mine, base in zip(ours, bases, strict=True)]
        table[name] = {key: over_seeds([ratio(mine and mine[key], base and base[key])
                                        for mine, base in pairs]) for key in RATIOS}
    return table


def ratio(one: float | None, other: float | None) -> float | None:
    """one / other, None where that says nothing."""
    return one / other if one is not None and other else None


def text(tree: dict[str, Any], rows: dict[str, list[Result]]) -> str:
    """report.md."""
    held, seen = tree["held_out"], tree["seen"]
    parts = ["# Which way to a model of measured grains",
             "## Held-out conditions", table(held, MEANS), table(held, SCORES),
             table(held, HISTOGRAMS), table(held, IMAGES), NOTES.format(features=described(rows)),
             "## Beside the baseline", BESIDE, table(tree["beside_baseline"], RATIOS),
             "## Conditions that taught", table(seen, (*MEANS, *PIXELS)), table(seen, HISTOGRAMS),
             "## Condition by condition", by_condition(rows), INTERVALS,
             "## Losses on validation crops, first seed", searched(tree),
             SEARCHED]
    return "\n\n".join(parts) + "\n"


def table(found: Table, names: Iterable[str]) -> str:
    """A row a method, a column a quantity."""
    names = list(names)
    return table_of(["", *names], [[name, *(plus_minus(row.get(key)) for key in names)]
                                   for name, row in found.items()])


def described(rows: dict[str, list[Result]]) -> str:
    """Whose features, what they are projected on, how far halves of the truth are apart."""
    found = [result["features"] for results in rows.values() for result in results
             if "features" in result]
    if not found:
        return "no network"
    # of all held-out conditions, which the simulation may lack
    first = max(found, key=lambda each: each["images"][0])
    refused = sorted({each["refused"] for each in found if each.get("frechet") is None})
    text = (f"the features of {first['name']}, the former on {first['dimensions']} principal axes "
            f"of crops that taught, which keep {100 * first['variance_kept']:.0f} % of their "
            f"variance; {first['images'][0]} images of the truth, fewer beside another run")
    if first.get("floor") is not None:
        text += f", halves of which are {first['floor']:.3g} apart"
    return text + "".join(f"; not told: {reason}" for reason in refused)


def searched(tree: dict[str, Any]) -> str:
    """A row a training of the search, the chosen ones marked."""
    lines = []
    for each in tree["search"]:
        loss, rate = each["validation_loss"], each["rate"]
        mark = " *" * (tree["learning_rates"][each["method"]] == rate)
        lines.append([each["method"], f"{rate:g}{mark}",
                      "diverged" if loss is None else f"{loss:.4f}"])
    return table_of(["", "learning rate", "loss"], lines)


def number(value: float | None, scale: float = 1.0) -> str:
    """Three digits."""
    return "-" if value is None else f"{scale * value:.3g}"


def between(entry: dict[str, Any], scale: float = 1.0) -> str:
    """The truth of an entry in three digits, and its interval."""
    interval = entry["true_interval"]
    told = number(entry["truth"], scale)
    if interval is not None:
        told += f" ({number(interval[0], scale)} to {number(interval[1], scale)})"
    return told


def plus_minus(value: list[float | None] | None) -> str:
    """`mean +- deviation`."""
    if value is None or value[0] is None:
        return "-"
    return f"{value[0]:.3g}" + (f" +- {value[1]:.2g}" if value[1] else "")


def by_condition(rows: dict[str, list[Result]]) -> str:
    """Mean width, length (um) and inclination of the truth, with bootstrap intervals over its runs,
    and of each row, over seeds."""
    lines = []
    for name, results in rows.items():
        for same in zip(*(result["conditions"] for result in results)):
            values: list[str] = []
            for measure in ("width", "length"):
                found = [row["measures"][measure] for row in same]
                values += [between(found[0], 1e6),
                           plus_minus(over_seeds(scaled(each["other"], 1e6)
                                                 for each in found))]
            found = [row["inclination"] for row in same]
            values += [between(found[0]),
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
