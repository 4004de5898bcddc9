"""Conduction within one block.

The stiffness of a trilinear cube of edge h and conductivity kappa acts as
    r_i = kappa h / 12 (4 T_i - sum of the three face diagonals - the body diagonal of node i),
so no matrix is needed. A block is worked on as flat rows: slabs of N entries, N = (B+1)^2 rounded
up to whole vectors, in which every entry is treated as the lower corner of a cell and those that
are not one have kappa = 0. `size` is a tuple with B entries, because the length of a tuple is
known when a kernel is compiled.
"""

import numpy as np
from numba import njit

from ..compiled import kernel
from ..fastmath import fma

GAP = 16  # between the regions of a scratch array: at least B + 2, and a whole number of vectors


@kernel(inline="always")
def slab(size):
    """Entries of a slab of a block, rounded up to whole vectors."""
    return ((len(size) + 1) ** 2 + 7) // 8 * 8


@kernel()
def conduct(values, kappa, scale, active, size, corners, flux):
    """flux = K values on the `active` lowest cell layers of a block.

    values, flux  ((B+1)^3 + padding,)  K, W
    kappa         (B N,)                W/(m K), zero where no cell starts
    scale         m, h/12
    corners       (8 (GAP + N),)        what each cell gives to its corners; the gaps stay zero
    """
    pitch = len(size) + 1
    plane, width = pitch * pitch, slab(size)
    region = GAP + width
    for n in range(plane):
        flux[n] = 0.0
    for k in range(active):
        low, row = k * plane, k * width
        high = low + plane
        for c in range(width):
            l0, l1 = values[low + c], values[low + c + 1]
            l2, l3 = values[low + c + pitch], values[low + c + pitch + 1]
            u0, u1 = values[high + c], values[high + c + 1]
            u2, u3 = values[high + c + pitch], values[high + c + pitch + 1]
            lower, upper = (l0 + l3) + (l1 + l2), (u0 + u3) + (u1 + u2)
            q, at = kappa[row + c] * scale, GAP + c
            corners[at] = q * (fma(4.0, l0, -l3) + (u0 - upper))
            corners[region + at] = q * (fma(4.0, l1, -l2) + (u1 - upper))
            corners[2 * region + at] = q * (fma(4.0, l2, -l1) + (u2 - upper))
            corners[3 * region + at] = q * (fma(4.0, l3, -l0) + (u3 - upper))
            corners[4 * region + at] = q * (fma(4.0, u0, -u3) + (l0 - lower))
            corners[5 * region + at] = q * (fma(4.0, u1, -u2) + (l1 - lower))
            corners[6 * region + at] = q * (fma(4.0, u2, -u1) + (l2 - lower))
            corners[7 * region + at] = q * (fma(4.0, u3, -u0) + (l3 - lower))
        for n in range(plane):
            at = GAP + n
            flux[low + n] += (corners[at] + corners[region + at - 1]) + (
                corners[2 * region + at - pitch] + corners[3 * region + at - pitch - 1]
            )
        for n in range(plane):
            at = 4 * region + GAP + n
            flux[high + n] = (corners[at] + corners[region + at - 1]) + (
                corners[2 * region + at - pitch] + corners[3 * region + at - pitch - 1]
            )


@njit(cache=True)
def make_weights(size):
    """(4, N) for conduct_uniform, of each place of a plane: what it takes of its neighbours and w.

    The rows are 1 where there is a lower neighbour along x, 1 where there is an upper one, 2 w_x
    and w_y; w is 1/2 at both ends of an axis and 1 between.
    """
    pitch = len(size) + 1
    weights = np.zeros((4, slab(size)))
    for j in range(pitch):
        for i in range(pitch):
            at = j * pitch + i
            weights[0, at] = i > 0
            weights[1, at] = i < pitch - 1
            weights[2, at] = weights[0, at] + weights[1, at]
            weights[3, at] = 0.5 if j == 0 or j == pitch - 1 else 1.0
    return weights


@kernel()
def conduct_uniform(padded, scale, size, weights, own, aside, flux):
    """flux = K values where all B^3 cells of a block conduct alike: a stencil of 27 points.

    Within the block, with d the sum over the four diagonal neighbours in a plane and g that over
    the diagonal and twice the edge neighbours,
        r = scale (32 T - 2 d_own plane - g_plane below - g_plane above).
    The sums are taken along x, z and y in turn, of the neighbours that are there; with a the sum
    along x, w the weights and [ ]_z the sum of both neighbours along z,
        own   = w_y (32 w_x w_z T - 2 [a]_z)
        aside = 2 w_z a + [a + 2 w_x T]_z
        r     = scale (own - [aside]_y).

    padded  (GAP + (B+1)^3 + padding,)  K, values after a gap
    scale   W/K, kappa h/12
    aside   planes with gaps on both sides, which stay zero
    """
    pitch = len(size) + 1
    plane, width = pitch * pitch, slab(size)
    stride = width + 2 * GAP
    for c in range(width):
        lower, upper = weights[0, c] * scale, weights[1, c] * scale
        double, w_y = weights[2, c] * scale, weights[3, c]
        a_below, sum_below = 0.0, 0.0
        at = GAP + c
        a = fma(lower, padded[at - 1], upper * padded[at + 1])
        t = double * padded[at]
        for k in range(pitch):
            a_above, t_above = 0.0, 0.0
            if k < pitch - 1:
                at = GAP + (k + 1) * plane + c
                a_above = fma(lower, padded[at - 1], upper * padded[at + 1])
                t_above = double * padded[at]
            w_z = 0.5 if k == 0 or k == pitch - 1 else 1.0
            sum_above = a_above + t_above
            own[k * width + c] = w_y * fma(-2.0, a_below + a_above, 16.0 * w_z * t)
            aside[k * stride + GAP + c] = fma(2.0 * w_z, a, sum_below + sum_above)
            a_below, sum_below, a, t = a, a + t, a_above, t_above
    for k in range(pitch):
        for c in range(plane):
            at = k * stride + GAP + c
            flux[k * plane + c] = own[k * width + c] - (aside[at - pitch] + aside[at + pitch])
