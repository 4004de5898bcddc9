"""The declared work of the phase field against the operations of the plain kernels."""
import numpy as np
import pytest

from partsim.grains import kernels, work
from partsim.grains.ghosts import Around, Faces
from partsim.grains.kernels import Law
from partsim.grains.pool import BORDER, ROOM, Scratch
from partsim.grains.store import Store
from tests.counting import counted, counting

LAW = Law(4.0, -3.0, 0.06, -0.65, 1e-6, 1e-8)


@pytest.mark.serial
@pytest.mark.parametrize("grains", [1, 3])
def test_declared_flops_are_executed(grains):
    """A block of 8^3 cells that belong to so many grains."""
    store = Store(8, np.float64, rows=1, capacity=8)
    store.make(0, np.arange(8**3).reshape(8, 8, 8) % grains)
    pool = store.pool._replace(
        eta=counted(store.pool.eta), scratch=Scratch(*map(counted, store.pool.scratch)))
    nothing = Faces(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 64)))
    around = Around(np.full((1, 6), BORDER), np.full((1, 3), 8), nothing, np.zeros(1))
    mobility, melting = counted(np.full((1, ROOM), 0.01)), counted(np.zeros((1, ROOM)))
    with counting(kernels) as count:
        kernels.advance(pool, np.array([0]), around, LAW, (mobility, melting), np.zeros(0))
    assert count.flops == pytest.approx(work.advance(grains, 8).flops * grains * 8**3, rel=1e-12)
