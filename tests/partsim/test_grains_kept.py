"""What is not kept of order parameters: never read, and the weakest gives way to a nucleus."""

from types import SimpleNamespace

import numpy as np
import pytest

from partsim.grains import nucleation
from partsim.grains.blocks import Grid
from partsim.grains.nucleation import NUCLEUS
from partsim.grains.phasefield import PhaseFieldLaw
from partsim.grains.pool import DROPPED, FREE
from partsim.grains.store import PER_PLACE, Store
from partsim.growjob import Grains, Nucleation, PhaseField
from tests.growth import Even

LIQUIDUS, SHAPE, RUBBISH = 1723.0, (21, 18, 28), 0x5A5A5A5A


class Spot(Even):
    """Hot in the middle, and cooling: grains melt, nuclei form, blocks come to life."""

    def hottest(self, number, grid):
        return np.full(grid.shape, 1900.0)

    def sample(self, number, grid, blocks):
        out = super().sample(number, grid, blocks).reshape(-1, 10, 10, 10)
        for values, place in zip(out, grid.places(blocks)):
            z, y, x = np.indices((10, 10, 10)) - 1 + 8 * place[::-1, None, None, None]
            away = (x - 14) ** 2 + (y - 9) ** 2 + (z - 10) ** 2
            values *= (1900 - 15 * number - 3.0 * away) / self.kelvin
        return out.reshape(-1, 1000)


def spoil(store):
    """NaN wherever nothing is said to be: in lines that are not kept, in the half that is to be
    written, in free places and in scratch arrays."""
    pool = store.pool
    for row in store.row_of.values():
        half, places = pool.half[row], pool.places[row, :pool.count[row]]
        pool.eta[half, places] = np.where(store.kept(row), pool.eta[half, places], np.nan)
        blank(pool, 1 - half, places)
    blank(pool, slice(None), pool.free[:pool.tally[FREE]])
    for array in store.other.values():
        array[:] = RUBBISH if array.dtype == np.int64 else np.nan
    for array in pool.scratch:
        array[:] = RUBBISH if array.dtype == np.int64 else np.nan


def blank(pool, half, places):
    """Rubbish in one half, or both, of some places."""
    for name in PER_PLACE:
        array = getattr(pool, name)
        array[half, places] = RUBBISH if array.dtype == np.int64 else np.nan


def grown(comm, precision, spoiled):
    """Labels, order parameters and count of nuclei after three epochs of six steps."""
    job = SimpleNamespace(phase_field=PhaseField(precision=precision), grains=Grains(step=4e-7),
                          nucleation=Nucleation())
    chance = nucleation.chance(Nucleation(multiplier=2000.0), LIQUIDUS, 4e-7, 2e-6,
                               (3, 0, SHAPE))
    law = PhaseFieldLaw(comm, Grid(SHAPE), job, LIQUIDUS, chance)
    grain = np.random.default_rng(1).integers(0, 99, (7, 6, 10)).repeat(3, 0).repeat(3, 1)
    law.start(grain.repeat(3, 2)[:, :, :28], np.arange(99))
    heat = Spot(1.0)
    for epoch in range(3):
        law.begin(law.alive(heat.hottest(epoch, law.grid)), heat, epoch)
        for step in range(6):
            if spoiled:
                spoil(law.store)
            law.step(step / 6, 6 * epoch + step, step == 5)
        law.end()
    own = {block: (law.store.pool.labels[row, :law.store.pool.count[row]].copy(),
                   law.store.values(row)) for block, row in law.store.row_of.items()}
    return own, sum(comm.allgather(int(law.store.pool.tally[2]))), law.finish()


@pytest.mark.parametrize("precision", ["single", "double"])
def test_what_is_not_kept_is_never_read(comm, precision):
    plain, nuclei, final = grown(comm, precision, False)
    spoiled, others, end = grown(comm, precision, True)
    assert nuclei == others > 10 and plain.keys() == spoiled.keys()
    for block, (labels, eta) in plain.items():
        np.testing.assert_array_equal(spoiled[block][0], labels)
        np.testing.assert_array_equal(spoiled[block][1], eta)
    for found, expected in zip(end, final, strict=True):
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.serial
def test_the_weakest_order_parameter_gives_way_to_a_nucleus():
    """A block that is full: the fourth of eight grains has the smallest largest eta."""
    store = Store(8, np.float32, rows=1, capacity=16)
    store.make(0, (np.arange(512).reshape(8, 8, 8) // 64).astype(np.int64))
    pool, row = store.pool, store.row_of[0]
    for slot, top in enumerate((0.9, 0.5, 0.7, 0.2, 0.6, 0.8, 1.0, 0.4)):
        pool.eta[pool.half[row], pool.places[row, slot]] *= np.float32(top)
    nucleation.seed_cell(pool, row, 10, NUCLEUS, True)
    assert pool.labels[row, :pool.count[row]].tolist() == [0, 1, 2, 4, 5, 6, 7, NUCLEUS]
    assert pool.tally[DROPPED] == 1 and pool.count[row] == 8
    eta = store.values(row)
    assert eta[7].sum() == eta[7, 10] == 1 and not eta[:7, 10].any()
    assert pool.tops[pool.half[row], pool.places[row, 7], 4] == 1  # cell 10 is in the lowest layer
