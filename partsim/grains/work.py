"""What a step of the phase field has to do: flops and bytes.

A degree of freedom is an order parameter in a cell of a block of 8^3; test_grains_work.py counts
the flops.
"""

from partsim.grains.pool import CELLS, SQUARE
from partsim.work import Work

SQUARES = 2  # flops of the sum of squares in a cell, for an order parameter,
FACTOR = 4  # and of what is made of the sum
HEAT = 31  # of temperature and mobility
TAIL = 1  # of what may come in, for a block
ADVANCE = 14


def advance(order_parameters: float, number: int, kept: float = 1.0) -> Work:
    """Per degree of freedom, of blocks with so many order parameters of `number` bytes each, a
    share `kept` of whose cells lies in lines that are not zero.

    What is kept of order parameters is read, with six faces of neighbours, and written; the
    temperatures of two frames are read once for a block. Every cell is advanced.
    """
    shared = Work((FACTOR + HEAT) * CELLS + TAIL, 2 * CELLS * 4) * (1 / order_parameters)
    own = Work((SQUARES * kept + ADVANCE) * CELLS, (2 * CELLS + 6 * SQUARE) * kept * number)
    return (shared + own) * (1 / CELLS)


def advance_single(order_parameters: float, number: int, kept: float = 1.0) -> float:
    """Of the flops of `advance` those that are made in single precision: all but the heat's, where
    order parameters have four bytes."""
    return FACTOR / order_parameters + SQUARES * kept + ADVANCE if number == 4 else 0.0
