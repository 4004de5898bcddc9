"""Blocks around the beams go to one rank, the others make up for them; no bit changes."""

import numpy as np
import pytest

from partsim import dealing
from partsim.build import Build
from partsim.mesh.forest import box_leaves
from partsim.mesh.mesh import Grid
from partsim.mesh.partition import cut
from partsim.part.scan import ScanPath
from partsim.thermal.pace import Pace
from partsim.thermal.source import Optics
from tests.build_job import assert_same_bits, build_job, stored
from tests.meshes import uniform_lattice

DT, LENGTH, CELL, EDGE = 1e-5, 16, 5e-5, 4
LATTICE = uniform_lattice((24, 24, 3), CELL)


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
    pace = Pace(made, paths, optics, DT, limit * DT)
    return made, pace, list(dealing.parts(pace, made.leaves, 480, LENGTH))


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
    assert len(parts) == dealing.PARTS + 1
    for part, after in zip(parts, parts[1:]):
        assert part.start % LENGTH == 0
        owner = part.owner(np.ones(len(made.leaves)), ranks)
        close = close_blocks(pace, beam, part.start, after.start)
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
    for part, after in zip(parts, parts[1:]):
        owner = part.owner(np.ones(len(made.leaves)), 3)
        owners = [set(owner[close_blocks(pace, beam, part.start, after.start)]) for beam in beams]
        assert [len(each) for each in owners] == [1, 1] and owners[0] != owners[1]


def test_updates_count_levels():
    """Far from the beam those of the stable level; under it more, up to those of hot blocks."""
    made, pace, parts = dealt(path(1e-3), limit=9)
    for part in parts[:-1]:
        assert (part.updates[~pace.near] == 1 / 8).all()
        assert (part.updates[pace.near] >= 1 / 8).all()
        assert 1 / 8 < part.updates.max() <= dealing.HOT
    work = np.arange(1.0, 1 + len(made.leaves))
    np.testing.assert_array_equal(parts[-1].owner(work, 3), cut(work, 3))


@pytest.mark.pair
def test_dealing_anew_changes_no_bit(comm, shared_tmp):
    """Blocks go to ranks at random in the middle of a scan, and resting ones go on resting."""
    build = Build(build_job(), comm, shared_tmp)
    build.start()
    build.enter()
    while build.index < build.stretch.laser + 8:
        build.advance()
    site, mesh = build.site, build.site.mesh
    before, rest, ledger = stored(build), mesh.everywhere(site.phases.rest), site.ledger.state()
    random = np.random.default_rng(2).integers(0, comm.size, len(mesh.leaves))
    assert site.redeal(lambda *_: random) == (comm.size > 1)
    assert_same_bits(stored(build), before)
    np.testing.assert_array_equal(site.mesh.everywhere(site.phases.rest), rest)
    assert site.ledger.state() == ledger and len(np.unique(rest)) > 2
    assert not site.redeal(lambda *_: random)
