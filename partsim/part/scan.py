"""Where the beam is and how strong, as a function of time: straight lines and jumps."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from partsim.errors import UserError


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

    @property
    def end(self) -> float:
        """Time in s of the last corner; with several beams the first one need not begin at 0."""
        return float(self.times[-1])

    def dimmed(self, share: float) -> "ScanPath":
        """The same path with a share of its power."""
        return replace(self, power=share * self.power)

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

    def energy(self, t0: float = -math.inf, t1: float = math.inf) -> float:
        """Integral of the power from t0 to t1 in J, exact to round-off: the sum over segments."""
        first, last = np.searchsorted(self.times, [t0, t1], side="right")
        span = slice(max(first - 1, 0), last)
        begin = np.maximum(self.times[:-1][span], t0)
        end = np.minimum(self.times[1:][span], t1)
        return math.fsum(self.power[span] * np.maximum(end - begin, 0.0))


def digest(paths: Sequence[ScanPath]) -> str:
    """SHA-256 of the paths of some beams, to the last bit of their numbers."""
    found = hashlib.sha256()
    for path in paths:
        for values in (path.ends, path.times, path.power):
            found.update(np.ascontiguousarray(values))
    return found.hexdigest()


class Vectors(NamedTuple):
    """Straight lines of the beam, one after another.

    ends   (n, 2, 2) m, x, y where each begins and ends
    pause  (n,)      s, the beam is off before each; the first pause counts between two groups
    power  (n,)      W
    speed  (n,)      m/s
    """

    ends: np.ndarray
    pause: np.ndarray
    power: np.ndarray
    speed: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """(n,) m."""
        return np.linalg.norm(self.ends[:, 1] - self.ends[:, 0], axis=1)

    def rows(self, which: slice) -> "Vectors":
        """Some of the lines."""
        return Vectors(*(array[which] for array in self))


def joined(groups: Sequence[Vectors]) -> Vectors:
    """The lines of several groups, of which there is at least one."""
    return Vectors(*map(np.concatenate, zip(*groups, strict=True)))


def path_along(vectors: Vectors, height: float) -> ScanPath:
    """The path over some lines at a height in m, which begins at time 0 and ends with the last."""
    count = len(vectors.pause)
    spent = np.empty(2 * count - 1)
    spent[::2] = vectors.lengths / vectors.speed
    spent[1::2] = vectors.pause[1:]
    power = np.zeros_like(spent)
    power[::2] = vectors.power
    ends = np.column_stack([vectors.ends.reshape(-1, 2), np.full(2 * count, height)])
    return ScanPath(ends, np.concatenate([[0.0], np.cumsum(spent)]), power)
