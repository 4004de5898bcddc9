"""perfmodel scaling: the model in closed form, a study of a small job, what it refuses."""

import json

import numpy as np
import pytest
from mpi4py import MPI

from partsim.command import execute
from partsim.errors import UserError
from partsim.mesh.forest import box_leaves
from partsim.mesh.partition import cut
from perfmodel.command import app
from perfmodel.predict import Costs, Layout, Link, Partition, predicted_seconds
from perfmodel.scaling import relate
from tests.small_job import job_text

COLUMN = box_leaves(4, 0, 0, np.array([0, 0, 0]), np.array([4, 4, 16]))  # 4 blocks on another
SHORT = {"scan.hatch": "0.08 mm", "layers.dwell": "0.3 ms"}


def test_one_rate_is_work_and_messages():
    """Two blocks for each of two ranks, 25 nodes between them."""
    layout = Layout(np.array([1.0, 1.0, 3.0, 1.0]), np.zeros((1, 4), int))
    part = Partition(np.array([0, 0, 1, 1]), 2, *border(2))
    costs = Costs(1e-3, 1e-3, False)
    told = predicted_seconds(layout, part, costs, Link(1e-4, 2e6))
    assert told["computing_seconds_per_step"] == pytest.approx(4e-3)
    assert told["message_seconds_per_step"] == pytest.approx(1e-4 + 25 * 8 / 2e6)


def border(ranks):
    """block, pair, bytes of the real partition of the column."""
    return Partition.of(COLUMN, cut(np.ones(4), ranks), ranks)[2:]


def test_borders_of_a_partition():
    part = Partition.of(COLUMN, np.array([0, 0, 1, 1]), 2)
    assert part.owner.tolist() == [0, 0, 1, 1] and part.bytes.tolist() == [200, 200]
    assert part.block.tolist() == [1, 2] and part.pair.tolist() == [1, 2]
    assert len(Partition.of(COLUMN, np.zeros(4, int), 1).block) == 0


def test_multirate_counts_each_block_at_its_level():
    """Levels 0, 1, 2, 2 of unit work, hot blocks at twice the cost, two ranks of two blocks."""
    layout = Layout(np.ones(4), np.array([[0, 1, 2, 2]]))
    costs = Costs(2e-3, 1e-3, True)
    part = Partition(np.array([0, 0, 1, 1]), 2, *border(2))
    told = predicted_seconds(layout, part, costs, Link(1e-4, np.inf))
    assert told["computing_seconds_per_step"] == pytest.approx(2.5e-3)
    assert told["hot_seconds_per_step"] == pytest.approx(2e-3)
    assert told["message_seconds_per_step"] == pytest.approx(1e-4 / 2)  # block 1 has level 1
    alone = Partition.of(COLUMN, np.zeros(4, int), 1)
    assert predicted_seconds(layout, alone, costs, Link(1.0, 1.0))[
        "seconds_per_step"] == pytest.approx(2e-3 + 1e-3 * (0.5 + 0.25 + 0.25))


def test_costs_are_those_of_one_rank():
    layout = Layout(np.array([1.0, 1.0, 2.0, 2.0]), np.array([[0, 1, 2, 2], [1, 0, 2, 2]]))
    costs = Costs.fitted(layout, 9e-3, 6e-3, True)
    assert costs.other == pytest.approx(1e-3)
    assert costs.hot == pytest.approx(9e-3 - 1e-3 * (0.5 + 1.0))
    assert Costs.fitted(layout, 6e-3, 6e-3, False)[:2] == pytest.approx((1e-3, 1e-3))


def test_efficiency_and_error():
    row = {"layer": 1, "scheme": "multirate"}
    rows = [row | {"ranks": n, "seconds_per_step": t} for n, t in ((1, 4.0), (2, 2.5))]
    told = [row | {"ranks": n, "seconds_per_step": t} for n, t in ((1, 4.0), (2, 2.0), (8, 1.0))]
    relate(rows, told)
    assert [each["efficiency"] for each in rows] == [1.0, 0.8]
    assert told[1]["error"] == pytest.approx(-0.2) and "error" not in told[2]
    assert told[2]["efficiency"] == 0.5


def test_study_of_a_small_job(comm, shared_tmp):
    path, out = shared_tmp / "small.toml", shared_tmp / "out"
    if comm.rank == 0:
        path.write_text(job_text(SHORT))
    comm.Barrier()
    execute(["scaling", str(path), "--layer", "2", "--steps", "32", "--predict", "8", "--latency",
             "2 us", "--weak", "--output", str(out)], "perfmodel", app)
    comm.Barrier()
    study = json.loads((out / "scaling.json").read_text())
    assert {row["ranks"] for row in study["strong"]} == {1, comm.size}
    assert {row["ranks"] for row in study["predicted"]} == {1, comm.size, 8}
    for row in study["strong"] + study["weak"] + study["predicted"]:
        assert row["seconds_per_step"] > 0 and row["efficiency"] > 0
    one = [row for row in study["predicted"] if row["ranks"] == 1]
    np.testing.assert_allclose([row["error"] for row in one], 0, atol=1e-9)
    wide = [row["nodes"] for row in study["weak"] if row["ranks"] == comm.size]
    assert comm.size == 1 or min(wide) > study["weak"][0]["nodes"]
    assert "## Weak scaling" in (out / "scaling.md").read_text()
    assert (out / "scaling.png").stat().st_size > 1000


@pytest.mark.parametrize("words, line", [
    (["--layer", "25"], "--layer 25, but .* has 24 layers"),
    (["--ranks", str(MPI.COMM_WORLD.size + 1)], "start it with mpirun -n"),
    (["--latency", "2 mm"], "--latency"),
    (["--layer", "2", "--steps", "100000"], "--steps 100000, but the scan of layer 2 has"),
])
def test_wrong_questions(words, line):
    with pytest.raises(UserError, match=line):
        execute(["scaling", "jobs/cube_small.toml", *words], "perfmodel", app)


def test_weak_scaling_of_a_surface_is_refused_before_any_work():
    words = ["scaling", "jobs/cantilever_slice.toml", "--layer", "1", "--weak"]
    with pytest.raises(UserError, match='part.shape = "surface", but --weak needs a "box"'):
        execute(words, "perfmodel", app)
