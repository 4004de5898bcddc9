"""What heat and flow have to do for each cell of a step: flops and bytes.

The flops are those of the plain kernels, test_meltpool_work.py counts them. Of the bytes, every
array that a kernel passes through is counted once for each time that it is read or written; those
of the box of the flow may stay in a cache.
"""

from math import log2

from partsim.work import Work

NUMBER = 8  # bytes
COMPONENTS = 3
FACE_VALUE = 7

CONDUCT = Work(9, 3 * NUMBER)  # theta; energy in and out
TEMPERATURES = Work(15, 3 * NUMBER)  # energy; temperature and theta
TRANSPORT = Work(COMPONENTS * (2 * FACE_VALUE + 4), (1 + COMPONENTS + 1) * NUMBER)
# of all three components: velocities in, rates out
ACCELERATE = COMPONENTS * Work(
    COMPONENTS * (4 + 2 * FACE_VALUE + 5 + 5), (COMPONENTS + 1) * NUMBER
)
PREDICT = COMPONENTS * Work(8, 6 * NUMBER)  # u in and out, both rates, pressure, mobility
DIVERGENCE = Work(2 * COMPONENTS, (COMPONENTS + 1) * NUMBER)


def poisson(cells: tuple[int, int, int]) -> Work:
    """Per cell of a direct solve: two cosine transforms, each of 5/2 log2(n) flops along an axis
    of n cells (half of a complex transform), and a division."""
    flops = sum(2 * 2.5 * log2(n) for n in cells) + 1
    return Work(flops, (2 * len(cells) * 2 + 3) * NUMBER)
