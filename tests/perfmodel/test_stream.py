"""The micro-benchmarks do the work they are counted for, on the ranks they name."""
import math
import platform
import re
import time

import numpy as np
import pytest
from mpi4py import MPI

from perfmodel import messages, stream

pytestmark = pytest.mark.pair

SEVERAL = pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs two ranks")
LANES = pytest.mark.parametrize("lanes", stream.fma_lanes())


@pytest.fixture
def short(monkeypatch):
    """Trials too short to mean much, and long enough to run."""
    monkeypatch.setattr(stream, "TRIAL_SECONDS", 1e-3)
    monkeypatch.setattr(messages, "TRIAL_SECONDS", 1e-3)


@pytest.mark.parametrize("pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"])
def test_daxpy_updates_every_element(pick):
    x, y = np.arange(1.0, 38.0), np.arange(37.0) ** 2
    pick(stream.daxpy)(0.5, x, y, 3)
    np.testing.assert_array_equal(y, np.arange(37.0) ** 2 + 1.5 * np.arange(1.0, 38.0))


@pytest.mark.parametrize("total, pieces, repeats", [(1600, 1, 10), (16_000, 1, 1), (80_000, 5, 1)])
def test_daxpy_step_counts_what_it_moves(monkeypatch, total, pieces, repeats):
    calls = []
    monkeypatch.setattr(stream, "PIECE_BYTES", 16_000)
    monkeypatch.setattr(stream, "daxpy", lambda a, *rest: calls.append(rest))
    step = stream.daxpy_step(total)
    for _ in range(2 * pieces):
        step.run()
    places = {array.ctypes.data: array.nbytes for x, y, _ in calls for array in (x, y)}
    assert len(places) == 2 * pieces and sum(places.values()) == total
    assert [call[2] for call in calls] == [repeats] * (2 * pieces)
    assert pieces * step.amount == 24 * (total / 16) * repeats


def test_measured_rate_is_that_of_all_ranks(comm, monkeypatch):
    trials = iter([100.0, 1.0, 3.0, 2.0])  # the first only warms
    monkeypatch.setattr(stream, "repeated", lambda step: next(trials) * (comm.rank + 1))
    ranks = comm.size * (comm.size + 1) / 2
    rates = stream.measure(comm, stream.Step(lambda: None, 1.0), trials=3)
    assert rates == (3 * ranks, 2 * ranks)


def test_repeated_counts_its_steps(short, monkeypatch):
    seconds = iter([10.0, 10.0004, 10.0008, 10.002])
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    assert stream.repeated(stream.Step(lambda: None, 5.0)) == pytest.approx(3 * 5.0 / 0.002)


@SEVERAL
def test_ranks_go_on_until_the_last_has_measured(comm, monkeypatch):
    """The last rank hears from the first one, whose measurement is over, that it still works."""
    last, heard, told = comm.size - 1, [], []

    def repeated(step):
        deadline = time.monotonic() + 20
        while comm.rank == last and not heard and time.monotonic() < deadline:
            if comm.Iprobe(source=0, tag=3):
                heard.append(comm.recv(source=0, tag=3))
        return 1.0

    def run():
        if comm.rank == 0 and not told:
            told.append(comm.isend("still working", dest=last, tag=3))

    monkeypatch.setattr(stream, "repeated", repeated)
    stream.measure(comm, stream.Step(run, 1.0), trials=1)
    for request in told:
        request.wait()
    assert heard == ["still working"] * (comm.rank == last)


@pytest.mark.parametrize("make", [
    lambda: stream.daxpy_step(16 * 1024), lambda: stream.daxpy_step(40 * stream.MEGABYTE),
    lambda: stream.fma_step(1),
])
def test_rates_are_finite_and_the_same_everywhere(comm, short, make):
    rates = stream.measure(comm, make(), trials=2)
    assert 0 < rates.median <= rates.best < math.inf
    assert comm.allgather(rates) == [rates] * comm.size


def test_daxpy_for_other_benchmarks_is_from_memory_and_of_one_rank(comm, monkeypatch):
    sizes = []
    monkeypatch.setattr(stream, "daxpy_step", sizes.append)
    best = 5e9 * comm.size
    monkeypatch.setattr(stream, "measure", lambda comm, step, trials: stream.Rates(best, 1.0))
    assert stream.daxpy_gb_per_second(comm) == 5.0
    assert sizes[0] >= 2**27 and sizes[0] >= 4 * max([c.bytes for c in stream.caches()], default=0)


def test_action_runs_on_the_ranks_named(comm):
    called = []

    def action(those):
        called.append(those.rank)
        return comm.rank, those.size

    last = comm.size - 1
    assert stream.on_ranks(comm, [last], action) == (last, 1)
    assert called == [0] * (comm.rank == last)
    assert stream.on_ranks(comm, range(last, -1, -1), action) == (last, comm.size)
    assert called[-1] == last - comm.rank


@SEVERAL
def test_other_ranks_sleep(comm):
    began = time.process_time()
    stream.on_ranks(comm, [0], lambda those: time.sleep(0.5))
    assert comm.rank == 0 or time.process_time() - began < 0.25


def fake_caches(folder, *rows):
    for number, row in enumerate(rows):
        index = folder / f"index{number}"
        index.mkdir()
        for entry, text in zip(("type", "level", "size", "shared_cpu_list"), row):
            (index / entry).write_text(text + "\n")
    return stream.caches(folder)


def test_caches_as_the_system_tells_them(tmp_path):
    found = fake_caches(
        tmp_path,
        ("Data", "1", "48K", "0,64"),  # two threads a core
        ("Instruction", "1", "32K", "0,64"),
        ("Unified", "2", "2M", "0,64"),
        ("Unified", "3", "32768K", "0-7,64-71"),
        ("Unified", "4"),
    )
    sizes = [(cache.level, cache.bytes, cache.cores) for cache in found]
    assert sizes == [(1, 48 * 2**10, 1), (2, 2 * 2**20, 1), (3, 32 * 2**20, 8)]


def test_caches_may_be_unknown(tmp_path):
    assert stream.caches(tmp_path / "absent") == ()
    assert stream.working_sets((), 1)["memory"] == 2**27


def test_working_sets_fit_one_level_and_not_the_one_below():
    found = tuple(
        stream.Cache(level=level, bytes=size * 2**10, cores=cores)
        for level, size, cores in [(1, 32, 1), (2, 512, 1), (3, 2**16, 4)]
    )
    alone, four, many = (stream.working_sets(found, ranks) for ranks in (1, 4, 40))
    assert list(alone) == ["L1", "L2", "L3", "memory"] and four == many
    assert [size // 2**10 for size in alone.values()] == [16, 288, 16896, 2**18]
    assert [size // 2**10 for size in four.values()] == [16, 288, 4608, 2**18]


@LANES
def test_fused_multiply_adds_compute_what_numpy_does(lanes):
    z = np.arange(float(lanes * stream.CHAINS))
    for _ in range(7):
        z = 0.75 * 0.5 + z  # exact, rounded once or twice
    assert stream.fma_kernel(lanes)(7, 0.75, 0.5) == z.sum()


@LANES
def test_flops_of_a_step_are_those_it_did(lanes):
    step, n = stream.fma_step(lanes), lanes * stream.CHAINS
    added = step.run() - n * (n - 1) / 2  # 0.5 by each multiply-add
    assert step.amount == 2 * added / 0.5


@LANES
@pytest.mark.skipif(platform.machine() not in stream.X86, reason="names of x86 instructions")
def test_fused_multiply_adds_have_the_register_width(lanes):
    kernel = stream.fma_kernel(lanes)
    kernel(1, 1.0, 1.0)
    code = kernel.inspect_asm(kernel.signatures[0])
    fused = re.findall(r"vfmadd\d+(sd|pd)[^\n]*%(.)mm", code)
    wanted = {1: ("sd", "x"), 2: ("pd", "x"), 4: ("pd", "y"), 8: ("pd", "z")}[lanes]
    assert set(fused) == {wanted} and len(fused) % stream.CHAINS == 0


@pytest.mark.parametrize("machine, features, simd, fma", [
    ("x86_64", {"sse2": True, "avx": True, "fma": True, "avx512f": True}, 8, (1, 2, 4, 8)),
    ("x86_64", {"sse2": True, "avx": True, "fma": True, "avx512f": False}, 4, (1, 2, 4)),
    ("x86_64", {"sse2": True, "avx": True, "fma": False}, 4, ()),
    ("aarch64", {"neon": True}, 2, (1, 2)),
])
def test_widths_follow_the_processor(monkeypatch, machine, features, simd, fma):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(stream.llvmlite.binding, "get_host_cpu_features", lambda: features)
    assert stream.simd_lanes() == simd and stream.fma_lanes() == fma


def test_no_peak_of_registers_that_the_processor_lacks():
    with pytest.raises(AssertionError, match="of 16 doubles on this processor"):
        stream.fma_step(16)


def test_one_rank_sends_no_messages():
    assert messages.ping_pongs(MPI.COMM_SELF) == messages.exchanges(MPI.COMM_SELF) == []


@SEVERAL
def test_messages_of_several_ranks(comm, short):
    found = messages.ping_pongs(comm)
    assert [entry.bytes for entry in found if entry.link == "node"] == list(messages.SIZES)
    exchanged = messages.exchanges(comm)
    assert [entry.bytes for entry in exchanged] == list(messages.SIZES)
    assert {entry.neighbours for entry in exchanged} == {min(2, comm.size - 1)}
    for entry in [*found, *exchanged]:
        assert 0 < entry.seconds <= entry.median_seconds < 1


def test_partners_are_in_the_node_and_outside():
    assert messages.partners(["a"]) == {}
    assert messages.partners(["a", "a", "a", "b"]) == {"node": 1, "network": 3}
    assert messages.partners(["a", "b", "a"]) == {"network": 1, "node": 2}
