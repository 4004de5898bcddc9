"""The Markdown report of a machine, the kernels of partsim on it and a job: report.md."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from partsim.wholefile import replace_text
from perfmodel.accuracy import Error
from perfmodel.machine import Machine
from perfmodel.roofline import lane_label

Record = Mapping[str, Any]

REPORT = "report.md"
DIGITS = 3
SMALLEST, LARGEST = 1e-3, 1e6  # numbers beyond are written with an exponent
NOTHING = "-"
PACKAGE = "Debian's package llvm-19, or a newer llvm-NN, brings it"
SOURCES = {
    "declared": "GB/s, B/DoF and flop/DoF are the work that the kernels declare beside their code;"
    " no hardware counter was read",
    "likwid": "GB/s, B/DoF and flop/DoF come from hardware counters, read by LIKWID",
    "perf": "perf counted cycles and instructions; GB/s, B/DoF and flop/DoF are the work that the"
    " kernels declare beside their code",
}
FIGURES = {
    "throughput": "GDoF/s of the phases over the lanes, and what the memory allows.",
    "roofline": "Flop/s over arithmetic intensity, below the roofs of the machine.",
    "tracks": "The same for the kernels of melt pool and phase field.",
}


class Column(NamedTuple):
    """A column of a table: its heading, what it means, and its entry of a row."""

    heading: str
    meaning: str
    value: Callable[[Any], Any]


KERNEL_COLUMNS = (
    Column("kernel", "what was timed", lambda row: row["kernel"]),
    Column("layout", "the points: neighbours in blocks need the same branch of the model, or those"
           " of a job", lambda row: row["layout"]),
    Column("lanes", "doubles that a loop takes at a time; as compiled: the compiler's choice",
           lane_label),
    Column("ranks", "that ran at the same time; rates are their sum", lambda row: row["ranks"]),
    Column("ns/node", "nanoseconds of a rank for a node", lambda row: row["nanoseconds_per_node"]),
    Column("GDoF/s", "billions of degrees of freedom per second",
           lambda row: row["gdof_per_second"]),
    Column("GB/s", "GDoF/s times B/DoF", lambda row: row["gb_per_second"]),
    Column("DAXPY GB/s", "of y <- y + a x from memory, measured beside the kernel",
           lambda row: row["daxpy_gb_per_second"]),
    Column("% of DAXPY", "GB/s over DAXPY GB/s",
           lambda row: 100 * row["gb_per_second"] / row["daxpy_gb_per_second"]),
    Column("B/DoF", "bytes to and from memory for a degree of freedom, at the least",
           lambda row: row["bytes_per_dof"]),
    Column("flop/DoF", "floating-point operations for a degree of freedom",
           lambda row: row["flops_per_dof"]),
    Column("roof", "GDoF/s that memory and arithmetic allow at most", lambda row: row["roof"]),
    Column("% of roof", "GDoF/s over the roof", lambda row: 100 * row["fraction_of_roof"]),
    Column("bound by", "what makes the roof: memory, the instructions of the machine code in the"
           " cycles that llvm-mca predicts, or arithmetic at the peak", lambda row: row["binds"]),
)
SECTION_COLUMNS = (
    Column("section", "part of the kernels, by its name in partsim/phase/visits.py",
           lambda row: row["name"]),
    Column("declared flops", "per point, as partsim/phase/work.py tells",
           lambda row: row["declared"]),
    Column("flops in the code", "per point, counted in the machine code", lambda row: row["flops"]),
    Column("cycles", "per point at the least, all data in the first cache",
           lambda row: row["cycles"]),
    Column("% arithmetic", "the share of the ports' work that is arithmetic on doubles",
           lambda row: 100 * row["share"]),
    Column("bound by", "the busiest resource of the core", lambda row: row["binds"]),
)
ERROR_COLUMNS = (
    Column("function", "of partsim/fastmath.py", lambda row: row.function),
    Column("range", "of the arguments", lambda row: row.range),
    Column("error", "the largest one", lambda row: row.error),
    Column("measure", "of the error: absolute, or relative to the exact value",
           lambda row: row.measure),
    Column("at", "the argument with this error", lambda row: row.where),
)


def write_report(
    folder: Path,
    machine: Machine,
    records: Sequence[Record],
    job: Mapping[str, Any],
    sections: Sequence[Record] | None,
    accuracy: Sequence[Error],
) -> Path:
    """Writes report.md, whole or absent, and returns its path; raises UserError where that fails.

    folder    also holds the figures, of which those that are there are shown
    records   the rows of kernels.json
    job       numbers and texts, also in mappings and in lists of mappings
    sections  the rows of sections.json, None where llvm-mca could not read the machine code
    """
    path = Path(folder) / REPORT
    lines = [
        f"# Performance of partsim on {machine.name}",
        "",
        *machine_lines(machine),
        *kernel_lines(records, path.parent),
        *job_lines(job),
        *section_lines(sections),
        *accuracy_lines(accuracy),
    ]
    replace_text(path, "\n".join(lines).rstrip("\n") + "\n")
    return path


def machine_lines(machine: Machine) -> list[str]:
    """What the machine is, and its limits."""
    facts = {
        "name": machine.name,
        "processor": machine.processor,
        "cores of a node": machine.cores,
        "doubles in the widest register": machine.lanes,
        "data caches": "; ".join(
            f"level {cache.level}: {cache.bytes / 1024:g} KiB for {cores_text(cache.cores)}"
            for cache in machine.caches
        ),
        "virtual machine": machine.virtual,
        "measured on": machine.date.isoformat(),
        "measured by": f"`{machine.command}`",
    }
    return [
        "## Machine", "", *table(["entry", "value"], facts.items()),
        "### Bandwidth", "",
        "Timed DAXPY y <- y + a x, 24 bytes an element, in GB/s of all ranks together.",
        "The best trial, and in brackets the typical one. A column for each level of the memory.",
        "", *pivot(machine.bandwidths, lambda e: e.level,
                   lambda e: trials(e.gb_per_second, e.median_gb_per_second)),
        "### Peak", "",
        "Timed fused multiply-adds in registers, in GFLOP/s of all ranks together.",
        "The best trial, and in brackets the typical one. A column for each number of lanes.",
        "", *pivot(machine.peaks, lambda e: f"lanes = {e.lanes}",
                   lambda e: trials(e.gflop_per_second, e.median_gflop_per_second)),
        *message_lines(machine),
    ]


def cores_text(count: int) -> str:
    return "each core" if count == 1 else f"{count} cores together"


def trials(best: float, typical: float | None) -> str:
    return number(best) + ("" if typical is None else f" ({number(typical)})")


def pivot(
    entries: Iterable[Any], column: Callable[[Any], str], content: Callable[[Any], str]
) -> list[str]:
    """A table with a row for each number of ranks."""
    rows: dict[int, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        rows[entry.ranks][column(entry)] = content(entry)
    columns = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    return table(["ranks", *columns], [
        [ranks, *(cells.get(name) for name in columns)] for ranks, cells in sorted(rows.items())
    ])


def message_lines(machine: Machine) -> list[str]:
    """The smallest and the largest message of each kind."""
    kinds: dict[Hashable, list[Any]] = defaultdict(list)
    for entry in machine.messages:
        kinds[f"one message, {entry.link}"].append(entry)
    for entry in machine.exchanges:
        kinds[f"exchange, {entry.ranks} ranks, neighbours: {entry.neighbours}"].append(entry)
    if not kinds:
        return ["### Messages", "", "None were measured: that takes two ranks.", ""]
    rows = []
    for kind, entries in kinds.items():
        small, large = (choose(entries, key=lambda e: e.bytes) for choose in (min, max))
        rows.append([kind, small.bytes, 1e6 * small.seconds, large.bytes,
                     large.bytes / large.seconds / 1e9])
    return [
        "### Messages", "",
        "Timed with MPI, the best of several trials. One message: half of a ping-pong of two"
        " ranks. Exchange: a message to and from each neighbour, all ranks at once; GB/s of one"
        " message.",
        "",
        *table(["kind", "smallest in bytes", "microseconds", "largest in bytes", "GB/s"], rows),
    ]


def kernel_lines(records: Sequence[Record], folder: Path) -> list[str]:
    """The kernels in a table, and the figures that the folder holds."""
    lines = ["## Kernels", ""]
    sources: dict[str, dict[str, None]] = defaultdict(dict)
    for record in records:
        sources[record["source"]][record["kernel"]] = None
    for source, names in sources.items():
        which = f"{'; '.join(names)}: " if len(sources) > 1 else ""
        lines.append(f"{which}{SOURCES[source]}.")
    lines += ["Times were measured.", "", *explained_table(KERNEL_COLUMNS, records)]
    for name, caption in FIGURES.items():
        files = f"{name}.png", f"{name}.svg"
        if all((folder / file).exists() for file in files):
            lines += [f"![{caption}]({files[0]})", ""]
            lines += [f"{caption} Also as [SVG]({files[1]}).", ""]
    return lines


def job_lines(job: Mapping[str, Any]) -> list[str]:
    """The facts in a table, and one more for each list of mappings among them."""
    if not job:
        return ["## Job", "", "No job was measured.", ""]
    facts, lists = flattened(job)
    lines = ["## Job", "", "Counted and timed in steps of the job.", "",
             *table(["fact", "value"], facts.items())]
    for name, rows in lists.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines += [f"### {name.capitalize()}", "", "Timed in steps of the job, a row for each.", ""]
        lines += table(columns, [[row.get(column) for column in columns] for row in rows])
    return lines


def flattened(tree: Mapping[str, Any], above: str = "") -> tuple[dict[str, Any], dict[str, list]]:
    """The numbers and texts, and the lists of mappings, by the names that lead to them."""
    facts: dict[str, Any] = {}
    lists: dict[str, list] = {}
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            inner_facts, inner_lists = flattened(value, f"{name} / ")
            facts |= inner_facts
            lists |= inner_lists
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            lists[name] = value
        else:
            facts[name] = value
    return facts, lists


def section_lines(sections: Sequence[Record] | None) -> list[str]:
    head = ["## Sections of the phase kernels", ""]
    if not sections:
        return [*head, "The machine code was not analysed: no llvm-mca that knows this processor"
                f" was found. {PACKAGE}. Roofs are the memory and the peak only.", ""]
    return [*head, "llvm-mca predicted this from the machine code; nothing was run.", "",
            *explained_table(SECTION_COLUMNS, sections)]


def accuracy_lines(accuracy: Sequence[Error]) -> list[str]:
    head = ["## Accuracy of exponentials, logarithms and powers", ""]
    if not accuracy:
        return [*head, "Not computed.", ""]
    return [*head, "Compared with NumPy in extended precision, at many arguments.", "",
            *explained_table(ERROR_COLUMNS, accuracy)]


def explained_table(columns: Sequence[Column], rows: Iterable[Any]) -> list[str]:
    """The meaning of each column, then the table."""
    meanings = [f"- {column.heading}: {column.meaning}" for column in columns]
    headings = [column.heading for column in columns]
    return [*meanings, "", *table(headings, [[c.value(row) for c in columns] for row in rows])]


def table(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """The lines of a Markdown table and an empty one."""
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(map(cell, line))} |" for line in lines] + [""]


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return " ".join(str(value).split()).replace("|", "\\|") or NOTHING


def number(value: float) -> str:
    """A number with three significant digits."""
    if value == 0 or SMALLEST <= abs(value) < LARGEST:
        text = np.format_float_positional(value, DIGITS, unique=False, fractional=False, trim="k")
        return text.rstrip(".")
    return f"{value:.{DIGITS}g}"
