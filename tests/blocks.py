"""Small meshes of two levels with known fields, dealt out to ranks, to test what is written."""

import numpy as np

from partsim.mesh.view import BlockView

SIZE = 4
H = 5e-5
ORIGIN = np.array([-1e-4, -2e-4, -8 * H])
ROOTS = 2  # coarse blocks along x and y


def linear(position):
    """A temperature that trilinear interpolation reproduces; position (..., 3) in m."""
    return 300.0 + position @ np.array([1e5, 2e5, -3e5])


def layout(top=6):
    """corner, stride, active of one layer of coarse blocks below two of fine ones.

    top: active height of the fine blocks in finest cells, in all
    """
    coarse = [(8 * x, 8 * y, 0) for y in range(ROOTS) for x in range(ROOTS)]
    fine = [(4 * x, 4 * y, 8 + 4 * z) for z in (0, 1) for y in range(4) for x in range(4)]
    corner = np.array(coarse + fine)
    stride = np.repeat([2, 1], [len(coarse), len(fine)])
    above = np.where(stride == 1, top - (corner[:, 2] - 8), SIZE)
    return corner, stride, np.clip(above, 0, SIZE)


def view_of(rows, top=6, fields=("alpha_stable", "martensite", "beta")):
    """The blocks `rows` of the layout; what lies above the active height is NaN."""
    corner, stride, active = (array[rows] for array in layout(top))
    view = BlockView(SIZE, H, ORIGIN, corner, stride, 2 - stride, active)
    position, centre = view.node_positions(), view.cell_centres()
    temperature = np.where(view.active_nodes, linear(position), np.nan)
    view.nodes["temperature"] = temperature
    for number, name in enumerate(fields):
        view.nodes[name] = 0.1 * number + (temperature - 300) / 1e4
    inside = (centre[..., 0] > 0).astype(float)
    view.cells["consolidated"] = np.where(view.active_cells, inside, np.nan)
    return view


def everything(top=6):
    """All blocks in one view."""
    return view_of(np.arange(len(layout()[0])), top)


def share(comm, top=6):
    """The blocks of one rank: contiguous, unequal, and on three ranks the middle one has none."""
    ends = {1: [0, 36], 2: [0, 13, 36], 3: [0, 13, 13, 36]}[comm.size]
    return view_of(np.arange(ends[comm.rank], ends[comm.rank + 1]), top)
