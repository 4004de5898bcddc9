"""The longest stable step, against the kernels themselves and against closed forms."""

import numpy as np
import pytest

from partsim.meltpool import kernels
from partsim.meltpool.kernels import HIGH, LOW
from partsim.meltpool.limits import WEIGHTS, adams_bashforth, euler, stable_limit

pytestmark = pytest.mark.serial
N = 24


def growth_per_step(diffusion, courant, weight, steps=400):
    """How much a periodic field of noise grows in one of the last steps of the heat's scheme.

    diffusion  a dt / h^2     courant  (3,)  u dt / h along z, y, x
    """
    field = np.random.default_rng(1).normal(size=(N, N, N))
    shape = (N + LOW + HIGH,) * 3
    velocity = np.ones((3, *shape)) * np.reshape(courant, (3, 1, 1, 1))
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    out, sizes = np.empty_like(field), []
    for _ in range(steps):
        padded = np.pad(field, [(LOW, HIGH)] * 3, mode="wrap")
        kernels.transport(padded.ravel(), velocity.reshape(3, -1), strides, 0, weight, out)
        kernels.conduct(np.pad(field, 1, mode="wrap"), diffusion, field)
        field += out
        field -= field.mean()
        sizes.append(np.linalg.norm(field))
        field /= sizes[-1]
    return float(np.exp(np.mean(np.log(sizes[-40:]))))


@pytest.mark.parametrize("scheme", WEIGHTS)
@pytest.mark.parametrize("peclet", [0.5, 4.0])
def test_limit_is_that_of_the_kernels(scheme, peclet):
    """Noise dies a little below the limit and grows a little above it."""
    weight, way = WEIGHTS[scheme], np.ones(3) / np.sqrt(3)
    limit = stable_limit((1.0, peclet), weight, euler)
    along = [way, np.array([0.0, 0.0, 1.0])]
    grown = [[growth_per_step(step, peclet * step * d, weight) for d in along]
             for step in (0.97 * limit, 1.05 * limit)]
    assert max(grown[0]) < 1 < max(grown[1])


@pytest.mark.parametrize("growth, largest", [(euler, 2.0), (adams_bashforth, 1.0)])
def test_limit_of_diffusion_alone(growth, largest):
    """12 a dt / h^2 = 2 for Euler, 1 for Adams-Bashforth."""
    assert stable_limit((1.0, 0.0), 0.75, growth) == pytest.approx(largest / 12, rel=2e-3)


def test_weights_are_those_of_their_names():
    """QUICK is 3/4 C + 3/8 D - 1/8 U; the released program takes 1/8 of the mean."""
    C, D, U = 5.0, 11.0, 2.0
    quick, released = (
        kernels.face_value.py_func(1.0, U, C, D, 0.0, WEIGHTS[name])
        for name in ("quick", "released")
    )
    assert quick == pytest.approx(0.75 * C + 0.375 * D - 0.125 * U)
    assert released == pytest.approx(0.125 * (C + D) / 2 + 0.875 * (3 * C - U) / 2)
    mirrored = kernels.face_value.py_func(-1.0, 0.0, D, C, U, WEIGHTS["quick"])
    assert mirrored == pytest.approx(quick)
