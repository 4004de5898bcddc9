"""What llvm-mca predicts for the innermost loops of a kernel, and the roof of its instruction mix.

After arXiv 2402.17580: only the share of the vector ports' work that is arithmetic on doubles can
deliver flops, so that the peak times this share is a roof of its own for each kernel. There all
ports take fused products. Where some take sums only, these come on top of the peak's flops: the
share is multiplied by the number of ports over that of ports for fused products, and the roof is
at most the peak. A tighter roof takes the cycles that the loops need at least, whatever binds.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding

from partsim.errors import UserError
from perfmodel.assembly import Loop, vector_width

ITERATIONS = 100  # of each loop in the simulation
PROBES = 8  # independent instructions of a kind, which fill every port that takes them
REGISTERS = {1: ("sd", "xmm"), 2: ("pd", "xmm"), 4: ("pd", "ymm"), 8: ("pd", "zmm")}
FUSED = "vfmadd213"
ARITHMETIC = ("vadd", "vmul", FUSED)
FRONT_END = "dispatch"


@dataclass(frozen=True)
class Throughput:
    """One loop on this processor, per iteration, all data in the first-level cache.

    cycles       with every resource shared best, no result ever waited for (the block's
                 reciprocal throughput)
    simulated    cycles with the waiting for results of the same and of earlier iterations
    micro_ops    how many are issued
    arithmetic   how many of them are arithmetic on doubles
    port_work    busy cycles of the ports for arithmetic, summed over these ports
    useful_work  those of them spent on arithmetic
    ports        how many take arithmetic, over how many of them take fused products
    binds        the busiest resource
    """

    loop: Loop
    cycles: float
    simulated: float
    micro_ops: int
    arithmetic: int
    port_work: float
    useful_work: float
    ports: float
    binds: str

    @property
    def micro_op_share(self) -> float:
        return self.arithmetic / self.micro_ops

    @property
    def port_share(self) -> float:
        """The arithmetic's share of the work of its ports, 0 where these have none."""
        return self.useful_work / self.port_work if self.port_work else 0.0


class Roof(NamedTuple):
    """What the code of several loops allows at most.

    flops       per point
    cycles      per point
    mix         flop/s, the peak times the arithmetic's share of its ports' work
    throughput  flop/s, flops over cycles times clock
    """

    flops: float
    cycles: float
    mix: float
    throughput: float


def analyse(loops: Sequence[Loop]) -> list[Throughput]:
    """Each loop as llvm-mca sees it on this processor; nothing is run."""
    if not loops:
        return []
    widths = sorted({loop.lanes for loop in loops})
    probes = [probe(width) for width in widths]
    bodies = ["\n".join(i.text for i in loop.instructions) for loop in loops]
    report = simulate([*probes, *bodies])
    names = report["TargetInfo"]["Resources"]
    regions = report["CodeRegions"]
    ports = dict(zip(widths, map(arithmetic_ports, regions)))
    return [
        predicted(loop, region, ports[loop.lanes], names)
        for loop, region in zip(loops, regions[len(widths) :])
    ]


def roof(
    analysed: Sequence[Throughput], weights: Mapping[str, float], peak: float, clock: float
) -> Roof:
    """The roof of a kernel or a branch of it.

    weights  by the loop's label: how often a point passes the loop; loops not named are left out
    peak     flop/s of fused products in the widest registers
    clock    Hz, for example peak / fused_flops_per_cycle()

    Narrow registers use only a part of a port, and count for that part.
    """
    unknown = set(weights) - {result.loop.label for result in analysed}
    assert not unknown, f"no loops {sorted(unknown)}"
    flops = cycles = useful = work = 0.0
    for result in analysed:
        runs = weights.get(result.loop.label, 0.0) / (result.loop.elements or result.loop.lanes)
        flops += runs * result.loop.flops
        cycles += runs * result.cycles
        part = result.ports * result.loop.lanes / vector_width()
        useful += runs * result.useful_work * part
        work += runs * result.port_work
    share = min(useful / work, 1.0) if work else 0.0
    return Roof(flops, cycles, peak * share, flops / cycles * clock if cycles else 0.0)


@cache
def fused_flops_per_cycle() -> float:
    """Flops that the ports for fused products deliver per cycle in the widest registers."""
    width = vector_width()
    region = simulate([probe(width, (FUSED,))])["CodeRegions"][0]
    return PROBES * 2 * width / region["SummaryView"]["BlockRThroughput"]


def probe(width: int, names: Sequence[str] = ARITHMETIC) -> str:
    """PROBES independent instructions of each name on registers of `width` doubles."""
    suffix, register = REGISTERS[width]
    return "\n".join(
        f"{name}{suffix} %{register}15, %{register}14, %{register}{number}"
        for name in names
        for number in range(PROBES)
    )


def arithmetic_ports(region: dict[str, Any]) -> tuple[set[int], set[int]]:
    """The resources that a probe keeps busy, and those of them that take fused products."""
    first = PROBES * ARITHMETIC.index(FUSED)
    return set(pressure(region)), set(pressure(region, range(first, first + PROBES)))


def predicted(
    loop: Loop, region: dict[str, Any], ports: tuple[set[int], set[int]], names: list[str]
) -> Throughput:
    """A loop from its region of the report; `ports` as by `arithmetic_ports`."""
    summary = region["SummaryView"]
    infos = region["InstructionInfoView"]["InstructionList"]
    assert len(infos) == len(loop.instructions), f"llvm-mca reads {loop.label} differently"
    micro_ops = [info["NumMicroOpcodes"] for info in infos]
    arithmetic = [n for n, i in enumerate(loop.instructions) if i.arithmetic]
    total, useful = pressure(region), pressure(region, arithmetic)
    load = {sum(micro_ops) / summary["DispatchWidth"]: FRONT_END}
    load |= {busy: names[number] for number, busy in total.items()}
    return Throughput(
        loop=loop,
        cycles=summary["BlockRThroughput"],
        simulated=summary["TotalCycles"] / summary["Iterations"],
        micro_ops=sum(micro_ops),
        arithmetic=sum(micro_ops[n] for n in arithmetic),
        port_work=sum(total.get(port, 0.0) for port in ports[0]),
        useful_work=sum(useful.get(port, 0.0) for port in ports[0]),
        ports=len(ports[0]) / len(ports[1]),
        binds=re.split(r"\.?[\0-\x1f]", load[max(load)])[0],
    )


def pressure(region: dict[str, Any], only: Collection[int] | None = None) -> dict[int, float]:
    """Busy cycles per iteration of each resource by its number, of all or some instructions."""
    size = len(region["InstructionInfoView"]["InstructionList"])
    wanted = range(size) if only is None else set(only)
    busy: Counter = Counter()
    for entry in region["ResourcePressureView"]["ResourcePressureInfo"]:
        if entry["InstructionIndex"] in wanted:  # the number after the last stands for their sum
            busy[entry["ResourceIndex"]] += entry["ResourceUsage"]
    return dict(busy)


def simulate(bodies: Sequence[str]) -> dict[str, Any]:
    """The report of llvm-mca on several pieces of code, a region each."""
    regions = (
        f"# LLVM-MCA-BEGIN {number}\n{body}\n# LLVM-MCA-END {number}\n"
        for number, body in enumerate(bodies)
    )
    done = run(find_program(), "".join(regions))
    if done.returncode:
        raise RuntimeError(f"llvm-mca failed: {done.stderr.strip().splitlines()[0]}")
    return json.loads(done.stdout)


def run(program: str, code: str) -> subprocess.CompletedProcess:
    processor = llvmlite.binding.get_host_cpu_name()
    words = [program, "-mtriple=x86_64", f"-mcpu={processor}", f"-iterations={ITERATIONS}"]
    return subprocess.run([*words, "--json"], input=code, capture_output=True, text=True)


@cache
def find_program() -> str:
    """The newest llvm-mca of this machine that knows its processor; UserError if there is none."""
    found = {shutil.which("llvm-mca"), *map(str, Path("/usr/lib").glob("llvm-*/bin/llvm-mca"))}
    found |= {shutil.which(f"llvm-mca-{number}") for number in range(14, 40)}
    for program in sorted(filter(None, found), key=version, reverse=True):
        if run(program, "nop\n").returncode == 0:
            return program
    processor = llvmlite.binding.get_host_cpu_name()
    raise UserError(
        f"no llvm-mca on this machine knows the processor {processor}: install Debian's package"
        " llvm-19, or a newer llvm-NN"
    )


def version(program: str) -> int:
    """The major number of an llvm-mca."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    number = re.search(r"LLVM version (\d+)", told)
    return int(number[1]) if number else 0
