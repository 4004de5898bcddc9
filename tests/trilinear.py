"""Trilinear elements on a mesh of leaves, by brute force: vertices, constraints, stiffness.

Everything is read off one uniform grid of finest cells that says which leaf lies where.
"""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from partsim.mesh.forest import Leaves

BITS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])


def cube_stiffness() -> np.ndarray:
    """(8, 8) integrals of grad phi_i . grad phi_j over the unit cube, by 2x2x2 Gauss points."""
    gauss = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)
    stiffness = np.zeros((8, 8))
    for point in np.stack(np.meshgrid(gauss, gauss, gauss), axis=-1).reshape(-1, 3):
        factor = np.where(BITS == 1, point, 1 - point)
        slope = np.where(BITS == 1, 1.0, -1.0)
        gradient = np.stack(
            [slope[:, a] * np.delete(factor, a, axis=1).prod(axis=1) for a in range(3)]
        )
        stiffness += gradient.T @ gradient / 8
    return stiffness


class Elements:
    """The active cells below the lattice height `top`, and their vertices.

    leaf, place  (m,)    leaf of each cell and its flat place in the leaf's B^3 cells
    lower        (m, 3)  lower corner; edge (m,), finest cells
    points       (n, 3)  vertices; corners (m, 8) those of the cells
    """

    def __init__(self, leaves: Leaves, top: int):
        size, self.leaves = leaves.block, leaves
        along = np.arange(size)
        z, y, x = np.meshgrid(along, along, along, indexing="ij")
        local = np.stack([x, y, z], axis=-1).reshape(-1, 3)
        lower = leaves.corner[:, None] + local * leaves.stride[:, None, None]
        self.leaf, self.place = np.nonzero(lower[..., 2] + leaves.stride[:, None] <= top)
        self.lower, self.edge = lower[self.leaf, self.place], leaves.stride[self.leaf]
        vertices = self.lower[:, None] + BITS * self.edge[:, None, None]
        self.points, corners = np.unique(vertices.reshape(-1, 3), axis=0, return_inverse=True)
        self.corners = corners.reshape(-1, 8)

    @cached_property
    def grid(self) -> np.ndarray:
        """Number of the active cell that covers each finest cell, [x, y, z] + 1, -1 where none."""
        covered = np.full(self.points.max(axis=0) + 3, -1)
        for cell, (low, edge) in enumerate(zip(self.lower + 1, self.edge)):
            covered[tuple(slice(a, a + edge) for a in low)] = cell
        return covered

    def around(self, points: np.ndarray) -> np.ndarray:
        """(k, 8) the cells that touch each lattice point (k, 3), -1 where there is none."""
        return self.grid[tuple(np.moveaxis(points[:, None] + BITS, -1, 0))]

    @cached_property
    def hanging(self) -> np.ndarray:
        """(n,) whether a vertex is no corner of one of the cells that touch it."""
        around = self.around(self.points)
        inside = (self.points[:, None] - self.lower[around]) % self.edge[around, None]
        return ((around >= 0) & inside.any(axis=-1)).any(axis=1)

    def weights(self, points: np.ndarray) -> csr_matrix:
        """(k, n) trilinear weights of the vertices of a coarsest cell that touches each point."""
        around = self.around(points)
        edges = np.where(around >= 0, self.edge[around], 0)
        cell = around[np.arange(len(points)), edges.argmax(axis=1)]
        share = (points - self.lower[cell]) / self.edge[cell, None]
        weights = np.where(BITS == 1, share[:, None], 1 - share[:, None]).prod(axis=-1)
        row, corner = np.nonzero(weights)
        column = self.corners[cell[row], corner]
        shape = (len(points), len(self.points))
        return coo_matrix((weights[row, corner], (row, column)), shape).tocsr()

    @cached_property
    def constraints(self) -> csr_matrix:
        """(n, free) values at all vertices from those at the ones that do not hang."""
        weights = self.weights(self.points).tocsc()
        assert weights[:, self.hanging].nnz == 0  # no master hangs
        return weights[:, ~self.hanging].tocsr()

    def interpolation(self, points: np.ndarray) -> csr_matrix:
        """(k, free) values at lattice points of the cells from those at the free vertices."""
        return (self.weights(points) @ self.constraints).tocsr()

    def at(self, points: np.ndarray) -> np.ndarray:
        """Numbers of the vertices at lattice points (..., 3)."""
        steps = np.array([1 << 42, 1 << 21, 1])  # np.unique sorts by x, then y, then z
        found = np.searchsorted(self.points @ steps, points @ steps)
        assert (self.points[found] == points).all()
        return found

    def stiffness(self, conductivity: np.ndarray, cell: float) -> csr_matrix:
        """(free, free) W/K, from conductivities (m,) and the finest cell's edge in m."""
        scale = conductivity * self.edge * cell
        values = scale[:, None, None] * cube_stiffness()
        row = np.broadcast_to(self.corners[:, :, None], values.shape).ravel()
        column = np.broadcast_to(self.corners[:, None, :], values.shape).ravel()
        shape = (len(self.points), len(self.points))
        whole = coo_matrix((values.ravel(), (row, column)), shape).tocsr()
        return (self.constraints.T @ whole @ self.constraints).tocsr()

    def volume(self, cell: float) -> np.ndarray:
        """(free,) m^3, integrals of the shape functions."""
        eighth = np.repeat((self.edge * cell) ** 3 / 8, 8)
        return self.constraints.T @ np.bincount(self.corners.ravel(), eighth, len(self.points))

    def area(self, cell: float) -> np.ndarray:
        """(free,) m^2, integrals of the shape functions over the upper faces with nothing above."""
        above = self.lower + [0, 0, 1] * self.edge[:, None] + 1  # the grid begins at -1
        exposed = self.grid[tuple(above.T)] < 0
        quarter = np.repeat((self.edge[exposed] * cell) ** 2 / 4, 4)
        corners = self.corners[exposed][:, BITS[:, 2] == 1].ravel()
        return self.constraints.T @ np.bincount(corners, quarter, len(self.points))
