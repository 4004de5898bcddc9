"""Loops of compiled kernels whose instructions are known, and of written code in all widths."""
import importlib.util

import numpy as np
import pytest
from numba import njit

from partsim.fastmath import fma
from perfmodel.assembly import innermost_loops, machine_code, vector_width

pytestmark = pytest.mark.serial

X = np.ones(8)

NESTED = """
_ZN4testE:
\txorl\t%eax, %eax
.LBB0_1:
\tmovq\t(%rdi,%rax,8), %rcx
.LBB0_2:
\tvmovupd\t(%rsi,%rdx,8), %zmm0
\tvfmadd213pd\t(%rbx,%rdx,8){1to8}, %zmm1, %zmm0 {%k1}
\tvsqrtpd\t%zmm0, %zmm2
\tvpaddq\t%zmm2, %zmm3, %zmm3
\tvpermpd\t$78, %zmm3, %zmm3
\tvandpd\t%ymm4, %ymm4, %ymm4
\tvgatherqpd\t(%r9,%zmm5,8), %zmm6 {%k2}
\tvbroadcastsd\t(%r10), %zmm7
\tvdivsd\t%xmm1, %xmm2, %xmm2
\tcmpq\t$0, 8(%rsp)
\taddq\t%r11, 16(%rsp)
\tvmovupd\t%zmm0, (%rbx,%rdx,8)
\tcallq\t*24(%rsp)
\tleaq\t8(%rdx), %rdx
\tjne\t.LBB0_2
\tincq\t%rax
\tjne\t.LBB0_1
\tretq
"""

# the compiler has put the rare block of the loop behind the function's end
OUT_OF_LINE = """
_ZN4testE:
.LBB0_1:
\tvmulpd\t(%rsi), %ymm0, %ymm0
\tjp\t.LBB0_4
.LBB0_2:
\tsubq\t$-128, %rsi
\tcmpq\t%rsi, %rax
\tjne\t.LBB0_1
\tretq
.LBB0_4:
\tvaddpd\t%ymm0, %ymm1, %ymm0
\tjmp\t.LBB0_2
"""

# a loop over either of two loops; the second stands where the code before it never arrives
EITHER = """
_ZN4testE:
.LBB0_1:
\tje\t.LBB0_3
.LBB0_2:
\tvaddsd\t(%rsi,%rdx,8), %xmm0, %xmm0
\tincq\t%rdx
\tjne\t.LBB0_2
\tjmp\t.LBB0_4
.LBB0_3:
\tvaddpd\t(%rsi,%rdx,8), %ymm0, %ymm0
\taddq\t$4, %rdx
\tjne\t.LBB0_3
.LBB0_4:
\tdecq\t%rcx
\tjne\t.LBB0_1
\tretq
"""


@njit
def saxpy(a, x, y):
    for i in range(x.size):
        y[i] = fma(a, x[i], y[i])


@njit
def recurrence(x):
    value = 0.0
    for i in range(x.size):
        value = value * 0.5 + x[i]
    return value


def per_element(loop, count):
    return count * loop.lanes / loop.elements


def vector_lanes(loops):
    """Of the widest loop, which is as wide as LLVM likes it: it takes 256 bits on some processors
    that have 512."""
    widest = max(loop.lanes for loop in loops)
    assert widest in (vector_width(), min(vector_width(), 4))
    return widest


def test_saxpy_has_a_loop_of_full_width():
    saxpy(2.0, X, X.copy())
    loops = innermost_loops(machine_code(saxpy))
    for loop in loops:
        kinds = loop.packed if loop.lanes > 1 else loop.scalar
        assert set(kinds) == {"fma"} and per_element(loop, kinds["fma"]) == 1
        assert per_element(loop, loop.stores) == 1 and per_element(loop, loop.loads) == 2
        assert loop.flops == 2 * loop.elements
        assert (loop.divisions, loop.gathers, loop.integer, loop.calls) == (0, 0, 0, 0)
    widest = vector_lanes(loops)
    halves = {4} if widest == 8 else set()  # in which LLVM may take some of the rest
    assert {loop.lanes for loop in loops} - halves == {1, widest}, "the rest is done one by one"


def test_recurrence_is_scalar():
    recurrence(X)
    loops = innermost_loops(machine_code(recurrence))
    assert loops
    for loop in loops:
        assert loop.lanes == 1 and not loop.packed
        assert loop.scalar == {"mul": loop.elements, "add": loop.elements}


def test_counts_of_written_code():
    (loop,) = innermost_loops(NESTED)
    assert (loop.function, loop.label, loop.blocks) == ("_ZN4testE", ".LBB0_2", 1)
    assert loop.packed == {"fma": 1, "sqrt": 1} and loop.scalar == {"div": 1}
    assert (loop.lanes, loop.elements, loop.flops) == (8, 8, 2 * 8 + 8 + 1)
    assert (loop.divisions, loop.gathers, loop.integer, loop.calls) == (1, 1, 2, 1)
    # a load each of vmovupd, vfmadd213pd, vgatherqpd, vbroadcastsd, cmpq and addq
    assert (loop.loads, loop.stores) == (6, 2)


def test_loop_in_several_places():
    (loop,) = innermost_loops(OUT_OF_LINE)
    assert [i.name for i in loop.instructions] == [
        "vmulpd", "jp", "subq", "cmpq", "jne", "vaddpd", "jmp"
    ]  # fmt: skip
    assert (loop.blocks, loop.lanes, loop.elements, loop.flops) == (3, 4, 16, 8)


def test_both_inner_loops_of_a_branch():
    loops = innermost_loops(EITHER)
    assert [(i.label, i.lanes, i.elements) for i in loops] == [(".LBB0_2", 1, 1), (".LBB0_3", 4, 4)]


def test_code_without_a_loop():
    assert innermost_loops("_ZN4testE:\n\taddq\t$1, %rax\n\tjne\t.LBB0_1\n.LBB0_1:\n\tretq\n") == []


def test_wrappers_are_left_out():
    saxpy(2.0, X, X.copy())
    code = machine_code(saxpy)
    assert "saxpy" in code
    assert not any(name in code for name in ("PyArg_UnpackTuple", "_ZN7cpython", "cfunc.", "\n\t."))


def test_kernel_from_the_cache_is_compiled_afresh(tmp_path, monkeypatch):
    source = "def halve(x):\n    for i in range(x.size):\n        x[i] /= 2.0\n"
    (tmp_path / "halving.py").write_text(source)
    spec = importlib.util.spec_from_file_location("halving", tmp_path / "halving.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    for _ in range(2):
        kernel = njit(cache=True, error_model="numpy")(module.halve)
        kernel(X.copy())
    assert kernel.stats.cache_hits
    before = sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*.nb*"))
    loops = innermost_loops(machine_code(kernel))
    assert vector_lanes(loops) > 1
    assert before == sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*.nb*"))
