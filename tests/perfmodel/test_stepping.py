"""perfmodel stepping: both schemes on the same layers, the pool's extents, what it refuses."""

import numpy as np
import pytest

from partsim.command import execute
from partsim.errors import UserError
from partsim.job import parse
from perfmodel.command import app
from perfmodel.layouts import before_layer
from perfmodel.stepping import measure_stepping, pool
from tests.meshes import node_points
from tests.small_job import job_text

JOB = parse(job_text({"scan.hatch": "0.2 mm", "layers.dwell": "0.3 ms"}), "small.toml")


def test_two_layers_of_both_schemes(comm):
    """The account closes in both; fields differ, and by little beside 2000 K of heating."""
    told = measure_stepping(comm, JOB, 1, 2, None)
    assert told["ideal_speedup"] > 1.2 and told["speedup"] > 0 and told["ranks"] == comm.size
    assert [row["layer"] for row in told["layers"]] == [1, 2]
    for scheme in told["schemes"].values():
        assert abs(scheme["closing_error"]) < 1e-12 and scheme["seconds"] > 0
    assert 0 < told["max_temperature_difference_kelvin"] < 20
    for row in told["layers"]:
        assert 0 < row["mean_temperature_difference_kelvin"] < 0.5


def test_some_steps_are_whole_macro_steps(comm):
    told = measure_stepping(comm, JOB, 1, 1, 17)
    assert told["base_steps"] == 2 * JOB.time.ratio


def test_extents_of_a_pool_in_closed_form(comm):
    """A cone of 3000 K, 6 K/um steep, its tip at a node in the middle of the top of layer 2."""
    build = before_layer(JOB, 2, 2, comm)
    mesh = build.site.mesh
    tip = np.array([*np.mean(mesh.lattice.part, axis=1), mesh.top])
    away = mesh.lattice.cell * np.linalg.norm(node_points(mesh) - tip, axis=-1)
    build.site.state["temperature"] = mesh.largest(3000.0 - 6e6 * away)
    radius = (3000.0 - build.material.liquidus) / 6e6
    found = pool(build)
    np.testing.assert_allclose(found, [2 * radius, 2 * radius, radius], rtol=1e-12)


@pytest.mark.parametrize("words, line", [
    (["--first", "24", "--layers", "2"], "has 24 layers"),
    (["--layers", "0"], "--layers"),
])
def test_layers_that_are_not_there(words, line):
    with pytest.raises(UserError, match=line):
        execute(["stepping", "jobs/cube_small.toml", *words], "perfmodel", app)


def test_one_rate_is_refused(comm, shared_tmp):
    path = shared_tmp / "one.toml"
    if comm.rank == 0:
        path.write_text(job_text({"time.ratio": 1}))
    comm.Barrier()
    with pytest.raises(UserError, match="time.ratio = 1 in .*above 1"):
        execute(["stepping", str(path)], "perfmodel", app)
