"""The kernels of the track scale are timed, on a small pool."""
from pathlib import Path

import pytest
from mpi4py import MPI

from partsim.errors import UserError
from partsim.trackjob import load, parse
from perfmodel import stream, tracks
from perfmodel.judge import Limits

pytestmark = pytest.mark.serial
JOB = Path("jobs/track_small.toml")


def test_every_kernel_has_a_record(monkeypatch):
    """No kernel is faster than its roof, the limits being far above those of any core."""
    monkeypatch.setattr(stream, "TRIAL_SECONDS", 1e-3)
    monkeypatch.setattr(tracks, "TRIALS", 1)
    monkeypatch.setattr(tracks, "POOL_STEPS", 8)
    monkeypatch.setattr(tracks, "GROWN_STEPS", 2)
    records = tracks.measure_tracks(MPI.COMM_SELF, load(JOB), Limits(1e13, None))
    names = {record["kernel"] for record in records}
    assert {"conduction", "convection of heat", "rates of momentum", "phase field"} < names
    for record in records:
        assert record["gdof_per_second"] > 0 and record["flops_per_dof"] > 0
        assert record["gb_per_second"] == pytest.approx(
            record["gdof_per_second"] * record["bytes_per_dof"]
        )


def test_a_track_without_flow_is_refused():
    job = parse(JOB.read_text() + "\n[melt]\nflow = false\n", JOB)
    with pytest.raises(UserError, match="melt.flow = false"):
        tracks.pool_of(job)
