"""The plan: meshes counted from metadata, steps, and the arithmetic of cost."""
import json
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from partsim import plan as planning
from partsim.clock import cooling_steps
from partsim.estimate.meshes import job_lattice, layer_leaves, layer_meshes, touches_shell
from partsim.estimate.patch import Effect, Effects
from partsim.lines import as_lines
from partsim.job import MaterialChoice, load, parse
from partsim.jobcheck import BYTES_PER_CELL, INTERPRETER_BYTES
from partsim.part import material, shape
from partsim.plan import Speeds, measured_speeds, plan
from partsim.site import Site
from tests.small_job import job_text

CUBE = Path(__file__).parents[2] / "jobs" / "cube.toml"
ALLOY = material.load(MaterialChoice(name="Ti-6Al-4V"))
SPEEDS = Speeds(1e-8, 2e-9, 5e-9)
EFFECTS = Effects((293.0, 750.0), (Effect(0.2, 1e-4), Effect(0.25, 1e-4)))


def job_with(changes):
    return parse(job_text(changes), "small.toml")


@pytest.fixture
def uncalibrated(monkeypatch):
    """Fixed speeds and scan effects in place of measured ones."""
    monkeypatch.setattr(planning, "measured_speeds", lambda job, alloy: SPEEDS)
    monkeypatch.setattr(planning, "measured_effects", lambda job, alloy: EFFECTS)


def test_mesh_of_one_level_is_counted_in_closed_form(comm):
    """A plate of 32 x 32 x 16 cells, and on it the powder's 24 x 24 in layers."""
    meshes = layer_meshes(job_with({"mesh.levels": 1}))
    n = np.arange(1, 5)
    np.testing.assert_array_equal(meshes["layer"], n)
    np.testing.assert_array_equal(meshes["cells"], 32 * 32 * 16 + 24 * 24 * n)
    np.testing.assert_array_equal(meshes["nodes"], 33 * 33 * 17 + 25 * 25 * n)
    np.testing.assert_array_equal(meshes["blocks"], 8 * 8 * 4 + 6 * 6)


def test_first_mesh_is_that_of_the_build(comm):
    job = job_with({"mesh.levels": 3, "plate.size": ["3.2 mm", "1.6 mm", "0.8 mm"]})
    site = Site(job, ALLOY, comm)
    site.lay_plate()
    site.grow(1)
    meshes = layer_meshes(job)
    counted = [meshes[name][0] for name in ("blocks", "cells", "nodes")]
    assert counted == [len(site.mesh.leaves), site.mesh.cells, site.mesh.total_nodes]
    site.mesh.close()


@pytest.mark.parametrize("coarsen", ["interpolant", "never"])
def test_meshes_fill_what_is_laid_and_keep_the_shell_fine(coarsen):
    changes = {"part.size": ["2.4 mm"] * 3, "plate.size": ["3.2 mm", "3.2 mm", "1.6 mm"],
               "mesh.levels": 3, "mesh.coarsen": coarsen, "mesh.surface_band": 48}
    job = job_with(changes)
    lattice = job_lattice(job)
    plate_cells, laid = 64 * 64 * 32, 0
    for layer, leaves in enumerate(layer_leaves(job, lattice), start=1):
        laid += 64 * 64
        active = leaves.active(lattice.top(layer))
        assert (active * leaves.stride**3).sum() * 16 == plate_cells + laid
        shell = touches_shell(leaves, lattice, 3) & (leaves.corner[:, 2] >= lattice.plate)
        assert (leaves.level[shell] == lattice.depth).all()
    inside = leaves.level[leaves.find(np.array([32, 32, 50]))]
    assert inside == (lattice.depth if coarsen == "never" else 1)


def test_shell_merges_once_below_the_surface_band():
    """The part's faces are at 8 and 56 cells, the plate's top at 32; 48 layers."""
    job = job_with({"part.size": ["2.4 mm"] * 3, "plate.size": ["3.2 mm", "3.2 mm", "1.6 mm"],
                    "mesh.levels": 3, "mesh.surface_band": 16})
    lattice = job_lattice(job)
    leaves = list(layer_leaves(job, lattice))[-1]
    upper = leaves.corner[:, 2] + leaves.edge
    shell = touches_shell(leaves, lattice, 3) & (leaves.corner[:, 2] >= lattice.plate)
    # The last row of blocks began at 76 cells; families of 8 cells reach up to 56 in the band.
    deep = shell & (upper <= 56)
    assert deep.any() and (leaves.level[deep] == lattice.depth - 1).all()
    assert (leaves.level[shell & (upper > 64)] == lattice.depth).all()


def test_shell_surrounds_the_part():
    """Blocks of a plate and part of 0.4 mm; the shell of one cell on both sides of its faces."""
    job = job_with({"mesh.levels": 1})
    lattice = job_lattice(job)
    leaves = list(layer_leaves(job, lattice))[0]
    shell = touches_shell(leaves, lattice, 1)
    middle = np.array([14, 14, 0])  # the part is 8 cells wide: blocks 12-16 and 16-20

    def at(*offset):
        return bool(shell[leaves.find(middle + np.array(offset))])

    assert at(0, 0, 13) and at(0, 0, 17) and at(-4, 0, 17) and at(8, 0, 17) and at(0, 8, 17)
    assert not at(0, 0, 9) and not at(-8, 0, 17) and not at(-8, 0, 13) and not at(12, 0, 17)


@pytest.mark.parametrize("ratio", [1, 8, 100])
def test_cost_is_nodes_times_steps(comm, uncalibrated, ratio):
    """With a dwell of base steps there are no super-steps; 16 base steps of 10 us are stable."""
    told = plan(job_with({"mesh.levels": 1, "layers.dwell": "1 ms", "time.ratio": ratio}))
    laser, nodes = ceil(5 * 4e-4 / 0.96 / 1e-5), 33 * 33 * 17 + 25 * 25 * np.arange(1, 5)
    assert told["steps"] == {"laser": 4 * laser, "cooling": 400, "cooling_stages": 0}
    taken, turn, follow = min(ratio, 16), {1: 1, 8: 8, 100: 64}[ratio], min(ratio, 4)
    near = 4 * laser * (1 - 1 / taken) * planning.NEAR * 4**3
    thermal = nodes.sum() * (laser + 100) / taken * 1e-8 + near * 1e-8
    phases = nodes.sum() * (laser * 2e-9 + 100 * 5e-9) / turn + near * 2e-9 / follow
    assert told["stage_seconds"]["thermal"] == pytest.approx(thermal / comm.size)
    assert told["stage_seconds"]["phase"] == pytest.approx(phases / comm.size)
    assert told["wall_seconds"] == pytest.approx((thermal + phases) / comm.size)
    assert told["simulated_seconds"] == pytest.approx(4 * (laser + 100) * 1e-5)
    memory = BYTES_PER_CELL * nodes[-1] / comm.size + INTERPRETER_BYTES
    assert told["memory_bytes_per_rank"] == pytest.approx(memory, abs=1)
    assert [told[n] for n in ("ranks", "nodes")] == [comm.size, nodes[-1]]


def test_larger_cells_take_longer_steps():
    """Stable are 20 base steps of 10 us on 50 um, four times as many on twice the edge."""
    shares = np.array([0.5, 0.25, 0.25])
    for ratio, expected in ((1, 1.0), (8, 1 / 8), (64, 0.5 / 16 + 0.5 / 64),
                            (1000, 0.5 / 16 + 0.25 / 64 + 0.25 / 256)):
        job = job_with({"mesh.levels": 3, "time.ratio": ratio, "phase.largest_substep": "1 s"})
        assert planning.updates_per_step(job, ALLOY, shares) == pytest.approx(expected)


def test_long_steps_cost_stages():
    changes = {"layers.dwell": "60 ms", "time.step": "12 us", "time.largest_step": "12 ms"}
    job = job_with(changes | {"time.ratio": 1})
    stretch = planning.layer_stretch(job, shape.load(job), 1)
    work = planning.work_of(stretch, job, ALLOY, planning.Costs(SPEEDS, 1.0))
    lengths = 12e-6 * np.array(cooling_steps(5000, 2000, 10, 1000))
    stable = 5e-5**2 * 4090 * 1130 / (2 * 28.6)
    long = lengths[lengths > 0.9 * stable]
    stages = 0
    for dt in long:  # the least odd number with (s^2 + s - 2)/4 Euler steps
        stages += next(s for s in range(3, 999, 2) if (s * s + s - 2) / 4 * 0.9 * stable >= dt)
    assert (work.cooling, work.stages) == (len(lengths), stages) and len(long) > 10
    explicit = work.laser + len(lengths) - len(long)
    assert work.thermal == pytest.approx(1e-8 * (explicit + planning.STAGE * stages))


def test_rows_begin_with_the_first_simulated_layer(comm, uncalibrated):
    whole = plan(job_with({}))
    told = plan(job_with({"layers.start": 3, "layers.stop": 4}))
    assert [row["layer"] for row in told["layers"]] == [3, 4]
    assert told["layers"] == whole["layers"][2:]
    assert told["heights"] == whole["heights"] and len(told["heights"]) == 4
    off = job_with({"phase.laser_scheme": "off", "phase.cooling_scheme": "off"})
    assert "heights" not in plan(off)
    shares = [row["lost_share"] for row in whole["layers"]]
    assert shares[0] == pytest.approx(0.2) and (np.diff(shares) > 0).all()


def test_plan_is_json_and_a_table(comm, uncalibrated):
    told = plan(job_with({"final_cooling.duration": "1 s"}))
    assert json.loads(json.dumps(told)) == told
    lines = list(as_lines(told))
    assert any(line.split() == ["layer", "blocks", "cells", "nodes", "laser_steps",
                                "cooling_steps", "lost_share", "residual_kelvin"]
               for line in lines)


def test_speeds_are_measured(comm):
    speeds = measured_speeds(job_with({"phase.cooling_scheme": "off"}), ALLOY)
    assert 1e-10 < speeds.thermal < 1e-5
    assert 1e-10 < speeds.laser_phases < 1e-5
    assert 0 < speeds.cooling_phases < speeds.laser_phases
    assert len(set(comm.allgather(speeds))) == 1


@pytest.mark.serial
def test_meshes_of_the_cube():
    """Estimated before there was code, for blocks of 8: 1.05, 3.3 and 5.2 million cells."""
    job = load(CUBE)
    whole = job.model_copy(update={"mesh": job.mesh.model_copy(update={"surface_band": 200})})
    cells = layer_meshes(whole)["cells"]
    np.testing.assert_allclose(cells[[0, 99, 199]], [1.05e6, 3.3e6, 5.2e6], rtol=0.08)
    assert layer_meshes(job)["cells"][199] < 0.4 * cells[199]
