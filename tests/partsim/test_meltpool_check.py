"""Wrong jobs and damaged temperature files: one clear line each, before any work."""

import h5py
import numpy as np
import pytest

from partsim.errors import UserError
from partsim.files import describe_file
from partsim.job import MaterialChoice
from partsim.meltpool import alloy as alloys
from partsim.meltpool.check import check
from partsim.meltpool.frames import FORMAT
from partsim.meltpool.limits import step_limit
from partsim.meltpool.temperature import NUMBERS, TemperatureFile
from tests.track_job import job_of

pytestmark = pytest.mark.serial
STEEL = alloys.load(MaterialChoice(name="316L"))
LASER = {"power": 150.0, "speed": 0.8}
WRONG = [
    ({"track": {"length": 4e-4, "initial_temperature": 1700.0}},
     "track.initial_temperature = 1700 K, but it must be below 1000 K: the solidus of 316L is 16"),
    ({"melt": {"frame_distance": 1e-4}}, "melt.frame_distance = 0.0001 m, but it must be at most"
     " laser.radius = 4e-05 m: between frames"),
    ({"domain": {"cell": 1.2e-5}}, "domain.cell = 1.2e-05 m, but it must be at most 1.07e-05 m: a "
     "pool 0.000107 m wide needs 10 cells across"),
    ({"melt": {"step": 4e-7}}, "melt.step = 4e-07 s, but it must be at most 2.85e-07 s, where"),
    ({"source": {"depth": 4e-4, "form": "paper"}},
     "domain.depth = 0.0003 m, but it must be at least 0.0004 m, the depth of the source"),
    ({"source": {"depth": 2e-4}}, 'source.form = "code" absorbs 1.58 of the power, but it must be'),
    ({"laser": {"power": 60.0, "speed": 0.8}}, "laser.power = 60 W at laser.speed = 0.8 m/s has "
     "the normalised enthalpy 2.16, but it must be above 3.09 for the source to have a depth"),
    ({"laser": {"power": 15.0, "speed": 0.8}, "source": {"form": "paper", "depth": 2e-5}},
     "laser.power = 15 W, but it must be high enough to melt the metal"),
    ({"domain": {"margin": 1e-4}}, "domain.margin = 0.0001 m, but it must be at least 3 laser."),
    ({"domain": {"width": 2e-4}}, "domain.width = 0.0002 m, but it must be at least 6 laser."),
    ({"domain": {"length": 2e-4}}, "domain.length = 0.0002 m, but it must be at least 2 domain."),
    ({"domain": {"cell": 1e-7}}, "domain.cell = 1e-07 m, but it must be larger: 5.25e+10 cells"),
    ({"domain": {"cell": 1e-4}}, "domain.cell = 0.0001 m, but it must be at most an eighth"),
]


@pytest.mark.parametrize("sections, line", WRONG, ids=[line[:40] for _, line in WRONG])
def test_wrong_job(sections, line):
    with pytest.raises(UserError) as told:
        check(job_of(**{"laser": LASER, "track": {"length": 4e-4}} | sections), STEEL)
    assert str(told.value).startswith(line) and "\n" not in str(told.value)


def test_an_alloy_that_is_liquid_below_what_is_followed_is_refused():
    """Frames end at 1000 K: the pool of an aluminium alloy would be cut off there."""
    aluminium = STEEL.model_copy(update={"solidus": 830.0, "liquidus": 870.0, "name": "AlSi10Mg"})
    with pytest.raises(UserError, match="material AlSi10Mg: solidus = 830 K, but it must be above"):
        check(job_of(laser=LASER), aluminium)


def test_right_job():
    job = job_of(laser=LASER)
    check(job, STEEL)
    limit = step_limit(job, STEEL)
    check(job_of(laser=LASER, melt={"step": 0.999 * limit}), STEEL)


@pytest.mark.parametrize("changed, line", [
    ({"liquidus": 1600.0}, "liquidus = 1600 K, but it must be above the solidus, 1650 K"),
    ({"lowest_temperature": 1700.0}, "lowest_temperature = 1700 K, but it must be below the"),
    ({"highest_temperature": 1700.0}, "highest_temperature = 1700 K, but it must be at least the"),
])
def test_wrong_alloy(changed, line):
    with pytest.raises(UserError, match=f"^a.toml: {line}"):
        alloys.check(STEEL.model_copy(update=changed), "a.toml: ")


def test_unknown_alloy():
    with pytest.raises(UserError, match=r'^material.name = "317L", but it must be one of'):
        alloys.load(MaterialChoice(name="317L"))


def temperature_file(path, changes=(), width=5e-5):
    """A small temperature file; `changes` act on the open file."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": FORMAT, "job": "", **dict.fromkeys(NUMBERS, 1.0)})
        file.attrs["cell"] = 4e-6
        file["time"], file["corner"] = np.arange(3.0), np.zeros((3, 3), int)
        file["pool"] = np.full((3, 3), width)
        noise = np.random.default_rng(1).random((3, 20, 20, 20), np.float32)
        file.create_dataset("temperature", data=noise, chunks=(1, 20, 20, 20), compression="gzip")
        for change in changes:
            change(file)
    return path


def test_temperature_file_is_read(tmp_path):
    path = temperature_file(tmp_path / "temperature.h5")
    with TemperatureFile(path) as file:
        assert file.shape == (20, 20, 20) and file.frame(2).shape == file.shape
        assert file.header["cell"] == 4e-6 and file.time.tolist() == [0, 1, 2]
    assert describe_file(path)["frames"] == 3


def put(name, values):
    def change(file):
        del file[name]
        file[name] = values
    return change


@pytest.mark.parametrize("change, line", [
    (lambda file: file.attrs.update({"format": "x"}), 'is not of the format "partsim temperature'),
    (lambda file: file.attrs.__delitem__("liquidus"), "has no attribute liquidus"),
    (lambda file: file.__delitem__("corner"), "has no dataset corner"),
    (put("corner", np.zeros(3)), "must have 2 dimensions in corner"),
    (put("time", np.arange(2.0)), "must have as many frames in all parts"),
    (put("time", np.zeros(3)), "must have times that rise"),
    (put("pool", np.full((3, 3), 3.6e-5)),
     "holds a pool 3.6e-05 m wide in cells of 4e-06 m, but it must have at least 10 cells across"),
])
def test_wrong_temperature_file(tmp_path, change, line):
    path = temperature_file(tmp_path / "temperature.h5", [change])
    with pytest.raises(UserError) as told:
        TemperatureFile(path)
    assert str(told.value).startswith(f"temperature file {path} {line}")


@pytest.mark.parametrize("kept", [0, 100, 5000, 0.5, 0.99])
def test_truncated_temperature_file(tmp_path, kept):
    path = temperature_file(tmp_path / "temperature.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[:int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(UserError, match="cannot be read: it is truncated, damaged or not HDF5$"):
        TemperatureFile(path)


def test_absent_temperature_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file or directory$"):
        TemperatureFile(tmp_path / "temperature.h5")


def test_damaged_frame(tmp_path):
    path = temperature_file(tmp_path / "temperature.h5")
    with h5py.File(path) as file:
        place = file["temperature"].id.get_chunk_info(1).byte_offset
    whole = bytearray(path.read_bytes())
    whole[place:place + 100] = bytes(100)
    path.write_bytes(whole)
    with TemperatureFile(path) as file, pytest.raises(UserError, match="it is truncated, damaged"):
        file.frame(1)
