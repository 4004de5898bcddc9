"""The declared work of heat and flow against the operations of the plain kernels."""
import numpy as np
import pytest

from partsim.meltpool import kernels, work
from partsim.meltpool.kernels import HIGH, LOW
from tests.counting import counted, counting

pytestmark = pytest.mark.serial

CELLS = (3, 4, 5)
COUNT = 3 * 4 * 5
SHAPE = tuple(n + LOW + HIGH for n in CELLS)
SIZE = int(np.prod(SHAPE))
STRIDES = (SHAPE[1] * SHAPE[2], SHAPE[2], 1)
RNG = np.random.default_rng(1)


def numbers(*shape):
    return counted(RNG.uniform(1.0, 2.0, shape))


def test_heat():
    with counting(kernels) as count:
        kernels.conduct(numbers(5, 6, 7), 0.1, numbers(*CELLS))
    assert count.flops == COUNT * work.CONDUCT.flops
    table = numbers(3, 7)
    with counting(kernels) as count:
        kernels.temperatures(numbers(*CELLS), table, numbers(*CELLS), numbers(5, 6, 7))
    assert (count.flops, count.roots) == (COUNT * work.TEMPERATURES.flops, COUNT)


def test_convection_and_divergence():
    velocity = numbers(3, SIZE)
    with counting(kernels) as count:
        kernels.transport(numbers(SIZE), velocity, STRIDES, 0, 0.75, numbers(*CELLS))
    assert count.flops == COUNT * work.TRANSPORT.flops
    with counting(kernels) as count:
        kernels.divergence(velocity, STRIDES, numbers(*CELLS))
    assert count.flops == COUNT * work.DIVERGENCE.flops


def test_flow():
    """Of a component: as declared on each of its inner faces, and predict on ghosts as well."""
    velocity, out = numbers(3, SIZE), numbers(SIZE)
    for axis in range(3):
        faces = np.prod([n - (axis == other) for other, n in enumerate(CELLS)])
        with counting(kernels) as count:
            kernels.accelerate(axis, velocity, STRIDES, CELLS, (0.5, 0.5), 0.75, out)
        assert count.flops == faces * work.ACCELERATE.flops / 3
    lines = [numbers(SIZE) for _ in range(5)]
    with counting(kernels) as count:
        kernels.predict(*lines, 1, (0.5, 0.5))
    assert count.flops == (SIZE - 1) * work.PREDICT.flops / 3
