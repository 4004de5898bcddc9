"""The phases along a temperature history from a file: the verb `partsim phases`."""

import csv
import os
from collections.abc import Callable
from math import ceil, isfinite
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from partsim.errors import UserError

from .integrate import PhaseFields, beta, make_phase_step
from .model import PhaseLaw, check_law, correct, stable_equilibrium

COLUMNS = ("time", "temperature")
OUTPUT_COLUMNS = (*COLUMNS, "alpha_stable", "martensite", "beta")
# Substeps of Crank-Nicolson. So chosen, the fractions differed by at most 3e-5 from an adaptive
# solver on random histories of fast and slow changes.
LARGEST_INCREMENT = 0.1  # K
SMALL_SUBSTEP, LARGE_SUBSTEP = 0.002, 0.1  # s, of intervals below 40 s and above 2000 s
SUBSTEPS = 20_000  # of an interval between
LONGEST = 1e9  # s
COLOURS = {"alpha_stable": "#0072b2", "martensite": "#d55e00", "beta": "#009e73"}
NAMES = {"alpha_stable": "stable α", "martensite": "martensite", "beta": "β"}


def run_history(
    csv_path: Path | str,
    output_dir: Path | str,
    law: PhaseLaw,
    initial: tuple[float, float] | None = None,
) -> None:
    """Writes phases.csv and phases.png in output_dir for the history in a file.

    The file has the columns time (s, increasing) and temperature (K) in any order; others are
    ignored. The temperature is linear between the rows. `initial` holds the stable alpha and
    martensite fractions at the first row, from which goes what cannot exist at its temperature;
    without it the material starts in equilibrium. phases.csv has a row for each row of the file:
    time, temperature, alpha_stable, martensite, beta. Each file is whole or absent.

    Raises UserError for a file, a law or fractions that cannot be used.
    """
    check_law(law)
    time, temperature = read_history(Path(csv_path))
    start = first_phases(temperature[0], law, initial)
    table = integrate(time, temperature, start, law)
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    whole_or_absent(output_dir / "phases.csv", lambda path: write_csv(path, table))
    whole_or_absent(output_dir / "phases.png", lambda path: draw(path, table, law))


def read_history(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times in s and temperatures in K of a file, checked; raises UserError naming the line."""
    names, rows = read_rows(path)
    for column in COLUMNS:
        if column not in names:
            raise UserError(f"{path}: no column {column}, but the first line must name "
                            f"time and temperature, not {', '.join(names) or 'nothing'}")
    if len(rows) < 2:
        raise UserError(f"{path}: {len(rows)} rows, but a history has at least 2")
    before = -np.inf
    table = np.empty((len(rows), 2))
    for index, (line, row) in enumerate(rows):
        time, T = table[index] = [number(path, line, row, column) for column in COLUMNS]
        if time <= before:
            raise UserError(f"{path}, line {line}: time = {time:g} s, but it must increase "
                            f"from {before:g} s")
        if T <= 0:
            raise UserError(f"{path}, line {line}: temperature = {T:g} K, but it must be positive")
        before = time
    if table[-1, 0] - table[0, 0] > LONGEST:
        raise UserError(f"{path}: time spans {table[-1, 0] - table[0, 0]:g} s, but at most "
                        f"{LONGEST:g} s can be followed")
    return table[:, 0], table[:, 1]


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The column names, and number and entries of every line."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            return reader.fieldnames, [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise UserError(f"{path} cannot be read: {problem}") from None


def number(path: Path, line: int, row: dict[str, str], column: str) -> float:
    """One finite entry of a row, or UserError."""
    text = (row[column] or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not isfinite(value):
        raise UserError(f"{path}, line {line}: {column} = {text!r}, but it must be a number")
    return value


def first_phases(
    T: float, law: PhaseLaw, initial: tuple[float, float] | None
) -> tuple[float, float]:
    """Stable alpha and martensite at the start, less what the laws (30), (31) remove at T."""
    if initial is None:
        return correct(stable_equilibrium(T, law), 0.0, T, T, law)
    names = ("initial alpha_stable", "initial martensite", "initial alpha_stable + martensite")
    for name, value in zip(names, (*initial, sum(initial))):
        if not 0 <= value <= law.largest_alpha + 1e-12:
            raise UserError(f"{name} = {value:g}, but it must be between 0 and "
                            f"{law.largest_alpha:g}: the rest is beta")
    return correct(*initial, -np.inf, T, law)


def integrate(
    time: np.ndarray, temperature: np.ndarray, start: tuple[float, float], law: PhaseLaw
) -> np.ndarray:
    """Columns OUTPUT_COLUMNS, a row for each time; Crank-Nicolson in substeps chosen above."""
    fields = PhaseFields(*(np.array([value]) for value in (*start, 0.0)))
    table = np.empty((len(time), 5))
    table[:, 0], table[:, 1] = time, temperature
    for row, T in enumerate(temperature):
        now = np.array([T])
        if row > 0:
            dt = time[row] - time[row - 1]
            count = substeps(dt, abs(T - temperature[row - 1]))
            step = make_phase_step("crank-nicolson", law, dt / count)
            step(fields, temperature[row - 1 : row], now, dt)
        table[row, 2:4] = fields.alpha_stable[0], fields.martensite[0]
        table[row, 4] = beta(*fields, now, law)[0]
    return table


def substeps(dt: float, increment: float) -> int:
    """How many substeps an interval of dt (s) with a temperature change (K) takes."""
    longest = min(max(dt / SUBSTEPS, SMALL_SUBSTEP), LARGE_SUBSTEP)
    return max(ceil(dt / longest), ceil(increment / LARGEST_INCREMENT))


def whole_or_absent(path: Path, write: Callable[[Path], None]) -> None:
    """Calls write with a temporary path, which takes the name `path` once it is complete."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_csv(path: Path, table: np.ndarray) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(OUTPUT_COLUMNS)
        writer.writerows([f"{value:.10g}" for value in row] for row in table)


def draw(path: Path, table: np.ndarray, law: PhaseLaw) -> None:
    """Temperature above, fractions below, over time."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, sharex=True, height_ratios=(1, 1.3))
    above.plot(table[:, 0], table[:, 1], color="black")
    starts = {"stable α starts": law.alpha_start, "martensite starts": law.martensite_start}
    for name, limit in starts.items():
        if table[:, 1].min() < limit < table[:, 1].max():
            above.axhline(limit, color="0.7", linewidth=0.8, zorder=0)
            above.annotate(name, (1, limit), xycoords=("axes fraction", "data"), ha="right",
                           va="bottom", fontsize="small", color="0.4")
    above.set_ylabel("temperature in K")
    for column, name in enumerate(OUTPUT_COLUMNS[2:], start=2):
        below.plot(table[:, 0], table[:, column], color=COLOURS[name], label=NAMES[name])
    below.set(xlabel="time in s", ylabel="fraction", ylim=(-0.02, 1.02))
    below.legend(frameon=False)
    figure.savefig(path, dpi=150)
