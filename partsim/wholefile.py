"""Files that are whole or absent: they get their name only when they are on the disk."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py

from partsim.errors import UserError


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


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Writes all bytes at an offset of an open file, in as many pieces as the system wants."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


def partial_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(path.name + ".partial")


def publish(partial: Path, path: Path) -> None:
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


def write_whole(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Writes one HDF5 file that `fill` lays out, on one rank.

    Raises UserError where it cannot be written; then the file is absent, or the former one of this
    name is still there.
    """
    partial = partial_of(path)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        sink = Sink(partial)
        try:
            with h5py.File(sink, "w") as file:
                fill(file)
        finally:
            sink.finish()
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        publish(partial, path)

    try:
        explained(path, write)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
