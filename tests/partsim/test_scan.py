"""The beam's path: energy, position and events, the placing of lines, what is refused."""
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.job import load, parse
from partsim.part.scan import ScanPath, digest
from partsim.part.shape import Box, load as load_shape
from partsim.part.strategy import layer_paths
from tests.small_job import job_text

pytestmark = pytest.mark.serial

CUBE = {
    "part.size": ["10 mm", "10 mm", "10 mm"],
    "plate.size": ["16 mm", "16 mm", "0.8 mm"],
}
SLANTED = {"part.size": ["2 mm", "1.3 mm", "0.4 mm"], "scan.direction": "67 deg"}


def path_of(changes, layer=1):
    return only_path(parse(job_text(changes), "job.toml"), layer)


def only_path(job, layer):
    """The path of the only beam."""
    (path,) = layer_paths(job, load_shape(job), layer)
    return path


def lines_of(path):
    """Begin and end (n, 2, 2) of the segments with power."""
    on = np.flatnonzero(path.power)
    return np.stack([path.ends[on, :2], path.ends[on + 1, :2]], axis=1)


def reference_energy(path, t0, t1):
    """The integral of the power, segment after segment in plain Python."""
    total = 0.0
    for begin, end, power in zip(path.times[:-1], path.times[1:], path.power, strict=True):
        total += power * max(0.0, min(end, t1) - max(begin, t0))
    return total


def reference_position(path, t):
    """The point of the last segment that has begun, in plain Python."""
    for i in reversed(range(len(path.power))):
        if path.times[i] <= t:
            length = path.times[i + 1] - path.times[i]
            share = min(1.0, (t - path.times[i]) / length) if length > 0 else 1.0
            return (1 - share) * path.ends[i] + share * path.ends[i + 1]
    return path.ends[0]


def test_cube_of_the_paper():
    """125 lines of 10 mm, 1.302 s, the beam along +x and -x, the hatching towards +y."""
    path = path_of(CUBE, layer=3)
    lines = lines_of(path)
    assert lines.shape[0] == 125
    assert path.duration == pytest.approx(125 * 10e-3 / 0.96, rel=1e-14)
    np.testing.assert_allclose(lines[:, 0, 1], (np.arange(125) + 0.5) * 80e-6, atol=1e-15)
    np.testing.assert_allclose(lines[0], [[0, 40e-6], [10e-3, 40e-6]], atol=1e-15)
    np.testing.assert_allclose(lines[1], [[10e-3, 120e-6], [0, 120e-6]], atol=1e-15)
    assert (path.ends[:, 2] == 3 * 50e-6).all()


@pytest.mark.parametrize("name", ["cube", "cube_islands", "cube_small"])
def test_jobs_deliver_power_times_time_on(name):
    job = load(Path(__file__).parents[2] / "jobs" / f"{name}.toml")
    path = only_path(job, job.layers.stop)
    length = np.linalg.norm(lines_of(path)[:, 1] - lines_of(path)[:, 0], axis=1).sum()
    assert path.energy() == pytest.approx(180 * length / 0.96, rel=1e-13)
    assert path.energy() == pytest.approx(180 * path.duration, rel=1e-13)
    assert (path.ends[:, 2] == job.layers.stop * 50e-6).all()


@pytest.mark.parametrize("turn", ["0 s", "0.5 ms"])
@pytest.mark.parametrize("changes", [CUBE, SLANTED, {"scan.islands": [3, 2]}])
def test_energy_of_steps_adds_up(changes, turn):
    """Steps that straddle the corners: each as in plain Python, their sum power x time on."""
    path = path_of(changes | {"scan.turn_time": turn})
    steps = np.concatenate([[-1e-4], np.arange(0, path.duration + 1.7e-4, 1.7e-4)])
    spans = list(zip(steps[:-1], steps[1:], strict=True))
    parts = [path.energy(a, b) for a, b in spans]
    expected = [reference_energy(path, a, b) for a, b in spans[:60]]
    np.testing.assert_allclose(parts[:60], expected, rtol=1e-14)
    on = np.diff(path.times)[path.power > 0].sum()
    assert math.fsum(parts) == pytest.approx(180 * on, rel=1e-12)
    assert path.energy() == pytest.approx(180 * on, rel=1e-14)
    assert path.energy(path.duration, path.duration + 1) == 0 == path.energy(-1, 0)


@pytest.mark.parametrize("turn", ["0 s", "0.5 ms"])
def test_position_and_power_at_any_time(turn):
    path = path_of(SLANTED | {"scan.turn_time": turn})
    times = np.concatenate([path.times, np.linspace(-1e-3, path.duration + 1e-3, 997)])
    expected = [reference_position(path, t) for t in times]
    np.testing.assert_allclose(path.position(times), expected, atol=1e-15)
    assert path.position(times.reshape(-1, 1)).shape == (len(times), 1, 3)
    assert path.position(0.01).shape == (3,)
    assert path.power_at(-1e-9) == 0 == path.power_at(path.duration)
    middle = (path.times[:-1] + path.times[1:]) / 2
    lasting = np.diff(path.times) > 0
    np.testing.assert_array_equal(path.power_at(middle[lasting]), path.power[lasting])


def test_beam_moves_with_its_speed_and_jumps_in_no_time():
    path = path_of(CUBE)
    begin, after = path.times[2], np.nextafter(path.times[2], 1)
    np.testing.assert_allclose(path.position(begin), [10e-3, 120e-6, 50e-6], atol=1e-15)
    np.testing.assert_allclose(path.position(after), path.position(begin), atol=1e-15)
    before = path.position(np.nextafter(begin, 0))
    np.testing.assert_allclose(before, [10e-3, 40e-6, 50e-6], atol=1e-12)
    passed = path.position(np.array([1e-3, 2e-3]))
    np.testing.assert_allclose(passed[1] - passed[0], [0.96e-3, 0, 0], atol=1e-15)


def test_digest_tells_every_bit():
    path = path_of({})
    same = digest([path, path_of({})])
    assert digest([path_of({}), path]) == same != digest([path])
    for name in ("ends", "times", "power"):
        values = getattr(path, name).copy()
        values.flat[-1] = np.nextafter(values.flat[-1], np.inf)
        assert digest([path, replace(path, **{name: values})]) != same


@pytest.mark.parametrize("angle", [0, 30, 45, 67, 90, 134, 180, 201, 270, 359])
def test_slanted_lines_cover_the_rectangle(angle):
    """Parallel lines from edge to edge; length x spacing is the area."""
    size, hatch = np.array([2e-3, 1.3e-3]), 20e-6
    path = path_of(SLANTED | {"scan.direction": f"{angle} deg", "scan.hatch": hatch})
    lines = lines_of(path)
    along = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    ways = lines[:, 1] - lines[:, 0]
    length = np.linalg.norm(ways, axis=1)
    np.testing.assert_allclose(ways @ along / length, np.sign(ways @ along), atol=1e-12)
    turns = np.sign(ways @ along)
    np.testing.assert_array_equal(turns[1:], -turns[:-1])
    across = np.array([-along[1], along[0]])
    count = round(np.abs(across) @ size / hatch)
    np.testing.assert_allclose(np.abs(np.diff(lines[:, 0] @ across)), np.abs(across) @ size / count)
    assert len(lines) == count
    on_edge = np.isclose(lines, 0, atol=1e-12) | np.isclose(lines, size, atol=1e-12)
    assert on_edge.any(axis=-1).all()
    assert length.sum() * np.abs(across) @ size / count == pytest.approx(size.prod(), rel=1e-3)
    assert Box((2e-3, 1.3e-3, 1)).inside(path.position(np.linspace(0, path.duration, 500))).all()


@pytest.mark.parametrize("corner, first, second", [
    ("left-front", [0, 40e-6], [0.4e-3, 120e-6]),
    ("right-front", [0.4e-3, 40e-6], [0, 120e-6]),
    ("left-back", [0, 360e-6], [0.4e-3, 280e-6]),
    ("right-back", [0.4e-3, 360e-6], [0, 280e-6]),
])
def test_scan_begins_in_the_corner_named(corner, first, second):
    lines = lines_of(path_of({"scan.start": corner}))
    np.testing.assert_allclose(lines[:2, 0], [first, second], atol=1e-15)
    turned = lines_of(path_of({"scan.start": corner, "scan.direction": "90 deg"}))
    x, y = (40e-6 if "left" in corner else 360e-6), (0 if "front" in corner else 0.4e-3)
    np.testing.assert_allclose(turned[0], [[x, y], [x, 0.4e-3 - y]], atol=1e-15)


def test_direction_start_and_rotation_change_with_the_layer():
    changes = {"scan.direction": ["0 deg", "90 deg"], "scan.start": ["left-front", "right-back"]}
    first, second, third = (lines_of(path_of(changes, layer)) for layer in (1, 2, 3))
    np.testing.assert_array_equal(first, third)
    np.testing.assert_allclose(second[0], [[360e-6, 0.4e-3], [360e-6, 0]], atol=1e-15)
    for layer in (1, 2, 5):
        way = np.subtract(*lines_of(path_of({"scan.rotation": "67 deg"}, layer))[0, ::-1])
        angle = math.degrees(math.atan2(way[1], way[0]))
        assert (angle - 67 * (layer - 1) + 1e-6) % 180 == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("order, expected", [
    ("rows", [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]),
    ("columns", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]),
    ("checkerboard", [(0, 0), (2, 0), (1, 1), (1, 0), (0, 1), (2, 1)]),
])
def test_islands_are_scanned_one_after_the_other(order, expected):
    size = {"part.size": ["0.6 mm", "0.4 mm", "0.2 mm"]}
    path = path_of(size | {"scan.islands": [3, 2], "scan.island_order": order, "scan.hatch": 40e-6})
    lines = lines_of(path)
    assert len(lines) == 6 * 5
    places = (lines.mean(axis=1) // 0.2e-3).astype(int)
    np.testing.assert_array_equal(places[::5], expected)
    np.testing.assert_array_equal(places, np.repeat(expected, 5, axis=0))
    np.testing.assert_allclose(lines[::5, 0], np.array(expected) * 0.2e-3 + [0, 20e-6], atol=1e-15)


@pytest.mark.parametrize("change, words", [
    ({"times": [0.0, 2.0, 1.0]}, "segment 1 of the scan path runs backwards in time"),
    ({"power": [1.0, -1.0]}, "segment 1 of the scan path has negative power"),
    ({"times": [0.0, 0.0, 1.0]}, "segment 0 of the scan path delivers power in no time"),
    ({"times": [0.0, math.nan, 1.0]}, "times must be finite"),
    ({"times": [0.0, 1.0]}, "must have 3 times"),
    ({"power": []}, "must have 1 times"),
])
def test_wrong_paths_are_refused(change, words):
    parts = {"ends": np.zeros((3, 3)), "times": [0.0, 1.0, 2.0], "power": [1.0, 0.0]} | change
    with pytest.raises(UserError, match=words):
        ScanPath(*(np.array(part) for part in parts.values()))


def test_box_holds_its_surface():
    box = Box((2.0, 3.0, 4.0))
    np.testing.assert_array_equal(box.bounds, [[0, 0, 0], [2, 3, 4]])
    points = np.array([[[0, 0, 0], [2, 3, 4]], [[1, 3.1, 1], [-0.1, 1, 1]]])
    np.testing.assert_array_equal(box.inside(points), [[True, True], [False, False]])
