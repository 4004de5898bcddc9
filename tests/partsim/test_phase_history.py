"""`partsim phases`: from a temperature history in a file to phases.csv and phases.png."""
import csv

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.phase.history import run_history, substeps
from partsim.phase.model import PhaseLaw
from tests.partsim.phase_reference import Point, random_history

pytestmark = pytest.mark.serial

LAW = PhaseLaw()
HEADER = "time,temperature\n"


def write(path, rows, header="time,temperature"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def result(folder):
    """The columns of phases.csv by name."""
    with open(folder / "phases.csv", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, np.array(rows, dtype=float).T))


def test_a_row_for_each_row(tmp_path):
    """Cooling at 20 K/s from the melt, tabulated, and a hold."""
    rows = [(5, 1950), (35.15, 1347), (87.85, 293), (90, 293)]
    run_history(write(tmp_path / "h.csv", rows), tmp_path / "out", LAW)
    found = result(tmp_path / "out")
    assert list(found) == ["time", "temperature", "alpha_stable", "martensite", "beta"]
    np.testing.assert_allclose(found["time"], [row[0] for row in rows])
    np.testing.assert_allclose(found["temperature"], [row[1] for row in rows])
    np.testing.assert_allclose(found["alpha_stable"], [0, 0, 0.659126, 0.659126], atol=5e-6)
    np.testing.assert_allclose(found["martensite"], [0, 0, 0.240874, 0.240874], atol=5e-6)
    np.testing.assert_allclose(found["beta"], [0, 1, 0.1, 0.1], atol=1e-8)
    assert (tmp_path / "out" / "phases.png").read_bytes().startswith(b"\x89PNG")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["phases.csv", "phases.png"]


@pytest.mark.parametrize("seed", range(4))
def test_irregular_steps_agree_with_an_exact_solver(tmp_path, seed):
    times, T = random_history(seed)
    start = (0.0, 0.0) if T[0] > 1273 else (0.3, 0.5)
    run_history(write(tmp_path / "h.csv", zip(times, T)), tmp_path, LAW, start)
    found, point = result(tmp_path), Point(*start)
    for i in range(1, len(times)):
        point.run(T[i - 1], T[i], times[i] - times[i - 1])
        assert found["alpha_stable"][i] == pytest.approx(point.X_as, abs=4e-5)
        assert found["martensite"][i] == pytest.approx(point.X_am, abs=4e-5)


def test_rows_along_a_line_change_nothing(tmp_path):
    ends = np.array([[0.0, 900.0], [30.0, 600.0]])
    many = np.linspace(*ends, 400)
    few, dense = tmp_path / "few", tmp_path / "dense"
    run_history(write(tmp_path / "a.csv", ends), few, LAW, (0.0, 0.0))
    run_history(write(tmp_path / "b.csv", many), dense, LAW, (0.0, 0.0))
    for name in ("alpha_stable", "martensite"):
        assert result(few)[name][-1] == pytest.approx(result(dense)[name][-1], abs=2e-6)


@pytest.mark.parametrize(
    "T, initial, expected",
    [
        (293, None, (0.9, 0.0)),
        (1000, None, (0.843766, 0.0)),
        (1500, None, (0.0, 0.0)),
        (500, (0.2, 0.3), (0.2, 0.3)),
        (1000, (0.2, 0.7), (0.2, 0.643766)),
        (1000, (0.9, 0.0), (0.9, 0.0)),
        (1900, (0.2, 0.3), (0.0, 0.0)),
    ],
)
def test_start(tmp_path, T, initial, expected):
    """In equilibrium, or as given less what cannot exist at the first temperature."""
    run_history(write(tmp_path / "h.csv", [(0, T), (1e-9, T)]), tmp_path, LAW, initial)
    found = result(tmp_path)
    assert (found["alpha_stable"][0], found["martensite"][0]) == pytest.approx(expected, abs=1e-6)


def test_columns_in_any_order_beside_others(tmp_path):
    rows = [(1, 700, "a"), (2, 710, "b")]
    lines = [(T, note, t) for t, T, note in rows]
    path = write(tmp_path / "h.csv", lines, " temperature,note , time")
    run_history(path, tmp_path, LAW)
    np.testing.assert_array_equal(result(tmp_path)["time"], [1, 2])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no column time, but the first line must name time and temperature, not nothing"),
        ("time,temp\n0,300\n1,400\n", "no column temperature, but the first line must name"),
        ("0,300\n1,400\n", "no column time"),
        (HEADER, "0 rows, but a history has at least 2"),
        (f"{HEADER}0,300\n", "1 rows, but a history has at least 2"),
        (f"{HEADER}0,300\n1,hot\n", "line 3: temperature = 'hot', but it must be a number"),
        (f"{HEADER}0,300\n1\n", "line 3: temperature = '', but it must be a number"),
        (f"{HEADER}0,300\nnan,400\n", "line 3: time = 'nan', but it must be a number"),
        (f"{HEADER}0,300\n1,inf\n", "line 3: temperature = 'inf', but it must be a number"),
        (f"{HEADER}0,300\n0,400\n", "line 3: time = 0 s, but it must increase from 0 s"),
        (f"{HEADER}0,300\n2,400\n1,5\n", "line 4: time = 1 s, but it must increase from 2 s"),
        (f"{HEADER}0,-3\n1,400\n", "line 2: temperature = -3 K, but it must be positive"),
        (f"{HEADER}0,300\n1e12,400\n", "time spans 1e+12 s, but at most 1e+09 s"),
        (f"{HEADER}0,3\xff00\n", "cannot be read: "),
    ],
)
def test_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "h.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as refusal:
        run_history(path, tmp_path / "out", LAW)
    assert message in str(refusal.value) and str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="none.csv cannot be read: "):
        run_history(tmp_path / "none.csv", tmp_path, LAW)


@pytest.mark.parametrize("initial", [(-0.1, 0.2), (0.5, 0.5), (0.95, 0.0), (np.nan, 0.0)])
def test_wrong_initial_fractions_are_refused(tmp_path, initial):
    path = write(tmp_path / "h.csv", [(0, 300), (1, 300)])
    with pytest.raises(UserError, match="initial .* = .*, but it must be between 0 and 0.9"):
        run_history(path, tmp_path, LAW, initial)


def test_substeps_are_short_in_time_and_temperature():
    assert substeps(1.0, 0.0) == 500
    assert substeps(0.001, 0.0) == 1
    assert substeps(0.001, 500.0) == 5000
    assert substeps(500.0, 0.0) == 20_000
    assert substeps(1e5, 0.0) == 1_000_000
