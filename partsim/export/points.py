"""Temperature and phase histories of the probes of a run."""

from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.output.probes import FIELDS
from partsim.output.shared_file import explained
from partsim.schema import read_text

UNITS = {"time": "s", "temperature": "K"}


def export_points(run: Path, target: Path) -> Path:
    """Writes the probes of a run to a file whose ending says how.

    .csv  columns `time [s]`, `NAME.temperature [K]`, `NAME.alpha_stable [1]`, ...
    else  HDF5: `time` (n,) and for each probe a group of (n,) fields, units as attributes

    Raises UserError if the run has no probes or `target` cannot be written.
    """
    columns, rows = read_table(run / "probes.csv")
    if target.suffix == ".csv":
        header = ",".join(f"{name} [{unit(name)}]" for name in columns)
        explained(target, lambda: _write_csv(target, header, rows))
    else:
        explained(target, lambda: _write_hdf(target, columns, rows))
    return target


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Columns and (n, columns) values of a table of numbers; UserError where it is none."""
    lines = read_text(path, "table of the probes").splitlines()
    try:
        rows = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
        columns = lines[0].split(",")
        return columns, rows.reshape(-1, len(columns))
    except (ValueError, IndexError) as problem:
        raise UserError(f"{path} is no table of probes") from problem


def unit(column: str) -> str:
    """Unit of a column of the table of the probes; fractions have 1."""
    return UNITS.get(column.rpartition(".")[2], "1")


def _write_csv(target: Path, header: str, rows: np.ndarray) -> None:
    with open(target, "w") as file:
        file.write(header + "\n")
        file.writelines(",".join(map(repr, row)) + "\n" for row in rows.tolist())


def _write_hdf(target: Path, columns: list[str], rows: np.ndarray) -> None:
    with h5py.File(target, "w") as file:
        for number, name in enumerate(columns):
            probe, _, field = name.rpartition(".")
            place = file.require_group(probe) if field in FIELDS and probe else file
            place[field] = rows[:, number]
            place[field].attrs["unit"] = unit(name)
