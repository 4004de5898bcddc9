"""What happens in a build, in order: for each layer the steps of its scan and of its cool-down."""

from dataclasses import dataclass

from .clock import cooling_steps, ticks_of
from .job import Job
from .part.scan import ScanPath
from .part.shape import Shape
from .part.strategy import WHOLE, Sweep, layer_paths


@dataclass(frozen=True)
class Stretch:
    """A sweep over a layer with the cool-down that follows, or the final cooling.

    layer  number of the layer that is on top
    sweep  which over it; None in the final cooling
    paths  of the beams, none in the final cooling
    laser  base steps until all beams are off, the first of `steps`
    hold   base steps of the cool-down, which follow
    steps  lengths of all steps in base steps
    plate  K, temperature of the plate's bottom
    """

    layer: int
    sweep: Sweep | None
    paths: tuple[ScanPath, ...]
    laser: int
    hold: int
    steps: list[int]
    plate: float

    def base_steps(self, index: int) -> int:
        """How many base steps follow step number `index` before the laser or the hold ends."""
        if index < self.laser:
            return self.laser - index
        return max(self.laser + self.hold - index, 0)

    @property
    def final(self) -> bool:
        """Whether this is the final cooling."""
        return self.sweep is None

    @property
    def first(self) -> bool:
        """Whether its layer is laid before it."""
        return self.sweep is not None and self.sweep.number == 0

    @property
    def last(self) -> bool:
        """Whether its layer is done with it, or the final cooling."""
        return self.sweep is None or self.sweep.number == self.sweep.count - 1

    @property
    def middle(self) -> bool:
        """Whether it is in the middle of its layer's sweeps."""
        return self.sweep is not None and self.sweep.number == self.sweep.count // 2


def layer_stretch(job: Job, shape: Shape, layer: int, sweep: Sweep = WHOLE) -> Stretch:
    """A sweep over a layer and the cool-down after it."""
    paths, base = layer_paths(job, shape, layer, sweep), job.time.step
    laser = max((ticks_of(path.end, base) for path in paths), default=0)
    dwell = ticks_of(job.layers.dwell, base)
    hold = min(job.time.hold_steps, dwell)
    cooling = cooling_steps(
        dwell,
        hold,
        job.time.steps_per_doubling,
        max(int(job.time.largest_step / base), 1),
    )
    steps = [1] * laser + cooling
    return Stretch(layer, sweep, paths, laser, hold, steps, job.layers.temperature)


def final_stretch(job: Job) -> Stretch:
    """The cooling after the last layer."""
    base, final = job.time.step, job.final_cooling
    steps = cooling_steps(
        ticks_of(final.duration, base),
        0,
        job.time.steps_per_doubling,
        max(int(final.largest_step / base), 1),
    )
    return Stretch(job.layers.stop, None, (), 0, 0, steps, final.plate_temperature)


def stretches(job: Job) -> int:
    """How many there are in a build."""
    layers = job.layers
    return (layers.stop - layers.start + 1) * layers.group + (job.final_cooling.duration > 0)


def stretch(job: Job, shape: Shape, number: int) -> Stretch | None:
    """Stretch number 0, 1, ... of the build; None after the last one."""
    if number >= stretches(job):
        return None
    above, sweep = divmod(number, job.layers.group)
    layer = job.layers.start + above
    if layer > job.layers.stop:
        return final_stretch(job)
    return layer_stretch(job, shape, layer, Sweep(sweep, job.layers.group))
