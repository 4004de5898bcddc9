"""Files that are whole or absent, also when all ranks write them.

No parallel HDF5 is needed: rank 0 lays out an HDF5 file whose large datasets have their room but no
content, and every rank then writes its rows to their places in it as to any file. The file gets its
name only when it is complete and on the disk. A seal behind what HDF5 reads, a checksum of all but
the rows, tells whether HDF5 may be trusted with the file: it does not survive every damage.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np
from mpi4py import MPI

from partsim.errors import UserError
from partsim.parallel import first_rank_only, together
from partsim.wholefile import explained, partial_of, publish

MAGIC = b"partsim!"
COUNT_BYTES = 8
Rows = Iterable[tuple[str, int, np.ndarray]]


class Place(NamedTuple):
    """Where in the file a dataset begins, and what it is made of."""

    offset: int
    size: int
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


def is_reserved(dataset: h5py.Dataset) -> bool:
    """Whether the dataset was made by `reserve` and has room for any rows."""
    early = dataset.id.get_create_plist().get_alloc_time() == h5py.h5d.ALLOC_TIME_EARLY
    return early and dataset.nbytes > 0


def runs(rows: np.ndarray) -> list[slice]:
    """The pieces of rising row numbers (n,) in which each is one more than that before it."""
    ends = np.flatnonzero(np.diff(rows, prepend=-2, append=-2) != 1).tolist()
    return [slice(low, high) for low, high in zip(ends, ends[1:])]


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
        first_rank_only(comm, lambda: explained(path, lambda: publish(partial, path)))
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
        if isinstance(found, h5py.Dataset) and is_reserved(found):
            row_bytes = found.nbytes // len(found)
            places[name] = Place(found.id.get_offset(), found.nbytes, found.dtype, row_bytes)

    try:
        with h5py.File(sink, "w") as file:
            create(file)
            file.visititems(note)
    finally:
        sink.finish()
    _seal(partial, [(place.offset, place.size) for place in places.values()])
    return places


def _seal(path: Path, rooms: list[tuple[int, int]]) -> None:
    """Appends the checksum of all bytes outside of the rooms of the rows, (offset, size) each."""
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        known = json.dumps([*sorted(rooms), (end, 0)]).encode()
        sums = zlib.crc32(known).to_bytes(4) + _checksum(file, known).to_bytes(4)
        file.write(known + sums + len(known).to_bytes(COUNT_BYTES) + MAGIC)


def seal_holds(path: Path) -> bool:
    """Whether the file is one of ours and all of it but the rows is as it was written."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        foot = end - 8 - COUNT_BYTES - len(MAGIC)
        file.seek(max(foot, 0))
        own, rest = file.read(4), file.read(4)
        count, magic = int.from_bytes(file.read(COUNT_BYTES)), file.read()
        if magic != MAGIC or count > foot:
            return False
        file.seek(foot - count)
        known = file.read(count)
        if zlib.crc32(known) != int.from_bytes(own):
            return False
        return _checksum(file, known) == int.from_bytes(rest)


def _checksum(file: BinaryIO, known: bytes) -> int:
    """CRC-32 of what lies between the rooms in the list, up to the last, which is empty."""
    total, begin = 0, 0
    for offset, size in json.loads(known):
        file.seek(begin)
        total = zlib.crc32(file.read(offset - begin), total)
        begin = offset + size
    return total


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
