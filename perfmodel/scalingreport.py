"""scaling.md and scaling.png: the study of scaling.py, after Figure 9 of arXiv 2402.17580."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partsim.wholefile import replace_text
from perfmodel.report import Column, explained_table
from perfmodel.roofline import COLOURS, MARKERS, save

REPORT, PICTURE = "scaling.md", "scaling"
MICRO, MEGA = 1e6, 1e-6

PLACE = (
    Column("layer", "that is scanned", lambda row: row["layer"]),
    Column("scheme", "one step for all blocks, or each its own", lambda row: row["scheme"]),
    Column("ranks", "that share the mesh", lambda row: row["ranks"]),
)
EFFICIENCY = Column("efficiency", "time on one rank over time and ranks, weak: over time",
                    lambda row: row["efficiency"])
WHOLE = Column("us/step", "microseconds of a base step",
               lambda row: MICRO * row["seconds_per_step"])
MEASURED = (
    *PLACE, Column("nodes", "of the mesh", lambda row: row["nodes"]), WHOLE,
    Column("thermal us", "of it, on the rank where it took longest",
           lambda row: MICRO * row["thermal_seconds_per_step"]),
    Column("phases us", "likewise", lambda row: MICRO * row["phase_seconds_per_step"]),
    Column("halo us", "likewise: messages and waiting for them",
           lambda row: MICRO * row["halo_seconds_per_step"]),
    Column("M/s", "millions of nodes times base steps per second",
           lambda row: MEGA * row["nodes_times_steps_per_second"]),
    EFFICIENCY,
)
PREDICTED = (
    *PLACE, WHOLE,
    Column("computing us", "of it, on the slowest rank",
           lambda row: MICRO * row["computing_seconds_per_step"]),
    Column("messages us", "of it, of the busiest rank",
           lambda row: MICRO * row["message_seconds_per_step"]),
    Column("hot us", "of the blocks around the beams together",
           lambda row: MICRO * row["hot_seconds_per_step"]),
    EFFICIENCY,
    Column("% off", "the time predicted beside the one measured",
           lambda row: 100 * row["error"] if "error" in row else None),
)


def write_scaling(folder: Path, study: dict[str, Any]) -> None:
    """The tables and the picture of a study; raises UserError where they cannot be written."""
    link, other = study["link"], study["other_link"]
    lines = [
        f"# Scaling of {study['job']}", "",
        f"A message takes {MICRO * link['latency']:.3g} us and 1 s for"
        f" {1e-9 * link['bandwidth']:.3g} GB between the ranks that were measured,"
        f" {MICRO * other['latency']:.3g} us and 1 s for {1e-9 * other['bandwidth']:.3g} GB in the"
        " predictions for more.", "",
        "## Strong scaling, measured", "", *explained_table(MEASURED, study["strong"]),
    ]
    if study.get("weak"):
        lines += ["## Weak scaling, measured", "", "n ranks scan a part that is n times as wide.",
                  "", *explained_table(MEASURED, study["weak"])]
    lines += ["## Predicted", "", "The model is explained in perfmodel/predict.py; it is fitted to"
              " one rank.", "", *explained_table(PREDICTED, study["predicted"]),
              f"![Time, throughput and efficiency over ranks.]({PICTURE}.png)"]
    replace_text(folder / REPORT, "\n".join(lines) + "\n")
    save(draw(study), folder / PICTURE)


def draw(study: dict[str, Any]) -> Figure:
    """Time per step, throughput and efficiency over ranks: measured dots, predicted lines."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    kinds = list(dict.fromkeys((row["layer"], row["scheme"]) for row in study["strong"]))
    for kind, colour, marker in zip(kinds, COLOURS, MARKERS):
        measured = of_kind(study["strong"], kind)
        style = {"color": colour, "marker": marker, "linestyle": "none",
                 "label": f"layer {kind[0]}, {kind[1]}"}
        points(axes, measured, measured[0]["nodes"], style)
        told = of_kind(study["predicted"], kind)
        points(axes, told, measured[0]["nodes"], {"color": colour, "linewidth": 1})
    titles = ("microseconds per base step", "million nodes x steps / s", "parallel efficiency")
    for each, title in zip(axes, titles):
        each.set(xscale="log", xlabel="ranks", ylabel=title)
    axes[0].set_yscale("log")
    axes[1].set_yscale("log")
    axes[2].set_ylim(0, 1.1)
    axes[0].legend(fontsize=7)
    return figure


def of_kind(rows: Sequence[dict[str, Any]], kind: tuple) -> list[dict[str, Any]]:
    """Rows of a layer and scheme, by ranks."""
    found = [row for row in rows if (row["layer"], row["scheme"]) == kind]
    return sorted(found, key=lambda row: row["ranks"])


def points(axes: Sequence[Axes], rows: Sequence[dict[str, Any]], nodes: int, style: dict) -> None:
    """One curve in each panel."""
    ranks = [row["ranks"] for row in rows]
    seconds = [row["seconds_per_step"] for row in rows]
    axes[0].plot(ranks, [MICRO * each for each in seconds], **style)
    axes[1].plot(ranks, [MEGA * nodes / each for each in seconds], **style)
    axes[2].plot(ranks, [row["efficiency"] for row in rows], **style)
