"""partsim grow from a temperature file to its results: ranks, resuming, layers, mistakes."""

import json
import warnings

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.errors import UserError
from partsim.crops.grainfile import read_block
from partsim.grains import temperature
from partsim.grains.layers import Metal, plan
from partsim.grains.phasefield import PhaseFieldLaw
from partsim.grains.temperature import Placement, TrackTemperature
from partsim.meltpool.heat import FROZEN
from partsim.trackjob import parse
from tests.pools import LIQUIDUS, job_text, moving, write_pool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries that orix imports
    from partsim.grains.grow import Growth, grow

SMALL = {"length": 2.4e-5, "cell": 2e-6, "heat": 20.0}
MORE = "step = 4e-7\n[scan]\nlayers = 2\nthickness = 1.6e-5\n[nucleation]\nmultiplier = 3.0\n"


def small_job(more=MORE, law="phase field", cell=2e-6):
    text = job_text(SMALL["length"], cell, f'law = "{law}"\n' + more)
    small = text.replace("width = 1.2e-4", "width = 6.4e-5").replace("depth = 6.4e-5",
                                                                     "depth = 4e-5")
    return parse(small.replace("margin = 4e-5", "margin = 3e-5"), "test.toml")


def grown(folder):
    with h5py.File(folder / "grains.h5") as file:
        return {name: values[()] for name, values in file.items()}


@pytest.fixture(scope="module")
def pool(module_tmp):
    path = module_tmp / "temperature.h5"
    if MPI.COMM_WORLD.rank == 0:
        write_pool(path, **SMALL)
    MPI.COMM_WORLD.Barrier()
    return path


@pytest.mark.parametrize("law", ["phase field", "dendritic"])
def test_result_is_the_same_on_any_ranks_and_when_resumed(comm, shared_tmp, pool, law, monkeypatch):
    """All ranks together, stopped after the first track, against one rank without a stop."""
    job, run_track = small_job(law=law), Growth._track

    def stop_later(growth, step):
        if step.number == 1:
            raise InterruptedError
        run_track(growth, step)

    monkeypatch.setattr(Growth, "_track", stop_later)
    with pytest.raises(InterruptedError):
        grow(comm, job, pool, shared_tmp / "many")
    monkeypatch.undo()
    grow(comm, job, pool, shared_tmp / "many")
    if comm.rank == 0:
        summary = grow(MPI.COMM_SELF, job, pool, shared_tmp / "one")
        one, many = grown(shared_tmp / "one"), grown(shared_tmp / "many")
        for name, values in one.items():
            np.testing.assert_array_equal(many[name], values, err_msg=name)
        assert summary["tracks"] == 2 and not (shared_tmp / "many/checkpoint.h5").exists()
        told = json.loads((shared_tmp / "many/summary.json").read_text())
        for name in ("steps", "alive_cell_updates", "nuclei_thrown", "melted_cells"):
            assert told[name] == summary[name]
        check_structure(one)


@pytest.mark.serial
def test_nuclei_of_earlier_tracks_stay_the_grains_that_they_are(tmp_path, pool):
    """Dendrites with many nuclei over three layers: each is one grain with its orientation."""
    more = MORE.replace("layers = 2", "layers = 3").replace("3.0", "300.0")
    summary = grow(MPI.COMM_SELF, small_job(more, "dendritic"), pool, tmp_path)
    assert 5 <= summary["nuclei_kept"] <= summary["nuclei_thrown"]
    found = grown(tmp_path)
    check_structure(found)
    assert len(np.unique(found["orientations"].round(9), axis=0)) == len(found["orientations"])


def check_structure(found):
    """Cells that never melted keep their grain; new grains lie where metal melted."""
    assert found["melted"].any() and (found["grain"] >= 0).all()
    nuclei = found["nucleus"][found["grain"]]
    assert not (nuclei & ~found["melted"]).any()
    np.testing.assert_allclose(np.linalg.norm(found["orientations"], axis=1), 1)


@pytest.mark.serial
def test_held_blocks_would_not_have_changed(tmp_path, pool, monkeypatch):
    """The rule for alive blocks against the update of every block: no cell differs."""
    job = small_job("step = 4e-7\n")
    grow(MPI.COMM_SELF, job, pool, tmp_path / "alive")
    monkeypatch.setattr(PhaseFieldLaw, "alive", lambda _, hottest: np.arange(hottest.size))
    monkeypatch.setattr("partsim.grains.phasefield.GROWN", 2.0)
    grow(MPI.COMM_SELF, job, pool, tmp_path / "all")
    alive, every = grown(tmp_path / "alive"), grown(tmp_path / "all")
    assert (alive["grain"] != every["grain"]).sum() == 0
    assert alive["melted"].sum() > 2000
    block = read_block(tmp_path / "alive" / "grains.h5")  # as `partsim crop` does
    np.testing.assert_array_equal(block.grain, alive["grain"])
    assert block.head.power == 150.0
    assert block.head.absorbed_power == SMALL["heat"]


def test_temperature_is_laid_on_a_mirrored_track(pool):
    """The field of the closed form around the beam, forwards and backwards, cell by cell."""
    found = temperature.read(pool)
    grid_cells, h = (20, 32, 42), 2e-6
    from partsim.grains.blocks import Grid

    grid = Grid(grid_cells)
    for backward in (False, True):
        x = 3e-5 + (SMALL["length"] if backward else 0)
        heat = TrackTemperature(found, Placement(h, (x, 16 * h), backward, 20 * h))
        values = heat.sample(2, grid, np.arange(grid.count)).reshape(-1, 10, 10, 10)
        whole = np.zeros([8 * n for n in grid.shape])
        for block in range(grid.count):
            whole[grid.cut(block)] = values[block, 1:-1, 1:-1, 1:-1]
        whole = whole[:20, :32, :42]
        place = (np.indices(whole.shape).T + 0.5).T * h
        along = (x - place[2] if backward else place[2] - x) - found.time[2] * 0.8
        aside, below = place[1] - 16 * h, place[0] - 20 * h
        exact = moving(along, aside, below, SMALL["heat"], 0.8)
        framed = (abs(along + 28e-6) < 56e-6) & (abs(aside) < 29e-6) & (below > -31e-6)
        np.testing.assert_allclose(whole[framed], exact[framed], rtol=1e-5)
        assert framed.sum() > 10000
        bound = heat.hottest(2, grid)
        assert (bound.ravel() >= values.max(axis=(1, 2, 3)) - 1e-3).all()
        assert (bound <= max(found.frame(2).max(), 300.0)).all()


def test_layers_rise_and_keep_what_is_below(comm):
    job = small_job()
    metal = Metal(plan(job, SMALL["length"]))
    metal.lay(comm, 0)
    window = metal.plan.window[0]
    assert metal.plan.cells[0] == window + 8 and (metal.grain[window:] == -1).all()
    below, grains = metal.grain[:window].copy(), len(metal.labels)
    metal.lay(comm, 1)
    np.testing.assert_array_equal(metal.grain[:window], below)
    assert metal.grain[window:].min() >= grains and metal.plan.rows(1) == slice(8, window + 8)
    volume = 1.72e-5**3 * np.pi / 6
    assert grains == pytest.approx(below.size * 2e-6**3 / volume, rel=0.02)


def refused(pool, more="", **changes):
    with pytest.raises(UserError) as failure:
        grow(MPI.COMM_SELF, small_job(more, **changes), pool, pool.parent / "refused")
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.serial
def test_mistakes_are_told_before_any_work(tmp_path, pool):
    assert "grains.step = 9e-07 s, but it must be at most" in refused(pool, "step = 9e-7\n")
    assert "a tenth of the pool's width" in refused(pool, cell=1e-5)
    assert "scan.thickness" in refused(pool, "[scan]\nlayers = 2\nthickness = 1.5e-5\n")
    assert "grains.window = 999 K, but it must be at least 1000 K" in refused(
        pool, "window = 999.0\n")
    assert temperature.FOLLOWED == FROZEN
    assert 'nucleation.rule = "often"' in wrong('[nucleation]\nrule = "often"\n')
    assert 'did you mean phase_field.cutoff' in wrong("[phase_field]\ncutof = 1.0\n")
    other = tmp_path / "other.h5"
    write_pool(other, **SMALL | {"length": 3.2e-5})
    assert "track.length = 2.4e-05 m, but it must be 3.2e-05 m" in refused(other)
    write_pool(other, **SMALL | {"cell": 6e-6})
    assert "at most a tenth of the pool's width" in refused(other)
    data = pool.read_bytes()
    for share in (0.1, 0.5, 0.95):
        other.write_bytes(data[:int(share * len(data))])
        assert "damaged" in refused(other)
    assert "does not exist" in refused(tmp_path / "absent.h5")


def wrong(more):
    with pytest.raises(UserError) as failure:
        small_job(more)
    return str(failure.value)


@pytest.mark.serial
def test_a_file_that_ends_hot_is_refused(tmp_path):
    path = write_pool(tmp_path / "short.h5", **SMALL)
    with h5py.File(path, "a") as file:
        for name in ("time", "corner", "pool", "temperature"):
            values = file[name][:6]
            del file[name]
            file[name] = values
    assert f"follow the cool-down to {LIQUIDUS - 200:.0f} K" in refused(path)
