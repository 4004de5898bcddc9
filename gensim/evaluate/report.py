"""The comparison of two domains as Markdown, lengths in um."""

from typing import Any

from gensim.data.conditions import condition_text
from gensim.data.crops import CONDITIONS
from gensim.evaluate.measure import MEASURES

SCALE = {"width": 1e6, "length": 1e6, "area": 1e12, "aspect": 1.0}
UNIT = {"width": "um", "length": "um", "area": "um^2", "aspect": ""}


def text(table: dict[str, Any]) -> str:
    """The whole report."""
    parts = [
        "# Grains of two domains compared",
        heading(table),
        channel(table["channel"]),
        *(section(condition_name(row["condition"]), row) for row in table["conditions"]),
        section("All crops", table["all"]),
        *([features(table["features"])] if "features" in table else []),
        *([copies(table["copies"])] if "copies" in table else []),
        NOTES,
    ]
    return "\n\n".join(parts) + "\n"


NOTES = """## How to read this

Intervals are 95 % bootstrap intervals over independent groups: runs, sampled images, or blocks of
one map; with two groups they are no more than the range of the two. The floor is the distance
between random halves of the truth, which have half as many crops, each half with half of the groups
of every condition. MAE and MAPE compare the histogram counts of random pairs of crops; MAPE leaves
out bins that are empty in the true crop."""


def condition_name(condition: dict[str, float | None]) -> str:
    """Such as `150 W, 0.8 m/s, 300 K`."""
    return condition_text([float("nan") if condition[name] is None else condition[name]
                           for name in CONDITIONS])


def heading(table: dict[str, Any]) -> str:
    """Which files."""
    files = table["files"]
    truth, other = (", ".join(files[name]) for name in ("truth", "other"))
    return (f"Truth: {truth}. Other: {other}. {table['section'].capitalize()} sections, pixels of "
            f"{table['pixel_size'] * 1e6:g} um.")


def channel(seen: dict[str, Any]) -> str:
    """How well images are read."""
    rows = []
    for name, row in seen.items():
        bias = row["bias"] or {}
        rows.append([name, row["crops"], percent(row["unreadable"]), percent(row["removed"]),
                     *(percent(bias[m], "+") if m in bias else "-" for m in MEASURES)])
    header = ["", "crops", "unreadable", "removed", *(f"bias of {m}" for m in MEASURES)]
    return "## How images are read\n\n" + table_of(header, rows)


def section(title: str, row: dict[str, Any]) -> str:
    """The measures over some crops."""
    rows = []
    for name in MEASURES:
        entry, scale = row[name], SCALE[name]
        floor = entry["floor"] or {}
        rows.append([
            f"{name} {UNIT[name]}".strip(),
            with_interval(entry["truth"], scale), with_interval(entry["other"], scale),
            beside(entry["wasserstein"] * scale, floor.get("wasserstein"), scale),
            beside(entry["mae"], floor.get("mae"), 1),
            beside(100 * entry["mape"], floor.get("mape"), 100),
        ])
    turn = row["inclination"]
    rows.append(["inclination deg", with_interval(turn["truth"], 1),
                 with_interval(turn["other"], 1), "", "", ""])
    if "depth" in row:
        rows.append(["melted depth um", *(number(1e6 * row["depth"][each]["mean"])
                                          for each in ("truth", "other")), "", "", ""])
    crops, groups = row["crops"], row["groups"]
    about = (f"{crops['truth']} true crops in {groups['truth']} groups, {crops['other']} others in "
             f"{groups['other']}.")
    header = ["", "truth", "other", "Wasserstein (floor)", "MAE (floor)", "MAPE % (floor)"]
    return f"## {title}\n\n{about}\n\n" + table_of(header, rows)


def features(row: dict[str, Any]) -> str:
    """Frechet and kernel distances."""
    lines = [f"## {row['name']}", "",
             f"{row['images'][0]} true and {row['images'][1]} other images; kernel distance (KID) "
             f"{number(row['kernel'])}."]
    if "frechet" in row:
        floor = "" if row.get("floor") is None else f"; floor {number(row['floor'])}"
        lines.append(f"Frechet distance in {row['dimensions']} dimensions with "
                     f"{percent(row['variance_kept'])} of the variance, fitted on "
                     f"{row['fitted_on']}: {number(row['frechet'])}{floor}.")
    if "refused" in row:
        what = "floor" if "frechet" in row else "Frechet distance"
        lines.append(f"No {what}: {row['refused']}.")
    return "\n".join(lines)


def copies(row: dict[str, Any]) -> str:
    """Distances to what was trained with."""
    rows = [[name, number(each["median"]), number(each["least"])] for name, each in row.items()]
    return ("## Nearest crop trained with\n\n1 - correlation of the boundaries: 0 is a copy.\n\n"
            + table_of(["", "median", "least"], rows))


def table_of(header: list[Any], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def with_interval(entry: dict[str, Any], scale: float) -> str:
    """`mean [low, high]`."""
    known = number(entry["mean"] * scale)
    if entry["interval"] is None:
        return known
    low, high = (number(end * scale) for end in entry["interval"])
    return f"{known} [{low}, {high}]"


def beside(value: float, floor: float | None, scale: float) -> str:
    """`value (floor)`."""
    return number(value) + ("" if floor is None else f" ({number(floor * scale)})")


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.3g}"


def percent(share: float, sign: str = "") -> str:
    """Such as `4.3 %`."""
    return f"{100 * share:{sign}.2g} %"
