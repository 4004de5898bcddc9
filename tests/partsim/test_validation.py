"""Melt pools: their measure on fields of known shape, the facts, the track, the report."""

import json

import numpy as np
import pytest
from mpi4py import MPI

from partsim.command import execute
from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.part import material as materials
from partsim.validation import amb2018_02
from partsim.validation.amb2018_02 import Case, Result, cell_edge, deviations, read_cases, validity
from partsim.validation.pool import Pool, crossings, measure
from partsim.validation.track import Beam, Field, Track

BOX = np.linspace(-1.6, 0.4, 101), np.linspace(-0.5, 0.5, 51), np.linspace(-0.6, 0, 31)


def wedge(x, y, z):
    """1 at x = -0.5, falling to 0 along x by 1 and 1.2, across by 0.4, downwards by 0.45."""
    ahead = np.where(x > -0.5, (x + 0.5) / 0.8, (-0.5 - x) / 1.0)
    return 1 - ahead - np.abs(y) / 0.4 + z / 0.45


def test_pool_of_a_wedge_is_exact():
    """All isotherms are planes, which linear interpolation finds."""
    x, y, z = BOX
    field = Field(wedge(x, y[:, None], z[:, None, None]), x, y, z)
    for level in (0.13, 0.5, 0.77):
        expected = (1 - level) * np.array([0.8, 0.45, 1.8])
        np.testing.assert_allclose(measure(field, level), expected, rtol=1e-12)
    assert measure(field, 2.0) == Pool(0, 0, 0)
    with pytest.raises(ValueError, match="reaches the rim"):
        measure(field, -0.4)


def test_crossings_by_hand():
    values = np.array([[0.0, 4.0, 2.0, 0.0], [0.0, 0.0, 0.5, 0.0], [3.0, 1.5, 0.0, 9.0]])
    low, high = crossings(np.array([0.0, 1.0, 3.0, 4.0]), values, 1.0)
    np.testing.assert_allclose(low, [0.25, 0.0])
    np.testing.assert_allclose(high, [3.5, 4.0])


def test_facts_are_the_measured_ones():
    cases = {case.name: case for case in read_cases()}
    assert len(cases) == 6
    case = cases["AMMT-B"]
    assert (case.power, case.speed) == (179.2, 0.8)
    assert case.radius == pytest.approx(85e-6)
    assert case.measured == pytest.approx({"width": 123.5e-6, "depth": 36e-6, "length": 359e-6})
    assert case.scatter == pytest.approx({"width": 6.5e-6, "depth": 1.9e-6, "length": 20e-6})
    assert cases["CBM-A"].scatter["depth"] is None and cases["AMMT-A"].measured["length"] is None
    drilled = {name for name, case in cases.items() if case.drilled}
    assert drilled == {"CBM-A", "CBM-B", "CBM-C"}
    assert "0.88: above 0.5" in validity(cases["CBM-A"])


def test_deviations_by_hand():
    """10 % and -20 % of the widths, 0 and 50 % of the depths, -10 % of the only length."""
    nothing = dict.fromkeys(("width", "depth", "length"))
    told = [{"width": 1.0, "depth": 1.0, "length": None}, {"width": 2.0, "depth": 2.0, "length": 1}]
    pools = [Pool(1.1, 1.0, 7.0), Pool(1.6, 3.0, 0.9)]
    results = [Result(Case("AMMT-X", 1, 1, 1, m, nothing), [pool], 0.0, None)
               for m, pool in zip(told, pools)]
    other = Result(Case("CBM-X", 1, 1, 1, told[0], nothing), [Pool(9, 9, 9)], 0.0, None)
    expected = {"width": 15.0, "depth": 25.0, "length": -10.0}
    assert deviations([*results, other]) == pytest.approx(expected)


def short_track(comm):
    """Fields of a short track on coarse cells at two places."""
    alloy = materials.load(MaterialChoice(name="IN625", latent_heat=True))
    track = Track(comm, alloy, Beam(60.0, 1.0, 5e-5, 2e-5), (2e-5, 5e-4), 298.0)
    fields = list(track.fields(np.array([2e-4, 5e-4])))
    energy = track.ledger.laser.value, track.heat.enthalpy(track.temperature)
    track.close()
    return fields, energy


def test_track_is_the_same_on_any_number_of_ranks(comm):
    shared, (energy, _) = short_track(comm)
    single, _ = short_track(MPI.COMM_SELF)
    assert energy == pytest.approx(60.0 * 5e-4, rel=1e-12)
    if comm.rank > 0:
        assert shared == [None, None]
        return
    for one, other in zip(shared, single, strict=True):
        np.testing.assert_array_equal(one.temperature, other.temperature)
    last = shared[-1]
    pool = measure(last, 1563.15)
    assert 0 < pool.depth < pool.width / 2 < pool.length
    np.testing.assert_allclose(last.temperature, last.temperature[:, ::-1], rtol=1e-9)
    _, _, hottest = np.unravel_index(last.temperature.argmax(), last.temperature.shape)
    assert -6e-5 < last.x[hottest] < 0  # a little behind the beam


@pytest.mark.serial
def test_command_compares_with_the_measurement(tmp_path, capsys):
    """On coarse cells: a table, a picture, and pools of the measured size where heat conducts."""
    report = tmp_path / "report.json"
    words = ["validate", amb2018_02.NAME, "--cell", "20um"]
    assert execute([*words, "--output", str(tmp_path / "out"), "--json", str(report)]) == 0
    assert "CBM-A: measured depth / width 0.88" in capsys.readouterr().out
    found = json.loads(report.read_text())
    off = {(row["case"], row["size"]): row["difference_percent"] for row in found["pools"]}
    for case in "ABC":
        assert abs(off[f"AMMT-{case}", "width"]) < 7 and abs(off[f"AMMT-{case}", "depth"]) < 14
    assert off["CBM-A", "depth"] < -50 and len(off) == 18
    assert (tmp_path / "out" / "amb2018-02.png").stat().st_size > 2e4


@pytest.mark.parametrize("text", ["10", "10 kg", "7 um", "0 um", "1 um", "-5 um", "40 um", "nan m"])
def test_wrong_cell_is_told_in_one_line(text):
    with pytest.raises(UserError, match=f'--cell "{text}" must be'):
        cell_edge(text)


def test_wrong_benchmark_is_told_in_one_line():
    assert cell_edge("10um") == pytest.approx(1e-5)
    with pytest.raises(UserError, match='BENCHMARK = "amb", but it must be amb2018-02'):
        execute(["validate", "amb"])
