"""The energy account closes: nothing is lost in steps, growth or adaptation."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from partsim.output import records
from partsim.parallel import world
from partsim.part.strategy import layer_paths
from tests.build_job import EXPLICIT, LAYERS, build_job, run_build

pytestmark = pytest.mark.pair

ADIABATIC = {
    "losses.radiation": False,
    "losses.evaporation": False,
    "plate.bottom": "insulated",
    **EXPLICIT,
}
GAINS, LOSSES = ("laser", "layers", "adaptation"), ("lost_top", "lost_plate")


@pytest.fixture(scope="module")
def adiabatic(module_tmp):
    return run_build(world(), build_job(ADIABATIC), module_tmp / "adiabatic")


def layer_ends(build):
    """The account at the end of each layer's cool-down, as arrays (layers,)."""
    with open(build.records.folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    end = build.clock.time - build.job.final_cooling.duration * (1 - 1e-9)
    last = {int(row["layer"]): row for row in rows if float(row["time"]) <= end}
    names = (*GAINS, *LOSSES, "stored")
    return {name: np.array([float(row[name]) for row in last.values()]) for name in names}


def errors_over(build, layers):
    """|gains - losses - change of the stored heat| over so many new layers, relative to laser."""
    ends = layer_ends(build)
    change = {name: values[layers:] - values[:-layers] for name, values in ends.items()}
    gained = sum(change[name] for name in GAINS) - sum(change[name] for name in LOSSES)
    return np.abs(gained - change["stored"]) / change["laser"]


def test_adiabatic_build_keeps_its_energy(comm, adiabatic):
    energy = adiabatic.energy()
    assert energy["lost_top"] == energy["lost_plate"] == 0.0
    assert energy["laser"] > 1 and energy["layers"] > 1
    assert abs(energy["closing_error"]) <= 1e-12
    errors = errors_over(adiabatic, 3)
    assert len(errors) == LAYERS - 3 and errors.max() <= 1e-12


def test_losses_and_super_steps_close_the_account(comm, built):
    energy = built.energy()
    assert min(energy["lost_top"], energy["lost_plate"]) > 0.1 * energy["laser"]
    assert abs(energy["closing_error"]) <= 1e-11
    assert errors_over(built, 3).max() <= 1e-11


def test_adaptation_changes_no_enthalpy(comm, adiabatic, built):
    for build in (adiabatic, built):
        assert build.site.counts.blocks_coarsened > 0
        ends = layer_ends(build)
        enthalpy = build.first_enthalpy + ends["stored"][:-1]
        assert (np.abs(np.diff(ends["adaptation"])) <= 1e-13 * enthalpy).all()


def test_laser_brings_the_energy_of_its_paths(comm, built):
    energy = math.fsum(
        path.energy()
        for layer in range(1, LAYERS + 1)
        for path in layer_paths(built.job, built.part, layer)
    )
    assert built.energy()["laser"] == pytest.approx(energy, rel=1e-14)


def test_layers_bring_the_enthalpy_of_their_powder(comm, built):
    job, material = built.job, built.material
    area = math.prod(edge + 2 * job.mesh.powder_rim for edge in job.part.size[:2])
    laid = LAYERS * job.layers.thickness * area * material.density * material.heat_capacity
    energy = built.energy()["layers"]
    assert energy == pytest.approx(laid * job.layers.temperature, rel=1e-13)


@pytest.mark.parametrize("error, told", [(3e-9, ""), (0.544, "0.54 of the laser's energy"),
                                         (math.nan, "nan of the laser's energy")])
def test_an_account_that_does_not_close_is_told(
    comm, shared_tmp, capsys, monkeypatch, error, told
):
    summary = {"energy_joules": {"closing_error": error}}
    monkeypatch.setattr(records, "summary_of", lambda build, history: summary)
    run = SimpleNamespace(
        comm=comm, folder=shared_tmp, fields=lambda name: None,
        history=SimpleNamespace(path=None),
        events=SimpleNamespace(write=lambda *_, **__: None),
        build=SimpleNamespace(clock=SimpleNamespace(time=1.0), wall=lambda: 1.0),
    )
    records.Records.finish(run)
    shown = capsys.readouterr()
    if comm.rank == 0:
        assert told in shown.out + shown.err and bool(told) == bool(shown.out + shown.err)
        kept = json.loads((shared_tmp / "summary.json").read_text())["energy_joules"]
        assert kept == {"closing_error": None if math.isnan(error) else error}
