"""Calibration of the source: pools made by a known law give it back; wrong tables are refused."""

from importlib import resources

import pytest

from partsim.errors import UserError
from partsim.meltpool.calibrate import Law, calibrate, model_of, read_tracks

pytestmark = pytest.mark.serial
LAW = Law(0.28, 0.2, 0.12, 0.5)
HEAD = "case,power_W,speed_mm_s,spot_D4sigma_um,width_um,depth_um,length_um"
BEAMS = [(140, 400, 170), (180, 800, 170), (180, 1200, 120), (195, 600, 100), (150, 400, 100)]


def table(path, rows, head=HEAD):
    lines = ["# made up", head, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def made_by(law, model, tmp_path):
    """The tracks of BEAMS with the pools that a law gives them."""
    rows = [(f"t{n}", *beam, 1, 1, "") for n, beam in enumerate(BEAMS)]
    blank = read_tracks(table(tmp_path / "blank.csv", rows))
    pools = [model.pool(track, law) for track in blank]
    sizes = [[1e6 * size for size in pool] for pool in pools]
    return read_tracks(table(tmp_path / "made.csv", [
        (*row[:4], *size) for row, size in zip(rows, sizes)]))


def test_law_is_found_again(tmp_path):
    model = model_of("316L", 300.0, None)
    found = calibrate(made_by(LAW, model, tmp_path), model)
    for name, value in LAW._asdict().items():
        assert found["law"][name] == pytest.approx(value, rel=0.03)
    assert max(found["mean_deviation_percent"].values()) < 0.3
    assert max(found["leave_one_out_percent"].values()) < 1.0
    first = found["sources"][0]
    enthalpy = first["enthalpy"]
    deep = LAW.slope * enthalpy - LAW.offset
    assert first["depth_um"] == pytest.approx(85 * deep, rel=0.02)
    assert first["absorptivity"] == pytest.approx(0.28 + 0.2 * deep, rel=0.02)


def test_left_out_track_is_not_in_its_fit(tmp_path):
    """A wrong width of one track spoils its own prediction, hardly that of the fit."""
    model = model_of("IN625", 298.0, 1563.15)
    tracks = made_by(LAW, model, tmp_path)
    rows = [(t.name, *beam, *(1e6 * size for size in t.measured))
            for t, beam in zip(tracks, BEAMS)]
    rows[1] = (*rows[1][:4], 1.3 * rows[1][4], *rows[1][5:])
    found = calibrate(read_tracks(table(tmp_path / "spoiled.csv", rows)), model)
    row = next(r for r in found["pools"] if r["case"] == "t1" and r["size"] == "width")
    assert row["left_out_um"] == pytest.approx(row["measured_um"] / 1.3, rel=0.02)


def test_measured_tracks_of_the_package():
    facts = resources.files("partsim") / "validation" / "amb2018_02.csv"
    with resources.as_file(facts) as path:
        tracks = read_tracks(path)
    assert len(tracks) == 6
    first = tracks[0]
    assert (first.name, first.laser.power, first.laser.speed) == ("AMMT-A", 137.9, 0.4)
    assert first.laser.radius == pytest.approx(85e-6)
    assert first.measured == pytest.approx((147.9e-6, 42.5e-6, None))


GOOD = [(f"t{n}", *beam, 100, 50, "") for n, beam in enumerate(BEAMS)]


@pytest.mark.parametrize("rows, head, line", [
    (GOOD[:3], HEAD, "has 3 tracks, but it must have at least 4"),
    ([], HEAD, "has no column case, power_W, speed_mm_s, spot_D4sigma_um, width_um, depth_um"),
    (GOOD, HEAD.replace("width_um", "width"), "has no column width_um"),
])
def test_wrong_table(tmp_path, rows, head, line):
    path = table(tmp_path / "pools.csv", rows, head)
    with pytest.raises(UserError) as told:
        read_tracks(path)
    assert str(told.value) == f"table of pools {path} {line}"


@pytest.mark.parametrize("value", ["", "wide", "-3", "nan", "inf"])
def test_wrong_number(tmp_path, value):
    row = ("t9", 150, 800, 100, value, 50, "")
    path = table(tmp_path / "pools.csv", [*GOOD, row])
    with pytest.raises(UserError) as told:
        read_tracks(path)
    assert str(told.value) == (f'table of pools {path}, case t9: width_um = "{value}", but it must '
                               "be a positive number")


@pytest.mark.parametrize("arguments, line", [
    (("316L", 1700.0, None), "--temperature = 1700 K, but it must be above 0 K and below the"),
    (("316L", 300.0, 1800.0), "--edge = 1800 K, but it must be between solidus and liquidus"),
    (("317L", 300.0, None), 'material.name = "317L", but it must be one of 316l, in625'),
])
def test_wrong_model(arguments, line):
    with pytest.raises(UserError) as told:
        model_of(*arguments)
    assert str(told.value).startswith(line)
