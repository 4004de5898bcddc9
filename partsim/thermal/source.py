"""The laser: the energy of the path's pieces in a step, as loads at the nodes of the top layer.

Eq. (6) is a Gaussian in the plane and uniform over one layer thickness. The load of a node is the
product of the integrals of its hat functions with the factors of the source, in closed form, over
the cells whose centre lies within 3 R of the beam, at least the one that holds it; each factor is
scaled to sum to one, so that the absorbed energy is power x time whatever the mesh.
"""

from math import ceil, erf, exp, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import kernel

TIE = 1e-9  # round-off must not decide whether a cell is met or a piece is divided


class Beam(NamedTuple):
    """The source of one step, in pieces; arrays are kept from step to step.

    count        pieces in this step
    first        (m, 2)     lattice x, y of the first cell each piece reaches
    cells        (m, 2)     number of cells along x, y
    lower, upper (m, 2, W)  share of each cell's lower and upper nodes along x, y
    power        (m,)       W, energy of the piece over the step
    layer        (first, last) lattice z of the cells that are heated; where both are one, the
                 plane of nodes at this height alone
    """

    count: int
    first: np.ndarray
    cells: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    power: np.ndarray
    layer: tuple


class Optics(NamedTuple):
    """radius (1/e^2) and finest cell edge in m, lattice origin x, y in m, range of the powder."""

    radius: float
    cell: float
    origin: tuple
    powder: tuple


def empty_beam(optics: Optics, pieces: int, layer: tuple[int, int]) -> Beam:
    """A beam with room for `pieces` that heats the lattice cells layer[0] <= z < layer[1].

    With layer[0] = layer[1] it heats the surface at this height.
    """
    width = 2 * ceil(3 * optics.radius / optics.cell) + 2
    return Beam(
        0,
        np.zeros((pieces, 2), np.int64),
        np.zeros((pieces, 2), np.int64),
        np.zeros((pieces, 2, width)),
        np.zeros((pieces, 2, width)),
        np.zeros(pieces),
        layer,
    )


@njit(cache=True)
def spread_axis(centre, axis, optics, lower, upper):
    """Fills the shares of the cells along one axis; returns (first cell, number of cells).

    centre  m, of the beam; the Gaussian is sqrt(2/pi)/R exp(-2 (x - centre)^2 / R^2)
    """
    low, high = optics.powder[axis]
    x = (centre - optics.origin[axis]) / optics.cell
    reach = max(3 * optics.radius / optics.cell, 0.5) * (1 + TIE)
    first = max(int(ceil(x - reach - 0.5)), low)
    last = min(int(np.floor(x + reach - 0.5)), high - 1)
    width = optics.radius / optics.cell
    total = 0.0
    for c in range(first, last + 1):
        a, b = c - x, c + 1 - x
        mass = 0.5 * (erf(sqrt(2.0) * b / width) - erf(sqrt(2.0) * a / width))
        moment = (
            width
            / (2 * sqrt(2 * pi))
            * (exp(-2 * a * a / (width * width)) - exp(-2 * b * b / (width * width)))
        )
        upper[c - first] = moment - a * mass
        lower[c - first] = mass - upper[c - first]
        total += mass
    for c in range(last - first + 1):
        lower[c] /= total
        upper[c] /= total
    return first, last - first + 1


@njit(cache=True)
def aim(beam, times, ends, power, span, optics):
    """Adds a path within span = (t0, t1) to the beam; returns (pieces, energy of the path in J).

    times (n+1,), ends (n+1, 3), power (n,): the path. Pieces end where segments end and are no
    longer than R/4; each acts at its middle.
    """
    start, stop = span
    duration = stop - start
    pieces, energy = beam.count, 0.0
    segment = max(np.searchsorted(times, start, side="right") - 1, 0)
    while segment < len(power) and times[segment] < stop:
        t0, t1 = max(times[segment], start), min(times[segment + 1], stop)
        if power[segment] > 0.0 and t1 > t0:
            whole = times[segment + 1] - times[segment]
            step = ends[segment + 1] - ends[segment]
            travel = sqrt(step[0] ** 2 + step[1] ** 2) * (t1 - t0) / whole
            parts = max(int(ceil(4 * travel / optics.radius - TIE)), 1)
            energy += power[segment] * (t1 - t0)
            for part in range(parts):
                where = (t0 + (part + 0.5) / parts * (t1 - t0) - times[segment]) / whole
                for axis in range(2):
                    centre = ends[segment, axis] + where * step[axis]
                    lower, upper = beam.lower[pieces, axis], beam.upper[pieces, axis]
                    first, cells = spread_axis(centre, axis, optics, lower, upper)
                    beam.first[pieces, axis], beam.cells[pieces, axis] = first, cells
                beam.power[pieces] = power[segment] * (t1 - t0) / parts / duration
                pieces += 1
        segment += 1
    return pieces, energy


@kernel()
def add_beam(beam, corner, active, n, flux):
    """flux -= load in W at the nodes of a finest block with lattice `corner`, n^3 cells.

    Returns whether the beam reaches the block.
    """
    reached = False
    flat = int(beam.layer[0] == beam.layer[1])
    first = beam.layer[0] - flat
    low, high = max(first - corner[2], 0), min(beam.layer[1] - corner[2], active)
    if low >= high:
        return reached
    pitch = n + 1
    share = 1.0 if flat else 0.5 / (beam.layer[1] - first)
    for piece in range(beam.count):
        x0, y0 = beam.first[piece, 0] - corner[0], beam.first[piece, 1] - corner[1]
        i0, i1 = max(x0, 0), min(x0 + beam.cells[piece, 0], n)
        j0, j1 = max(y0, 0), min(y0 + beam.cells[piece, 1], n)
        if i0 >= i1 or j0 >= j1:
            continue
        reached = True
        power = share * beam.power[piece]
        lower, upper = beam.lower[piece], beam.upper[piece]
        for k in range(low, high):
            for z in range(k + flat, k + 2):
                for j in range(j0, j1):
                    for i in range(i0, i1):
                        at = (z * pitch + j) * pitch + i
                        front, back = power * lower[1, j - y0], power * upper[1, j - y0]
                        flux[at] -= front * lower[0, i - x0]
                        flux[at + 1] -= front * upper[0, i - x0]
                        flux[at + pitch] -= back * lower[0, i - x0]
                        flux[at + pitch + 1] -= back * upper[0, i - x0]
    return reached


def empty_beams(optics: Optics, pieces: int, layer: tuple[int, int], steps: int) -> Beam:
    """The same for several steps, which all arrays and `count` have as their first axis."""
    one = empty_beam(optics, pieces, layer)
    arrays = (np.repeat(array[None], steps, axis=0) for array in one[1:-1])
    return Beam(np.zeros(steps, np.int64), *arrays, layer)


@njit(cache=True, forceinline=True)
def beam_of(beams, step):
    """The source of one of several steps."""
    return Beam(beams.count[step], beams.first[step], beams.cells[step], beams.lower[step],
                beams.upper[step], beams.power[step], beams.layer)


@njit(cache=True)
def aim_steps(beams, times, ends, power, start, optics, energy):
    """`aim` for each of several steps; start: (base steps before the first, dt); adds to the J
    (steps,) in `energy`."""
    first, dt = start
    for step in range(len(beams.count)):
        begin = (first + step) * dt
        span = (begin, begin + dt)
        count, joules = aim(beam_of(beams, step), times, ends, power, span, optics)
        beams.count[step] = count
        energy[step] += joules


def beam_room(path, step: float, radius: float) -> int:
    """The most pieces that a step of `step` seconds along the path can have."""
    moving = np.diff(path.times) > 0
    speed = (
        np.linalg.norm(np.diff(path.ends, axis=0)[moving], axis=1) / np.diff(path.times)[moving]
    )
    # Segments that start within any window of one step:
    later = np.searchsorted(path.times, path.times + step, side="right")
    events = int((later - np.arange(len(path.times))).max()) + 2
    return events + ceil(speed.max(initial=0.0) * step / (0.25 * radius)) + 1
