"""A short track from its job to its files, on coarse cells; what its pool must obey."""

import json

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.job import MaterialChoice
from partsim.meltpool import alloy as alloys
from partsim.meltpool.melt import melt
from partsim.meltpool.temperature import TemperatureFile
from partsim.meltpool.flow import Flow
from partsim.meltpool.heat import Box
from partsim.meltpool.track import LOOK, TrackRun
from partsim.parallel import world
from tests.track_job import job_of

STEEL = alloys.load(MaterialChoice(name="316L"))
COARSE = {
    "laser": {"power": 150.0, "speed": 0.8}, "track": {"length": 1.2e-4},
    "domain": {"cell": 8e-6, "margin": 1.28e-4, "width": 3.2e-4, "depth": 1.92e-4},
}


@pytest.fixture(scope="module")
def track(module_tmp):
    """(folder, summary) of the coarse track with flow."""
    return module_tmp, melt(world(), job_of(**COARSE), module_tmp)


def run_of(comm, melt_entries, steps=None):
    """A track after so many steps, or at its end with the laser still on."""
    run = TrackRun(comm, job_of(**COARSE, melt=melt_entries), STEEL)
    while run.steps < (run.laser_steps if steps is None else steps):
        run.advance()
    run.look()
    return run


def test_flow_obeys_its_bounds(track):
    _, summary = track
    assert summary["divergence"] < 1e-10
    assert 0 < summary["largest_speed_of_solid"] < 0.01 * summary["largest_speed"]
    assert summary["energy_imbalance"] < 1e-10
    assert 1.0 < summary["largest_speed"] < 5.0
    assert 300.0 - 1.0 < summary["smallest_temperature_kelvin"] <= 300.0


def test_summary_tells_what_scripts_need(track):
    folder, summary = track
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["absorbed_fraction"] == pytest.approx(0.542, abs=1e-3)
    assert summary["cells"] == 24 * 20 * 47
    assert summary["melted_cells_per_second"] == pytest.approx(
        summary["melted_cells"] / summary["wall_seconds"])
    assert summary["peak_memory_bytes"] > 5e7 * summary["ranks"]
    volume = np.pi / 4 * summary["pool_metres"]["width"] * summary["pool_metres"]["depth"]
    assert summary["melted_cells"] * 8e-6**3 == pytest.approx(volume * 1.5e-4, rel=0.3)


def test_temperature_file_holds_all_that_is_hot(track):
    folder, summary = track
    with TemperatureFile(folder / "temperature.h5") as file:
        time, frames = file.time, [file.frame(n) for n in range(len(file.time))]
        header, corner, pool = file.header, file.corner, file.pool
    on = time <= 1.5e-4 * (1 + 1e-9)
    assert header["duration"] == pytest.approx(1.5e-4) and time[on][-1] == pytest.approx(1.5e-4)
    assert header["absorbed_power"] == pytest.approx(0.542 * 150, abs=0.2)
    late = on & (time >= 7.5e-5 * (1 - 1e-9))
    assert list(pool[late].mean(axis=0)) == pytest.approx(
        [summary["pool_metres"][name] for name in ("width", "depth", "length")])
    hottest = [frame.max() for frame in frames]
    assert time[0] == 0 and hottest[0] == 300
    assert hottest[-1] <= STEEL.liquidus - 200 < hottest[on.sum() - 1] - 500
    frame, (x, y, z) = frames[on.sum() // 2], corner[on.sum() // 2]
    assert np.array_equal(frame, frame[:, ::-1])
    assert (y, z) == (-frame.shape[1] // 2, -frame.shape[0])
    assert max(side.max() for side in (frame[0], frame[:, 0], frame[..., 0])) <= 1000
    behind = 0.8 * time[on.sum() // 2] - 8e-6 * (x + np.argmax(frame[-1, -y]) + 0.5)
    assert 0 < behind < 4e-5


def test_fields_open_in_paraview(track):
    pyvista = pytest.importorskip("pyvista")
    grid = pyvista.read(track[0] / "pool.hdf")
    with h5py.File(track[0] / "pool.hdf") as file:
        T = file["VTKHDF/CellData/temperature"][()]
    assert grid.dimensions == tuple(n + 1 for n in T.shape[::-1])
    assert np.array_equal(grid.cell_data["temperature"], T.ravel())
    z, y, x = np.unravel_index(T.argmax(), T.shape)
    place = grid.cell_centers().points[T.argmax()]
    assert place == pytest.approx([1e-4, 4e-6, -8e-6 * (T.shape[0] - z - 0.5)], abs=2e-5)


def test_picture_is_drawn(track):
    assert (track[0] / "pool.png").read_bytes().startswith(b"\x89PNG")


def test_surface_flows_outward_and_widens_the_pool(comm, track):
    """The tension falls with temperature: the surface is drawn towards the cold rim."""
    with h5py.File(track[0] / "pool.hdf") as file:
        T = file["VTKHDF/CellData/temperature"][-1]
        u, v = np.moveaxis(file["VTKHDF/CellData/velocity"][-1, ..., :2], -1, 0)
    y, x = np.unravel_index(T.argmax(), T.shape)
    assert u[y, x + 2] > 0.3 > -0.3 > u[y, x - 3]
    middle = len(v) // 2
    assert v[middle + 3, x - 1] > 0.3 > -0.3 > v[middle - 4, x - 1]
    resting = run_of(comm, {"flow": False})
    resting.frames.take(resting.block, resting.time)
    with TemperatureFile(track[0] / "temperature.h5") as file:
        widest = file.pool[:, 0].max()
    assert widest > 1.08 * resting.frames.sizes[-1][0]


@pytest.mark.parametrize("entries, low, high", [
    ({"energy": "enthalpy"}, 0, 1e-12), ({"energy": "apparent"}, 1e-3, 0.5),
    ({"scheme": "released"}, 0, 1e-12),
])
def test_energy_that_goes_astray(comm, entries, low, high):
    """Enthalpy keeps energy with each scheme; the apparent heat capacity does not."""
    run = run_of(comm, {"flow": True} | entries, 90)
    assert run.flow is not None and low <= run.block.imbalance() < high


def test_the_box_follows_a_block_that_moves_on_between_two_looks(comm):
    """At its rear edge the box would lie partly outside; its cells there would be anything."""
    run = run_of(comm, {"flow": True}, LOOK * 8)
    run.advance()
    run.box = Box(run.block.first, run.box.cells)
    run.flow = Flow(run.liquid, run.block.edge, run.box.cells)
    run.block.shift()
    assert run.steps % LOOK and run.box.first < run.block.first
    run.advance()
    assert run.box.first >= run.block.first and np.isfinite(run.block.energy).all()


def test_any_number_of_ranks_gives_the_same(comm):
    """To 1e-9: the flow is the same on all ranks, heat is shared."""
    shared, alone = (run_of(ranks, {"flow": True}, 70) for ranks in (comm, MPI.COMM_SELF))
    assert shared.flow is not None and shared.flow.fastest() > 0
    own = alone.block.energy[shared.block.planes.start:shared.block.planes.stop]
    assert shared.block.energy == pytest.approx(own, rel=1e-9)
    assert shared.flow.velocity == pytest.approx(alone.flow.velocity, rel=1e-9, abs=1e-9)
    assert shared.block.imbalance() == pytest.approx(alone.block.imbalance(), abs=1e-12)
