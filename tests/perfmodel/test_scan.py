"""What is measured on a job, on a small one."""
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from partsim.job import load
from partsim.thermal.kernels import sweep
from perfmodel import incore, scan
from perfmodel.layouts import BRANCHES, laser_step, phase_points, scanning


@pytest.fixture(scope="module")
def build():
    return scanning(load(Path("jobs/cube_small.toml")), 2, MPI.COMM_SELF, 5)


def test_neighbours_of_a_layout_differ_and_blocks_agree():
    """The branches take turns from block to block."""
    for block in (1, 10, 100):
        T_old = phase_points(block, 1200)[3]
        base = np.array([values[2] for values in BRANCHES.values()])
        branch = np.abs(T_old[:, None] - base).argmin(axis=1)
        np.testing.assert_array_equal(branch, np.arange(1200) // block % len(BRANCHES))


def test_one_block_is_swept_like_among_all(build):
    """`only` leaves everything else of the mesh where it was."""
    heat, T = build.site.heat, build.site.state["temperature"]
    rates, dark = build.explicit.block_rates, build.explicit.dark
    new, slots = T.copy(), np.zeros(len(heat.contributions))
    sweep(T, new, slots, heat.conduction, dark, rates, heat.work)
    one_by_one, piled = T.copy(), np.zeros(len(slots))
    for block in range(build.site.mesh.n_blocks):
        part = incore.only(heat.conduction, block)
        sweep(T, one_by_one, piled, part, dark, rates[block : block + 1], heat.work)
    np.testing.assert_array_equal(new, one_by_one)
    np.testing.assert_array_equal(slots, piled)


@pytest.mark.serial
def test_job_is_measured(build, monkeypatch):
    monkeypatch.setattr(scan, "COMPARED", 5)
    laser_step(build)
    assert scan.time_steps(build, MPI.COMM_SELF, 3).whole > 0
    found = scan.compare_rest(build)
    assert 0 <= found["share of the nodes that rests"] <= 1
    assert found["missed stable alpha"] < 1e-6 and found["missed martensite"] < 1e-6
    run = scan.thermal_run(build, 1, 1e-3)
    assert run.rate == pytest.approx(build.site.mesh.total_nodes * 1e3)
    assert 0 < incore.sweep_seconds_in_cache(build) < 1
