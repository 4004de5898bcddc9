"""A signal to one rank stops all of them with a checkpoint, from which the run ends as ever."""

import json
import os
import signal
import sys

import pytest

from partsim import __main__
from partsim.build import Build
from partsim.errors import Interrupted
from partsim.output import records
from partsim.output.checkpoint import latest, load_header
from partsim.output.signals import Signals
from partsim.output.snapshot import read_series
from tests.build_job import (
    EXPLICIT, PROBES, assert_same_bits, books, build_job, build_text, resume_build, run_build,
    stored,
)

pytestmark = pytest.mark.pair

SHORT = {**EXPLICIT, "layers.stop": 2, "output.mid_scan": [], "output.every_layers": 1}


def short_job(*changes):
    return build_job(SHORT, *changes, probes=PROBES[:1])


def events(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def names(folder):
    return [each["event"] for each in events(folder)]


@pytest.fixture
def signalled(monkeypatch):
    """The last rank sends itself a signal in the 15th step of a layer; ranks look every 5 steps."""

    def prepare(comm, number, layer=1):
        advance = Build.advance

        def instead(build):
            before = build.index
            advance(build)
            due = build.stretch.layer == layer and before <= 14 < build.index
            if due and comm.rank == comm.size - 1:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(records, "WATCH", 5)
        monkeypatch.setattr(Build, "advance", instead)

    return prepare


def test_signal_is_answered_after_one_super_step(comm, shared_tmp, monkeypatch):
    advance = Build.advance

    def instead(build):
        advance(build)
        if build.stretch.final and build.index == 2:
            os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(Build, "advance", instead)
    with pytest.raises(Interrupted, match="SIGUSR1"):
        run_build(comm, short_job({"final_cooling.duration": "5 s"}), shared_tmp)
    header, _ = load_header(latest(shared_tmp))
    assert (header["number"], header["index"]) == (2, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signal_of_one_rank_stops_all_and_the_run_goes_on_to_the_same_bits(
    comm, shared_tmp, signalled, monkeypatch, number
):
    handler = signal.getsignal(number)
    whole = run_build(comm, short_job(), shared_tmp / "whole")
    with monkeypatch.context():
        signalled(comm, number)
        with pytest.raises(Interrupted, match=signal.Signals(number).name):
            run_build(comm, short_job(), shared_tmp / "run")
        monkeypatch.undo()
    assert signal.getsignal(number) is handler
    comm.Barrier()
    assert names(shared_tmp / "run") == ["start", "layer begun", "checkpoint", "signal"]
    assert events(shared_tmp / "run")[-1]["name"] == signal.Signals(number).name
    resumed = resume_build(comm, latest(shared_tmp / "run"), shared_tmp / "run")
    comm.Barrier()
    assert_same_bits(stored(resumed), stored(whole))
    assert books(resumed) == books(whole)
    told = names(shared_tmp / "run")
    assert told[:3] == ["start", "layer begun", "resumed"] and told.count("resumed") == 1
    assert [n for n in told if n != "resumed"] == names(shared_tmp / "whole")


def test_program_says_three_and_a_finished_run_says_so(
    comm, shared_tmp, signalled, monkeypatch, capsys
):
    job, run = shared_tmp / "job.toml", shared_tmp / "job.out"
    if comm.rank == 0:
        job.write_text(build_text(SHORT, probes=PROBES[:1]))
    comm.Barrier()
    excepthook = sys.excepthook
    monkeypatch.setattr(sys, "argv", ["partsim", "run", str(job)])
    with monkeypatch.context():
        signalled(comm, signal.SIGUSR1)
        monkeypatch.setattr(sys, "argv", ["partsim", "run", str(job)])
        assert comm.allgather(__main__.main()) == [3] * comm.size
        monkeypatch.undo()
    assert capsys.readouterr().err.count("partsim: stopped by SIGUSR1") == (comm.rank == 0)
    monkeypatch.setattr(sys, "argv", ["partsim", "resume", str(run)])
    for said in ("", f"{run} is finished; nothing is left to do\n"):
        assert comm.allgather(__main__.main()) == [0] * comm.size
        comm.Barrier()
        assert capsys.readouterr().out == (said if comm.rank == 0 else "")
    assert names(run)[-1] == "finished"
    sys.excepthook = excepthook


@pytest.mark.serial
def test_second_interrupt_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), Signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_oldest_fields_go_with_their_entries(comm, shared_tmp):
    """Three are written; the one after the last layer and that of the end are the same file."""
    job = short_job({"layers.stop": 3, "output.keep_fields": 2})
    run_build(comm, job, shared_tmp)
    comm.Barrier()
    series = [entry["name"] for entry in read_series(shared_tmp / "fields.hdf.series")]
    written = [each["name"] for each in events(shared_tmp) if each["event"] == "fields"]
    assert series == sorted(set(written))[-2:] and len(set(written)) == 3
    assert sorted(path.name for path in shared_tmp.glob("fields_*.hdf")) == series


@pytest.mark.serial
def test_clock_asks_for_a_checkpoint_after_minutes(comm, shared_tmp, monkeypatch):
    job = short_job({"output.checkpoint_minutes": "2 min", "layers.stop": 1})
    watched = run_build(comm, job, shared_tmp / "run").records
    last = watched.saved
    for seconds, due in ((119, False), (121, True)):
        monkeypatch.setattr(records, "perf_counter", lambda now=last + seconds: now)
        assert watched.overdue() == due
