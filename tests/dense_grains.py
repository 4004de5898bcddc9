"""A dense reference of the phase field, independent of partsim.grains.

Equations (11) to (15) of Xie 2026, zeta being 1 up to the liquidus and 0 above: an order parameter
per grain in every cell, all of them updated in every step; explicit Euler steps, the Laplacian of
six neighbours, no flux through the surface. Only what is below 1e-140 is zero.
"""

from typing import NamedTuple

import h5py
import numpy as np
from numba import njit
from scipy.ndimage import map_coordinates

TINY = 1e-140  # its square would not be a normal number, which processors are slow with


class Constants(NamedTuple):
    """Of a job, in its step: L m dt = factor exp(-activation / min(T, hottest)), K = kappa/(m h^2),
    gamma, and the liquidus."""

    factor: float
    activation: float
    hottest: float
    K: float
    gamma: float
    liquidus: float


def constants_of(job, liquidus):
    law, grains = job.phase_field, job.grains
    return Constants(
        law.mobility * law.barrier * grains.step, law.activation / law.gas_constant, law.hottest,
        law.gradient / (law.barrier * grains.cell**2), law.interaction, liquidus,
    )


@njit
def mirror_surface(eta):
    """Ghosts of (grains, nz + 2, ny + 2, nx + 2) equal the cells before them."""
    eta[:, 0], eta[:, -1] = eta[:, 1], eta[:, -2]
    eta[:, :, 0], eta[:, :, -1] = eta[:, :, 1], eta[:, :, -2]
    eta[:, :, :, 0], eta[:, :, :, -1] = eta[:, :, :, 1], eta[:, :, :, -2]


@njit
def squares_of(eta, k, j, squares):
    """squares (nx + 2,) = sum over the grains of eta^2 in a row of cells."""
    squares[:] = 0
    for g in range(len(eta)):
        for i in range(len(squares)):
            squares[i] += eta[g, k, j, i] * eta[g, k, j, i]


@njit
def step(eta, mobility, melting, law, new):
    """new = eta - L m dt (eta^3 - eta + 4 gamma eta sum_{j != i} eta_j^2 + 2 (1 - zeta)^2 eta
    - K (sum of neighbours - 6 eta)).

    eta, new           (grains, nz + 2, ny + 2, nx + 2), the ghosts of eta filled
    mobility, melting  (nz + 2, ny + 2, nx + 2)  L m dt, 2 (1 - zeta)^2
    """
    grains, nz, ny, nx = eta.shape
    squares, K, four = np.empty_like(eta[0, 0, 0]), law.K, 4.0 * law.gamma
    for k in range(1, nz - 1):
        for j in range(1, ny - 1):
            squares_of(eta, k, j, squares)
            for g in range(grains):
                for i in range(1, nx - 1):
                    e = eta[g, k, j, i]
                    around = (eta[g, k, j, i - 1] + eta[g, k, j, i + 1] + eta[g, k, j - 1, i]
                              + eta[g, k, j + 1, i] + eta[g, k - 1, j, i] + eta[g, k + 1, j, i])
                    others = squares[i] - e * e
                    force = e * (e * e - 1.0 + four * others + melting[k, j, i])
                    value = e - mobility[k, j, i] * (force - K * (around - 6.0 * e))
                    new[g, k, j, i] = value if abs(value) > TINY else 0.0


def start(grain, count):
    """Order parameters with ghosts, 1 in the cells (nz, ny, nx) of their grain, 0 elsewhere."""
    eta = (grain == np.arange(count)[:, None, None, None]).astype(float)
    return np.pad(eta, [(0, 0)] + 3 * [(1, 1)])


def laid_frame(file, number, job, cells, track):
    """(nz, ny, nx) K at the cells of the metal, from a frame of a file of `partsim melt`.

    Tracks lie around the middle of the metal, every other one runs back.
    """
    h, scan, cell = job.grains.cell, job.scan, file.attrs["cell"]
    nz, ny, nx = cells
    sign = -1 if scan.reciprocating and track % 2 else 1
    x = sign * (np.arange(nx) + 0.5 - nx / 2) * h + file.attrs["length"] / 2
    y = (np.arange(ny) + 0.5 - ny / 2) * h - (track - (scan.tracks - 1) / 2) * scan.hatch
    z = (np.arange(nz) + 0.5 - nz) * h
    frame, corner = file["temperature"][number].astype(float), file["corner"][number]
    places = [axis / cell - 0.5 - low for axis, low in zip((z, y, x), corner[::-1])]
    found = map_coordinates(frame, np.meshgrid(*places, indexing="ij"), order=1, mode="nearest")
    beyond = [(place < -1) | (place > n) for place, n in zip(places, frame.shape)]
    far = beyond[0][:, None, None] | beyond[1][:, None] | beyond[2]
    return np.where(far, file.attrs["initial_temperature"], found)


def rates(kelvin, law):
    """L m dt and 2 (1 - zeta)^2 at all cells and ghosts."""
    kelvin = np.pad(kelvin, 1, mode="edge")
    mobility = law.factor * np.exp(-law.activation / np.minimum(kelvin, law.hottest))
    return mobility, np.where(kelvin > law.liquidus, 2.0, 0.0)


def steps_of(file, job, cells, track):
    """(steps, K before, K after, weight) from frame to frame: weight(n) of K after in step n."""
    dt, time = job.grains.step, file["time"][()]
    first, later = 0, laid_frame(file, 0, job, cells, track)
    for number in range(len(time) - 1):
        before, later = later, laid_frame(file, number + 1, job, cells, track)
        a, b, stop = time[number], time[number + 1], int(np.ceil(time[number + 1] / dt - 1e-9))
        yield range(first, stop), before, later, lambda n, a=a, b=b: (n * dt - a) / (b - a)
        first = stop


def grown(path, job, grain, count):
    """The grain of the largest order parameter in each cell (nz, ny, nx) after all tracks, and
    where the metal has melted."""
    eta, melted = start(grain, count), np.zeros(grain.shape, bool)
    new = np.empty_like(eta)
    with h5py.File(path) as file:
        law = constants_of(job, file.attrs["liquidus"])
        for track in range(job.scan.tracks):
            for steps, before, later, weight in steps_of(file, job, grain.shape, track):
                melted |= np.maximum(before, later) > law.liquidus
                for n in steps:
                    kelvin = before + weight(n) * (later - before)
                    mirror_surface(eta)
                    step(eta, *rates(kelvin, law), law, new)
                    eta, new = new, eta
    return eta.argmax(axis=0)[1:-1, 1:-1, 1:-1], melted
