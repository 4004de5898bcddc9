"""Where measured numbers come from: LIKWID, perf stat, or the declared work of the kernels.

Hardware counters need a kernel that grants them, and most virtual machines have none.
"""

import atexit
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

from partsim.errors import UserError

EVENTS = ("cycles:u", "instructions:u")
HEADINGS = ("Event", "Metric", "Region Info")  # first fields of lines that name the columns
TRIAL = "from perfmodel.counters import region\nwith region('trial'): sum(range(10**5))"
TRIAL_GROUP = "CLOCK"  # every processor has it


@cache
def source() -> Literal["likwid", "perf", "declared"]:
    """The best source that really gives numbers on this machine, by a short run of each."""
    if works(lambda: run_likwid([sys.executable, "-c", TRIAL], TRIAL_GROUP).get("trial")):
        return "likwid"
    return "perf" if works(lambda: len(run_perf(["true"])) == len(EVENTS)) else "declared"


def works(trial) -> bool:
    """Whether a trial gives anything; a program that is missing or refused gives nothing."""
    try:
        return bool(trial())
    except (UserError, RuntimeError, OSError):
        return False


@contextmanager
def region(name: str) -> Iterator[None]:
    """A region of LIKWID's marker interface; free where no likwid-perfctr -m is running."""
    marker = markers()
    if marker is None:
        yield
        return
    marker.markerstartregion(name)
    try:
        yield
    finally:
        marker.markerstopregion(name)


@cache
def markers() -> ModuleType | None:
    """pylikwid, initialised once, when likwid-perfctr has asked for markers; else None."""
    if "LIKWID_FILEPATH" not in os.environ or importlib.util.find_spec("pylikwid") is None:
        return None
    import pylikwid

    pylikwid.markerinit()
    pylikwid.markerthreadinit()
    atexit.register(pylikwid.markerclose)
    return pylikwid


def run_likwid(command: Sequence[str], group: str) -> dict[str, dict[str, float]]:
    """Events and metrics of a group (FLOPS_DP, MEM, ...) in each region of a command, on a core."""
    core = str(min(os.sched_getaffinity(0)))
    words = [installed("likwid-perfctr", "likwid"), "-C", core, "-g", group, "-m", "-O"]
    return parse_likwid(finished([*words, *command]))


def run_perf(command: Sequence[str], events: Sequence[str] = EVENTS) -> dict[str, float]:
    """The events that perf counts while a command runs; one that it cannot count is left out."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "perf.csv"
        words = [installed("perf", "linux-perf"), "stat", "-x,", "-o", str(table)]
        finished([*words, "-e", ",".join(events), "--", *command])
        return parse_perf(table.read_text(encoding="utf-8"))


def installed(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise UserError(f"{program} is not installed: Debian's package {package} brings it")
    return path


def finished(words: Sequence[str]) -> str:
    """What a command prints; RuntimeError with its last line when it fails."""
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
        raise RuntimeError(f"{Path(words[0]).name} failed ({done.returncode}): {lines[-1]}")
    return done.stdout


def parse_likwid(text: str) -> dict[str, dict[str, float]]:
    """Region -> {event or metric: value on the first core} from likwid-perfctr -O.

    Tables begin with `TABLE,Region NAME,Group 1 Metric,...`, without the second field when no
    markers were used (region ""). What the command itself has printed stands before them.
    """
    regions: dict[str, dict[str, float]] = {}
    values: dict[str, float] | None = None
    column = 1
    for line in text.splitlines():
        fields = line.split(",")
        if fields[0] in ("TABLE", "STRUCT"):
            values = None
            if fields[0] == "TABLE" and not any(field.endswith(" STAT") for field in fields):
                name = fields[1].removeprefix("Region ") if "Region " in fields[1] else ""
                values = regions.setdefault(name, {})
        elif values is not None and fields[0] in HEADINGS:
            column = 2 if fields[0] == "Event" else 1  # events have their counter in between
        elif values is not None and len(fields) > column and is_number(fields[column]):
            values[fields[0]] = float(fields[column])
    return regions


def parse_perf(text: str) -> dict[str, float]:
    """Event -> value from `perf stat -x,`: value, unit, event, and what is not used here."""
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    counted = [row for row in rows if len(row) > 2 and is_number(row[0])]
    return {row[2].partition(":")[0]: float(row[0]) for row in counted}


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
