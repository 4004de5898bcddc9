"""perfmodel scaling: the model in closed form, a study of a small job, what it refuses."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from partsim.command import execute
from partsim.errors import UserError
from partsim.job import parse
from partsim.mesh.forest import box_leaves
from partsim.mesh.nodes import number_nodes
from partsim.mesh.partition import cut
from perfmodel import scaling
from perfmodel.command import app
from perfmodel.layouts import before_layer
from perfmodel.messages import Message
from perfmodel.predict import (
    Costs, Layout, Link, Partition, computing_seconds, predicted_seconds,
)
from perfmodel.scaling import relate
from perfmodel.scalingreport import draw
from tests.meshes import varied_mesh
from tests.small_job import job_text

SHORT = {"scan.hatch": "0.08 mm", "layers.dwell": "0.3 ms"}
HALVES = np.array([0, 0, 1, 1])


@pytest.fixture(scope="module")
def column():
    """4 blocks of 4^3 cells on another, all of them active."""
    leaves = box_leaves(4, 0, 0, np.array([0, 0, 0]), np.array([4, 4, 16]))
    return SimpleNamespace(leaves=leaves, top=16)


def test_one_rate_is_work_and_messages(column):
    """Two blocks for each of two ranks, 25 nodes between them."""
    layout = Layout(np.array([1.0, 1.0, 3.0, 1.0]), np.zeros((1, 4), int), 4)
    part = Partition.of(column, cut(np.ones(4), 2), 2)
    told = predicted_seconds(layout, part, Costs(1e-3, 1e-3, False), Link(1e-4, 2e6))
    assert told["computing_seconds_per_step"] == pytest.approx(4e-3)
    assert told["message_seconds_per_step"] == pytest.approx(1e-4 + 25 * 8 / 2e6)
    assert told["imbalance"] == pytest.approx(1 / 3) and told["fixed_seconds_per_step"] == 0


def test_borders_of_a_partition(column):
    part = Partition.of(column, HALVES, 2)
    assert part.owner.tolist() == HALVES.tolist() and part.bytes.tolist() == [200, 200]
    assert part.block.tolist() == [1, 2] and part.pair.tolist() == part.whole.tolist() == [1, 2]
    assert part.total.tolist() == [200, 200]
    assert len(Partition.of(column, np.zeros(4, int), 1).block) == 0


def test_bytes_of_a_partition_are_those_that_ranks_exchange(comm, shared_tmp):
    """Faces, edges and corners of a mesh with coarse blocks, beside the halo of a build."""
    job = parse(job_text(SHORT), "small.toml")
    mesh = before_layer(job, 4, 4, comm).site.mesh
    sent = sum(len(slots) for slots in mesh.nodes.sharing.send_slots)
    part = Partition.of(mesh, mesh.owner, comm.size)
    own = part.whole // comm.size == comm.rank
    assert part.total[own].sum() == 8 * sent
    assert part.bytes.sum() == pytest.approx(part.total.sum())


def test_multirate_counts_each_block_at_its_level(column):
    """Levels 0, 1, 2, 2 of unit work, hot blocks at twice the cost, two ranks of two blocks, which
    meet every second step: the first works 2 * 2 + 1 ms, the other 0 or 2 ms in between."""
    layout = Layout(np.ones(4), np.array([[0, 1, 2, 2]]), 4)
    costs = Costs(2e-3, 1e-3, True, begin=1e-4, call=3e-4)
    part = Partition.of(column, HALVES, 2)
    told = predicted_seconds(layout, part, costs, Link(1e-4, np.inf))
    assert told["computing_seconds_per_step"] == pytest.approx(2.5e-3)
    assert told["hot_seconds_per_step"] == pytest.approx(2e-3)
    # at the border blocks have levels 1 and 2: both ranks send when either has worked
    assert told["message_seconds_per_step"] == pytest.approx(1e-4 * (1 / 2 + 1 / 4))
    assert told["fixed_seconds_per_step"] == pytest.approx(1e-4 + 3e-4 / 2)
    assert told["imbalance"] == pytest.approx(2.5 / 1.5 - 1)
    alone = Partition.of(column, np.zeros(4, int), 1)
    assert predicted_seconds(layout, alone, costs, Link(1.0, 1.0))[
        "seconds_per_step"] == pytest.approx(2e-3 + 1e-3 * (0.5 + 0.25 + 0.25) + 1e-4)


def test_ranks_that_share_base_steps_wait_for_each_other_in_each():
    """Work 3, 0 and 0, 2 of levels 0 and 1: with meetings in each step, 3 and then 3 or 2; if they
    meet in every second one, 6 beside 2."""
    work = np.array([[3.0, 0.0], [0.0, 8.0]])
    assert computing_seconds(work, 0) == pytest.approx((3 + 8) / 2)
    assert computing_seconds(work, 1) == pytest.approx(8 / 2)
    assert computing_seconds(work, 2) == pytest.approx(8 / 2)
    three = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    # of four steps: two have level 0 only, one levels 0 and 1, one all three
    assert computing_seconds(three, 0) == pytest.approx((1 + 1 + 2 + 3) / 4)


def test_slow_levels_send_the_whole_border(column):
    """Level 1 is slow: every second step all that both share, not only what its blocks touch."""
    layout = Layout(np.ones(4), np.array([[0, 1, 1, 1]]), 1)
    part = Partition.of(column, HALVES, 2)._replace(total=np.array([500.0, 500.0]))
    told = predicted_seconds(layout, part, Costs(1e-3, 1e-3, True), Link(0.0, 1e6))
    assert told["message_seconds_per_step"] == pytest.approx(500e-6 / 2)


def test_costs_are_those_of_one_rank():
    layout = Layout(np.array([1.0, 1.0, 2.0, 2.0]), np.array([[0, 1, 2, 2], [1, 0, 2, 2]]), 4)
    costs = Costs.fitted(layout, 9e-3, 1e-3, 1e-3, 2e-3)
    assert costs.other == pytest.approx(1e-3)
    assert costs.hot == pytest.approx(9e-3 - 1e-3 - 1e-3 * (0.5 + 1.0))
    assert costs[2:] == (True, 1e-3, 2e-3)
    assert Costs.fitted(layout, 1e-3, 1e-3, 1e-3, 0.0).hot == 0


def test_a_step_of_one_rate_has_a_part_that_no_rank_is_spared():
    smallest = scaling.Smallest(2.0, 3e-4)
    assert scaling.line_through(smallest, 1000.0, 0.0999 + 3e-4 - 2e-4 + 1e-7) == pytest.approx(
        (1e-4, 1e-4), rel=0.01)
    for seconds in (9e-4, 1e-4):  # too steep; less time for more work
        assert scaling.line_through(smallest, 3.0, seconds) == (0.0, pytest.approx(seconds / 3))
    assert scaling.line_through(smallest, 2.0, 2e-4) == (0.0, pytest.approx(1e-4))


def test_pairs_of_a_partition_are_those_that_share_nodes():
    """Blocks of three sizes dealt to 40 ranks at random: both directions of each pair, and no
    other, whatever finer block a coarse one finds."""
    mesh = varied_mesh(MPI.COMM_SELF)
    owner = np.random.default_rng(5).integers(0, 40, len(mesh.leaves))
    part = Partition.of(mesh, owner, 40)
    back = part.whole % 40 * 40 + part.whole // 40
    assert sorted(back) == sorted(part.whole)
    told = set()
    for rank in np.unique(owner):
        sharing = number_nodes(mesh.leaves, mesh.top, owner, rank).sharing
        told |= {rank * 40 + other for other in sharing.ranks}
    assert told == set(part.whole) and part.total.min() > 0
    mesh.close()


def test_links_between_nodes_are_what_more_ranks_need(comm, monkeypatch):
    """Of ranks on two nodes the network counts; one rank knows of no messages."""
    def messages(link, seconds):
        return [Message(link=link, bytes=size, seconds=each, median_seconds=1.0)
                for size, each in ((8, seconds), (1 << 20, 1.0))]

    for kinds, expected in (
        ((), None), ((("node", 1e-6),), 1e-6), ((("node", 1e-6), ("network", 3e-6)), 3e-6),
    ):
        found = sum((messages(*kind) for kind in kinds), [])
        monkeypatch.setattr(scaling, "ping_pongs", lambda comm, found=found: found)
        links = scaling.measured_links(comm, None)
        assert links.measured == links.beyond
        assert (links.measured.latency if links.measured else None) == expected
        given = scaling.measured_links(comm, Link(2e-6, 1e9))
        assert given == (links.measured, Link(2e-6, 1e9))


def test_efficiency_and_error():
    row = {"layer": 1, "scheme": "multirate"}
    rows = [row | {"ranks": n, "seconds_per_step": t} for n, t in ((1, 4.0), (2, 2.5))]
    told = [row | {"ranks": n, "seconds_per_step": t} for n, t in ((1, 4.0), (2, 2.0), (8, 1.0))]
    relate(rows, told)
    assert [each["efficiency"] for each in rows] == [1.0, 0.8]
    assert told[1]["error"] == pytest.approx(-0.2)
    assert "error" not in told[2] and "error" not in told[0]
    assert told[2]["efficiency"] == 0.5


def test_study_of_a_small_job(comm, shared_tmp):
    path, out = shared_tmp / "small.toml", shared_tmp / "out"
    if comm.rank == 0:
        path.write_text(job_text(SHORT))
    comm.Barrier()
    execute(["scaling", str(path), "--layer", "2", "--layer", "2", "--steps", "32", "--predict",
             "8", "--latency", "2 us", "--weak", "--output", str(out)], "perfmodel", app)
    comm.Barrier()
    study = json.loads((out / "scaling.json").read_text())
    assert {row["ranks"] for row in study["strong"]} == {1, comm.size}
    assert {row["ranks"] for row in study["predicted"]} == {1, comm.size, 8}
    assert len(study["strong"]) == 2 * len({1, comm.size})
    measured = {(row["ranks"], row["scheme"]): row for row in study["strong"]}
    for row in study["predicted"]:
        if row["ranks"] == 1:  # what the model is fitted to
            step = measured[1, row["scheme"]]["seconds_per_step"]
            assert row["seconds_per_step"] == pytest.approx(step) or row["costs"]["hot"] == 0
        parts = ("computing", "message", "fixed")
        assert row["seconds_per_step"] == pytest.approx(
            sum(row[f"{part}_seconds_per_step"] for part in parts))
        assert row["hot_seconds_per_step"] <= row["computing_seconds_per_step"] * (1 + 1e-9)
    wide = [row["nodes"] for row in study["weak"] if row["ranks"] == comm.size]
    assert comm.size == 1 or min(wide) > study["weak"][0]["nodes"]
    text = (out / "scaling.md").read_text()
    assert "## Weak scaling" in text and "in predictions for more a message takes 2 us" in text
    assert (out / "scaling.png").stat().st_size > 1000


def study_of(weak):
    """As measure_scaling would tell it: two ranks as fast as one, a weak efficiency of 0.9."""
    row = {"layer": 1, "scheme": "multirate", "nodes": 800, "phase_seconds_per_step": 1e-6}
    strong = [row | {"ranks": n, "seconds_per_step": t, "efficiency": e,
                     "thermal_seconds_per_step": t / 2}
              for n, t, e in ((1, 4.0, 1.0), (2, 4.0, 0.5))]
    return {"strong": strong, "predicted": strong[:1],
            "weak": [row | {"ranks": 2, "efficiency": 0.9}] if weak else []}


@pytest.mark.parametrize("weak", (True, False))
def test_picture_tells_stages_apart(weak):
    """Every panel holds what its axis says."""
    panels = {each.get_ylabel(): each for each in draw(study_of(weak)).axes}
    held = {title: [line.get_ydata().tolist() for line in axes.lines]
            for title, axes in panels.items()}
    assert held["microseconds per base step"] == [[4e6, 4e6], [4e6]]
    assert held["million nodes x steps / s"][0] == pytest.approx([2e-4, 2e-4])
    assert held["parallel efficiency"][0] == [1.0, 0.5]
    assert held["thermal stage, microseconds per base step"] == [[2e6, 2e6]]
    assert held["phases, microseconds per base step"] == [[1.0, 1.0]]
    assert held["efficiency of weak scaling"] == [[0.9] if weak else []]
    assert panels["efficiency of weak scaling"].get_visible() == weak


@pytest.mark.parametrize("words, line", [
    (["--layer", "25"], "--layer 25, but .* has 24 layers"),
    (["--ranks", str(MPI.COMM_WORLD.size + 1)], "start it with mpirun -n"),
    (["--latency", "2 mm"], "--latency"),
    (["--latency=-2us"], "--latency = -2e-06 s, but it must be at least 0"),
    (["--latency", "2 us", "--bandwidth", "0"], "--bandwidth = 0, but it must be above 0"),
    (["--bandwidth", "2"], "--bandwidth 2 needs --latency"),
    (["--layer", "2", "--steps", "100000"], "--steps 100000, but the scan of layer 2 has"),
])
def test_wrong_questions(words, line):
    with pytest.raises(UserError, match=line):
        execute(["scaling", "jobs/cube_small.toml", *words], "perfmodel", app)


def test_weak_scaling_of_a_surface_is_refused_before_any_work():
    words = ["scaling", "jobs/cantilever_slice.toml", "--layer", "1", "--weak"]
    with pytest.raises(UserError, match='part.shape = "surface", but --weak needs a "box"'):
        execute(words, "perfmodel", app)
