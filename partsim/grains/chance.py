"""Random numbers that are a function of what they are for, not of when they are drawn."""

import numpy as np
from numba import njit

from partsim.compiled import kernel


@kernel(inline="always")
def mixed(word):
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel()
def uniform(seed, stream, item):
    """A uniform number in [0, 1) that belongs to three integers, such as seed, step and cell."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    word = mixed(np.uint64(seed) + golden)
    word = mixed((word ^ np.uint64(stream)) + golden)
    word = mixed((word ^ np.uint64(item)) + golden)
    return np.float64(word >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def uniforms(seed, stream, items):
    """(n,) `uniform` of each item."""
    values = np.empty(len(items))
    for n in range(len(items)):
        values[n] = uniform(seed, stream, items[n])
    return values
