"""Files that are whole or absent, also when all ranks write them.

No parallel HDF5 is needed: rank 0 lays out an HDF5 file whose large datasets have their room but no
content, and every rank then writes its rows to their places in it as to any file. The file gets its
name only when it is complete and on the disk.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from mpi4py import MPI

from partsim.errors import UserError
from partsim.parallel import first_rank_only, together

Rows = Iterable[tuple[str, int, np.ndarray]]


class Place(NamedTuple):
    """Where in the file a dataset begins, and what it is made of."""

    offset: int
    dtype: np.dtype
    row_bytes: int


class Sink:
    """A new file in which writing never seems to fail; `finish` raises what did.

    HDF5 keeps what it could not write and crashes at the end of the process: it must not notice.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "w+b", buffering=0)
        self._failure: OSError | None = None
        self.seek, self.tell = self._file.seek, self._file.tell
        self.read, self.readinto = self._file.read, self._file.readinto

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            if self._failure is None:
                action()
        except OSError as failure:
            self._failure = failure

    def write(self, data: memoryview) -> int:
        self._attempt(lambda: write_at(self._file.fileno(), data, self._file.tell()))
        return len(data)

    def truncate(self, size: int) -> int:
        self._attempt(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Nothing waits here."""

    def finish(self) -> None:
        """Closes the file; raises the first failure."""
        self._file.close()
        if self._failure is not None:
            raise self._failure


def reserve(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """A dataset with its room in the file, to be filled row by row by the ranks."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    group.create_dataset(name, shape, dtype, dcpl=settings)


def write_shared(
    comm: MPI.Comm, path: Path, create: Callable[[h5py.File], None], rows: Rows
) -> None:
    """Writes one HDF5 file with the rows of all ranks; collective.

    create  lays out the new file with `reserve` and stores what all ranks share, on rank 0
    rows    (dataset, first row, values) of this rank

    Raises UserError on every rank if any could not write; then the file is absent, or the former
    one of this name is still there.
    """
    partial = partial_of(path)
    try:
        places: dict[str, Place] = {}
        first_rank_only(
            comm, lambda: explained(path, lambda: places.update(_lay_out(partial, create)))
        )
        places = comm.bcast(places)
        together(comm, lambda: explained(path, lambda: _write_rows(partial, places, rows)))
        first_rank_only(comm, lambda: explained(path, lambda: _publish(partial, path)))
    except UserError:
        if comm.rank == 0:
            with suppress(OSError):
                partial.unlink()
        raise


def _lay_out(partial: Path, create: Callable[[h5py.File], None]) -> dict[str, Place]:
    """Makes the file and tells where its datasets are."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    sink, places = Sink(partial), {}

    def note(name: str, found: h5py.Group | h5py.Dataset) -> None:
        if isinstance(found, h5py.Dataset) and (offset := found.id.get_offset()) is not None:
            row_bytes = int(np.prod(found.shape[1:], dtype=np.int64)) * found.dtype.itemsize
            places[name] = Place(offset, found.dtype, row_bytes)

    try:
        with h5py.File(sink, "w") as file:
            create(file)
            file.visititems(note)
    finally:
        sink.finish()
    return places


def _write_rows(partial: Path, places: dict[str, Place], rows: Rows) -> None:
    """Writes the rows of this rank and waits until they are on the disk."""
    with open(partial, "r+b", buffering=0) as file:
        for name, first, values in rows:
            if len(values) == 0:
                continue
            place = places[name]
            data = memoryview(np.ascontiguousarray(values, place.dtype)).cast("B")
            write_at(file.fileno(), data, place.offset + first * place.row_bytes)
        os.fsync(file.fileno())


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Writes all bytes at an offset of an open file, in as many pieces as the system wants."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


def replace_text(path: Path, text: str) -> None:
    """Writes a small text file, whole or absent; raises UserError."""
    partial = partial_of(path)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _publish(partial, path)

    explained(path, write)


def partial_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(path.name + ".partial")


def _publish(partial: Path, path: Path) -> None:
    """Gives a finished file its name, also on the disk."""
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def explained(path: Path, write: Callable[[], object]) -> None:
    """Calls `write()`; an OSError becomes a UserError with the file and the system's reason."""
    try:
        write()
    except OSError as failure:
        raise UserError(f"cannot write {path}: {failure.strerror or failure}") from failure
