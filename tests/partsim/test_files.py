"""partsim info of files of crops, grains and studies."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from partsim.crops.crop import View, crop
from partsim.crops.cropfile import write
from partsim.crops.sections import Cut
from partsim.errors import UserError
from partsim.files import describe_file
from partsim.lines import as_lines
from tests.grain_files import voronoi, write_grains

pytestmark = pytest.mark.serial
STUDIES = Path(__file__).parents[2] / "jobs" / "studies"


def test_study():
    told = describe_file(STUDIES / "table5.toml")
    assert len(told["study"]["cases"]) == 8
    assert told["study"]["cases"][0]["power"]["unit"] == "W"
    assert any("initial_temperature" in line for line in as_lines(told))


def test_grains_and_crops(tmp_path):
    path = write_grains(tmp_path / "grains.h5", voronoi((110, 104, 20), 100), seed=3)
    told = describe_file(path)
    assert told["power"] == {"value": 150.0, "unit": "W"} and told["seed"] == 3
    assert told["cells"] == [20, 104, 110] and told["grains"] == 100
    write(tmp_path / "crops.h5", crop([path], View(Cut()))[0])
    told = describe_file(tmp_path / "crops.h5")
    assert told["section"] == "cross" and told["crops"] == told["splits"]["train"] == 3
    assert "crops: 3" in list(as_lines(told))


def test_lists_of_tables_are_rows_and_nested_ones_follow_each_other():
    rows = [{"layer": 1, "time": {"value": 2.0, "unit": "s"}}]
    assert list(as_lines({"layers": rows})) == ["layers", "  layer  time", "      1   2 s"]
    nested = [{"layer": 1, "scan": {"kelvin": [1.0, 2.0]}}, {"layer": 2, "scan": {"kelvin": 3.0}}]
    assert list(as_lines({"layers": nested})) == [
        "layers, 1", "  layer: 1", "  scan", "    kelvin: 1, 2",
        "layers, 2", "  layer: 2", "  scan", "    kelvin: 3",
    ]


def test_other_arrays_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = np.zeros(3)
    (tmp_path / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n123")
    for name, told in (("other.h5", "neither crops nor grains"), ("torn.h5", "cut short")):
        with pytest.raises(UserError, match=told):
            describe_file(tmp_path / name)
