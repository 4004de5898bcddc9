"""Kernels compiled in another way, in a process of their own: narrower registers, libm's functions.

The vectoriser's width is an option of LLVM, which must be set before numba compiles anything; the
functions of partsim.fastmath must be replaced before a kernel takes them. Neither can be undone,
hence the process, and its cache is its own: numba would take code of another width for the same.
"""

import importlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
from numba import njit

from partsim.errors import UserError
from perfmodel.assembly import REGISTER_LANES, vector_width

WIDTHS = (1, *REGISTER_LANES.values())
MPI_VARIABLES = ("OMPI_", "PMIX_", "PMI_", "PRTE_")
ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
}


@dataclass(frozen=True)
class Variant:
    """How kernels are compiled.

    lanes    doubles that a loop takes at a time, 1 for no vector at all; None leaves it to LLVM.
             Beyond the width of the registers several are used together.
    library  whether exp, log2, pow, ... are the C library's, called for each lane
    """

    lanes: int | None = None
    library: bool = False

    def __post_init__(self) -> None:
        if self.lanes is not None and self.lanes not in WIDTHS:
            raise UserError(f"lanes = {self.lanes!r}, but it must be one of {WIDTHS} or None")

    def options(self) -> list[str]:
        """LLVM's options for the width, in loops and in straight code."""
        if self.lanes is None:
            return []
        if self.lanes == 1:
            scalar = ["-force-vector-width=1", "-force-vector-interleave=1"]
            return [*scalar, "-vectorize-slp=false"]
        bits = 64 * min(self.lanes, vector_width())
        return [f"-force-vector-width={self.lanes}", f"-slp-max-reg-size={bits}"]

    def apply(self) -> None:
        """Makes everything that this process compiles from now on a kernel of this variant."""
        for option in self.options():
            llvmlite.binding.set_option("", option)
        if self.library:
            use_library()


def use_library() -> None:
    """The C library's functions in the place of those of partsim.fastmath."""
    early = {"partsim.phase", "partsim.thermal"} & set(sys.modules)
    assert not early, f"{early} has taken the functions of fastmath already"
    from partsim import fastmath

    compiled = njit(forceinline=True)
    exponential, logarithm = compiled(lambda x: math.exp(x)), compiled(lambda x: math.log(x))
    binary = compiled(lambda x: math.exp2(x))
    fastmath.exp = fastmath.exp_accurate = exponential
    fastmath.exp2 = fastmath.exp2_normal = binary
    fastmath.log = fastmath.log_accurate = logarithm
    fastmath.log2 = compiled(lambda x: math.log2(x))
    fastmath.pow = compiled(lambda x, a: math.pow(x, a))


def run_variant(
    variant: Variant, target: str, request: Mapping[str, Any], timeout: float = 600.0
) -> Any:
    """The result of a function in a process where kernels are compiled as `variant` says.

    target   "package.module:function"; the function takes the request and returns what JSON holds
    timeout  s, in which the kernels must be compiled too

    Raises RuntimeError with the last line of what the process wrote when it fails.
    """
    order = {"variant": asdict(variant), "target": target, "request": request}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        words = [sys.executable, "-m", "perfmodel.variants", str(answer)]
        try:
            done = subprocess.run(
                words,
                input=json.dumps(order),
                env=environment(folder),
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{target} took longer than {timeout:g} s ({variant})") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise RuntimeError(f"{target} failed ({variant}): {lines[-1].strip()}")
        return json.loads(answer.read_text(encoding="utf-8"))


def environment(folder: str) -> dict[str, str]:
    """What a variant's process gets: this Python's paths, one thread, a cache, no part in MPI."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith(MPI_VARIABLES)}
    own = {"NUMBA_CACHE_DIR": folder, "NUMBA_DISABLE_INTEL_SVML": "1"}
    paths = os.pathsep.join(filter(None, sys.path))
    return kept | ONE_THREAD | own | {"PYTHONPATH": paths}


def main() -> None:
    """Reads an order from standard input and writes the answer to the file that is named."""
    order = json.load(sys.stdin)
    Variant(**order["variant"]).apply()
    module, _, function = order["target"].partition(":")
    result = getattr(importlib.import_module(module), function)(order["request"])
    Path(sys.argv[1]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
