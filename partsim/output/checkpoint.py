"""Everything a run needs to go on, in one HDF5 file that is whole or absent.

Rows of blocks follow the global order of the blocks; `owner` says which rank wrote each. A run that
goes on with another number of ranks reads others of the same rows.
Checksums go with every array, so that a damaged file is noticed and never computed with.
"""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from mpi4py import MPI

from partsim.errors import UserError
from partsim.output.shared_file import (
    Rows, partial_of, reserve, runs, seal_holds, write_shared,
)
from partsim.parallel import first_rank_only

FORMAT = "partsim checkpoint 8"
NAME = re.compile(r"(\d{6,})_.+\.checkpoint\.h5")

Arrays = dict[str, np.ndarray]
Result = TypeVar("Result")


class WrongChecksum(Exception):
    """Rows that are not those that were written."""


@dataclass(frozen=True)
class Checkpoint:
    """What is stored.

    own     (nb,) numbers of this rank's blocks, rising; each is in one rank's
    header  what JSON can hold: job text, clock, accumulators; the same on all ranks
    blocks  name -> (n_blocks, ...), the same on all ranks
    nodes   name -> (nb, ...), rows of the blocks of this rank
    cells   name -> (nb, ...), rows of the blocks of this rank
    """

    own: np.ndarray
    header: dict
    blocks: Arrays = field(default_factory=dict)
    nodes: Arrays = field(default_factory=dict)
    cells: Arrays = field(default_factory=dict)


def save(
    comm: MPI.Comm, directory: Path, name: str, state: Checkpoint, keep: int = 2
) -> Path:
    """Writes `directory/NUMBER_name.checkpoint.h5`, keeps the newest `keep` >= 1; collective.

    The number grows by one from file to file. Raises UserError on every rank if the file could not
    be written; the former ones are then untouched.
    """
    directory = Path(directory)
    parts = comm.allgather(state.own)
    owner = np.empty(sum(map(len, parts)), np.int64)
    for rank, part in enumerate(parts):
        owner[part] = rank
    newest = comm.bcast(_number(latest(directory)) if comm.rank == 0 else None)
    path = directory / f"{newest + 1:06d}_{name}.checkpoint.h5"

    def create(file: h5py.File) -> None:
        file.attrs["format"] = FORMAT
        file["header"], file["owner"] = json.dumps(state.header), owner
        group = file.create_group("blocks")
        for key, array in state.blocks.items():
            group[key] = array
        for place, arrays in ("nodes", state.nodes), ("cells", state.cells):
            for key, array in arrays.items():
                reserve(file, f"{place}/{key}", (len(owner), *array.shape[1:]), array.dtype)
                reserve(file, f"sums/{place}/{key}", (len(owner),), np.uint32)

    write_shared(comm, path, create, _rows(state))
    first_rank_only(comm, lambda: _remove_old(directory, keep))
    return path


def _rows(state: Checkpoint) -> Rows:
    """Arrays over this rank's blocks with a checksum for each block."""
    for place, arrays in ("nodes", state.nodes), ("cells", state.cells):
        for key, array in arrays.items():
            sums = checksums(array)
            for part in runs(state.own):
                first = int(state.own[part.start])
                yield f"{place}/{key}", first, array[part]
                yield f"sums/{place}/{key}", first, sums[part]


def checksums(array: np.ndarray) -> np.ndarray:
    """(n,) CRC-32 of the bytes of each row."""
    rows = np.ascontiguousarray(array)
    return np.array([zlib.crc32(row) for row in rows], np.uint32)


def latest(directory: Path) -> Path | None:
    """The newest checkpoint of a directory, None if there is none."""
    found = _all(directory)
    return found[-1] if found else None


def load_header(path: Path) -> tuple[dict, np.ndarray]:
    """The header, and the rank (n,) that wrote each block."""

    def take(file: h5py.File) -> tuple[dict, np.ndarray]:
        return json.loads(file["header"][()]), file["owner"][()]

    return _read(path, take)


def load_blocks(path: Path) -> Arrays:
    """The arrays over all blocks."""
    return _read(path, lambda file: _load(file["blocks"]))


def load_rows(path: Path, own: np.ndarray) -> tuple[Arrays, Arrays]:
    """Node and cell arrays of the blocks of rising numbers own (nb,)."""

    def take(file: h5py.File) -> tuple[Arrays, ...]:
        return tuple(_load_checked(file, place, own) for place in ("nodes", "cells"))

    return _read(path, take)


def _read(path: Path, take: Callable[[h5py.File], Result]) -> Result:
    """What `take` reads from a checkpoint; raises UserError for every fault of the file."""
    damaged = f"{path} is damaged or no checkpoint; delete it to go on from the one before"
    try:
        if not seal_holds(path):
            raise UserError(damaged)
        with h5py.File(path, "r", locking="best-effort") as file:
            if file.attrs.get("format") != FORMAT:
                raise UserError(f"{path} is not a checkpoint of this version of partsim")
            return take(file)
    except FileNotFoundError as failure:
        raise UserError(f"{path}: there is no such checkpoint") from failure
    except WrongChecksum as failure:
        raise UserError(damaged) from failure
    except OSError as failure:
        raise UserError(f"cannot read {path}: {failure.strerror or failure}") from failure


def _load(group: h5py.Group) -> Arrays:
    return {name: dataset[()] for name, dataset in group.items()}


def _load_checked(file: h5py.File, place: str, own: np.ndarray) -> Arrays:
    """Rows of all arrays of a place; raises WrongChecksum."""
    arrays = {name: _load_rows(dataset, own) for name, dataset in file.get(place, {}).items()}
    for name, array in arrays.items():
        if not np.array_equal(checksums(array), _load_rows(file[f"sums/{place}/{name}"], own)):
            raise WrongChecksum(name)
    return arrays


def _load_rows(dataset: h5py.Dataset, own: np.ndarray) -> np.ndarray:
    """Some rows of a dataset, read in runs: a list of them takes HDF5 far longer."""
    rows = np.empty((len(own), *dataset.shape[1:]), dataset.dtype)
    for part in runs(own):
        first = int(own[part.start])
        rows[part] = dataset[first : first + part.stop - part.start]
    return rows


def _all(directory: Path) -> list[Path]:
    """All checkpoints of a directory, oldest first."""
    found = Path(directory).glob("*.checkpoint.h5") if Path(directory).is_dir() else []
    return sorted((path for path in found if NAME.fullmatch(path.name)), key=_number)


def _number(path: Path | None) -> int:
    return int(NAME.fullmatch(path.name)[1]) if path else 0


def _remove_old(directory: Path, keep: int) -> None:
    """Deletes all but the newest checkpoints, and what killed runs left unfinished."""
    old = _all(directory)[:-keep]
    for path in [*old, *directory.glob(partial_of(Path("*.checkpoint.h5")).name)]:
        path.unlink()
