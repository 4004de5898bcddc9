"""Readers of scan-path files: known answers, formats told apart, wrong files refused."""
import numpy as np
import pytest

from partsim.errors import UserError
from partsim.part.readers import Given, read
from partsim.part.readers.xypt import TOLERANCE, merged
from tests.scan_files import (
    ABOVE, CLI, CSV, FILES, GCODE, ORNL, POWER, SQUARE, TIMES, binary_cli, sampled_line, xypt,
)

GIVEN = Given(power=200.0, speed=1.0)
FORMAT = {"gcode": "gcode", "txt": "ornl", "cli": "cli", "csv": "csv"}


def from_bytes(folder, name, data, given=GIVEN, format=None):
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read(file, format, given)


def refusal(*arguments):
    with pytest.raises(UserError) as caught:
        for layer in from_bytes(*arguments).layers:
            assert layer.paths
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_every_format_holds_the_square(tmp_path, name):
    file = from_bytes(tmp_path, name, FILES[name])
    assert file.format == FORMAT[name.split(".")[1]]
    first, second = file.layers
    assert (first.z, second.z) == pytest.approx((0, 5e-5), abs=1e-12)
    (path,), (above,) = first.paths, second.paths
    np.testing.assert_allclose(path.ends, SQUARE, atol=1e-10)
    np.testing.assert_allclose(path.times, TIMES, atol=1e-15)
    np.testing.assert_array_equal(path.power, POWER)
    np.testing.assert_allclose(above.ends, ABOVE, atol=1e-10)
    assert above.energy() == pytest.approx(0.2)


def test_gcode_in_inches_steps_and_shares(tmp_path):
    text = "G20 G91\nM3\nG1 X1 Y0 F60 S50\nG4 P20\nX0 Y2\n"
    file = from_bytes(tmp_path, "a.nc", text, Given(power=400.0, s_maximum=100.0))
    path = file.layers[0].paths[0]
    corners = [[0, 0, 0], [0.0254, 0, 0], [0.0254, 0.0508, 0]]
    np.testing.assert_allclose(path.ends[[0, 1, 3]], corners)
    np.testing.assert_allclose(np.diff(path.times), [1, 0.02, 2])
    np.testing.assert_array_equal(path.power, [200, 0, 200])


def test_gcode_layers_by_comment_and_jumps_at_a_speed(tmp_path):
    text = ";LAYER:7\nG1 X1 Y0 Z1 F60 S50\nG1 X2 Z2\n;LAYER:9\nG0 X4\nG1 X5\n"
    seven, nine = from_bytes(tmp_path, "a.g", text, Given(jump_speed=0.1)).layers
    assert (seven.name, nine.name) == ("7", "9") and len(seven.paths[0].power) == 2
    np.testing.assert_allclose(np.diff(nine.paths[0].times), [0.02, 1])


def test_ornl_spots_begin_at_the_origin_and_adamantine_counts_in_metres(tmp_path):
    rows = "0 4 0 0 0.5 0.5\n1 8 0 0 2 0.25\n"
    path = from_bytes(tmp_path, "a.txt", "Mode X(mm) Y(mm) Z(mm) Pmod tParam\n" + rows)
    path = path.layers[0].paths[0]
    np.testing.assert_allclose(path.ends[:, 0], [0, 4e-3, 8e-3, 8e-3])
    np.testing.assert_allclose(path.times, [0, 8e-3, 8e-3, 0.258])
    np.testing.assert_allclose(path.power, [100, 0, 400])
    text = "Number of path segments\n2\nMode x y z pmod param\n" + rows
    assert from_bytes(tmp_path, "b.txt", text).layers[0].paths[0].ends[1, 0] == 4.0


def test_csv_with_times_and_lasers(tmp_path):
    text = ("x (um),y (um),t (ms),power (kW),laser,layer\n"
            "0,0,5,0.1,2,4\n0,0,4,0.2,1,4\n500,0,6,0,2,4\n0,500,4.5,0,1,4\n")
    (layer,) = from_bytes(tmp_path, "a.csv", text).layers
    one, two = layer.paths
    assert layer.name == "4" and layer.z is None
    np.testing.assert_allclose(one.times, [0, 5e-4])
    np.testing.assert_allclose(two.times, [1e-3, 2e-3])
    assert (one.energy(), two.energy()) == pytest.approx((0.1, 0.1))
    np.testing.assert_allclose(two.ends[1], [5e-4, 0, 0])


def test_xypt_merges_samples_into_segments(tmp_path):
    values = sampled_line()
    file = from_bytes(tmp_path, "a.h5", xypt({"10": values, "2": values}))
    assert [layer.name for layer in file.layers] == ["2", "10"]
    path = file.layers[1].paths[0]
    np.testing.assert_array_equal(path.power, [0, 200, 0])
    np.testing.assert_allclose(path.times, [0, 10e-5, 110e-5, 114e-5], atol=1e-12)
    np.testing.assert_allclose(path.ends[:, 0], [0, 0, 1e-3, 1e-3])
    assert path.energy() == pytest.approx(200 * 100e-5)


def test_merged_samples_stay_within_the_tolerance():
    angle = np.linspace(0, 3, 4000)
    points = 1e-3 * np.column_stack([np.cos(angle), np.sin(2 * angle)])
    corners = merged(points, np.full(4000, 100.0))
    x, y = (np.interp(np.arange(4000), corners, points[corners, axis]) for axis in range(2))
    off = np.hypot(x - points[:, 0], y - points[:, 1])
    assert 0.1 * TOLERANCE < off.max() <= TOLERANCE and len(corners) < 400


NUMBER = "but it must be a finite number"
WRONG = [
    ("a.gcode", GCODE.replace("X2 Y3", "X2 Y3e"), "line 7: word = e, but it must be"),
    ("a.gcode", GCODE.replace("G0 X1 ", "G2 X1 "), "line 4: G2 = arc, but it must be straight"),
    ("a.gcode", GCODE.replace("F60000", "F0"), "line 6: speed = 0 m/s, but it must be above 0"),
    ("a.gcode", GCODE.replace("F60000", "F9e9".replace("e9", "000000")), "line 6: speed = 150 m/s"),
    ("a.gcode", GCODE.replace("X2 Y3", "X20000"), "line 7: x = 20 m, but it must be within 10 m"),
    ("a.gcode", GCODE.replace("S200", "S200000"), "line 6: power = 200000 W, but it must be 0 to"),
    ("a.gcode", b"G1 X\xff", "byte 4: text = 0xff, but it must be UTF-8"),
    ("a.txt", ORNL.replace("0 2 3 0 1 1", "0 2 nan 0 1 1"), f"line 4: Y = nan, {NUMBER}"),
    ("a.txt", ORNL.replace("0 2 3 0 1 1", "0 2 3 0 1"), "line 4: row = 0 2 3 0 1, but it"),
    ("a.txt", ORNL.replace("0 2 3 0 1 1", "3 2 3 0 1 1"), "line 4: Mode = 3, but it must be 0"),
    ("a.txt", ORNL.replace("0 2 3 0 1 1", "0 2 3 0 1 800"), "line 4: speed = 800 m/s"),
    ("a.cli", CLI.replace("2,3,100", "2,4,100"), "line 8: $$POLYLINE = 4 for 6 numbers"),
    ("a.cli", CLI.replace("$$UNITS/0.01", ""), "line 1: $$UNITS = none"),
    ("a.cli", CLI.replace("0.01", "1000"), "coordinate = 100 of 1 m, but it must be within 10 m"),
    ("a.cli", binary_cli()[:-3], "bytes that are left can hold"),
    ("a.cli", binary_cli().replace(b"\3\0\0\0", b"\xff\xff\xff\x77"),
     "byte 67: count of POLYLINE = 2013265919, but it must be"),
    ("a.csv", CSV.replace("x (mm)", "x"), "line 1: column = x, but it must be with a unit"),
    ("a.csv", CSV.replace("2, 3, 0, 1000", "2, inf, 0, 1000"), f"line 4: y = inf, {NUMBER}"),
    ("a.csv", CSV.replace("x (mm)", "x (m)").replace("2, 3", "20, 3"), "x = 20 m, but it must be"),
    ("a.csv", "x (m),y (m),t (s),power (W)\n0,0,1,5\n0,0,0,5\n", "line 3: t = 0 s, but it must be"),
    ("a.csv", "x (m),y (m),power (W)\n", "line 1: columns = x, y, power, but it must be"),
    ("a.h5", xypt({"1": ([0, np.nan], [0, 1], [1, 1])}), "sample 1: value = not finite"),
    ("a.h5", xypt({"1": ([0, 2], [0, 1], [1, 1])}), "move = 0.00223607 m in 1e-05 s"),
    ("a.h5", xypt({"1": ([0, 2], [0, 1], [1])}), "has 2, 2, 1 samples"),
    ("a.h5", xypt({"1": sampled_line()})[:300], "is not an HDF5 file that can be read"),
    ("a.gcode", "G0 X1\n", "layers = none, but it must hold a segment that is scanned"),
    ("a.dat", "0 1 2", "format = unknown"),
]


@pytest.mark.parametrize("name, data, line", WRONG)
def test_wrong_files_are_refused_in_one_line(tmp_path, name, data, line):
    assert line in refusal(tmp_path, name, data)


def test_what_a_file_lacks_must_be_given(tmp_path):
    assert "power = none" in refusal(tmp_path, "a.txt", ORNL, Given())
    assert "speed = none" in refusal(tmp_path, "a.cli", CLI, Given(power=1.0))
    assert "power = -1" in refusal(tmp_path, "a.cli", CLI, Given(power=-1.0, speed=1.0))
    with pytest.raises(UserError, match="must be a file that exists"):
        read(tmp_path / "none.csv")
