"""llvm-mca's view of loops whose bound is known, and the roofs made of it."""
import shutil

import pytest

from partsim.errors import UserError
from perfmodel import mca
from perfmodel.assembly import innermost_loops, vector_width

PEAK = 6e10  # flop/s

try:
    mca.find_program()
    ABSENT = ""
except UserError as problem:
    ABSENT = str(problem)
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "llvm-mca is there")


def loop(*lines):
    """A loop of these instructions over 8 bytes times the widest register per iteration."""
    ends = [f"addq\t${vector_width()}, %rdx", "cmpq\t%rdx, %rcx", "jne\t.LBB0_1"]
    body = "\n".join(f"\t{line}" for line in [*lines, *ends])
    return innermost_loops(f"_ZN4testE:\n.LBB0_1:\n{body}\n\tretq\n")


def register():
    return {8: "zmm", 4: "ymm", 2: "xmm"}[vector_width()]


def independent(name="vfmadd213pd", widest=None):
    r = widest or register()
    return [f"{name}\t%{r}15, %{r}14, %{r}{n}" for n in range(8)]


def clock():
    return PEAK / mca.fused_flops_per_cycle()


def test_fused_products_reach_the_peak():
    (result,) = mca.analyse(loop(*independent(), f"vmovupd\t%{register()}0, (%rsi,%rdx,8)"))
    assert result.loop.flops / result.cycles == pytest.approx(mca.fused_flops_per_cycle())
    assert result.loop.elements == vector_width()
    assert result.arithmetic == 8 and result.micro_ops > 8
    assert 0.5 < result.micro_op_share < 1
    roof = mca.roof([result], {".LBB0_1": 1.0}, PEAK, clock())
    assert roof.throughput == pytest.approx(PEAK)
    assert roof.flops == 2 * 8
    assert 0.8 * PEAK < roof.mix <= PEAK
    assert "dispatch" != result.binds


def test_other_vector_work_lowers_the_roof():
    bits = [f"vpaddq\t%{register()}13, %{register()}12, %{register()}{n % 8}" for n in range(64)]
    (result,) = mca.analyse(loop(*independent(), *bits))
    roof = mca.roof([result], {".LBB0_1": 1.0}, PEAK, clock())
    assert result.port_share < 0.7
    assert roof.mix < PEAK and roof.throughput < 0.7 * PEAK
    assert roof.mix == pytest.approx(PEAK * min(result.port_share * result.ports, 1))


def test_scalar_code_has_its_part_of_the_peak():
    (result,) = mca.analyse(loop(*independent("vfmadd213sd", "xmm")))
    roof = mca.roof([result], {".LBB0_1": 1.0}, PEAK, clock())
    assert result.loop.lanes == 1
    assert roof.throughput <= PEAK / vector_width() * 1.001
    assert roof.mix <= PEAK * result.ports / vector_width()


def test_chain_is_simulated_with_its_latency():
    r = register()
    (result,) = mca.analyse(loop(*[f"vfmadd213pd\t%{r}15, %{r}14, %{r}0"] * 8))
    assert result.simulated > 3 * result.cycles
    assert result.cycles == pytest.approx(8 * 2 * vector_width() / mca.fused_flops_per_cycle())


def test_weights_mix_the_loops():
    code = [*loop(*independent()), *loop(*independent("vaddpd"))]
    code[1] = mca.Loop(code[1].function, ".LBB0_9", code[1].instructions, 1)
    fused, sums = mca.analyse(code)
    both = mca.roof([fused, sums], {".LBB0_1": 3.0, ".LBB0_9": 1.0}, PEAK, clock())
    n = fused.loop.lanes
    assert both.flops == (3 * fused.loop.flops + sums.loop.flops) / n
    assert both.cycles == pytest.approx((3 * fused.cycles + sums.cycles) / n)
    assert both.throughput == pytest.approx(both.flops / both.cycles * clock())
    with pytest.raises(AssertionError, match="LBB0_7"):
        mca.roof([fused], {".LBB0_7": 1.0}, PEAK, clock())


def test_no_loops():
    assert mca.analyse([]) == []


def test_missing_program_names_the_package(monkeypatch):
    monkeypatch.setattr(mca.Path, "glob", lambda *words: [])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="package llvm-"):
        mca.find_program.__wrapped__()
