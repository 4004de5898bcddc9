"""The loops over cells of heat and flow.

Flow arrays have two ghost layers before and three behind the cells along each axis, so that all
components share one shape; component d at an index lives on the lower d-face of the cell there.
They are passed flat, with the strides of the axes.
"""

import numpy as np
from numba import njit

LOW = 2  # ghost layers before the first cell
HIGH = 3  # and behind the last one; the last face of a component needs one more than before


@njit(cache=True)
def conduct(theta, number, energy):
    """energy += number lap theta: explicit conduction, number = dt / h^2.

    theta   (nz+2, ny+2, nx+2)  W/m, integral of the conductivity over temperature, with ghosts
    energy  (nz, ny, nx)        J/m^3
    """
    nz, ny, nx = energy.shape
    for k in range(nz):
        for j in range(ny):
            row = theta[k + 1, j + 1]
            left, centre, right = row[:nx], row[1:nx + 1], row[2:nx + 2]
            back, front = theta[k + 1, j, 1:nx + 1], theta[k + 1, j + 2, 1:nx + 1]
            below, above = theta[k, j + 1, 1:nx + 1], theta[k + 2, j + 1, 1:nx + 1]
            out = energy[k, j]
            for i in range(nx):
                around = left[i] + right[i] + back[i] + front[i] + below[i] + above[i]
                out[i] += number * (around - 6.0 * centre[i])


@njit(cache=True, inline="always")
def piece_of(value, column, table):
    """Row of the table whose piece holds the value; rows begin at their `column`."""
    piece = 0
    for row in range(1, table.shape[0]):
        piece += value >= table[row, column]
    return piece


@njit(cache=True)
def temperatures(energy, table, temperature, theta):
    """T(e) and theta(T) from the quadratic pieces of Alloy.table; theta has ghosts, not filled.

    x = 2 y / (c + sqrt(c^2 + 2 c' y)) with y = e - e_0 solves c x + c' x^2 / 2 = y.
    """
    nz, ny, nx = energy.shape
    for k in range(nz):
        for j in range(ny):
            e, T, conduction = energy[k, j], temperature[k, j], theta[k + 1, j + 1, 1:nx + 1]
            for i in range(nx):
                piece = piece_of(e[i], 1, table)
                y, c = e[i] - table[piece, 1], table[piece, 2]
                x = 2.0 * y / (c + np.sqrt(c * c + 2.0 * table[piece, 3] * y))
                T[i] = table[piece, 0] + x
                conduction[i] = table[piece, 4] + x * (
                    table[piece, 5] + 0.5 * table[piece, 6] * x
                )


@njit(cache=True)
def energies(temperature, table, energy):
    """e(T) from the quadratic pieces of Alloy.table."""
    T, e = temperature.ravel(), energy.ravel()
    for n in range(T.size):
        row = table[piece_of(T[n], 0, table)]
        x = T[n] - row[0]
        e[n] = row[1] + x * (row[2] + 0.5 * row[3] * x)


@njit(cache=True)
def warm_by_capacity(energy, table, temperature):
    """T += (e - e(T)) / (rho c(T)): the apparent heat capacity of the old temperature."""
    T, e = temperature.ravel(), energy.ravel()
    for n in range(T.size):
        row = table[piece_of(T[n], 0, table)]
        x = T[n] - row[0]
        old = row[1] + x * (row[2] + 0.5 * row[3] * x)
        T[n] += (e[n] - old) / (row[2] + row[3] * x)


@njit(cache=True, inline="always")
def face_value(velocity, far_low, low, high, far_high, weight):
    """weight (C + D) / 2 + (1 - weight) (3 C - U) / 2 between two values: C and D are up- and
    downstream of the face, U is upstream of C. QUICK has the weight 3/4."""
    forward = velocity > 0.0
    up = low if forward else high
    far = far_low if forward else far_high
    return 0.5 * (weight * (low + high) + (1.0 - weight) * (3.0 * up - far))


@njit(cache=True, inline="always")
def row_of(values, first, count):
    """`count` values of a flat array from `first` on: loops over slices become vector code."""
    return values[first:first + count]


@njit(cache=True)
def transport(field, velocity, strides, plane, weight, out):
    """out = -h div(u field) in planes of cells from `plane` on, field at the cells.

    field    (N,)  flat, with ghosts     velocity  (3, N)        m/s, z y x
    strides  (3,)  of z y x              out       (nz, ny, nx)  unit of field times m/s
    """
    nz, ny, nx = out.shape
    start = (LOW + plane) * strides[0] + LOW * (strides[1] + strides[2])
    for k in range(nz):
        for j in range(ny):
            first = start + k * strides[0] + j * strides[1]
            row = out[k, j]
            row[:] = 0.0
            for axis in range(3):
                s, u = strides[axis], velocity[axis]
                v0, v1 = row_of(u, first, nx), row_of(u, first + s, nx)
                a, b = row_of(field, first - 2 * s, nx), row_of(field, first - s, nx)
                c = row_of(field, first, nx)
                d, e = row_of(field, first + s, nx), row_of(field, first + 2 * s, nx)
                for i in range(nx):
                    lower = face_value(v0[i], a[i], b[i], c[i], d[i], weight)
                    upper = face_value(v1[i], b[i], c[i], d[i], e[i], weight)
                    row[i] += v0[i] * lower - v1[i] * upper


@njit(cache=True)
def accelerate(axis, velocity, strides, cells, rates, weight, out):
    """out = -div(u u_axis) + viscosity lap u_axis on the inner faces of one component.

    velocity  (3, N)  m/s, flat, with ghosts       rates  1 / h in 1/m and viscosity / h^2 in 1/s
    out       (N,)    m/s^2

    The velocity that carries is the mean of the two cells beside the face.
    """
    values, own = velocity[axis], strides[axis]
    start = LOW * (strides[0] + strides[1] + strides[2]) + own
    nz = cells[0] - (axis == 0)
    ny = cells[1] - (axis == 1)
    nx = cells[2] - (axis == 2)
    for k in range(nz):
        for j in range(ny):
            first = start + k * strides[0] + j * strides[1]
            row = row_of(out, first, nx)
            row[:] = 0.0
            for other in range(3):
                s, u = strides[other], velocity[other]
                low, low_own = row_of(u, first, nx), row_of(u, first - own, nx)
                high, high_own = row_of(u, first + s, nx), row_of(u, first + s - own, nx)
                a, b = row_of(values, first - 2 * s, nx), row_of(values, first - s, nx)
                c = row_of(values, first, nx)
                d, e = row_of(values, first + s, nx), row_of(values, first + 2 * s, nx)
                for i in range(nx):
                    v0, v1 = 0.5 * (low[i] + low_own[i]), 0.5 * (high[i] + high_own[i])
                    lower = face_value(v0, a[i], b[i], c[i], d[i], weight)
                    upper = face_value(v1, b[i], c[i], d[i], e[i], weight)
                    row[i] += rates[0] * (v0 * lower - v1 * upper)
                    row[i] += rates[1] * (b[i] - 2.0 * c[i] + d[i])


@njit(cache=True)
def predict(component, now, before, pressure, mobility, stride, factors):
    """u* = (u + dt (3 R - R_before) / 2 - dt / (rho h) dp) mobility, in place.

    component, now, before  (N,)  m/s; R of this step and the former one in m/s^2
    pressure, mobility      (N,)  Pa; 1 / (1 + dt drag) at the faces, 0 on walls
    factors                 dt / 2 and dt / (rho h)
    """
    half, push = factors
    count = component.size - stride
    u, m = component[stride:], mobility[stride:]
    new, old = now[stride:], before[stride:]
    upper, lower = pressure[stride:], pressure[:count]
    for n in range(count):
        force = half * (3.0 * new[n] - old[n]) - push * (upper[n] - lower[n])
        u[n] = (u[n] + force) * m[n]


@njit(cache=True)
def divergence(velocity, strides, out):
    """out = h div u in the cells (nz, ny, nx)."""
    nz, ny, nx = out.shape
    start = LOW * (strides[0] + strides[1] + strides[2])
    for k in range(nz):
        for j in range(ny):
            first = start + k * strides[0] + j * strides[1]
            row = out[k, j]
            row[:] = 0.0
            for axis in range(3):
                low = row_of(velocity[axis], first, nx)
                high = row_of(velocity[axis], first + strides[axis], nx)
                for i in range(nx):
                    row[i] += high[i] - low[i]


@njit(cache=True)
def mobilities(drag, stride, step, start, cells, out):
    """out = 1 / (1 + dt (drag of the two cells beside a face) / 2) on inner faces.

    drag   (N,)  1/s, flat, with ghosts     start  index of the first inner face
    cells  (3,)  number of inner faces along z y x; stride is that of the axis that they cross
    out    (nz+5, ny+5, nx+5)
    """
    flat = out.ravel()
    for k in range(cells[0]):
        for j in range(cells[1]):
            first = start + k * out.shape[1] * out.shape[2] + j * out.shape[2]
            row = row_of(flat, first, cells[2])
            upper, lower = row_of(drag, first, cells[2]), row_of(drag, first - stride, cells[2])
            for i in range(cells[2]):
                row[i] = 1.0 / (1.0 + 0.5 * step * (upper[i] + lower[i]))
