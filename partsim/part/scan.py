"""Where the beam is and how strong, as a function of time: straight lines and jumps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partsim.errors import UserError
from partsim.job import Job, Scan
from partsim.part.shape import Box

ANGLE_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class ScanPath:
    """Segments between corner points, one after another.

    ends   (n+1, 3)  m, corner points of the path
    times  (n+1,)    s, when the beam is there; never decreasing, equal where it jumps in no time
    power  (n,)      W, along each segment; zero on jumps

    The position and the power at a corner's time are those of the segment that begins there. Raises
    UserError where shapes do not fit, numbers are not finite, time runs backwards, power is
    negative, or a segment with power takes no time.
    """

    ends: np.ndarray
    times: np.ndarray
    power: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.power)
        if count < 1 or self.times.shape != (count + 1,) or self.ends.shape != (count + 1, 3):
            raise UserError(
                f"a scan path of {count} segments must have {count + 1} times and corner points "
                f"(x, y, z), but it has shapes {self.times.shape} and {self.ends.shape}"
            )
        for name, values in (("ends", self.ends), ("times", self.times), ("power", self.power)):
            if not np.isfinite(values).all():
                raise UserError(f"the scan path's {name} must be finite numbers")
        self._check_segments()

    def _check_segments(self) -> None:
        lengths = np.diff(self.times)
        faults = {
            "runs backwards in time": lengths < 0,
            "has negative power": self.power < 0,
            "delivers power in no time": (lengths == 0) & (self.power > 0),
        }
        for text, wrong in faults.items():
            if wrong.any():
                raise UserError(f"segment {int(np.argmax(wrong))} of the scan path {text}")

    @property
    def duration(self) -> float:
        """Time in s from the first corner to the last."""
        return float(self.times[-1] - self.times[0])

    def _segment(self, t: np.ndarray) -> np.ndarray:
        """The last segment that has begun at the times t, the first or the last one outside."""
        begun = np.searchsorted(self.times, t, side="right") - 1
        return np.clip(begun, 0, len(self.power) - 1)

    def position(self, t: np.ndarray | float) -> np.ndarray:
        """Beam centre (..., 3) in m at the times t (...) in s; it rests at the ends of the path."""
        t = np.asarray(t, dtype=float)
        i = self._segment(t)
        length = self.times[i + 1] - self.times[i]
        passed = np.clip(t - self.times[i], 0, length)
        share = np.divide(passed, length, out=np.ones_like(passed), where=length > 0)[..., None]
        return self.ends[i] + share * (self.ends[i + 1] - self.ends[i])

    def power_at(self, t: np.ndarray | float) -> np.ndarray:
        """Power (...) in W at the times t (...) in s, zero before and after the path."""
        t = np.asarray(t, dtype=float)
        on = (t >= self.times[0]) & (t < self.times[-1])
        return np.where(on, self.power[self._segment(t)], 0.0)

    def next_event(self, t: float) -> float:
        """The first corner's time after t in s, infinity after the path."""
        later = np.searchsorted(self.times, t, side="right")
        return float(self.times[later]) if later < len(self.times) else math.inf

    def energy(self, t0: float = -math.inf, t1: float = math.inf) -> float:
        """Integral of the power from t0 to t1 in J, exact to round-off: the sum over segments."""
        first, last = np.searchsorted(self.times, [t0, t1], side="right")
        span = slice(max(first - 1, 0), last)
        begin = np.maximum(self.times[:-1][span], t0)
        end = np.minimum(self.times[1:][span], t1)
        return math.fsum(self.power[span] * np.maximum(end - begin, 0.0))


def layer_path(job: Job, layer: int) -> ScanPath:
    """The beam's way over layer number `layer` (1 is the lowest), from time 0.

    Each field of the layer is a serpentine: n = round(width / hatch) lines, the j-th one at
    (j + 1/2) width / n, where width is the field's extent across the lines (half a line rounds up).
    Between two lines, and between two fields, the beam is off for the turn time. With scan.file it
    is the file's path; UserError where that cannot be read or leaves the powder.
    """
    scan = job.scan
    if scan.file is not None:
        # the readers build on ScanPath, so they are imported by those who read a file
        from partsim.part.scanfile import only_path

        return only_path(job, layer)
    direction, across = line_frame(scan, layer)
    low, high = Box(job.part.size).bounds
    lines = [
        line
        for corner, size in fields(scan, low[:2], high[:2])
        for line in serpentine(corner, size, (direction, across), scan.hatch)
    ]
    ends = np.concatenate(lines)
    lengths = np.linalg.norm(ends[1::2] - ends[::2], axis=1)
    spent = np.full(2 * len(lines) - 1, scan.turn_time)
    spent[::2] = lengths / job.laser.speed
    power = np.zeros_like(spent)
    power[::2] = job.laser.power
    top = np.full((len(ends), 1), layer * job.layers.thickness)
    return ScanPath(np.hstack([ends, top]), np.concatenate([[0.0], np.cumsum(spent)]), power)


def line_frame(scan: Scan, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (2,) of the first line of a layer and of the hatching, away from the start.

    The lines make the angle direction + (layer - 1) rotation with the x axis; direction and start
    repeat over the layers.
    """
    angle = scan.direction[(layer - 1) % len(scan.direction)] + (layer - 1) * scan.rotation
    start = scan.start[(layer - 1) % len(scan.start)]
    away = np.array([1 if "left" in start else -1, 1 if "front" in start else -1])
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    return tuple(v if v @ away > -ANGLE_ROUND_OFF else -v for v in (along, across))


def fields(
    scan: Scan, low: np.ndarray, high: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lower corner (2,) and size (2,) of each field of the rectangle, in the order of scanning."""
    count = np.array(scan.islands)
    places = [(i, j) for j in range(count[1]) for i in range(count[0])]
    if scan.island_order == "columns":
        places.sort()
    if scan.island_order == "checkerboard":
        places.sort(key=lambda place: sum(place) % 2)
    size = (high - low) / count
    for place in places:
        yield low + place * size, size


def serpentine(
    corner: np.ndarray, size: np.ndarray, frame: tuple[np.ndarray, np.ndarray], hatch: float
) -> Iterator[np.ndarray]:
    """Begin and end (2, 2) in m of each line over the rectangle at `corner`, to and fro.

    frame  direction of the first line, direction of the hatching
    """
    along, across = frame
    width = float(np.abs(across) @ size)
    count = max(1, math.floor(width / hatch + 0.5 + ANGLE_ROUND_OFF))
    for j in range(count):
        middle = corner + size / 2 + across * width * ((j + 0.5) / count - 0.5)
        line = clipped(middle, along, corner, size)
        yield line if j % 2 == 0 else line[::-1]


def clipped(
    middle: np.ndarray, along: np.ndarray, corner: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Begin and end (2, 2) of the part of a straight line that lies in the rectangle."""
    crossing = np.abs(along) > ANGLE_ROUND_OFF
    sides = np.stack([corner, corner + size]) - middle
    reach = np.sort(sides[:, crossing] / along[crossing], axis=0)
    line = middle + np.outer([reach[0].max(), reach[1].min()], along)
    return np.clip(line, corner, corner + size)
