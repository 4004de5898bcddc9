"""Tables that grow while a run goes on: CSV files whose first column orders the rows."""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from mpi4py import MPI

from partsim.errors import UserError
from partsim.parallel import first_rank_only
from partsim.wholefile import explained, replace_text

Value = float | int | str


class History:
    """One CSV file, written by rank 0; numbers are written so that reading gives the same bits.

    The first column must not decrease from row to row. Every method is collective, and a failure of
    rank 0 is a UserError on every rank.
    """

    def __init__(self, comm: MPI.Comm, path: Path, columns: Sequence[str]) -> None:
        self.comm = comm
        self.path = Path(path)
        self.columns = tuple(columns)

    def start(self) -> None:
        """Begins an empty table; a former file of this name is gone."""
        first_rank_only(self.comm, lambda: replace_text(self.path, self._line(self.columns)))

    def resume(self, last: float) -> None:
        """Keeps the rows whose first column is at most `last`; begins the table if there is none.

        A row that a killed run left unfinished at the end of the file is dropped.
        """
        first_rank_only(self.comm, lambda: self._cut(last))

    def extend(self, rows: Iterable[Sequence[Value]]) -> None:
        """Appends rows; only those of rank 0 count."""
        first_rank_only(self.comm, lambda: self._append([self._line(row) for row in rows]))

    def append(self, row: Sequence[Value]) -> None:
        """Appends one row; only that of rank 0 counts."""
        self.extend([row])

    def _line(self, row: Sequence[Value]) -> str:
        assert len(row) == len(self.columns), (row, self.columns)
        return ",".join(written(value) for value in row) + "\n"

    def _append(self, lines: list[str]) -> None:
        def write() -> None:
            with open(self.path, "a") as file:
                file.writelines(lines)

        explained(self.path, write)

    def _cut(self, last: float) -> None:
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        header = self._line(self.columns)
        if lines and lines[0] != header:
            raise UserError(f"{self.path} is not the table of this run: other columns")
        kept = [line for line in lines[1:] if self._whole(line) and first(line) <= last]
        replace_text(self.path, header + "".join(kept))

    def _whole(self, line: str) -> bool:
        return line.endswith("\n") and line.count(",") == len(self.columns) - 1


def by_stage(path: Path, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Sums of what cumulative columns gain from row to row, by the row's `stage`."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, dict[str, float]] = {}
    before = dict.fromkeys(columns, 0.0)
    for row in rows:
        sums = found.setdefault(row["stage"], dict.fromkeys(columns, 0.0))
        for name in columns:
            value = float(row[name])
            sums[name] += value - before[name]
            before[name] = value
    return found


def first(line: str) -> float:
    """The number in the first column of a line."""
    try:
        return float(line.split(",", 1)[0])
    except ValueError:
        return math.inf


def written(value: Value) -> str:
    """A number with all its digits, a text as it is."""
    if isinstance(value, str):
        assert not set(value) & set(",\"\n"), f"{value!r} cannot stand in a table"
        return value
    return repr(value.item() if hasattr(value, "item") else value)
