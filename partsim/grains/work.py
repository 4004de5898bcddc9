"""What a step of the phase field has to do: flops and bytes.

A degree of freedom is an order parameter in a cell of a block of 8^3. The loops run over 10^3
places, ghosts too; test_grains_work.py counts their flops.
"""

from partsim.grains.kernels import ROOM, SIDE, START, STOP
from partsim.work import Work

CELLS = SIDE**3
INTERACTION = 2  # flops of the sum of squares for an order parameter,
FACTOR = 3  # and of what is made of the sum
ADVANCE = 13


def advance(order_parameters: float, number: int) -> Work:
    """Per degree of freedom, of blocks with so many order parameters of `number` bytes each.

    Order parameters are read and written, mobility and melting read, once for a block.
    """
    shared = Work(FACTOR * ROOM, 2 * ROOM * number) * (1 / order_parameters)
    own = Work(INTERACTION * ROOM + ADVANCE * (STOP - START), 2 * ROOM * number)
    return (shared + own) * (1 / CELLS)


def ghosts(number: int) -> Work:
    """Per degree of freedom, of six layers of ghosts: each value is read and written once."""
    return Work(0.0, 6 * SIDE**2 * 2 * number / CELLS)
