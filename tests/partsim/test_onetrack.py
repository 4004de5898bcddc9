"""partsim track from a job to its crops; the melt pool is a closed form."""

import json
import warnings

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.crops import pixels
from partsim.crops.cropfile import read
from partsim.errors import UserError
from partsim.meltpool import alloy as alloys
from partsim.trackjob import parse
from tests.pools import job_text, write_pool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries that orix imports
    from partsim.grains import onetrack

LENGTH, CELL = 2.4e-5, 2e-6
SMALL = pixels.Image(4e-5, 16, 16)
CROPS = '[crops]\nspacing = "4 um"\ndomain = "closed form"\n'


def job(more="", crops=CROPS):
    text = job_text(LENGTH, CELL, "step = 4e-7\n" + more)
    text = text.replace("width = 1.2e-4", "width = 6.4e-5").replace("depth = 6.4e-5",
                                                                    "depth = 4e-5")
    return parse(text + crops, "test.toml")


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    monkeypatch.setitem(pixels.IMAGES, "default", SMALL)


def instead_of_melt(comm, job, folder):
    """A temperature file and the numbers that a melt pool's summary has."""
    if comm.rank == 0:
        folder.mkdir(parents=True)
        source = write_pool(folder / "temperature.h5", length=LENGTH, cell=CELL, heat=20.0)
        with h5py.File(source, "a") as file:
            file.attrs.update(job=job.text, alloy=alloys.load(job.material).model_dump_json())
        told = dict.fromkeys(onetrack.OF_MELT, 0.5) | {"wall_seconds": 1.0}
        (folder / "summary.json").write_text(json.dumps(told))
    comm.Barrier()


def test_track_ends_in_crops(comm, shared_tmp, monkeypatch):
    monkeypatch.setattr(onetrack, "melt", instead_of_melt)
    onetrack.melt_and_grow(comm, job(), shared_tmp)
    if comm.rank == 0:
        crops = read(shared_tmp / "crops.h5")
        told = json.loads((shared_tmp / "summary.json").read_text())
        assert told["crops"] == len(crops) > 5 and told["correlation_length"] > 0
        assert crops.grains.shape[1:] == (16, 16) and crops.pixel_size == SMALL.pixel_size
        assert set(crops.columns["domain"]) == {"closed form"}
        np.testing.assert_allclose(np.diff(crops.columns["position"]), 4e-6)
        assert (shared_tmp / "crops.png").stat().st_size > 1000


@pytest.mark.serial
def test_a_pool_of_another_alloy_or_without_its_summary_is_computed_again(tmp_path):
    instead_of_melt(MPI.COMM_SELF, job(), tmp_path / "melt")
    source = tmp_path / "melt" / "temperature.h5"
    assert onetrack.same_track(job(), source)
    with h5py.File(source, "a") as file:
        alloy = file.attrs["alloy"]
        file.attrs["alloy"] = alloy.replace('"liquidus":17', '"liquidus":16')
    assert not onetrack.same_track(job(), source)
    with h5py.File(source, "a") as file:
        file.attrs["alloy"] = alloy
    (tmp_path / "melt" / "summary.json").unlink()  # as if killed before the last file
    assert not onetrack.same_track(job(), source)


@pytest.mark.serial
def test_grains_of_another_pool_are_grown_again(tmp_path, monkeypatch):
    """The material file may have changed, not a word of the job."""
    monkeypatch.setattr(onetrack, "melt", instead_of_melt)
    onetrack.melt_and_grow(MPI.COMM_SELF, job(), tmp_path)
    source, grown = tmp_path / "melt" / "temperature.h5", tmp_path / "grow"
    assert onetrack.finished(job(), source, grown)
    with h5py.File(source, "a") as file:
        file["pool"][0] += 1e-9
    assert not onetrack.finished(job(), source, grown)
    assert not onetrack.finished(job(), tmp_path / "none.h5", grown)


def test_no_crops_unless_wanted(comm, shared_tmp, monkeypatch):
    monkeypatch.setattr(onetrack, "melt", instead_of_melt)
    monkeypatch.setattr(onetrack, "grow", lambda *_: {"grains": 7})
    if comm.rank == 0:
        (shared_tmp / "crops.h5").write_text("of a job that was here before")
    comm.Barrier()
    onetrack.melt_and_grow(comm, job(crops=""), shared_tmp)
    comm.Barrier()
    told = json.loads((shared_tmp / "summary.json").read_text())
    assert told["grains"] == 7 and "crops" not in told
    assert not (shared_tmp / "crops.h5").exists()


def test_what_is_finished_is_not_computed_again(comm, shared_tmp, monkeypatch):
    monkeypatch.setattr(onetrack, "melt", instead_of_melt)
    onetrack.melt_and_grow(comm, job(), shared_tmp)
    comm.Barrier()
    for name in ("melt", "grow"):
        monkeypatch.setattr(onetrack, name, None)
    if comm.rank == 0:
        (shared_tmp / "crops.h5").unlink()  # as if killed while cropping
    comm.Barrier()
    onetrack.melt_and_grow(comm, job(), shared_tmp)
    assert (shared_tmp / "crops.h5").exists()
    assert "grains" in json.loads((shared_tmp / "summary.json").read_text())


@pytest.mark.parametrize("crops, told", [
    ('[crops]\ndepth = "2 um"\n', "grains.depth = 4e-05 m, but it must be at least 4.2e-05 m"),
    ('[crops]\nspacing = "1 um"\n', "crops.spacing = 1e-06 m, but it must be at least grains.cell"),
    ('[crops]\nimage = "paper"\n', "grains.depth = 4e-05 m, but it must be at least 0.0002 m"),
])
def test_crops_that_do_not_fit_are_told_before_any_work(comm, shared_tmp, monkeypatch, crops, told):
    monkeypatch.setattr(onetrack, "melt", None)
    with pytest.raises(UserError, match=told):
        onetrack.melt_and_grow(comm, job(crops=crops), shared_tmp)
    assert not list(shared_tmp.iterdir())
