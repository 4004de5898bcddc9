"""Time as an integer number of base steps, and the steps of a layer."""

from dataclasses import dataclass
from math import ceil


@dataclass
class Clock:
    """Simulated time.

    base   s, the base step
    ticks  base steps since the start of the build
    """

    base: float
    ticks: int = 0

    @property
    def time(self) -> float:
        """s since the start of the build."""
        return self.ticks * self.base


def ticks_of(duration: float, base: float) -> int:
    """Base steps that cover a duration; the last one may reach beyond its end."""
    return ceil(duration / base * (1 - 1e-12))


def cooling_steps(ticks: int, hold: int, per_doubling: int, largest: int) -> list[int]:
    """Lengths in base steps of the steps of a cool-down of `ticks` base steps.

    `hold` base steps, then twice as long every `per_doubling` steps up to `largest`; the last step
    ends at the end.
    """
    steps = [1] * min(hold, ticks)
    left, length, count = ticks - len(steps), 2, 0
    while left > 0:
        step = min(length, largest, left)
        steps.append(step)
        left -= step
        count += 1
        if count % per_doubling == 0:
            length = min(2 * length, largest)
    return steps
