"""Columns of numbers as CSV and HDF5."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

Table = Mapping[str, np.ndarray]


def write_csv(path: Path, heads: Sequence[str], table: Table, names: Sequence[str]) -> None:
    """The columns `names` of a table under `heads`, with all digits."""
    with open(path, "w") as file:
        file.write(",".join(heads) + "\n")
        for row in zip(*(table[name].tolist() for name in names)):
            file.write(",".join(map(repr, row)) + "\n")


def write_hdf(path: Path, table: Table, units: Mapping[str, str]) -> None:
    """A data set for each column, with its unit as attribute; 1 where none is given."""
    with h5py.File(path, "w") as file:
        for name, values in table.items():
            file[name] = values
            file[name].attrs["unit"] = units.get(name, "1")
