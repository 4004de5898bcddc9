"""How kernels are compiled."""

from numba import njit


def kernel(**options):
    """numba.njit for functions that allocate nothing and return no array.

    Their arrays are not counted in and out with atomic instructions at every call with a tuple that
    holds them. That took two thirds of the time of blocks of 4^3 cells, a quarter of it for blocks
    of 8^3. `options` as of njit; a function that does allocate is refused as it is compiled.
    """
    return njit(cache=True, _nrt=False, **options)
