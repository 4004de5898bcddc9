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
EFFICIENCY = Column("efficiency", "nodes x steps / s of a rank, beside those of one alone",
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
    Column("of thermal", "efficiency of that stage, without messages",
           lambda row: row.get("thermal_efficiency")),
    Column("of phases", "likewise", lambda row: row.get("phase_efficiency")),
)
PREDICTED = (
    *PLACE, WHOLE,
    Column("computing us", "of it, on the slowest rank",
           lambda row: MICRO * row["computing_seconds_per_step"]),
    Column("messages us", "of it, of the busiest rank",
           lambda row: MICRO * row["message_seconds_per_step"]),
    Column("fixed us", "of it, on every rank: calls and books, levels, aiming the beams",
           lambda row: MICRO * row["fixed_seconds_per_step"]),
    Column("hot us", "blocks around the beams, of the rank that has most of them",
           lambda row: MICRO * row["hot_seconds_per_step"]),
    Column("patch us", "all of them: what a step takes where one rank has them",
           lambda row: MICRO * row["patch_seconds_per_step"]),
    Column("block us", "the largest of them: no step is shorter, whoever has which",
           lambda row: MICRO * row["block_seconds_per_step"]),
    Column("imbalance %", "how much longer than the mean the slowest rank computes",
           lambda row: 100 * row["imbalance"]),
    EFFICIENCY,
    Column("% off", "the time predicted beside the one measured",
           lambda row: 100 * row["error"] if "error" in row else None),
)


def write_scaling(folder: Path, study: dict[str, Any]) -> None:
    """The tables and the picture of a study; raises UserError where they cannot be written."""
    machine = study["machine"]
    lines = [
        f"# Scaling of {study['job']}", "",
        f"Measured on {machine['nodes']} node(s), the first with {machine['cores_of_first_node']}"
        f" cores, over {study['steps']} base steps in the middle of a scan (a quarter of them at"
        " one rate). A layer begins from the layer-averaged estimate, so that few phases are in"
        " motion; dealing blocks anew, growth, cool-down and output are not in the times.", "",
        *(["**There were more ranks than cores: the times say nothing about scaling.**", ""]
          if machine["more_ranks_than_cores"] else []),
        *map(message_line, study["links"].items()), "",
        "## Strong scaling, measured", "", *explained_table(MEASURED, study["strong"]),
    ]
    if study.get("weak"):
        lines += ["## Weak scaling, measured", "", "n ranks scan a part that is n times as wide,"
                  " with the same beams: of multirate steps the blocks near them are not more.",
                  "", *explained_table(MEASURED, study["weak"])]
    lines += ["## Predicted", "", "The model is explained in perfmodel/predict.py; it is fitted to"
              " one rank, which has the memory of its node for itself, and knows messages by"
              " their latency and bytes alone: where a rank has few blocks, and where ranks fill a"
              " node, it is too hopeful. It tells steps of a scan, not dealing anew, growth and"
              " cool-down. Its costs, bytes and neighbours are in scaling.json.", "",
              *explained_table(PREDICTED, study["predicted"]),
              f"![Time, throughput and efficiency over ranks.]({PICTURE}.png)"]
    replace_text(folder / REPORT, "\n".join(lines) + "\n")
    save(draw(study), folder / PICTURE)


def message_line(item: tuple[str, dict[str, float] | None]) -> str:
    """How long messages take between the ranks that were measured, or in predictions of more."""
    where = {"measured": "between these ranks", "beyond": "in predictions for more"}[item[0]]
    if item[1] is None:
        return f"- {where}: unknown, one rank has nobody to talk to (`--latency`)"
    return (f"- {where} a message takes {MICRO * item[1]['latency']:.3g} us, and 1 s for"
            f" {1e-9 * item[1]['bandwidth']:.3g} GB")


def draw(study: dict[str, Any]) -> Figure:
    """Measured dots and predicted lines over ranks: time per step, throughput and efficiency; below
    them time in the thermal stage and in the phases, measured only, and weak scaling if known."""
    weak = study.get("weak", [])
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    whole, stages = figure.subplots(2, 3)
    kinds = list(dict.fromkeys((row["layer"], row["scheme"]) for row in study["strong"]))
    for number, kind in enumerate(kinds):
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
        measured = of_kind(study["strong"], kind)
        dots = {"color": colour, "marker": marker, "linestyle": "none",
                "label": f"layer {kind[0]}, {kind[1]}"}
        dotted = dots | {"linestyle": ":"}
        points(whole, measured, measured[0]["nodes"], dots)
        told = of_kind(study["predicted"], kind)
        points(whole, told, measured[0]["nodes"], {"color": colour, "linewidth": 1})
        for each, stage in zip(stages, ("thermal", "phase")):
            curve(each, measured, f"{stage}_seconds_per_step", MICRO, dotted)
        curve(stages[2], of_kind(weak, kind), "efficiency", 1, dotted)
    titles = ("microseconds per base step", "million nodes x steps / s", "parallel efficiency",
              "thermal stage, microseconds per base step", "phases, microseconds per base step",
              "efficiency of weak scaling")
    for each, title in zip(figure.axes, titles):
        each.set(xscale="log", xlabel="ranks", ylabel=title)
    for each in (*whole[:2], *stages[:2]):
        each.set_yscale("log")
    for each in (whole[2], stages[2]):
        each.set_ylim(0, max(1.1, each.get_ylim()[1]))
    stages[2].set_visible(bool(weak))
    whole[0].legend(fontsize=7)
    return figure


def of_kind(rows: Sequence[dict[str, Any]], kind: tuple) -> list[dict[str, Any]]:
    """Rows of a layer and scheme, by ranks."""
    found = [row for row in rows if (row["layer"], row["scheme"]) == kind]
    return sorted(found, key=lambda row: row["ranks"])


def points(axes: Sequence[Axes], rows: Sequence[dict[str, Any]], nodes: int, style: dict) -> None:
    """One curve in each panel of the upper row."""
    curve(axes[0], rows, "seconds_per_step", MICRO, style)
    speeds = [row | {"speed": nodes / row["seconds_per_step"]} for row in rows]
    curve(axes[1], speeds, "speed", MEGA, style)
    curve(axes[2], rows, "efficiency", 1, style)


def curve(axes: Axes, rows: Sequence[dict[str, Any]], key: str, scale: float, style: dict) -> None:
    """Over the ranks of some rows what they hold under a key, so many times as large."""
    axes.plot([row["ranks"] for row in rows], [scale * row[key] for row in rows], **style)
