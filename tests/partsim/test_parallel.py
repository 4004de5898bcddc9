"""Agreement among ranks, stage timers, and the end of all ranks when one fails."""

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.output.progress import Progress, clock
from partsim.parallel import (
    first_rank_only, free_memory, from_first, global_max, global_sum, raise_together,
    rank_print, together,
)
from partsim.timers import Timers
from tests.processes import environment_outside_mpi

pytestmark = pytest.mark.pair


def test_no_problem_raises_nothing(comm):
    raise_together(comm, None)


def test_problem_of_one_rank_is_raised_on_all(comm):
    last = comm.size - 1
    with pytest.raises(UserError, match="too small") as caught:
        raise_together(comm, "radius too small" if comm.rank == last else None)
    expected = f"rank {last}: radius too small" if comm.size > 1 else "radius too small"
    assert str(caught.value) == expected


def test_problem_of_all_ranks_is_said_once(comm):
    with pytest.raises(UserError) as caught:
        raise_together(comm, "no such file")
    assert str(caught.value) == "no such file"


def test_different_problems_are_joined_in_one_line(comm):
    with pytest.raises(UserError) as caught:
        raise_together(comm, f"bad {comm.rank}")
    text = str(caught.value)
    assert all(f"bad {rank}" in text for rank in range(comm.size)) and "\n" not in text


def test_together_returns_own_values_and_shares_failures(comm):
    assert together(comm, lambda: comm.rank) == comm.rank

    def fail_on_the_last():
        if comm.rank == comm.size - 1:
            raise OSError("disk\nfull")

    with pytest.raises(UserError, match="disk full"):
        together(comm, fail_on_the_last)
    with pytest.raises(UserError, match="first"):
        first_rank_only(comm, lambda: open("/no/such/first"))


def test_what_the_first_rank_finds_or_fails_at_is_had_by_all(comm):
    assert from_first(comm, lambda: {"rank": comm.rank}) == {"rank": 0}
    with pytest.raises(UserError, match="No such file"):
        from_first(comm, lambda: open("/no/such/file"))
    assert free_memory(comm) > 1e8 and len(set(comm.allgather(free_memory(comm)))) == 1


def test_an_invariant_of_our_own_is_no_mistake_of_the_user(comm):
    with pytest.raises(ZeroDivisionError):
        together(comm, lambda: 1 // 0)


def test_sums_are_rounded_once_and_integers_stay(comm):
    value = [1.0, 1e16, -1e16][comm.rank % 3]
    expected = {1: 1.0, 2: 1e16, 3: 1.0}[comm.size]
    assert global_sum(comm, np.array([value])) == expected
    total = global_sum(comm, np.full(3, 2**60 // 3, np.int64))
    assert total == comm.size * 3 * (2**60 // 3) and isinstance(total, int)
    assert global_sum(comm, np.array([])) == 0


def test_largest_value_with_an_empty_rank(comm):
    mine = np.array([]) if comm.rank == 0 else np.array([comm.rank, -5.0])
    assert global_max(comm, mine) == (comm.size - 1 if comm.size > 1 else -np.inf)
    assert global_max(comm, np.array([]), empty=0) == 0


def test_only_rank_zero_prints(comm, capsys):
    rank_print(comm, "hello")
    assert capsys.readouterr().out == ("hello\n" if comm.rank == 0 else "")


def test_inner_stage_stops_the_outer_watch(comm):
    timers = Timers({"growth": 1.0})
    begin = time.perf_counter()
    with timers("thermal"):
        time.sleep(0.02)
        with timers("halo"):
            time.sleep(0.05)
        time.sleep(0.02)
    wall = time.perf_counter() - begin
    seconds = timers.seconds
    assert 0.04 <= seconds["thermal"] and 0.05 <= seconds["halo"]
    assert seconds["thermal"] + seconds["halo"] == pytest.approx(wall, abs=2e-3)
    assert seconds["growth"] == 1.0


def test_timers_report_the_slowest_rank(comm):
    timers = Timers({"thermal": float(comm.rank)})
    if comm.rank == 0:
        timers.seconds["output"] = 7.0
    assert timers.reduced(comm) == {"thermal": comm.size - 1, "output": 7.0}


def test_time_to_finish_is_that_of_the_work_left(comm):
    progress = Progress(comm, layers=10, work=100.0, done=20.0)
    assert progress.remaining(progress._begin + 5.0, 20.0) is None
    assert progress.remaining(progress._begin + 5.0, 40.0) == pytest.approx(15.0)
    assert progress.line(3, 0.5, 2.5e6, 15.0) == (
        "layer 3/10  t = 0.5000 s  2.5 M updates/s  0:00:15 left"
    )
    assert clock(3661.4) == "1:01:01"


def test_progress_prints_plain_lines_now_and_then(comm, capsys, monkeypatch):
    monkeypatch.setattr("partsim.output.progress.INTERVAL", 0.0)
    with Progress(comm, layers=10, work=100.0) as progress:
        progress.update(1, 0.1, 10.0, 1e6)
    printed = capsys.readouterr().err
    assert printed.startswith(" 10.0 %  layer 1/10") if comm.rank == 0 else printed == ""


FAILING = """
from partsim.parallel import abort_on_error, world
abort_on_error()
comm = world()
if comm.rank == 1:
    raise KeyError("lost")
comm.recv(source=1)
"""


@pytest.mark.serial
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed")
def test_uncaught_error_of_one_rank_ends_all(tmp_path):
    environment = environment_outside_mpi(
        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"
    )
    command = ["mpirun", "--oversubscribe", "-n", "2", sys.executable, "-c", FAILING]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "KeyError: 'lost'" in ended.stderr and "raised on rank 1" in ended.stderr
