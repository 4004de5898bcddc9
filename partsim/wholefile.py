"""Files that are whole or absent: they get their name only when they are on the disk."""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from partsim.errors import UserError


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

    It is made in memory: HDF5 may crash where it could not write to a file. Raises UserError where
    the disk refuses; then the file is absent, or the former one of this name is still there.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        fill(file)
        file.flush()
        image = file.id.get_file_image()
    replace_bytes(path, image)


def replace_text(path: Path, text: str) -> None:
    """Writes a small text file, whole or absent; raises UserError."""
    replace_bytes(path, text.encode())


def replace_json(path: Path, tree: Any) -> None:
    """Writes nested tables and lists as JSON, whole or absent; raises UserError.

    What JSON has no word for becomes null, if it is a number (nan, infinity), and else its text.
    """
    text = json.dumps(in_json(tree), indent=2, default=str, allow_nan=False)
    replace_text(path, text + "\n")


def in_json(tree: Any) -> Any:
    """The same tables and lists with Python's numbers, None for those that are not finite."""
    if isinstance(tree, np.generic):
        tree = tree.item()
    if isinstance(tree, dict):
        return {key: in_json(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [in_json(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def replace_bytes(path: Path, data: bytes) -> None:
    """Writes one file; where the disk refuses, UserError, and the former file is still there.

    Links and what is no file (/dev/stdout) are written through, not replaced.
    """
    if path.is_symlink() or path.exists() and not path.is_file():
        explained(path, lambda: path.write_bytes(data))
        return
    partial = partial_of(path)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(written.fileno())
        publish(partial, path)

    try:
        explained(path, write)
    except UserError:
        with suppress(OSError):
            partial.unlink()
        raise
