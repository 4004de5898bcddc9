"""Grouped layers: energy and time stay, and the rule does what the beam would have done."""

from dataclasses import replace

import numpy as np
import pytest

from partsim.build import Build
from partsim.errors import UserError
from partsim.estimate.patch import Effect, Effects
from partsim.grouped_scan import touched
from partsim.grouping import grouped
from partsim.output.checkpoint import load_header, load_rows
from partsim.part import shape
from partsim.part.strategy import Sweep, layer_paths
from partsim.phase.integrate import PhaseFields, make_phase_step
from partsim.program import stretch
from partsim.site import Site
from partsim.thermal.losses import loss
from tests.build_job import (
    assert_same_bits, build_job, checkpoints_at, resume_build, run_build, stored,
)

GROUPED = {
    "part.size": ["0.8 mm", "0.8 mm", "0.6 mm"],
    "layers.group": 2,
    "mesh.block": 4,
    "mesh.levels": 2,
    "scan.rotation": 0,
    "layers.dwell": "0.4 ms",
    "layers.stop": 4,
    "final_cooling.duration": 0,
    "output.mid_scan": [3],
}
LOST = Effects((293.0, 750.0), (Effect(0.1, 1e-4), Effect(0.3, 1e-4)))


@pytest.fixture
def known_effects(monkeypatch):
    """No measurement of the losses; they are linear between 293 and 750 K."""
    monkeypatch.setattr("partsim.build.measured_effects", lambda job, material: LOST)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("contour", [
    {}, {"scan.contour.power": 80, "scan.contour.offset": "1 um", "scan.hop_time": 0},
])
def test_energy_and_time_of_the_scan_stay(n, contour):
    """Twelve layers of twelve lines; the last line has no pause after it."""
    job = build_job(GROUPED, {"layers.group": n, "scan.hatch": "66.666666666666667 um",
                              "layers.stop": 12} | contour)
    assert job.layers.count == 12
    single = job.model_copy(update={"layers": job.layers.model_copy(update={"group": 1})})
    sums = []
    for one, count, sweeps in ((single, 12, 1), (grouped(job), 12 // n, n)):
        paths = all_paths(one, count, sweeps)
        pauses = one.scan.turn_time * count * sweeps
        sums.append([sum(path.energy() for path in paths),
                     sum(path.duration for path in paths) + pauses,
                     one.layers.dwell * count * sweeps, one.layers.thickness * count])
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-9)
    assert grouped(job).mesh.cell == n * single.mesh.cell


def all_paths(job, layers, sweeps):
    """The paths of all sweeps over the lowest layers."""
    part, turns = shape.load(job), [Sweep(number, sweeps) for number in range(sweeps)]
    return [path for layer in range(1, layers + 1) for turn in turns
            for path in layer_paths(job, part, layer, turn)]


@pytest.mark.parametrize("n, hatch", [(2, "0.27 mm"), (3, "0.2 mm"), (4, "0.27 mm")])
def test_energy_stays_over_n_groups_where_lines_do_not_fill_them(n, hatch):
    """0.8 mm take three or four lines; of three there is none in every fourth sweep."""
    job = build_job(GROUPED, {"layers.group": n, "scan.hatch": hatch, "layers.thickness": "5 um",
                              "layers.count": 120, "layers.stop": n * n, "mesh.cell": "5 um"})
    single = sum(path.energy() for path in all_paths(job, n * n, 1))
    paths = all_paths(grouped(job), n, n)
    assert sum(path.energy() for path in paths) == pytest.approx(single)
    assert len(paths) == (12 if n == 4 else n * n)


def test_sweeps_share_the_contour():
    """Three go around 0.8 x 0.8 mm, each along a third of the way, one third after the other."""
    job = build_job(GROUPED, {"scan.contour.power": 80, "scan.contour.offset": 0,
                              "layers.group": 3, "layers.stop": 3})
    group = grouped(job)
    rings = []
    for number in (2, 0, 1):
        (path,) = layer_paths(group, shape.load(group), 1, Sweep(number, 3))
        lit = np.flatnonzero(path.power == 80)
        begin, end = path.ends[lit], path.ends[lit + 1]
        assert np.linalg.norm(end - begin, axis=1).sum() == pytest.approx(3.2e-3 / 3)
        rings.append((begin[0], end[-1]))
    for (_, end), (begin, _) in zip(rings, rings[1:] + rings[:1], strict=True):
        np.testing.assert_allclose(end, begin, atol=1e-12)


def test_sweeps_take_the_lines_of_single_layers_in_their_places():
    """Two directions in turn; the lines of a sweep lie where those of the single layer do."""
    job = build_job(GROUPED, {"scan.direction": ["0 deg", "90 deg"], "scan.hatch": "0.1 mm"})
    group, part = grouped(job), shape.load(job)
    for layer, number in ((1, 0), (1, 1), (2, 0), (2, 1)):
        (path,) = layer_paths(group, shape.load(group), layer, Sweep(number, 2))
        (single,) = layer_paths(job, part, 2 * layer - 1 + number)
        across = 1 - number
        there = path.ends[::2, across]
        np.testing.assert_allclose(there, single.ends[::2, across][(number + layer) % 2 :: 2])
        turned = np.sign(np.diff(path.ends[:, 1 - across])[::2])
        assert (turned[1:] == -turned[:-1]).all()  # to and fro, as neighbours of a single layer


def test_single_layers_are_left_alone():
    job = build_job()
    assert grouped(job) is job


def test_layers_that_a_window_names_are_those_of_the_job():
    box = {"window.low": ["0 mm", "0 mm", "0 mm"], "window.high": ["0.4 mm", "0.4 mm", "0.4 mm"],
           "window.every": "1 ms"}
    job = grouped(build_job(GROUPED, box, {"window.layers": [1, 2, 4]}))
    assert job.window.layers == (1, 2)
    assert grouped(build_job(GROUPED, box)).window.layers == ()


@pytest.mark.parametrize(
    "wrong, entry",
    [({"layers.count": 5}, "layers.count = 5"), ({"layers.stop": 3}, "layers.stop = 3"),
     ({"layers.start": 2}, "layers.start = 2")],
)
def test_groups_must_be_whole(wrong, entry):
    with pytest.raises(UserError, match=entry + ", but it must be a multiple of layers.group = 2"):
        grouped(build_job(GROUPED, wrong))


def test_scan_files_are_not_grouped():
    job = build_job(GROUPED)
    scan = job.scan.model_copy(update={"file": "a file"})
    with pytest.raises(UserError, match="layers.group = 2, but it must be 1 with scan.file"):
        grouped(job.model_copy(update={"scan": scan}))


def test_touched_are_the_corners_of_cells():
    cells = np.zeros((1, 2, 2, 2))
    cells[0, 0, 1, 0] = 1
    nodes = touched(cells.reshape(1, 8), 2).reshape(3, 3, 3)
    assert nodes[:2, 1:, :2].all()
    assert nodes.sum() == 8


@pytest.fixture
def laid(comm, shared_tmp, known_effects):
    """A build whose first grouped layer has been laid, not scanned yet."""
    build = Build(build_job(GROUPED, probes=()), comm, shared_tmp)
    build.start()
    build.enter()
    return build


def end(build, number, duration, depth):
    """Ends sweep `number` of the two over a build's first layer after a time."""
    stretch = replace(build.stretch, sweep=Sweep(number, 2), laser=1)
    build.rule.end(stretch, duration, depth)


def test_layer_is_dense_and_keeps_its_energy(laid):
    """Cells of 0.1 mm: the part's 8 x 8 cells of the first layer, none of its powder."""
    site, lattice = laid.site, laid.site.lattice
    centre = site.view().cell_centres().reshape(site.mesh.n_blocks, -1, 3)
    dense = site.state["consolidated"] == 1
    new = (centre[..., 2] > 0) & (centre[..., 2] < 1e-4)
    assert laid.comm.allreduce(int((dense & new).sum())) == 64
    assert dense[centre[..., 2] < 0].all()
    assert not dense[centre[..., 2] > 1e-4].any()
    assert lattice.cell == pytest.approx(1e-4)
    assert laid.effect.lost_share == pytest.approx(0.3)  # the plate is at 750 K
    laid.drop_solvers()


def test_melt_of_grouped_layers_alone_radiates_as_at_the_solidus(laid):
    law, solidus = laid.site.losses, laid.material.solidus
    assert loss(5000.0, law)[0] == loss(solidus, law)[0] > loss(solidus - 1, law)[0]
    single = Site(build_job(), laid.material, laid.comm).losses
    assert loss(5000.0, single)[0] > 10 * loss(solidus, single)[0]
    laid.drop_solvers()


def test_scan_ends_in_quenched_beta(laid):
    end(laid, 1, 1e-3, 0.0)
    site = laid.site
    key = site.view().node_positions().reshape(site.mesh.n_blocks, -1, 3)
    alpha = site.mesh.to_blocks(site.state["alpha_stable"])
    inside = ((key >= -1e-9) & (key <= np.array([8e-4, 8e-4, 1e-4]) + 1e-9)).all(axis=-1)
    assert not alpha[inside].any()
    assert (alpha[key[..., 2] < -1e-9] == 0.9).all()
    laid.drop_solvers()


@pytest.mark.parametrize("number, depth", [(1, 1.6e-4), (0, 1.1e-4)])
def test_scan_leaves_no_alpha_above_its_depth(laid, number, depth):
    """Of the plate below, a layer of cells whose middles are above 0.16 mm; the first sweep stands
    for a layer whose top is 50 um lower."""
    end(laid, number, 1e-3, depth)
    place = laid.site.view().node_positions().reshape(laid.site.mesh.n_blocks, -1, 3)
    alpha = laid.site.mesh.to_blocks(laid.site.state["alpha_stable"])
    inside = ((place[..., :2] >= -1e-9) & (place[..., :2] <= 8e-4 + 1e-9)).all(axis=-1)
    above = place[..., 2] > -1.01e-4
    assert not alpha[inside & above].any()
    assert (alpha[inside & ~above] == 0.9).all()
    assert (alpha[~inside & (place[..., 2] < -1e-9)] == 0.9).all()
    laid.drop_solvers()


def test_phases_pass_the_scan_at_the_mean_temperature(laid):
    site = laid.site
    site.state["alpha_stable"][:] = 0.5
    for temperature in (1150.0, 1250.0):
        site.state["temperature"][:] = temperature
        laid.rule.follow(1.0)
    end(laid, 1, 2.0, 0.0)
    alone = PhaseFields(np.array([0.5]), np.zeros(1), np.zeros(1))
    mean = np.array([1200.0])
    step = make_phase_step("crank-nicolson", site.phase_law, laid.job.phase.largest_substep)
    step(alone, mean, mean, 2.0)
    low = site.view().node_positions().reshape(site.mesh.n_blocks, -1, 3)[..., 2] < -1e-9
    alpha = site.mesh.to_blocks(site.state["alpha_stable"])[low]
    np.testing.assert_allclose(alpha, alone.alpha_stable[0], atol=1e-5)
    assert 0.3 < alone.alpha_stable[0] < 0.48 and not site.state["scan_sum"].any()
    laid.drop_solvers()


def test_energy_closes_and_restart_is_exact(comm, shared_tmp, known_effects):
    job = build_job(GROUPED, {"output.checkpoint_layers": 2}, probes=())
    build = run_build(comm, job, shared_tmp / "whole")
    energy = build.energy()
    assert abs(energy["closing_error"]) < 1e-11
    path = layer_paths(job, build.part, 1)[0]
    lost = build.effect.lost_share
    assert energy["laser"] == pytest.approx(2 * (1.7 - lost) * path.energy())
    assert 0.3 < lost < 0.7  # the second layer is laid on hotter metal
    first = min((shared_tmp / "whole").glob("*.checkpoint.h5"))
    again = resume_build(comm, first, shared_tmp / "again")
    assert_same_bits(stored(again), stored(build))


def test_sweep_without_a_line_is_a_pause(comm, shared_tmp, known_effects):
    """One line to a layer that stands for two: one sweep scans it, the other only cools."""
    job = build_job(GROUPED, {"scan.hatch": "0.8 mm", "layers.stop": 2}, probes=())
    build = run_build(comm, job, shared_tmp / "run")
    (path,) = layer_paths(job, build.part, 1)
    dark, lit = (stretch(build.job, build.part, number) for number in (0, 1))
    assert (dark.laser, len(dark.paths), len(lit.paths)) == (0, 0, 1)
    energy = build.energy()
    assert energy["laser"] == pytest.approx(2 * (1 - build.effect.lost_share) * path.energy())
    assert abs(energy["closing_error"]) < 1e-11
    assert build.steps["laser"] == lit.laser and build.clock.ticks == sum(dark.steps + lit.steps)


def test_restart_in_the_middle_of_a_scan_is_exact(comm, shared_tmp, known_effects):
    job = build_job(GROUPED, {"output.checkpoint_layers": 0}, probes=())
    with checkpoints_at({(3, index) for index in range(1, 41)}):
        build = run_build(comm, job, shared_tmp / "whole")
    comm.Barrier()
    first = min((shared_tmp / "whole").glob("*.checkpoint.h5"))
    header, _ = load_header(first)
    nodes, _ = load_rows(first, np.arange(len(build.site.mesh.leaves)))
    assert (header["number"], header["index"] > 0) == (3, True)
    assert nodes["scan_sum"].max() > 0  # the scan has begun
    again = resume_build(comm, first, shared_tmp / "again")
    assert_same_bits(stored(again), stored(build))
