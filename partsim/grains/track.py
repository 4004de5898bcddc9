"""One track from the first frame to the end of its cool-down, by either law of growth."""

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np

from partsim.errors import UserError
from partsim.grains.blocks import alive_blocks
from partsim.grains.temperature import TrackTemperature

SLIVER = 1e-9  # of a step
HOLD = 50  # steps of an epoch after the last frame
LONGEST_HOLD = 2e-3  # s


def grow_track(
    law, heat: TrackTemperature, first_step: int, watch: Callable[[float], None]
) -> int:
    """Updates all blocks that are alive between every two frames; the number of steps.

    law         as phasefield.PhaseFieldLaw
    first_step  number of the first step, of which randomness is a function
    watch       called with the time in s after each epoch

    A front may lag far behind the liquidus. After the last frame the metal keeps its temperature
    until there is no liquid. Raises UserError if that takes longer than 2 ms.
    """
    dt, done = law.grains.step, 0
    later = heat.hottest(0, law.grid)
    for number, steps in epochs(heat.file.time, dt):
        before, later = later, heat.hottest(number + 1, law.grid)
        alive = alive_blocks(np.maximum(before, later), law.rest, law.hot, law.grains.window)
        if is_over(law, heat, number):
            break
        done = steps.stop
        if len(steps) and len(alive):
            law.begin(alive, heat, number)
            for n in steps:
                law.step(heat.weight(number, n * dt), first_step + n, n == steps[-1])
            law.end()
        watch(done * dt)
    if law.unsolid():
        raise UserError(f"temperature file {heat.file.path} ends while {law.unsolid()} blocks of "
                        "8^3 cells are not solid: its cool-down is too short")
    return done


def epochs(time: np.ndarray, step: float) -> Iterator[tuple[int, range]]:
    """Number of a frame, and the steps up to the next one; then HOLD steps again and again."""
    starts = [ceil(t / step - SLIVER) for t in time]
    for number in range(len(time) - 1):
        yield number, range(starts[number], starts[number + 1])
    for first in range(starts[-1], starts[-1] + int(LONGEST_HOLD / step), HOLD):
        yield len(time) - 1, range(first, first + HOLD)


def is_over(law, heat: TrackTemperature, number: int) -> bool:
    """Whether growth may end before the epoch of a frame: every cell is solid, or all frames are
    done and none is liquid."""
    time, duration = heat.file.time, heat.file.header["duration"]
    if number < len(time) - 1:
        return time[number] >= duration and law.grown()
    return law.unsolid() == 0
