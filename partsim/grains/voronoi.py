"""Grains at the start: Voronoi cells of points thrown at random, each independent of all others."""

import numpy as np
from scipy.spatial import cKDTree


def seed_count(size: tuple[float, float, float], diameter: float) -> int:
    """Grains of the volume of a ball of this diameter that fill a box of `size`; at least one."""
    return max(round(float(np.prod(size)) / (np.pi / 6 * diameter**3)), 1)


def voronoi(comm, cells: tuple[int, int, int], cell: float, diameter: float, key: tuple[int, int]
            ) -> np.ndarray:
    """(nz, ny, nx) int32 numbers 0, 1, ... of the nearest of random points; collective.

    cells (nz, ny, nx) of edge `cell` in m; diameter in m of a ball as large as the mean grain;
    key = seed and layer. The same on all ranks, however many there are.
    """
    size = tuple(n * cell for n in cells)
    random = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
    tree = cKDTree(random.random((seed_count(size, diameter), 3)) * size)
    planes = np.array_split(np.arange(cells[0]), comm.size)[comm.rank]
    own = np.empty((len(planes), *cells[1:]), np.int32)
    rows = (np.indices(cells[1:]).reshape(2, -1).T + 0.5) * cell
    for number, z in enumerate(planes):
        points = np.column_stack([np.full(len(rows), (z + 0.5) * cell), rows])
        own[number] = tree.query(points)[1].reshape(cells[1:])
    return np.concatenate(comm.allgather(own))
