"""The log of a run: one JSON object a line, one line for each event."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpi4py import MPI

from partsim.errors import UserError
from partsim.parallel import first_rank_only
from partsim.schema import read_text
from partsim.wholefile import explained, replace_text

LAST = 10  # events that are shown


class Events:
    """Appends to the file `path` on rank 0, flushed line by line.

    count  lines so far, the same on every rank; a checkpoint keeps it for `resume`
    """

    def __init__(self, comm: MPI.Comm, path: Path) -> None:
        self.comm, self.path, self.count = comm, Path(path), 0

    def start(self) -> None:
        """Begins an empty log; collective."""
        self.count = 0
        first_rank_only(self.comm, lambda: replace_text(self.path, ""))

    def resume(self, count: int) -> None:
        """Keeps the first `count` lines, those that a checkpoint knew; collective."""

        def cut() -> None:
            text = self.path.read_text() if self.path.exists() else ""
            replace_text(self.path, "".join(text.splitlines(keepends=True)[:count]))

        first_rank_only(self.comm, cut)
        self.count = count

    def write(self, event: str, **told: object) -> None:
        """One line; collective, UserError on every rank if it cannot be written."""
        first_rank_only(self.comm, lambda: self._append(event, told))
        self.count += 1

    def failed(self, message: str) -> None:
        """The last line of a run that failed, if the disk takes it; not collective."""
        if self.comm.rank == 0:
            with suppress(UserError):
                self._append("failed", {"message": message})

    def _append(self, event: str, told: dict) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")

        def write() -> None:
            with open(self.path, "a") as file:
                file.write(json.dumps({"at": now, "event": event, **told}) + "\n")

        explained(self.path, write)


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events of a log; a line that a killed run left unfinished at its end is passed over."""
    lines = read_text(path, "log").splitlines(keepends=True)
    try:
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [{"at": e["at"], "event": e["event"], **e} for e in events]
    except (ValueError, KeyError, TypeError) as problem:
        raise UserError(f"{path} is not the log of a run") from problem


def last_events(events: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The newest ones, each with its time, its name and the rest in one text."""
    return [shortened(event) for event in events[-LAST:]]


def shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Time, name and the rest of an event in one text."""
    rest = {name: value for name, value in event.items() if name not in ("at", "event")}
    told = " ".join(f"{name}={value}" for name, value in rest.items())
    return {"at": event["at"], "event": event["event"], "told": told}
