"""One track from the first frame to the end of its cool-down, by either law of growth."""

from collections.abc import Callable
from math import ceil

import numpy as np

from partsim.grains.temperature import TrackTemperature
from partsim.parallel import together

SLIVER = 1e-9  # of a step


def grow_track(
    law, heat: TrackTemperature, first_step: int, watch: Callable[[float], None]
) -> int:
    """Updates all blocks that are alive between every two frames; the number of steps.

    law         as phasefield.PhaseFieldLaw
    first_step  number of the first step, of which randomness is a function
    watch       called with the time in s after each epoch

    Ends with the frames, or when the laser is off and every cell is solid.
    """
    time, dt = heat.file.time, law.grains.step
    starts = [ceil(t / dt - SLIVER) for t in time]
    later = together(law.comm, lambda: heat.hottest(0, law.grid))
    for number in range(len(time) - 1):
        before = later
        # a frame that one rank cannot read is told on all; `begin` finds it read
        later = together(law.comm, lambda: heat.hottest(number + 1, law.grid))
        if time[number] >= heat.file.header["duration"] and law.grown():
            break
        alive = law.alive(np.maximum(before, later))
        steps = range(starts[number], starts[number + 1])
        if len(steps) and len(alive):
            law.begin(alive, heat, number)
            for n in steps:
                weight = (n * dt - time[number]) / (time[number + 1] - time[number])
                law.step(weight, first_step + n, n == steps[-1])
            law.end()
        watch(time[number + 1])
    return starts[-1]
