"""A job whose scan paths come from a file, what the lint finds, the verb scan."""
import json
import math

import numpy as np
import pytest

from partsim.command import execute
from partsim.errors import UserError
from partsim.job import load
from partsim.jobcheck import check
from partsim.part import material, shape
from partsim.part.lint import facts, findings
from partsim.part.scan import ScanPath
from partsim.part.scanfile import file_paths, line_spacing
from partsim.part.shape import Box
from partsim.part.strategy import check_layers, layer_paths
from partsim.program import layer_stretch
from tests.scan_files import CSV, FILES
from tests.small_job import REMOVED, job_text

pytestmark = pytest.mark.serial
OFFSET = ["-1.2 mm", "-2.3 mm"]


def job_with(folder, changes=None, **file):
    """A small job with the square, moved so that it lies in the powder."""
    (folder / "square.csv").write_bytes(FILES["square.csv"])
    entries = {"name": "square.csv", "offset": OFFSET} | file
    changes = {"scan.hatch": REMOVED, "mesh.powder_rim": "0.6 mm"} | (changes or {})
    tables = [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    path = folder / "job.toml"
    text = job_text(changes) + "\n".join(["[scan.file]", *tables]) + "\n"
    path.write_text(text)
    return load(path)


def checked(job):
    check(job, material.load(job.material), math.inf)
    check_layers(job, shape.load(job))
    return job


def only_path(job, layer):
    (path,) = layer_paths(job, shape.load(job), layer)
    return path


def test_file_gives_the_path_of_each_layer(tmp_path):
    job = checked(job_with(tmp_path, absorptivity=0.5, repeat=True))
    path = only_path(job, 3)
    np.testing.assert_allclose(
        path.ends[:3] * 1e3, [[-0.2, -0.3, 0.15], [0.8, -0.3, 0.15], [0.8, 0.7, 0.15]], atol=1e-12
    )
    np.testing.assert_array_equal(path.power, [100, 100, 0, 100])
    assert only_path(job, 4).duration == pytest.approx(1e-3)
    assert line_spacing(job, shape.load(job)) == pytest.approx(0.4e-3**2 / 3e-3)


def test_a_laser_that_begins_late_works_to_its_end(tmp_path):
    """Two lasers, one after the other, on one clock: the scan lasts until the second is done."""
    rows = ["x (mm),y (mm),t (ms),power (W),laser",
            "1,2,0,100,1", "2,2,1,0,1", "1,3,2,50,2", "2,3,3,0,2"]
    (tmp_path / "late.csv").write_text("\n".join(rows) + "\n")
    job = job_with(tmp_path, {"layers.count": 1, "layers.stop": 1}, name="late.csv")
    stretch = layer_stretch(job, shape.load(job), 1)
    assert [path.duration for path in stretch.paths] == pytest.approx([1e-3, 1e-3])
    assert stretch.laser * job.time.step == pytest.approx(3e-3)


def test_one_file_for_each_layer(tmp_path):
    job = job_with(tmp_path, name="{layer:03d}.csv")
    (tmp_path / "002.csv").write_bytes(FILES["square.csv"])
    assert only_path(job, 2).energy() == pytest.approx(0.6)
    with pytest.raises(UserError, match="003.csv must be a file that exists"):
        file_paths(job, 3)


@pytest.mark.parametrize("changes, file, words", [
    ({}, {}, "scan.file.name = square.csv, but it must be a file with layer 3, but it has 2"),
    ({}, {"repeat": True, "offset": [0, 0]}, "must lie in the powder: in layer 1 x = 0.002 m is o"),
    ({"scan.hatch": "80 um"}, {"repeat": True}, "scan.hatch = 8e-05 m, but it must be absent"),
    ({}, {"absorptivity": 1.1}, "scan.file.absorptivity = 1.1, but it must be at most 1"),
    ({}, {"format": "ornl", "repeat": True}, "power = none, but it must be given"),
])
def test_wrong_files_of_jobs_are_refused(tmp_path, changes, file, words):
    with pytest.raises(UserError) as caught:
        checked(job_with(tmp_path, changes, **file))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def path_of(ends, times, power):
    ends = np.column_stack([ends, np.zeros(len(ends))])
    return ScanPath(1e-3 * ends, np.array(times, float), np.array(power, float))


CLEAN = path_of([[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1e-3, 2e-3, 3e-3], [100, 0, 100])


def test_facts_of_a_layer():
    told = facts([CLEAN])
    assert (told["segments"], told["jumps"], told["lasers"]) == (2, 1, 1)
    assert told["duration"]["value"] == pytest.approx(3e-3)
    assert told["length_scanned"]["value"] == pytest.approx(2e-3)
    assert told["mean_speed"]["value"] == pytest.approx(1)
    assert told["energy"]["value"] == pytest.approx(0.2)


FAULTS = [
    ([[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1e-3, 1e-3, 2e-3], [9, 0, 9],
     "1 jumps between scanned segments take no time; the first is segment 1 at x = 1 mm, y = 0 mm"),
    ([[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1e-3, 2e-3, 3e-3], [9, 0, 9],
     "1 segments move at the scanning speed with no power; the first is segment 1"),
    ([[0, 0], [1, 0], [1, 0], [0, 1]], [0, 1e-3, 1e-3, 3e-3], [9, 0, 9],
     "1 points are there twice; the first is segment 1"),
    ([[0, 0], [1, 0], [0, 0]], [0, 1e-3, 2e-3], [9, 9],
     "1 segments are scanned more than once; the first is segment 1 at x = 1 mm"),
    ([[0, 0], [0.5, 0], [1.5, 1]], [0, 1e-3, 3e-3], [9, 9],
     "1 scanned segments leave the part; the first is segment 1 at x = 0.5 mm"),
    ([[0, 0], [1, 0]], [0, 1], [9],
     "the mean speed is 0.001 m/s, usual is 0.01 to 20: wrong unit?"),
    ([[0, 0], [1, 0]], [0, 1e-3], [9e3], "the median power is 9000 W, usual is"),
    ([[0, 0], [1e-3, 0]], [0, 1e-6], [9], "the extent is 1e-06 m, usual is"),
]


@pytest.mark.parametrize("ends, times, power, line", FAULTS)
def test_lint_finds_each_fault_alone(ends, times, power, line):
    found = findings([path_of(ends, times, power)], Box((1e-3, 1e-3, 1e-3)).inside)
    assert len(found) == 1 and found[0].startswith(line)


def test_clean_paths_and_two_lasers():
    calm = path_of([[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1e-3, 1.5e-3, 2.5e-3], [9, 0, 9])
    assert findings([calm], Box((1e-3, 1e-3, 1e-3)).inside) == []
    later = path_of([[5, 0], [6, 0]], [0.5e-3, 1.5e-3], [9])
    assert findings([calm, later]) == ["several lasers are on for 0.0005 s; first at t = 0.0005 s"]


def test_scan_draws_and_tells(tmp_path, capsys):
    (tmp_path / "square.csv").write_text(CSV, encoding="utf-8")
    report = tmp_path / "report.json"
    execute(["scan", str(tmp_path / "square.csv"), "--json", str(report)])
    lines = capsys.readouterr().out.splitlines()
    assert "energy: 0.6 J" in lines and "segments: 3" in lines
    assert [line for line in lines if line.startswith("lint:")] == [
        "lint: 1 jumps between scanned segments take no time; the first is segment 2 at x = 2 mm, "
        "y = 3 mm, t = 0.002 s"
    ]
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["energy"]["value"] == pytest.approx(0.6) and len(told["lint"]) == 1
    picture = tmp_path / "square.out" / "scan_layer_0001.png"
    assert told["picture"] == str(picture) and picture.read_bytes().startswith(b"\x89PNG")


def test_scan_of_a_job_looks_at_the_part(tmp_path, capsys):
    job_with(tmp_path, repeat=True)
    execute(["scan", str(tmp_path / "job.toml"), "--layer", "2", "--colour", "power"])
    assert "lint: 1 scanned segments leave the part" in capsys.readouterr().out
    assert (tmp_path / "job.out" / "scan_layer_0002.png").exists()


@pytest.mark.parametrize("words, line", [
    (["--layer", "3"], "--layer 3 must be a layer of"),
    (["--format", "svg"], "format = svg, but it must be one of"),
    (["--power", "2 m"], '--power 2 m must be a power such as "180 W"'),
    (["--speed", "fast"], '--speed fast must be a speed such as "960 mm/s"'),
    (["--colour", "red"], "--colour red must be time or power"),
])
def test_scan_refuses_wrong_words(tmp_path, words, line):
    (tmp_path / "square.csv").write_text(CSV, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        execute(["scan", str(tmp_path / "square.csv"), *words])
    assert str(caught.value).startswith(line)
