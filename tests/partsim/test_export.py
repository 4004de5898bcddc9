"""partsim export: phases by layer, and histories of probes, of a finished build."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

from partsim.errors import UserError
from partsim.export import layers
from partsim.export.points import export_points
from partsim.output.picture import snapshots
from tests.build_job import LAYERS

pytestmark = pytest.mark.pair
JOBS = Path(__file__).parents[2] / "jobs"


def test_cells_are_shared_by_the_layers_that_they_lie_in():
    """A cell of two layers' height, one of half a layer's, in closed form."""
    z, edge = np.array([2e-4, 0.25e-4]), np.array([4e-4, 0.5e-4])
    found = layers.binned(z, edge, {"beta": np.array([0.2, 0.8])}, 2e-4)
    np.testing.assert_array_equal(found["layer"], [1, 2])
    np.testing.assert_allclose(found["volume"], [3.2e-11 + 1.25e-13, 3.2e-11])
    first = (0.2 * 3.2e-11 + 0.8 * 1.25e-13) / (3.2e-11 + 1.25e-13)
    np.testing.assert_allclose(found["beta"], [first, 0.2])


def test_layers_add_up_to_the_summary(comm, built, shared_tmp):
    """Their volume means give the run's own, which are taken rank by rank in memory."""
    summary = built.site.phase_means(built.part)
    if comm.rank == 0:
        found = layers.layer_means(snapshots(built.records.folder)[-1])
        assert len(found["layer"]) == LAYERS and (np.diff(found["height"]) > 0).all()
        for name, mean in summary.items():
            weighted = (found["volume"] * found[name]).sum() / found["volume"].sum()
            assert weighted == pytest.approx(mean, abs=1e-6), name
        files = layers.export_layers(snapshots(built.records.folder)[-1], shared_tmp / "layers.csv")
        assert [path.suffix for path in files] == [".csv", ".h5", ".png"]
        with open(files[0]) as file:
            assert len(list(csv.DictReader(file))) == LAYERS


def test_files_that_the_job_names_may_be_elsewhere(tmp_path):
    text = (JOBS / "cantilever_slice.toml").read_text()
    assert 'file = "../meshes/' in text
    assert layers.layer_thickness(text, tmp_path / "fields.hdf") == pytest.approx(40e-6)


def test_points(comm, built, shared_tmp):
    if comm.rank == 0:
        with open(built.records.folder / "probes.csv") as file:
            rows = list(csv.DictReader(file))
        export_points(built.records.folder, shared_tmp / "points.h5")
        with h5py.File(shared_tmp / "points.h5") as file:
            assert file["core/temperature"].attrs["unit"] == "K"
            expected = [float(row["core.temperature"]) for row in rows]
            np.testing.assert_array_equal(file["core/temperature"], expected)
            assert len(file["time"]) == len(rows)
        with pytest.raises(UserError, match="cannot be read"):
            export_points(shared_tmp, shared_tmp / "none.csv")
