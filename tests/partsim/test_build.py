"""What a whole build leaves: summary, tables, phases, the final cooling."""

import csv
import json

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.export.layers import layer_means
from partsim.jobcheck import stability_limit
from partsim.output.picture import snapshots
from partsim.parallel import world
from partsim.part import material
from partsim.program import stretch
from partsim.site import Site
from tests.build_job import EXPLICIT, LAYERS, PROBES, build_job, run_build, stored

pytestmark = pytest.mark.pair

STAGES = {"thermal", "phase", "halo", "growth", "output"}
ENERGIES = {
    "laser", "layers", "stored", "lost_top", "lost_plate", "adaptation", "closing_error",
}
NESTED = {
    "steps": {"laser", "cooling"},
    "stage_seconds": STAGES,
    "stage_seconds_by_step": {"laser", "cooling"},
    "energy_joules": ENERGIES,
    "phase_means": {"alpha_stable", "martensite", "beta"},
    "versions": {"partsim", "python", "numpy", "numba", "mpi4py", "petsc4py", "h5py"},
}
NUMBERS = (
    "blocks", "cells", "nodes", "simulated_seconds", "wall_seconds", "node_updates_per_second",
    "equivalent_updates_per_second", "blocks_refined", "blocks_coarsened", "transfers",
    "peak_temperature_kelvin", "peak_memory_bytes", "ranks",
)


def test_phase_constants_that_contradict_each_other_are_refused(comm):
    job = build_job(EXPLICIT)
    alloy = material.load(job.material)
    wrong = alloy.model_copy(update={"phase": alloy.phase | {"alpha_end": 1935.0}})
    with pytest.raises(UserError, match="material Ti-6Al-4V: phase.alpha_start = 1273 K, but"):
        Site(job, wrong, comm)


@pytest.fixture
def summary(comm, built):
    return json.loads((built.records.folder / "summary.json").read_text())


def rows(build, name):
    with open(build.records.folder / name) as file:
        return list(csv.DictReader(file))


def column(build, name, key):
    return np.array([float(row[key]) for row in rows(build, name)])


def test_summary_tells_everything(built, summary, comm):
    for name, keys in NESTED.items():
        assert keys <= summary[name].keys(), name
    for name in NUMBERS:
        assert summary[name] > 0, name
    assert summary["ranks"] == comm.size
    assert summary["repartitions"] >= 0
    slack = 1 if comm.size == 1 else 1.01  # ranks do not start at the same moment
    assert sum(built.timers.seconds.values()) <= slack * summary["wall_seconds"]


def test_mesh_does_all_that_it_can_do(summary, comm):
    """Only then do the tests of ranks, restart and energy say anything."""
    assert min(summary["blocks_refined"], summary["blocks_coarsened"], summary["transfers"]) > 0
    if comm.size > 1:
        assert summary["repartitions"] > 0 and summary["hanging_across_ranks"] > 0


def test_steps_are_those_of_the_program(summary, built):
    job, base = built.job, built.job.time.step
    paths = [row for row in rows(built, "history.csv") if row["stage"] == "laser"]
    assert {int(row["layer"]) for row in paths} == set(range(1, LAYERS + 1))
    explicit, long = 10 + 2, 3
    final = summary["steps"]["cooling"] - LAYERS * (explicit + long)
    assert 0 < final < 20
    pauses = LAYERS * job.layers.dwell + job.final_cooling.duration
    scanned = summary["steps"]["laser"] * base
    assert summary["simulated_seconds"] == pytest.approx(scanned + pauses, rel=1e-12)


def test_time_is_told_apart_where_the_scan_ends(summary, built):
    """A row there in every layer, so that no row has both: the two add up to all that was timed."""
    last = {row["layer"]: int(row["step"]) for row in rows(built, "history.csv")
            if row["stage"] == "laser"}
    ticks = 0
    for layer in range(1, LAYERS + 1):
        laid = stretch(built.job, built.part, layer - 1)
        assert last[str(layer)] == ticks + laid.laser
        ticks += sum(laid.steps)
    both = summary["stage_seconds_by_step"].values()
    for stage in ("thermal", "phase"):
        assert min(each[stage] for each in both) > 0
        assert sum(each[stage] for each in both) == pytest.approx(
            column(built, "history.csv", f"seconds_{stage}")[-1])


def test_log_tells_the_residual_temperature(built, comm):
    """Of the surface, after the cool-down of each layer."""
    events = [json.loads(line) for line in
              (built.records.folder / "log.jsonl").read_text().splitlines()]
    ended = {event["layer"]: event["surface_temperature_kelvin"] for event in events
             if event["event"] == "layer ended" and not event["final"]}
    assert set(ended) == set(range(1, LAYERS + 1))
    assert all(900 < kelvin < 1600 for kelvin in ended.values()) and ended[10] > ended[1] + 300


def test_peak_is_that_of_a_melt_pool(summary, built):
    assert built.material.liquidus + 500 < summary["peak_temperature_kelvin"] < 5500


def test_history_goes_on_in_time_and_grows(built, comm):
    time, step = (column(built, "history.csv", key) for key in ("time", "step"))
    assert (np.diff(time) > 0).all()
    np.testing.assert_allclose(time, step * built.job.time.step, rtol=1e-13)
    cells, laser = (column(built, "history.csv", key) for key in ("cells", "laser"))
    assert (np.diff(cells) > 0).sum() > 5 and cells[-1] > cells[0]
    assert (np.diff(laser) >= 0).all()
    assert (np.diff(column(built, "history.csv", "layer")) >= 0).all()
    assert time[-1] == built.clock.time


def test_probes_have_a_row_for_every_macro_step(built, summary, comm):
    """Single steps while a layer cools, else `time.ratio` base steps until few are left."""
    time = column(built, "probes.csv", "time")
    ratio, rows_due = built.job.time.ratio, 0
    for number in range(len(set(column(built, "history.csv", "layer")))):
        laid = stretch(built.job, built.part, number)
        rows_due += len(laid.steps) - laid.laser - laid.hold
        for base in (laid.laser, laid.hold):
            rows_due += base // ratio + (base % ratio).bit_count()
    final = stretch(built.job, built.part, number + 1)
    assert len(time) == rows_due + len(final.steps) and (np.diff(time) > 0).all()
    plate, core = (column(built, "probes.csv", f"{name}.temperature") for name, _ in PROBES[:2])
    assert np.isfinite(plate).all() and 400 < plate.min() and plate.max() < 1800
    laid = time[np.isfinite(core)][0]
    height, thickness = built.job.probes[1].position[2], built.job.layers.thickness
    number = [row for row in rows(built, "history.csv") if float(row["time"]) >= laid][0]["layer"]
    assert int(number) == np.ceil(height / thickness)
    assert np.nanmax(core) > built.material.liquidus


def test_phases_stay_in_their_bounds(built, comm):
    """X_as + X_am + X_b = 1 below the solidus, the alphas together at most X_max."""
    fields, law = stored(built), built.site.phase_law
    alpha = fields["alpha_stable"] + fields["martensite"]
    assert fields["alpha_stable"].min() >= 0 and fields["martensite"].min() >= 0
    assert alpha.max() <= law.largest_alpha + 1e-15
    view = built.site.view()
    exists = view.active_nodes
    total = sum(view.nodes[name] for name in ("alpha_stable", "martensite", "beta"))
    np.testing.assert_allclose(total[exists], 1, rtol=0, atol=1e-14)
    assert 0 <= fields["consolidated"].min() and fields["consolidated"].max() == 1


def test_final_cooling_takes_plate_and_part_to_its_temperature(built, summary, comm):
    """Far below the end of the martensite start: what was beta becomes martensite."""
    final = built.job.final_cooling
    temperature = column(built, "probes.csv", "plate.temperature")
    end_of_layers = column(built, "probes.csv", "time") <= built.clock.time - final.duration
    assert temperature[end_of_layers][-1] > 740
    assert temperature[-1] < final.plate_temperature + 60
    before = column(built, "probes.csv", "core.martensite")[end_of_layers][-1]
    assert before < 0.5 * summary["phase_means"]["martensite"]
    assert sum(summary["phase_means"].values()) == pytest.approx(1, abs=1e-12)


def test_a_step_near_the_limit_is_heated(comm, shared_tmp):
    """Between nine tenths of the stable step and all of it a base step is explicit all the same."""
    changes = {**EXPLICIT, "layers.stop": 1, "time.step": "190 us", "layers.dwell": "1.9 ms",
               "time.ratio": 1, "output.mid_scan": []}
    build = run_build(comm, build_job(changes, probes=()), shared_tmp / "near")
    limit = stability_limit(build.job, build.material)
    assert 0.9 * limit < build.clock.base < limit
    paths = stretch(build.job, build.part, 0).paths
    assert build.energy()["laser"] == pytest.approx(sum(path.energy() for path in paths), rel=1e-9)


def test_a_material_without_phases_shows_none(comm, shared_tmp):
    changes = {**EXPLICIT, "material.name": "316L", "layers.stop": 1, "output.mid_scan": [],
               "phase.laser_scheme": "off", "phase.cooling_scheme": "off"}
    build = run_build(comm, build_job(changes), shared_tmp / "steel")
    folder = build.records.folder
    assert set(build.site.view().nodes) == {"temperature", "liquid"}
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["phase_means"].values()) == {None}
    heads = (folder / "probes.csv").read_text().splitlines()[0].split(",")
    assert heads == ["time", *(f"{name}.temperature" for name, _ in PROBES)]
    if comm.rank == 0:
        with pytest.raises(UserError, match="has no phases: the job computed none"):
            layer_means(snapshots(folder)[-1])


def test_start_layer_begins_on_the_estimated_part(comm, module_tmp):
    pytest.importorskip("partsim.estimate.patch")
    job = build_job({"layers.start": 8, "layers.stop": 9, "final_cooling.duration": 0})
    build = run_build(world(), job, module_tmp / "start")
    times = column(build, "history.csv", "time")
    layers = column(build, "history.csv", "layer")
    assert set(layers) == {8, 9} and times[0] < (20 + job.time.ratio) * job.time.step
    assert abs(build.energy()["closing_error"]) <= 1e-8
    assert build.site.mesh.layer == 9 and build.site.counts.transfers == 2
    consolidated = stored(build)["consolidated"]
    assert consolidated.max() == 1 and consolidated.min() == 0
