"""A machine by its measured limits: bandwidths, peaks and messages, kept in machines/NAME.toml."""

import datetime
import difflib
import json
import platform
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import llvmlite.binding
import psutil
from mpi4py import MPI
from pydantic import Field

from partsim.errors import UserError
from partsim.schema import Section, parse_toml, read_text, require, validate
from partsim.units import Number
from partsim.wholefile import replace_text
from perfmodel import stream
from perfmodel.messages import Exchange, Message, exchanges, ping_pongs
from perfmodel.stream import Cache, Rates

MACHINES = resources.files("perfmodel") / "machines"
CPU_FILE = Path("/proc/cpuinfo")
NAME = r"^[\w-][\w .-]*$"
DIGITS = 4  # of a measured number
FEW_RANKS = 8  # up to here every number of ranks is measured, then every eighth

Count = Annotated[int, Field(strict=True, ge=1)]
Positive = Annotated[Number, Field(gt=0)]
HEADER = """\
# Measured limits of a machine. Of several ranks: all of them at the same time, their sum.
# Rates and times are the best of several trials, those called median the typical ones.
"""


class Bandwidth(Section):
    """DAXPY y <- y + a x, 24 bytes an element, all ranks together."""

    ranks: Count
    level: str = Field(strict=True, min_length=1, description="L1, L2, ... or memory")
    bytes_per_rank: Count = Field(description="of x and y together")
    gb_per_second: Positive
    median_gb_per_second: Positive | None = None


class Peak(Section):
    """Fused multiply-adds in registers of `lanes` doubles, 2 flops a lane, all ranks together."""

    ranks: Count
    lanes: Count
    gflop_per_second: Positive
    median_gflop_per_second: Positive | None = None


class Machine(Section):
    """What a machine is, and what was measured on it."""

    name: str = Field(strict=True, pattern=NAME, description="of its file")
    processor: str = Field(strict=True, description="in brackets LLVM's name of its kind")
    cores: Count = Field(description="of a node")
    lanes: Count = Field(description="doubles in the widest register")
    virtual: bool = Field(strict=True, description="a virtual machine: others share its caches")
    date: datetime.date = Field(description="of the measurement")
    command: str = Field(strict=True, description="that measured")
    caches: tuple[Cache, ...] = Field((), description="data caches, in bytes; cores that share one")
    bandwidths: tuple[Bandwidth, ...] = Field(
        (), description="DAXPY y <- y + a x, 24 bytes an element, x and y of bytes_per_rank"
    )
    peaks: tuple[Peak, ...] = Field(
        (), description="fused multiply-adds of registers of 1, 2, ... doubles, 2 flops a double"
    )
    messages: tuple[Message, ...] = Field(
        (), description="between two ranks: half of a ping-pong"
    )
    exchanges: tuple[Exchange, ...] = Field(
        (), description="a message to and from each neighbour, all ranks at once"
    )

    def bandwidth(self, ranks: int, level: str = "memory") -> float:
        """Bytes/s of so many ranks together; UserError where that was not measured."""
        found = {entry.ranks: entry for entry in self.bandwidths if entry.level == level}
        if not found:
            levels = dict.fromkeys(entry.level for entry in self.bandwidths)
            raise UserError(f'level = "{level}", but the bandwidth of {self.name} was measured at '
                            f"{', '.join(levels) or 'none'}")
        self._require_measured(ranks, sorted(found), f"{level} bandwidth")
        return found[ranks].gb_per_second * 1e9

    def peak(self, ranks: int, lanes: int | None = None) -> float:
        """Flop/s of so many ranks together in registers of so many doubles, else in the widest.

        UserError where that was not measured.
        """
        self._require_measured(ranks, sorted({entry.ranks for entry in self.peaks}), "peak")
        found = {entry.lanes: entry for entry in self.peaks if entry.ranks == ranks}
        wanted = max(found) if lanes is None else lanes
        require(wanted in found, "lanes", f"{wanted}", f"one of those measured on {self.name}: "
                f"{listed(sorted(found))}")
        return found[wanted].gflop_per_second * 1e9

    def _require_measured(self, ranks: int, measured: list[int], what: str) -> None:
        if ranks not in measured:
            raise UserError(f"ranks = {ranks}, but the {what} of {self.name} was measured with "
                            f"{listed(measured)}")


def listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def measure_machine(comm: MPI.Comm, name: str) -> Machine:
    """This machine measured with 1 to all ranks of the communicator; the same on all; collective.

    Takes seconds on two ranks. Raises UserError for a name that no file can have.
    """
    require(re.fullmatch(NAME, name) is not None, "name", json.dumps(name),
            "made of letters, digits, blanks, '.', '_' and '-'")
    found = stream.caches()
    machine = Machine(
        name=name,
        **description(),
        command=command(comm.size),
        caches=found,
        bandwidths=tuple(measured_bandwidths(comm, found)),
        peaks=tuple(measured_peaks(comm)),
        messages=tuple(map(rounded, ping_pongs(comm))),
        exchanges=tuple(map(rounded, exchanges(comm))),
    )
    return comm.bcast(machine)


def rank_counts(most: int) -> list[int]:
    """The numbers of ranks to measure: all of few, every eighth of many, and the last."""
    return [n for n in range(1, most + 1) if n <= FEW_RANKS or n % FEW_RANKS == 0 or n == most]


def measured_bandwidths(comm: MPI.Comm, caches: tuple[Cache, ...]) -> Iterator[Bandwidth]:
    """Every level with every number of ranks; collective."""
    for ranks in rank_counts(comm.size):
        for level, size in stream.working_sets(caches, ranks).items():
            rates = of_first_ranks(comm, ranks, lambda: stream.daxpy_step(size))
            yield rounded(Bandwidth(
                ranks=ranks, level=level, bytes_per_rank=size, gb_per_second=rates.best / 1e9,
                median_gb_per_second=rates.median / 1e9,
            ))


def measured_peaks(comm: MPI.Comm) -> Iterator[Peak]:
    """Every width of rank 0's registers with every number of ranks; collective."""
    widths = comm.bcast(stream.fma_lanes())
    for ranks in rank_counts(comm.size):
        for lanes in widths:
            rates = of_first_ranks(comm, ranks, lambda: stream.fma_step(lanes))
            yield rounded(Peak(
                ranks=ranks, lanes=lanes, gflop_per_second=rates.best / 1e9,
                median_gflop_per_second=rates.median / 1e9,
            ))


def of_first_ranks(comm: MPI.Comm, count: int, make_step: Callable[[], stream.Step]) -> Rates:
    """The rates of the first ranks, each on a step of its own; collective."""
    return stream.on_ranks(comm, range(count), lambda those: stream.measure(those, make_step()))


def rounded(entry: Section) -> Any:
    """The entry, its measured numbers with as many digits as they deserve."""
    numbers = {
        name: float(f"{value:.{DIGITS}g}") for name, value in entry if isinstance(value, float)
    }
    return entry.model_copy(update=numbers)


def description() -> dict[str, Any]:
    """What the system tells about the node of this rank, by entry of Machine."""
    facts = cpu_facts(CPU_FILE)
    model = facts.get("model name") or platform.processor() or platform.machine()
    return {
        "processor": f"{model} ({llvmlite.binding.get_host_cpu_name()})",
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        "lanes": stream.simd_lanes(),
        "virtual": "hypervisor" in facts.get("flags", "").split(),
        "date": datetime.date.today(),
    }


def cpu_facts(path: Path) -> dict[str, str]:
    """What Linux tells about its first processor, by name; empty elsewhere."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def command(ranks: int) -> str:
    """The command line of this run without folders."""
    program = Path(sys.argv[0])
    inside = program.name == "__main__.py"
    words = ["python", "-m", program.parent.name] if inside else [program.name]
    launcher = f"mpirun -n {ranks} " if ranks > 1 else ""
    return launcher + shlex.join([*words, *sys.argv[1:]])


def write(machine: Machine, path: Path | str) -> None:
    """Writes the machine as TOML, whole or absent; raises UserError where that fails."""
    replace_text(Path(path), as_toml(machine))


def as_toml(machine: Machine) -> str:
    """The machine as TOML: an entry a line, its meaning beside or above it."""
    lines = [HEADER]
    for name, value in machine.model_dump(exclude_none=True).items():
        meaning = f"# {Machine.model_fields[name].description}"
        if isinstance(value, tuple):
            rows = [f"    {inline_table(entry)}," for entry in value]
            lines += ["", meaning, f"{name} = [", *rows, "]"]
        else:
            lines.append(f"{name} = {toml_value(value)}  {meaning}")
    return "\n".join(lines) + "\n"


def inline_table(entry: dict[str, Any]) -> str:
    inner = ", ".join(f"{name} = {toml_value(value)}" for name, value in entry.items())
    return f"{{ {inner} }}"


def toml_value(value: bool | int | float | str | datetime.date) -> str:
    """One value as TOML writes it; its texts differ from JSON's in the character DEL only."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def load(path_or_name: Path | str) -> Machine:
    """The machine in a file, or of the package by its name.

    Raises UserError for a name that is unknown and a file that is malformed or incomplete.
    """
    path = Path(path_or_name)
    if isinstance(path_or_name, Path) or path.suffix == ".toml" or len(path.parts) > 1:
        text = read_text(path, "machine file")
        return validate(Machine, parse_toml(text, f"machine file {path}"), prefix=f"{path}: ")
    return load(known(path_or_name))


def known(name: str) -> Path:
    """The file of a machine of the package; UserError tells those that there are."""
    files = Path(str(MACHINES)).glob("*.toml")
    paths = {path.stem: path for path in sorted(files)}
    if name not in paths:
        near = difflib.get_close_matches(name, paths, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        wanted = f"one of {', '.join(paths)}" if paths else "a file: no machine is known by name"
        raise UserError(f'machine = "{name}", but it must be {wanted}{hint}')
    return paths[name]
