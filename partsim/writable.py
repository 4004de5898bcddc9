"""Whether results can be written where they are asked for, told before any work starts."""

import tempfile
from pathlib import Path

from partsim.errors import UserError


def make_writable(folder: Path) -> None:
    """Makes the folder if it is absent; UserError where no file can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise UserError(f"output folder {folder} cannot be written: {problem.strerror}") from None


def check_report(path: Path | None) -> None:
    """UserError where a report, given as --json, could not be written to `path` later on."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UserError(f"--json {path} must be a file in a folder that exists")
