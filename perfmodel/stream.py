"""Rates that nothing exceeds here: DAXPY from each cache and memory, fused multiply-adds.

A `Step` is a fraction of a millisecond of such work. `measure` repeats it on every rank of a
communicator at the same time; `on_ranks` does so on some ranks while the others sleep.
"""

import functools
import itertools
import platform
import time
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple, TypeVar

import llvmlite.binding
import numpy as np
from llvmlite import ir
from mpi4py import MPI
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from pydantic import Field

from partsim.schema import Section

Result = TypeVar("Result")

TRIAL_SECONDS = 0.02
TRIALS = 9
NAP = 2e-3  # s, between two looks of a rank that waits
MEGABYTE = 2**20

BYTES_PER_ELEMENT = 24  # x and y read, y written; y was read, so that its lines are in cache
PIECE_BYTES = 16 * MEGABYTE  # of x and y, what a step passes through at once
LEAST_MEMORY_BYTES = 128 * MEGABYTE
CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}

REGISTERS = {"avx512f": 8, "avx": 4, "sse2": 2, "neon": 2, "vsx": 2}  # doubles, by feature
X86 = ("x86_64", "AMD64")
# Independent sums: more than 2 pipes times 5 cycles of latency, and in the 16 registers of AVX2
# together with both factors. Others have 32 registers and up to 4 pipes.
CHAINS = 12 if platform.machine() in X86 else 24
PASSES = 100_000  # of the loop over all chains in a step


class Rates(NamedTuple):
    """Bytes/s or flop/s of all ranks together in the fastest and in the typical trial."""

    best: float
    median: float


class Step(NamedTuple):
    """A piece of work to be repeated, and its bytes or flops."""

    run: Callable[[], object]
    amount: float


class Cache(Section):
    """A data cache as one core sees it."""

    level: int = Field(strict=True, ge=1)
    bytes: int = Field(strict=True, gt=0)
    cores: int = Field(strict=True, ge=1, description="that share it")


# where the system tells nothing
USUAL_CACHES = (
    Cache(level=1, bytes=32 * 2**10, cores=1),
    Cache(level=2, bytes=512 * 2**10, cores=1),
    Cache(level=3, bytes=32 * MEGABYTE, cores=8),
)


def measure(comm: MPI.Comm, step: Step, trials: int = TRIALS) -> Rates:
    """Sum over the ranks of the amount per second, each rank on its own step; collective.

    Every rank measures for the same time, and goes on until the last one has done so, so that
    none ever has the memory to itself. A first trial warms caches and clocks, and is not counted.
    """
    own = np.empty(trials + 1)
    for trial in range(trials + 1):
        comm.Barrier()
        own[trial] = repeated(step)
        done = comm.Ibarrier()
        while not done.Test():
            step.run()
    together = np.empty_like(own)
    comm.Allreduce(own, together)
    return Rates(float(together[1:].max()), float(np.median(together[1:])))


def repeated(step: Step) -> float:
    """Amount per second of a step that this rank repeats for TRIAL_SECONDS."""
    elapsed, count, began = 0.0, 0, time.perf_counter()
    while elapsed < TRIAL_SECONDS:
        step.run()
        count += 1
        elapsed = time.perf_counter() - began
    return count * step.amount / elapsed


def on_ranks(
    comm: MPI.Comm, ranks: Sequence[int], action: Callable[[MPI.Comm], Result]
) -> Result:
    """The value of `action(those)` on the first of `ranks`, for all; collective.

    `those` are the given ranks in their order; the others sleep meanwhile.
    """
    inside = comm.rank in ranks
    those = comm.Split(0 if inside else 1, ranks.index(comm.rank) if inside else comm.rank)
    value = action(those) if inside else None
    those.Free()
    sleep_until_all_arrive(comm)
    return comm.bcast(value, root=ranks[0])


def sleep_until_all_arrive(comm: MPI.Comm) -> None:
    """A barrier that leaves core and memory to others, while MPI's own may spin; collective."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(NAP)


def caches(folder: Path = CACHE_FOLDER) -> tuple[Cache, ...]:
    """The data caches from the first level to the last; empty where the system does not tell."""
    found = {}
    for index in sorted(folder.glob("index*")):
        try:
            kind, level, size, cpus = (
                (index / entry).read_text().strip()
                for entry in ("type", "level", "size", "shared_cpu_list")
            )
        except OSError:
            continue  # some virtual machines leave entries out
        if kind != "Instruction":
            found[int(level)] = (int(size[:-1]) * UNITS[size[-1]], cpu_count(cpus))
    threads = found[min(found)][1] if found else 1  # of a core: they share its first cache
    return tuple(
        Cache(level=level, bytes=size, cores=max(1, cpus // threads))
        for level, (size, cpus) in sorted(found.items())
    )


def cpu_count(text: str) -> int:
    """How many processors a list such as 0-3,8 names."""
    ends = [part.split("-") for part in text.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def working_sets(found: tuple[Cache, ...], ranks: int) -> dict[str, int]:
    """Bytes of x and y of each rank that lie in L1, L2, ... and in memory, with so many ranks.

    In a cache: half of what it has for a rank, a quarter where it is shared, as other programs and
    other virtual machines use it too; and what the cache below can hold, since many last levels
    keep only what the one below has dropped.
    """
    found = found or USUAL_CACHES
    sets, below = {}, 0
    for cache in found:
        share = cache.bytes // min(ranks, cache.cores)
        sets[f"L{cache.level}"] = below + share // (2 if cache.cores == 1 else 4)
        below = share
    sets["memory"] = max(4 * found[-1].bytes, LEAST_MEMORY_BYTES)
    return sets


@njit(cache=True)
def daxpy(a: float, x: np.ndarray, y: np.ndarray, repeats: int) -> None:
    """y <- y + a x, so many times; x and y of one length."""
    for _ in range(repeats):
        for i in range(x.size):
            y[i] += a * x[i]


def daxpy_step(total_bytes: int) -> Step:
    """DAXPY through x and y of so many bytes together, piece after piece; its bytes moved."""
    pieces = ceil(total_bytes / PIECE_BYTES)
    shape = (pieces, total_bytes // (16 * pieces))
    x, y = np.ones(shape), np.ones(shape)
    rows = itertools.cycle(zip(x, y))
    repeats = max(1, PIECE_BYTES // total_bytes)
    return Step(
        lambda: daxpy(1e-3, *next(rows), repeats), BYTES_PER_ELEMENT * shape[1] * repeats
    )


def daxpy_gb_per_second(comm: MPI.Comm) -> float:
    """DAXPY from memory on all ranks at once, GB/s of each, the best of 3 trials; collective.

    Takes about 0.2 s: the limit in the minute in which something else is timed.
    """
    step = daxpy_step(working_sets(caches(), comm.size)["memory"])
    return measure(comm, step, trials=3).best / comm.size / 1e9


def simd_lanes() -> int:
    """Doubles in the widest register of this processor."""
    features = llvmlite.binding.get_host_cpu_features()
    return max((n for name, n in REGISTERS.items() if features.get(name)), default=1)


def fma_lanes() -> tuple[int, ...]:
    """The widths in doubles for which this processor has fused multiply-adds; 1 is scalar."""
    features = llvmlite.binding.get_host_cpu_features()
    if platform.machine() in X86 and not features.get("fma"):
        return ()
    return tuple(lanes for lanes in (1, 2, 4, 8) if lanes <= simd_lanes())


def fma_step(lanes: int) -> Step:
    """Fused multiply-adds of registers of so many doubles; its flops, 2 a lane."""
    kernel = fma_kernel(lanes)
    return Step(lambda: kernel(PASSES, 0.5, 1.0), 2.0 * lanes * CHAINS * PASSES)


@functools.cache
def fma_kernel(lanes: int) -> Callable[[int, float, float], float]:
    """The compiled function (passes, a, b) -> sum of all z after so many z <- a b + z.

    z has CHAINS lanes doubles in as many registers, and starts as 0, 1, 2, ...
    """
    assert lanes in fma_lanes(), f"no fused multiply-add of {lanes} doubles on this processor"

    @intrinsic
    def loop(typing, passes, a, b):
        def emit(context, builder, signature, arguments):
            return emit_fma_loop(builder, lanes, *arguments)

        return types.float64(types.int64, types.float64, types.float64), emit

    @njit
    def kernel(passes, a, b):
        return loop(passes, a, b)

    return kernel


def emit_fma_loop(
    builder: ir.IRBuilder, lanes: int, passes: ir.Value, a: ir.Value, b: ir.Value
) -> ir.Value:
    """LLVM code of fma_kernel; written here, as a compiled loop could get any register width.

    The sum at the end is there so that no chain can be left out.
    """
    kind = ir.DoubleType() if lanes == 1 else ir.VectorType(ir.DoubleType(), lanes)
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), fma_name(lanes)
    )
    first = [list(range(n, n + lanes)) for n in range(0, CHAINS * lanes, lanes)]
    a, b = splat(builder, a, lanes), splat(builder, b, lanes)
    before = builder.block
    body, after = (builder.append_basic_block(name) for name in ("body", "after"))
    builder.branch(body)
    builder.position_at_end(body)
    left = builder.phi(passes.type)
    chains = [builder.phi(kind) for _ in first]
    sums = [builder.call(fma, (a, b, z)) for z in chains]
    next_left = builder.sub(left, passes.type(1))
    for phi, old, new in zip([left, *chains], [passes, *first], [next_left, *sums]):
        start = old if phi is left else kind(old[0] if lanes == 1 else old)
        phi.add_incoming(start, before)
        phi.add_incoming(new, body)
    builder.cbranch(builder.icmp_signed(">", next_left, passes.type(0)), body, after)
    builder.position_at_end(after)
    total = functools.reduce(builder.fadd, sums)
    return functools.reduce(builder.fadd, parts(builder, total, lanes))


def fma_name(lanes: int) -> str:
    """The name of LLVM's fused multiply-add of so many doubles."""
    return "llvm.fma.f64" if lanes == 1 else f"llvm.fma.v{lanes}f64"


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """A double in every lane of a register."""
    if lanes == 1:
        return value
    register = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    for lane in range(lanes):
        register = builder.insert_element(register, value, ir.IntType(32)(lane))
    return register


def parts(builder: ir.IRBuilder, register: ir.Value, lanes: int) -> list[ir.Value]:
    """The doubles of a register."""
    if lanes == 1:
        return [register]
    return [builder.extract_element(register, ir.IntType(32)(lane)) for lane in range(lanes)]
