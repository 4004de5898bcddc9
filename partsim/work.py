"""What a kernel has to do, declared beside it: floating-point operations and bytes.

A flop is one + - * / or square root; a fused multiply-add is two. Comparisons, selections (min,
max, the choice between two values), changes of sign, integer and bit operations and conversions
are none. Bytes are the least that must pass between memory and core: every array that does not
stay in cache is read once and, if it changes, written once.
"""

from math import inf
from typing import NamedTuple


class Work(NamedTuple):
    """Flops and bytes per item: a node, a cell, a point. Works add up and scale with a number."""

    flops: float
    bytes: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, count: float) -> "Work":
        return Work(count * self.flops, count * self.bytes)

    __rmul__ = __mul__

    @property
    def intensity(self) -> float:
        """Flops per byte; infinite where nothing has to pass."""
        return self.flops / self.bytes if self.bytes else inf

    def seconds(self, peak: float, bandwidth: float) -> float:
        """The roofline: no item takes less at `peak` flop/s and `bandwidth` byte/s."""
        return max(self.flops / peak, self.bytes / bandwidth)
