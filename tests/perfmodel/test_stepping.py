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
    assert told["ideal_speedup"] > 1.2 and told["ranks"] == comm.size
    assert told["share_of_ideal"] == pytest.approx(told["scan_speedup"] / told["ideal_speedup"])
    assert [row["layer"] for row in told["layers"]] == [1, 2]
    one, many = told["schemes"].values()
    for scheme in (one, many):
        assert abs(scheme["closing_error"]) < 1e-12
        assert scheme["stage_seconds"]["growth"] > 0  # of the second layer
    assert many["setup_seconds"] > 0
    total = [sum(scheme[f"{part}_seconds"] for part in ("setup", "scan", "cooling"))
             for scheme in (one, many)]
    assert told["speedup"] == pytest.approx(total[0] / total[1])
    assert told["ideal_speedup"] == one["scan_node_updates"] / many["scan_node_updates"]
    assert told["scan_speedup"] == pytest.approx(one["scan_seconds"] / many["scan_seconds"])
    assert 0 < told["max_temperature_difference_kelvin"] < 20
    for row in told["layers"]:
        assert 0 < row["scan"]["mean_temperature_difference_kelvin"] < 0.5
        # with the pool that the beam leaves, not in a layer that cools
        pools, later = (np.array(row[part]["pool_meters"]) for part in ("scan", "cooling"))
        assert pools.shape == (2, 3) and pools.min() > 5e-5 and (later[:, 0] < pools[:, 0]).all()
        for part in ("scan", "cooling"):
            mean, most = (row[part][f"{name}_phase_difference"] for name in ("mean", "max"))
            assert 0 < mean < most >= row[part]["quantile_999_of_phase_differences"] > 0
            assert (row[part]["nodes_with_other_phases"] > 0) == (most > 1e-3)
        assert 0 < row["cooling"]["max_phase_difference"] <= told["max_phase_difference"] < 0.05


@pytest.mark.parametrize("ratio", [16, 24])
def test_some_steps_are_whole_macro_steps(comm, ratio):
    """Of a ratio that is no power of two the largest within it is taken."""
    job = JOB.model_copy(update={"time": JOB.time.model_copy(update={"ratio": ratio})})
    told = measure_stepping(comm, job, 1, 1, 17)
    assert told["base_steps"] == 32
    assert told["max_temperature_difference_kelvin"] < 20 and "cooling" not in told["layers"][0]


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


@pytest.mark.parametrize("changes, line", [
    ({"time.ratio": 1}, "takes equal steps everywhere.* time.ratio = 1 must be above 1"),
    ({"phase.largest_substep": "1.5 ms", "time.step": "1 ms"}, "time.step"),
    ({"layers.group": 2}, "layers.group = 2, but it must be 1"),
    ({"plate.size": ["0.1 mm", "0.1 mm", "0.1 mm"]}, "plate"),
])
@pytest.mark.parametrize("verb", ["stepping", "scaling"])
def test_jobs_that_cannot_be_measured(comm, shared_tmp, changes, line, verb):
    path = shared_tmp / "one.toml"
    if comm.rank == 0:
        path.write_text(job_text({"scan.hatch": "0.2 mm"} | changes))
    comm.Barrier()
    with pytest.raises(UserError, match=line):
        execute([verb, str(path)], "perfmodel", app)
