"""A build on one uniform grid of cubes, in plain NumPy: what the block code is held against.

Arrays are [z, y, x] from the plate's lower corner up to the last layer; what is not laid yet is
there but inactive. Of the nodes: T, X_as, X_am, Y (see dense_laws), mass, area; of the cells: r_c,
active. SI units; enthalpies count from 0 K.
"""
from math import ceil, fsum, pi, sqrt

import numpy as np
from scipy.special import erf

from tests import dense_laws

BITS = np.array(list(np.ndindex(2, 2, 2)))  # the corners of a cell, z y x
STIFFNESS = np.choose((BITS[:, None] != BITS).sum(-1), [1 / 3, 0, -1 / 12, -1 / 12])  # unit cube


class Dense:
    """A build of `setup`: cell, plate (cells along x, y, z), origin (x, y, z of its lower corner),
    box (the powder's cells: from x, to x, from y, to y), layers, layer_cells, radius, temperature,
    bottom ("fixed" or "insulated"), material, radiation, evaporation (bool), largest_substep.
    """

    def __init__(self, setup):
        self.setup, (nx, ny, self.top) = setup, setup.plate
        self.r_c = np.zeros((self.top + setup.layers * setup.layer_cells, ny, nx))
        self.r_c[:self.top] = 1
        self.active = self.r_c > 0
        self.T = np.full(np.add(self.r_c.shape, 1), float(setup.temperature))
        node, height = np.arange(self.T.size).reshape(self.T.shape), np.indices(self.T.shape)[0]
        self.corners = node[:-1, :-1, :-1, None] + BITS @ [node[1, 0, 0], node[0, 1, 0], 1]
        self.X_as = np.where(height <= self.top, 0.9, 0)
        self.X_am = np.where(self.X_as > 0, 0, dense_laws.law(self.T)[2])
        self.Y = np.zeros_like(self.T)
        self.fixed = (height == 0) & (setup.bottom == "fixed")
        self.bottom_temperature = setup.temperature
        self.ledger = dict.fromkeys(["laser", "layers", "lost_top", "lost_plate"], 0.0)
        self.measure()

    def measure(self):
        """Heat capacity (J/K; 1e-99 if inactive) and exposed top area (m^2) of the nodes."""
        s, exposed = self.setup, self.active.copy()
        exposed[:-1] &= ~self.active[1:]
        self.cells = self.corners[self.active]
        self.area = self.sum_at(self.corners[exposed][:, 4:], s.cell**2 / 4)
        heat = s.material.density * s.material.heat_capacity * s.cell**3 / 8
        self.mass = np.maximum(self.sum_at(self.cells, heat), 1e-99)

    def sum_at(self, nodes, values):
        values = np.broadcast_to(values, nodes.shape).ravel()
        return np.bincount(nodes.ravel(), values, self.T.size).reshape(self.T.shape)

    def stored(self):
        return fsum((self.mass * self.T).flat)

    def grow(self):
        """Lays a layer of powder; the nodes it shares with what was there mix their enthalpies."""
        (x0, x1, y0, y1), old, below = self.setup.box, self.mass, self.top
        self.top += self.setup.layer_cells
        self.active[below:self.top, y0:y1, x0:x1] = True
        self.measure()
        self.T += (self.mass - old) / self.mass * (self.setup.temperature - self.T)
        self.ledger["layers"] += fsum((self.mass - old).flat) * self.setup.temperature

    def conductance(self, T):
        """Consolidates by T, then conductivity times edge (n, 1) of the active cells in W/K."""
        m = self.setup.material
        mean = T.take(self.cells).mean(1)
        g = np.clip((mean - m.solidus) / (m.liquidus - m.solidus), 0, 1)
        self.r_c[self.active] = r_c = np.maximum(self.r_c[self.active], g)
        k = m.conductivity_powder * (1 - r_c) + m.conductivity_solid * (r_c - g)
        return self.setup.cell * (k + m.conductivity_melt * g)[:, None]

    def heat_flow(self, T):
        """What the nodes give away by conduction, in W."""
        return self.sum_at(self.cells, self.conductance(T) * (T.take(self.cells) @ STIFFNESS))

    def spread(self, X, axis):
        """Shares of the nodes along axis 0 = x or 1 = y in a beam centred at X."""
        s, n = self.setup, self.T.shape[2 - axis]
        cell = np.arange(s.box[2 * axis], s.box[2 * axis + 1])
        cell = cell[abs(s.origin[axis] + s.cell * (cell + 0.5) - X) <= 3 * s.radius * (1 + 1e-9)]
        left = s.origin[axis] + s.cell * cell - X
        edges = sqrt(2) / s.radius * np.stack([left, left + s.cell])
        inside = np.diff(erf(edges), axis=0)[0] / 2
        moment = -s.radius / sqrt(8 * pi) * np.diff(np.exp(-edges**2), axis=0)[0]
        upper = (moment - left * inside) / s.cell
        share = np.bincount(cell, inside - upper, n) + np.bincount(cell + 1, upper, n)
        return share / share.sum()

    def absorb(self, path, t, dt):
        """Energy (J) given to the nodes from t to t + dt; path: ends, times, power."""
        (ends, times, power), load, n = path, np.zeros_like(self.T), self.setup.layer_cells
        depth = np.convolve(np.full(n, 1 / n), [0.5, 0.5])[:, None, None]
        for i in np.flatnonzero((power > 0) & (times[:-1] < t + dt) & (times[1:] > t)):
            begin, end = max(t, times[i]), min(t + dt, times[i + 1])
            speed = (ends[i + 1] - ends[i]) / (times[i + 1] - times[i])
            energy, travel = power[i] * (end - begin), np.linalg.norm(speed) * (end - begin)
            pieces = max(1, ceil(4 * travel / self.setup.radius - 1e-9))
            for middle in begin + (np.arange(pieces) + 0.5) / pieces * (end - begin):
                x, y = (ends[i] + (middle - times[i]) * speed)[:2]
                plane = energy / pieces * self.spread(y, 1)[:, None] * self.spread(x, 0)
                load[self.top - n:self.top + 1] += depth * plane
            self.ledger["laser"] += energy
        return load

    def euler(self, start, dt, load=0):
        """Forward Euler from T, then the losses node by node: T, and J lost to top and plate."""
        heat = load - dt * self.heat_flow(start)
        T, top, factor = start + heat / self.mass, self.area > 0, dt * self.area / self.mass
        before, factor, ambient = T[top], factor[top], self.setup.material.ambient
        low, high = np.minimum(before, ambient) - 1, np.maximum(before, ambient) + 1
        for _ in range(60):  # bisection of middle + factor loss(middle) = before
            middle = (low + high) / 2
            above = middle + factor * dense_laws.surface_loss(middle, self.setup) > before
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        T[top] -= factor * dense_laws.surface_loss(middle, self.setup)
        lost = self.mass[top] * (before - T[top])
        return np.where(self.fixed, start, T), np.array([fsum(lost), fsum(heat[self.fixed])])

    def explicit_step(self, path, t, dt):
        """One step from t to t + dt on the path's clock."""
        T, lost = self.euler(self.T, dt, self.absorb(path, t, dt))
        self.finish(T, lost, dt, "explicit")

    def super_step(self, dt, longest):
        """RKL2 as Meyer, Balsara and Aslam (2014) print it, in eqs. (16) and (17) for their L."""
        s = next(n for n in range(3, 99999, 2) if (n * n + n - 2) / 4 * longest >= dt)
        w = 4 / (s * s + s - 2)

        def b(j):
            return (j * j + j - 2) / (2 * j * (j + 1)) if j > 2 else 1 / 3

        start = np.where(self.fixed, self.bottom_temperature, self.T)
        warmed = fsum((self.mass * (start - self.T))[self.fixed])
        T, lost = self.euler(start, w * dt)
        first = (T - start) / w, lost / w  # dt L(Y_0), and what it lets out
        older, old = (start, 0), (start + w / 3 * first[0], w / 3 * first[1])
        for j in range(2, s + 1):
            mu = (2 * j - 1) / j * b(j) / b(j - 1)
            nu = -(j - 1) / j * b(j) / b(j - 2)
            mu_tilde, gamma_tilde = mu * w, -(1 - b(j - 1)) * mu * w
            T, lost = self.euler(old[0], w * dt)
            slope = (T - old[0]) / w, lost / w
            new = [mu * old[i] + nu * older[i] + (1 - mu - nu) * (start, 0)[i]
                   + mu_tilde * slope[i] + gamma_tilde * first[i] for i in (0, 1)]
            older, old = old, new
        T = np.where(self.fixed, start, old[0])
        self.finish(T, old[1] - [0, warmed], dt, "crank-nicolson")

    def finish(self, T, lost, dt, scheme):
        """Books the losses and advances the phases."""
        self.ledger["lost_top"] += lost[0]
        self.ledger["lost_plate"] += lost[1]
        n = ceil(dt / self.setup.largest_substep * (1 - 1e-12))
        phases = np.stack([self.X_as, self.X_am, self.Y])
        for i in range(n):
            old, new = (self.T + j / n * (T - self.T) for j in (i, i + 1))
            phases = dense_laws.advance(phases, old, new, dt / n, scheme)
        (self.X_as, self.X_am, self.Y), self.T = phases, T
