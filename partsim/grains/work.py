"""What a step of the phase field has to do: flops and bytes.

A degree of freedom is an order parameter in a cell of a block of 8^3; test_grains_work.py counts
the flops.
"""

from partsim.grains.pool import CELLS, ROOM, SQUARE
from partsim.work import Work

SQUARES = 2  # flops of the sum of squares in a cell, for an order parameter,
FACTOR = 4  # and of what is made of the sum
ADVANCE = 14


def advance(order_parameters: float, number: int) -> Work:
    """Per degree of freedom, of blocks with so many order parameters of `number` bytes each.

    Order parameters are read, with six faces of neighbours, and written; mobility and melting are
    read once for a block.
    """
    shared = Work(FACTOR * CELLS, 2 * ROOM * number) * (1 / order_parameters)
    own = Work((SQUARES + ADVANCE) * CELLS, (2 * CELLS + 6 * SQUARE) * number)
    return (shared + own) * (1 / CELLS)
