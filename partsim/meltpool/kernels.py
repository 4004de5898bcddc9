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
            back, front = theta[k + 1, j], theta[k + 1, j + 2]
            below, above = theta[k, j + 1], theta[k + 2, j + 1]
            out = energy[k, j]
            for i in range(nx):
                ring = back[i + 1] + front[i + 1] + below[i + 1] + above[i + 1]
                out[i] += number * (row[i] + row[i + 2] + ring - 6.0 * row[i + 1])


@njit(cache=True)
def piece_of(value, column, table):
    """Row of the table whose piece holds the value; rows begin at their `column`."""
    piece = 0
    for row in range(1, table.shape[0]):
        if value >= table[row, column]:
            piece = row
    return piece


@njit(cache=True)
def temperatures(energy, table, temperature, theta):
    """T(e) and theta(T) from the quadratic pieces of Alloy.table; theta has ghosts, not filled.

    x = 2 y / (c + sqrt(c^2 + 2 c' y)) with y = e - e_0 solves c x + c' x^2 / 2 = y.
    """
    nz, ny, nx = energy.shape
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                row = table[piece_of(energy[k, j, i], 1, table)]
                y = energy[k, j, i] - row[1]
                x = 2.0 * y / (row[2] + np.sqrt(row[2] * row[2] + 2.0 * row[3] * y))
                temperature[k, j, i] = row[0] + x
                theta[k + 1, j + 1, i + 1] = row[4] + x * (row[5] + 0.5 * row[6] * x)


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
                for i in range(nx):
                    n = first + i
                    v0, v1 = u[n], u[n + s]
                    lower = face_value(
                        v0, field[n - 2 * s], field[n - s], field[n], field[n + s], weight
                    )
                    upper = face_value(
                        v1, field[n - s], field[n], field[n + s], field[n + 2 * s], weight
                    )
                    row[i] += v0 * lower - v1 * upper


@njit(cache=True)
def accelerate(axis, velocity, strides, cells, edge, viscosity, weight, out):
    """out = -div(u u_axis) + viscosity lap u_axis on the inner faces of one component.

    velocity  (3, N)  m/s, flat, with ghosts   edge       m, of a cell
    out       (N,)    m/s^2                    viscosity  m^2/s, kinematic

    The velocity that carries is the mean of the two cells beside the face.
    """
    c, own = velocity[axis], strides[axis]
    start = LOW * (strides[0] + strides[1] + strides[2]) + own
    nz = cells[0] - (axis == 0)
    ny = cells[1] - (axis == 1)
    nx = cells[2] - (axis == 2)
    diffusion = viscosity / edge**2
    for k in range(nz):
        for j in range(ny):
            first = start + k * strides[0] + j * strides[1]
            row = out[first:first + nx]
            row[:] = 0.0
            for other in range(3):
                s, u = strides[other], velocity[other]
                for i in range(nx):
                    n = first + i
                    v0 = 0.5 * (u[n] + u[n - own])
                    v1 = 0.5 * (u[n + s] + u[n + s - own])
                    lower = face_value(v0, c[n - 2 * s], c[n - s], c[n], c[n + s], weight)
                    upper = face_value(v1, c[n - s], c[n], c[n + s], c[n + 2 * s], weight)
                    row[i] += (v0 * lower - v1 * upper) / edge
                    row[i] += diffusion * (c[n - s] - 2.0 * c[n] + c[n + s])


@njit(cache=True)
def predict(component, now, before, pressure, mobility, stride, factors):
    """u* = (u + dt (3 R - R_before) / 2 - dt / (rho h) dp) mobility, in place.

    component, now, before  (N,)  m/s; R of this step and the former one in m/s^2
    pressure, mobility      (N,)  Pa; 1 / (1 + dt drag) at the faces, 0 on walls
    factors                 dt / 2 and dt / (rho h)
    """
    half, push = factors
    for n in range(stride, component.size):
        force = half * (3.0 * now[n] - before[n]) - push * (pressure[n] - pressure[n - stride])
        component[n] = (component[n] + force) * mobility[n]


@njit(cache=True)
def divergence(velocity, strides, out):
    """out = h div u in the cells (nz, ny, nx)."""
    nz, ny, nx = out.shape
    start = LOW * (strides[0] + strides[1] + strides[2])
    u, v, w = velocity[2], velocity[1], velocity[0]
    for k in range(nz):
        for j in range(ny):
            first = start + k * strides[0] + j * strides[1]
            for i in range(nx):
                n = first + i
                across = v[n + strides[1]] - v[n] + w[n + strides[0]] - w[n]
                out[k, j, i] = u[n + 1] - u[n] + across
