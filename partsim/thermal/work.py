"""What an explicit step has to do on a mesh without melt or beam: flops and bytes.

Of a material with constant properties: heat content (.content) and k(T) (.conductivity) are not
counted.

The flops are those of the plain kernels, test_thermal_work.py counts them. Of the bytes, every
array that does not stay in cache is counted once for each time that it is read or written.
"""

import numpy as np

from ..mesh.local import Tables
from ..work import Work
from .kernels import Conduction
from .stencil import slab

CELL = 47  # flops of conduct for each place of a slab: seven sums and products, eight corners
GIVE = 7  # of adding what the cells give to a node of the lower and of the upper plane
PLACE = 16  # flops of conduct_uniform along x and z for each place of a plane,
ROW = 2  # and along y
COLD_CELL = 4  # of the conductivity of a cell in which nothing melts
UPDATE = 2  # of the temperature of a node
NUMBER = 8  # bytes


def hanging_flops(tables: Tables) -> np.ndarray:
    """(nb,) flops of interpolating the hanging nodes of each block and of giving back their share.

    An interpolated value takes 2, a share of a value 3.
    """
    half, pitch = len(tables.size) // 2, len(tables.size) + 1
    bits = tables.hanging[:, None] >> np.arange(18) & 1
    faces, edges = bits[:, :6].sum(axis=1), bits[:, 6:].sum(axis=1)
    return (2 + 3) * (faces * half * (half + 1 + pitch) + edges * half)


def sweep_flops(conduction: Conduction) -> np.ndarray:
    """(nb,) flops of each block in a sweep."""
    size, tables = conduction.size, conduction.tables
    n, pitch, width = len(size), len(size) + 1, slab(size)
    active = tables.active
    general = active * (width * CELL + pitch * pitch * GIVE + n * n * COLD_CELL)
    uniform = width * (pitch * PLACE - 1) + pitch**3 * ROW  # nothing lies below the lowest plane
    added = np.diff(tables.surface_first) + np.diff(tables.listed_first)
    inner = (n - 1) ** 2 * np.maximum(active - 1, 0)
    conducted = np.where(conduction.solid, uniform, general)
    return conducted + hanging_flops(tables) + added + UPDATE * inner


def step_work(conduction: Conduction, n_surface: int, n_total: int) -> Work:
    """A sweep and finish_surface, on a rank with n_surface surface nodes among n_total."""
    tables = conduction.tables
    cells = len(conduction.size) ** 3 * np.count_nonzero(~conduction.solid)
    blocks = tables.node_run.nbytes + tables.slot_run.nbytes
    moved = NUMBER * (2 * n_total + (2 + 2) * n_surface + cells) + blocks
    return Work(float(sweep_flops(conduction).sum() + UPDATE * n_surface), float(moved))
