"""The kernels against the roofs of the machine, after Figures 4 and 5 of arXiv 2402.17580."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from partsim.errors import UserError
from partsim.output.shared_file import explained
from partsim.phase.history import whole_or_absent
from perfmodel.machine import Machine

Record = dict[str, Any]

SUFFIXES = ("png", "svg")
SCHEMES = ("explicit phases", "implicit phases")
COLOURS = ("#0072b2", "#d55e00", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "0.35", "#7a4fa3",
           "#8c564b", "#17becf")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
AREA = 11.0  # square points, of the marker of one lane
USUAL_AREA = 36.0  # of markers whose size tells nothing
SHIFT = 0.12  # of the points of neighbouring layouts, in steps of the lanes
FAR = 1e9  # flop/byte, beyond the end of every roof that is drawn
COMPILED = "as compiled"
MARGIN = 2.0  # how far the axes go beyond points and roofs, as a factor
DECADE = 10.0  # the least that an axis spans, as a factor


def draw_roofline(records: Sequence[Record], machine: Machine, path: Path) -> list[Path]:
    """Draws flop/s over arithmetic intensity to `path`.png and .svg, and returns both.

    Raises UserError where there are no records or no limits of as many ranks.
    """
    return save(roofline_figure(records, machine), path)


def draw_throughput(records: Sequence[Record], machine: Machine, path: Path) -> list[Path]:
    """Draws the phases' GDoF/s over the width of the registers to `path`.png and .svg."""
    return save(throughput_figure(records, machine), path)


def save(figure: Figure, path: Path) -> list[Path]:
    """Writes a figure in all formats, each file whole or absent; raises UserError."""
    path = Path(path)
    written = [path.with_name(f"{path.name}.{suffix}") for suffix in SUFFIXES]
    for file in written:
        explained(file, lambda: whole_or_absent(file, lambda to: figure.savefig(to, dpi=150)))
    return written


def roofline_figure(records: Sequence[Record], machine: Machine) -> Figure:
    """A panel for each number of ranks, with the roofs of as many."""
    if not records:
        raise UserError("no kernels were measured, but the roofline needs at least one")
    styles = Styles(records)
    counts = distinct("ranks", records)
    figure = new_figure(len(counts), 6.0)
    panels = figure.subplots(1, len(counts), squeeze=False, sharex=True, sharey=True)[0]
    figure.suptitle(f"Kernels and roofs of {machine.name}")
    for axes, ranks in zip(panels, counts):
        own = [record for record in records if record["ranks"] == ranks]
        roofs = draw_roofs(axes, own, machine)
        for line in grouped(own):
            styles.connect(axes, line, [*map(intensity, line)], "gflop_per_second")
            for record in line:
                style = {"s": area(record["lanes"])}
                style |= {"edgecolors": "black"} if record["lanes"] is None else {}
                styles.point(axes, record, intensity(record), "gflop_per_second", **style)
        axes.set(title=ranks_text(ranks), xlabel="arithmetic intensity in flop/byte")
        axes.legend(handles=roofs, loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False,
                    fontsize="small", title="roofs", title_fontsize="small", alignment="left")
        plain_numbers(axes.xaxis, axes.yaxis)
    panels[0].set_ylabel("GFLOP/s")
    handles = [*styles.legend(), *lane_legend(records)]
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize="small")
    return figure


def intensity(record: Record) -> float:
    """flop/byte."""
    return record["flops_per_dof"] / record["bytes_per_dof"]


def draw_roofs(axes: Axes, records: Sequence[Record], machine: Machine) -> list[Line2D]:
    """The roofs of records of one number of ranks; sets the limits of the axes."""
    ranks = records[0]["ranks"]
    bandwidth = max(record["daxpy_gb_per_second"] for record in records)
    levels = list(arithmetic_roofs(records, machine))
    highest = max(level for _, level, _ in levels)
    x = [*map(intensity, records), highest / bandwidth]
    low, high = min(x) / MARGIN, max(x) * MARGIN
    low = min(low, high / DECADE)
    slope = np.array([1 / FAR, highest / bandwidth])
    lines = axes.plot(slope, bandwidth * slope, color="black", linewidth=1.2,
                      label=f"memory: {bandwidth:.3g} GB/s (DAXPY, {ranks_text(ranks)})")
    for label, level, style in levels:
        lines += axes.plot([level / bandwidth, FAR], [level, level], label=label, **style)
    bottom = min(record["gflop_per_second"] for record in records) / MARGIN
    widen(axes, (low, high), (min(bottom, highest / DECADE), highest * MARGIN))
    return lines


def widen(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Makes logarithmic axes show these ranges beside those that other panels have asked for."""
    if axes.get_xscale() == "log":
        x = min(x[0], axes.get_xlim()[0]), max(x[1], axes.get_xlim()[1])
        y = min(y[0], axes.get_ylim()[0]), max(y[1], axes.get_ylim()[1])
    axes.set(xscale="log", yscale="log", xlim=x, ylim=y)


def arithmetic_roofs(
    records: Sequence[Record], machine: Machine
) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Label, GFLOP/s and style of the peaks and of the peak times the arithmetic's share."""
    ranks = records[0]["ranks"]
    widths = sorted({entry.lanes for entry in machine.peaks if entry.ranks == ranks})
    peak = machine.peak(ranks) / 1e9
    yield f"FMA, {lanes_text(widths[-1])}: {peak:.3g} GFLOP/s", peak, {"color": "black"}
    if widths[0] < widths[-1]:
        level = machine.peak(ranks, widths[0]) / 1e9
        yield f"FMA, {lanes_text(widths[0])}: {level:.3g} GFLOP/s", level, {"color": "0.6"}
    for scheme, colour in zip(SCHEMES, COLOURS):
        shares = [record["arithmetic_share"] for record in records if record["kernel"] == scheme]
        share = max((share for share in shares if share is not None), default=None)
        if share is not None:
            label = f"instruction mix, {scheme}: {100 * share:.3g} % of the peak"
            yield label, share * peak, {"color": colour, "linestyle": "--", "linewidth": 1.2}


def throughput_figure(records: Sequence[Record], machine: Machine) -> Figure:
    """A panel for each scheme: GDoF/s over lanes, with the memory bound of as many ranks."""
    shown = {scheme: of_scheme(records, scheme) for scheme in SCHEMES}
    shown = {scheme: own for scheme, own in shown.items() if own}
    if not shown:
        raise UserError(f"no {' or '.join(SCHEMES)} were measured, but their throughput is drawn")
    together = sum(shown.values(), [])
    styles, widths = Styles(together), lane_labels(together)
    figure = new_figure(len(shown), 4.5)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    figure.suptitle(f"Throughput of the phases on {machine.name}")
    for axes, (scheme, own) in zip(panels, shown.items()):
        draw_bounds(axes, own, widths)
        for line in grouped(own):
            x = [styles.shift(record) + widths.index(lane_label(record)) for record in line]
            styles.connect(axes, line, x, "gdof_per_second")
            for record, at in zip(line, x):
                styles.point(axes, record, at, "gdof_per_second", s=USUAL_AREA,
                             facecolors=styles.face(record))
        axes.set(title=scheme, xlabel="lanes (doubles taken at a time)", yscale="log")
        axes.set_xticks(range(len(widths)), [label.replace(" ", "\n") for label in widths])
        axes.set_xlim(-0.5, len(widths) - 0.5)
        plain_numbers(axes.yaxis)
    low, high = panels[0].get_ylim()
    panels[0].set(ylabel="GDoF/s", ylim=(min(low, high / DECADE), high * MARGIN**0.5))
    memory = Line2D([], [], color="0.5", linestyle="-.", label="DAXPY over B/DoF")
    handles = [*styles.legend(), *styles.rank_legend(), heading("memory bound"), memory]
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize="small")
    return figure


def of_scheme(records: Iterable[Record], scheme: str) -> list[Record]:
    """The records of a scheme, also with the C library's functions."""
    return [record for record in records if record["kernel"].split(",")[0] == scheme]


def draw_bounds(axes: Axes, records: Sequence[Record], widths: Sequence[str]) -> None:
    """What the memory allows at most, for each number of ranks over the lanes measured with it."""
    for ranks in distinct("ranks", records):
        own = [record for record in records if record["ranks"] == ranks]
        bound = max(record["daxpy_gb_per_second"] / record["bytes_per_dof"] for record in own)
        places = [widths.index(lane_label(record)) for record in own]
        left, right = min(places) - 0.4, max(places) + 0.4
        axes.plot([left, right], [bound, bound], color="0.5", linestyle="-.", linewidth=1.2)
        axes.annotate(ranks_text(ranks), (right, bound), xytext=(0, 2), ha="right", va="bottom",
                      textcoords="offset points", fontsize="small", color="0.4")


class Styles:
    """The colour of each kernel and the shape of each layout, the same in a whole figure."""

    def __init__(self, records: Sequence[Record]) -> None:
        measured = distinct("kernel", records)
        ours = SCHEMES if set(SCHEMES) & set(measured) else ()  # have their colours in all figures
        kernels = dict.fromkeys([*ours, *measured])
        colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(kernels)}
        self.colours = {name: colours[name] for name in measured}
        self.layouts = distinct("layout", records)
        self.markers = {name: MARKERS[n % len(MARKERS)] for n, name in enumerate(self.layouts)}
        self.ranks = distinct("ranks", records)

    def point(self, axes: Axes, record: Record, x: float, y: str, **style: Any) -> None:
        """The point of a record, its height the entry y."""
        colour = self.colours[record["kernel"]]
        style = {"facecolors": colour, "edgecolors": colour, "linewidths": 1.0} | style
        axes.scatter(x, record[y], marker=self.markers[record["layout"]], zorder=3, **style)

    def connect(self, axes: Axes, line: Sequence[Record], x: Sequence[float], y: str) -> None:
        """A line through the records of a kernel on a layout whose lanes were set."""
        points = [(at, record[y]) for at, record in zip(x, line) if record["lanes"] is not None]
        if points:
            axes.plot(*zip(*points), linewidth=0.8, color=self.colours[line[0]["kernel"]])

    def face(self, record: Record) -> str:
        """The filling of a point: white where more ranks than the fewest ran."""
        return self.colours[record["kernel"]] if record["ranks"] == self.ranks[0] else "white"

    def shift(self, record: Record) -> float:
        """How far a point is moved aside so that it does not cover those of other layouts."""
        return SHIFT * (self.layouts.index(record["layout"]) - (len(self.layouts) - 1) / 2)

    def legend(self) -> list[Line2D]:
        """What colours and shapes mean, under headings."""
        handles = [heading("kernel")]
        handles += [handle(name, color=colour) for name, colour in self.colours.items()]
        handles.append(heading("layout"))
        return handles + [handle(name, marker=marker) for name, marker in self.markers.items()]

    def rank_legend(self) -> list[Line2D]:
        faces = ["0.4"] + ["white"] * (len(self.ranks) - 1)
        return [heading("ranks")] + [
            handle(str(ranks), markerfacecolor=face) for ranks, face in zip(self.ranks, faces)
        ]


def lane_legend(records: Sequence[Record]) -> list[Line2D]:
    """What the size of points means, and their black border."""
    found = sorted({record["lanes"] or 0 for record in records})
    handles = [handle(str(lanes), markersize=area(lanes) ** 0.5) for lanes in found if lanes]
    if 0 in found:
        style = {"markersize": area(None) ** 0.5, "markeredgecolor": "black"}
        handles.append(handle(COMPILED, **style))
    return [heading("lanes"), *handles]


def grouped(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records of each kernel, layout and number of ranks, by lanes."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        groups.setdefault((record["kernel"], record["layout"], record["ranks"]), []).append(record)
    for group in groups.values():
        yield sorted(group, key=lambda record: record["lanes"] or np.inf)


def distinct(key: str, records: Iterable[Record]) -> list:
    """The values of an entry: numbers in their order, names as they first appear."""
    found = list(dict.fromkeys(record[key] for record in records))
    return sorted(found) if key == "ranks" else found


def area(lanes: int | None) -> float:
    """Square points of the marker of so many lanes, or of the compiler's choice."""
    return AREA * lanes if lanes else USUAL_AREA


def lane_label(record: Record) -> str:
    return COMPILED if record["lanes"] is None else str(record["lanes"])


def lane_labels(records: Iterable[Record]) -> list[str]:
    """The labels of all widths in their order, the compiler's own choice last."""
    found = {record["lanes"] or np.inf: lane_label(record) for record in records}
    return [found[lanes] for lanes in sorted(found)]


def lanes_text(lanes: int) -> str:
    return "1 lane" if lanes == 1 else f"{lanes} lanes"


def ranks_text(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"


def heading(text: str) -> Line2D:
    """An entry of a legend without a symbol."""
    return Line2D([], [], linestyle="none", label=rf"$\bf{{{text.replace(' ', chr(92) + ' ')}}}$")


def handle(label: str, **style: Any) -> Line2D:
    return Line2D([], [], **{"linestyle": "none", "marker": "o", "color": "0.4"} | style,
                  label=label)


def new_figure(panels: int, height: float) -> Figure:
    """An empty figure for so many panels and a legend beside them; height in inches."""
    figure = Figure(figsize=(2.6 + 4.2 * panels, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_numbers(*logarithmic: Any) -> None:
    """Labels 1, 2, 5, 10, ... on logarithmic axes instead of powers."""
    for axis in logarithmic:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
