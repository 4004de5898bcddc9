"""Order parameters of a block line by line: 16 neighbouring cells that are kept, or all zero.

Five cells in six of an order parameter are zero, and five lines in eight have no other. What is
zero is neither read nor written: a set of lines, one bit each, tells which ones there are.
"""

from numba import types
from numba.extending import intrinsic, overload

from partsim.compiled import kernel
from partsim.grains.vectors import LINE, clear_line, copy_line, occupied, square_line
from partsim.prefetch import fetch

LINES = 32  # of a block
ALL = (1 << LINES) - 1


def lowest(lines):
    """Number of the first line of a set that is not empty."""
    return int(lines & -lines).bit_length() - 1


@intrinsic
def _trailing_zeros(typing, lines):
    def emit(context, builder, signature, arguments):
        return builder.cttz(*arguments, context.get_constant(types.boolean, True))

    return types.int64(types.int64), emit


@overload(lowest, jit_options={"forceinline": True})
def _compiled_lowest(lines):
    return lambda lines: _trailing_zeros(lines)


@kernel()
def add_squares(lines, cells, sums):
    """sums (512,) += cells^2."""
    while lines:
        cell = LINE * lowest(lines)
        square_line(sums, cell, cells, cell)
        lines &= lines - 1


@kernel()
def spread(lines, cells, out):
    """out (512,) = cells where they are kept, else zero."""
    for line in range(LINES):
        cell = LINE * line
        if lines >> line & 1:
            copy_line(out, cell, cells, cell)
        else:
            clear_line(out, cell)


@kernel()
def keep(values, cells):
    """Writes the lines of values (512,) that are not zero to cells; the set of these lines."""
    found = 0
    for line in range(LINES):
        found |= occupied(values, LINE * line) << line
    left = found
    while left:
        cell = LINE * lowest(left)
        copy_line(cells, cell, values, cell)
        left &= left - 1
    return found


@kernel()
def fetch_lines(lines, old, new):
    """Brings the first 64 bytes of lines into the cache, where they are and where they will be."""
    while lines:
        cell = LINE * lowest(lines)
        fetch(old, cell)
        fetch(new, cell)
        lines &= lines - 1
