"""Temperature at the cells of blocks, from frames of a coarser grid; mobility at every step."""

from typing import NamedTuple

import numpy as np
from numba import njit

from partsim.compiled import kernel
from partsim.fastmath import exp
from partsim.grains.pool import CELLS, ROOM, SIDE, WIDE, larger

COLDEST = 100.0  # K


class Heat(NamedTuple):
    """Temperature of blocks in a step.

    before, after  (n, 512)  K at the frames around it, zero outside of the metal
    weight                   of the later frame, in single precision
    rates                    (A, B, cap, liquidus), see mobilities
    """

    before: np.ndarray
    after: np.ndarray
    weight: np.float32
    rates: tuple[float, float, float, float]


@kernel(inline="always")
def stencil(position, count):
    """Lower of two points around a position among 0 to count - 1, and the weight of the upper."""
    kept = min(max(position, 0.0), count - 1.0)
    low = min(int(kept), max(count - 2, 0))
    return low, kept - low


@kernel()
def trilinear(frame, x, y, z, outside):
    """Temperature at a position counted in cell centres; `outside` beyond a cell from the frame."""
    nz, ny, nx = frame.shape
    if not (-1.0 <= x <= nx and -1.0 <= y <= ny and -1.0 <= z <= nz):
        return outside
    i, u = stencil(x, nx)
    j, v = stencil(y, ny)
    k, w = stencil(z, nz)
    total = 0.0
    for c in range(2 if nz > 1 else 1):
        for b in range(2 if ny > 1 else 1):
            for a in range(2 if nx > 1 else 1):
                weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
                total += weight * frame[k + c, j + b, i + a]
    return total


@kernel()
def sample(frame, start, pitch, outside, corner, valid, out):
    """out (1000,) = K at the cells of a block with ghosts, 0 in ghosts and outside of the metal.

    start, pitch   (3,)  position of cell 0 among the frame's cell centres, and way per cell; x y z
    corner, valid  (3,)  first cell of the block, and its cells that are metal
    """
    out[:] = 0
    for k in range(valid[2]):
        z = start[2] + pitch[2] * (corner[2] + k)
        for j in range(valid[1]):
            y = start[1] + pitch[1] * (corner[1] + j)
            for i in range(valid[0]):
                x = start[0] + pitch[0] * (corner[0] + i)
                cell = ((k + 1) * WIDE + j + 1) * WIDE + i + 1
                out[cell] = trilinear(frame, x, y, z, outside)


@kernel()
def span(start, pitch, first, cells, count):
    """Points of a frame that `cells` cells from `first` on draw on, and whether they reach out."""
    a, b = start + pitch * first, start + pitch * (first + cells - 1)
    low, high = min(a, b), max(a, b)
    lowest = min(max(int(np.floor(low)), 0), count - 1)
    highest = min(max(int(np.ceil(high)), 0), count - 1)
    return lowest, highest + 1, low < -1 or high > count


@njit(cache=True)
def hottest(frame, start, pitch, outside, valid, out):
    """out (bz, by, bx) = a bound of the temperature in each block; valid as in Grid.valid."""
    nz, ny, nx = frame.shape
    for k in range(out.shape[0]):
        z0, z1, beyond_z = span(start[2], pitch[2], SIDE * k, valid[2][k], nz)
        for j in range(out.shape[1]):
            y0, y1, beyond_y = span(start[1], pitch[1], SIDE * j, valid[1][j], ny)
            for i in range(out.shape[2]):
                x0, x1, beyond_x = span(start[0], pitch[0], SIDE * i, valid[0][i], nx)
                value = frame[z0:z1, y0:y1, x0:x1].max()
                if not near(start, pitch, (i, j, k), valid, frame.shape):
                    value = outside
                elif beyond_x or beyond_y or beyond_z:
                    value = max(value, outside)
                out[k, j, i] = value


@kernel()
def near(start, pitch, block, valid, shape):
    """Whether any cell of a block lies within a cell of the frame (nz, ny, nx)."""
    for axis in range(3):
        first, cells = SIDE * block[axis], valid[axis][block[axis]]
        a = start[axis] + pitch[axis] * first
        b = a + pitch[axis] * (cells - 1)
        if max(a, b) < -1 or min(a, b) > shape[2 - axis]:
            return False
    return True


@kernel()
def temperatures(before, after, weight, out):
    """out (n, 1000) = temperature in K between two frames."""
    for n in range(len(before)):
        a, b, o = before[n], after[n], out[n]
        for i in range(ROOM):
            o[i] = a[i] + weight * (b[i] - a[i])


@kernel(inline="always")
def between(before, after, weight):
    """Temperature between two frames."""
    return before + weight * (after - before)


@kernel()
def mobilities(heat, n, rate, mobility, melting):
    """L m dt = A exp(-B / min(T, cap)) and 2 (1 - zeta)^2 in the cells of the n-th block, zero
    where T is zero; returns the largest A exp(-B / min(T, cap)).

    zeta is 1 up to the liquidus and 0 above, the limit of equation (13) for its steepness of 1e10.

    rate  (512,) float64, overwritten      mobility, melting  at least 512, filled
    """
    factor, activation, cap, liquidus = heat.rates
    before, after, weight = heat.before[n], heat.after[n], heat.weight
    top = 0.0
    for i in range(CELLS):
        T = np.float64(between(before[i], after[i], weight))
        T = cap if T > cap else T
        T = COLDEST if T < COLDEST else T
        rate[i] = factor * exp(-activation / T)
    for i in range(CELLS):
        T = between(before[i], after[i], weight)
        mobility[i] = rate[i] if T > 0 else 0.0
        melting[i] = 2.0 if T > liquidus else 0.0
        top = larger(top, rate[i])
    return top
