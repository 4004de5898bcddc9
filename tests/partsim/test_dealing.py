"""Blocks around the beams go to one rank, the others make up for them; no bit changes."""

from typing import NamedTuple

import numpy as np
import pytest
from mpi4py import MPI

from partsim import dealing
from partsim.build import Build
from partsim.mesh.forest import Leaves, box_leaves
from partsim.mesh.mesh import Grid
from partsim.mesh.partition import cut
from partsim.part.scan import ScanPath
from partsim.thermal.pace import NEVER, Pace
from partsim.thermal.source import Optics
from tests.build_job import (
    EXPLICIT, PROBES, assert_same_bits, books, build_job, checkpoints_at, resume_build, run_build,
    stored, table,
)
from tests.meshes import uniform_lattice

DT, LENGTH, CELL, EDGE = 1e-5, 16, 5e-5, 4
LATTICE = uniform_lattice((24, 24, 3), CELL)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    """Parts of few base steps."""
    monkeypatch.setattr(dealing, "SHORTEST", LENGTH)


def grid():
    """24 x 24 x 3 blocks of one size."""
    leaves = box_leaves(EDGE, 0, 0, np.zeros(3, int), EDGE * np.array([24, 24, 3]))
    return Grid(LATTICE, leaves, 0)


def path(y, lines=6, power=100.0):
    """Lines of 80 base steps to and fro along x, each 0.2 mm further along y (m)."""
    x = np.tile([0.2e-3, 4.6e-3, 4.6e-3, 0.2e-3], lines)[: 2 * lines]
    corners = np.column_stack([x, y + 2e-4 * np.repeat(np.arange(lines), 2),
                               np.full(2 * lines, LATTICE.cell * LATTICE.top(0))])
    times = DT * np.cumsum(np.r_[0.0, np.tile([80, 0], lines)])[: 2 * lines]
    return ScanPath(corners, times, np.tile([power, 0.0], lines)[: 2 * lines - 1])


def dealt(*paths, limit=18):
    """The grid, its pace and the parts of a scan along paths."""
    made = grid()
    optics = Optics(6e-5, CELL, (0.0, 0.0), LATTICE.powder)
    pace = Pace(made, paths, optics, DT, limit * DT, -NEVER)
    return made, pace, dealing.scan_parts(pace, made.leaves, 480, LENGTH)


def ends(parts):
    """Where the parts end."""
    return [*(part.start for part in parts[1:]), 480]


def close_blocks(pace, beam, start, stop):
    """Blocks within reach of a finely sampled beam."""
    where = beam.position(DT * np.linspace(start, stop, 4 * (stop - start), endpoint=False))
    gap = np.maximum(pace.low[:, None] - where, where - pace.high[:, None]).clip(0)
    return (np.linalg.norm(gap, axis=2) <= pace.reach).any(axis=1)


def touching(leaves, which):
    """Those blocks and all around them."""
    gap = np.abs(leaves.corner[:, None] - leaves.corner[which]).max(axis=2)
    return (gap <= EDGE).any(axis=1)


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_blocks_near_the_beam_belong_to_one_rank(ranks):
    beam = path(1e-3)
    made, pace, parts = dealt(beam)
    assert len(parts) == dealing.PARTS
    for part, stop in zip(parts, ends(parts)):
        assert part.start % LENGTH == 0
        owner = part.owner(np.ones(len(made.leaves)), ranks)
        close = close_blocks(pace, beam, part.start, stop)
        around = touching(made.leaves, close)
        assert len(set(owner[around])) == 1
        work = np.bincount(owner, part.updates, ranks)
        mean, of_beam = part.updates.sum() / ranks, part.updates[part.beam >= 0].sum()
        assert work.max() <= max(mean, of_beam) + dealing.HOT
        others = np.delete(work, owner[around][0])
        assert np.ptp(others) <= 2 * dealing.HOT
        assert around.sum() <= (part.beam >= 0).sum() < 0.5 * len(made.leaves)


def test_each_beam_has_a_rank_of_its_own():
    beams = path(0.5e-3), path(3.2e-3)
    made, pace, parts = dealt(*beams)
    for part, stop in zip(parts, ends(parts)):
        owner = part.owner(np.ones(len(made.leaves)), 3)
        owners = [set(owner[close_blocks(pace, beam, part.start, stop)]) for beam in beams]
        assert [len(each) for each in owners] == [1, 1] and owners[0] != owners[1]


def test_updates_count_levels():
    """Far from the beam those of the stable level; under it more, up to those of hot blocks."""
    made, pace, parts = dealt(path(1e-3), limit=9)
    for part in parts:
        assert (part.updates[~pace.near] == 1 / 8).all()
        assert (part.updates[pace.near] >= 1 / 8).all()
        assert 1 / 8 < part.updates.max() <= dealing.HOT


def test_coarse_blocks_pause_for_several_intervals():
    """Of twice the cell they are stable at four times the step: 16 base steps, where levels are
    chosen every 4; not where a beam comes near."""
    middle, high = EDGE * np.array([24, 24, 2]), EDGE * np.array([24, 24, 3])
    boxes = [box_leaves(EDGE, 1, 0, np.zeros(3, int), middle),
             box_leaves(EDGE, 1, 1, middle * [0, 0, 1], high)]
    leaves = Leaves(EDGE, 1, *(np.concatenate([getattr(box, name) for box in boxes])
                               for name in ("level", "corner")))
    optics = Optics(6e-5, CELL, (0.0, 0.0), LATTICE.powder)
    pace = Pace(Grid(LATTICE, leaves, 0), [path(1e-3)], optics, DT, 4.5 * DT, -NEVER)
    coarse = (leaves.level == 0) & ~pace.near
    assert 20 < coarse.sum() < 140
    for part in dealing.scan_parts(pace, leaves, 480, LENGTH):
        np.testing.assert_array_equal(part.pause, np.where(coarse, 4, 1))


def test_a_stretch_deals_alike_when_the_laser_is_off_or_ranks_are_many():
    """On many ranks the one that has the beam's blocks would have more than by equal pieces."""
    made, _, scan = dealt(path(1e-3))
    work, cells = np.arange(1.0, 1 + len(made.leaves)), made.active
    few, many = (dealing.stretch_parts(scan, made, 480, ranks) for ranks in (2, 40))
    assert few[:-1] == scan and len(many) == 2 and few[-1].start == many[-1].start == 480
    for parts in few, many:
        np.testing.assert_array_equal(parts[-1].owner(work, 3), cut(work, 3))
    np.testing.assert_array_equal(many[0].owner(cells, 40), cut(cells * many[0].updates, 40))
    assert [dealing.at(few, index) for index in (0, scan[1].start, 999)] == [*scan[:2], few[-1]]


class AtRandom(NamedTuple):
    """A part in which every block belongs to a rank at random."""

    start: int

    def owner(self, cost, ranks):
        return np.random.default_rng(self.start).integers(0, ranks, len(cost))


@pytest.fixture
def at_random(monkeypatch):
    """Blocks are dealt at random, anew every 16 base steps."""
    def parts(scan, grid, laser, ranks):
        return [AtRandom(start) for start in (*range(0, laser, 16), laser)]

    monkeypatch.setattr(dealing, "stretch_parts", parts)


@pytest.mark.pair
def test_builds_that_deal_in_the_middle_of_layers_keep_their_bits(comm, shared_tmp, at_random):
    """Against one rank, which deals nothing; also where one goes on between two parts."""
    short = {"layers.stop": 5, "output.mid_scan": [3]}
    job = build_job(EXPLICIT, short, probes=PROBES[:2])
    with checkpoints_at([(3, 40), (4, 16)]):
        together = run_build(comm, job, shared_tmp / "together")
    assert (together.site.counts.repartitions > 15) == (comm.size > 1)
    alone = run_build(MPI.COMM_SELF, job, shared_tmp / f"alone {comm.rank}")
    assert_same_bits(stored(together), stored(alone))
    assert table(together, "probes.csv") == table(alone, "probes.csv")
    for path in sorted((shared_tmp / "together").glob("*_step.checkpoint.h5")):
        resumed = resume_build(comm, path, shared_tmp / path.stem)
        assert_same_bits(stored(resumed), stored(together))
        assert books(resumed) == books(together)


@pytest.mark.pair
def test_dealing_anew_changes_no_bit(comm, shared_tmp):
    """Blocks go to ranks at random in the middle of a scan, and resting ones go on resting."""
    build = Build(build_job(), comm, shared_tmp)
    build.start()
    build.enter()
    while build.index < build.stretch.laser + 8:
        build.advance()
    site, mesh = build.site, build.site.mesh
    dwell = build.job.layers.dwell / build.job.time.step
    last = build.new_pace(mesh).last  # 0 where powder was laid, under the top and a layer below
    upper = mesh.leaves.corner[:, 2] + mesh.active * mesh.leaves.stride
    laid = upper >= mesh.top - mesh.lattice.layer
    assert laid.any() and last == pytest.approx(np.where(laid, 0, -dwell))
    before, rest, ledger = stored(build), mesh.everywhere(site.phases.rest), site.ledger.state()
    random = np.random.default_rng(2).integers(0, comm.size, len(mesh.leaves))
    assert site.redeal(lambda *_: random) == (comm.size > 1)
    assert_same_bits(stored(build), before)
    np.testing.assert_array_equal(site.mesh.everywhere(site.phases.rest), rest)
    assert site.ledger.state() == ledger and len(np.unique(rest)) > 2
    assert not site.redeal(lambda *_: random)
