"""What the readers share: where a fault lies, the sizes that make sense, moves into a path."""

import math
from array import array
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from partsim.errors import UserError
from partsim.part.scan import ScanPath

# beyond these a number is a slip of the unit, not a scan
FARTHEST = 10.0  # m
FASTEST = 100.0  # m/s
STRONGEST = 1e5  # W
LONGEST = 1e7  # s
SHOWN_LENGTH = 40
COLUMNS = 6  # of a row of Moves: end x, y, z, seconds, power, place


@dataclass(frozen=True)
class Given:
    """What the caller adds to files that lack it.

    power       W, nominal, of every scanned segment; of Pmod = 1; of S = s_maximum
    speed       m/s, along scanned segments
    jump_speed  m/s, between them; None: jumps take no time
    s_maximum   the S of G-code at which the laser gives `power`; None: S is in W
    """

    power: float | None = None
    speed: float | None = None
    jump_speed: float | None = None
    s_maximum: float | None = None


@dataclass(frozen=True)
class Source:
    """A file in messages: its name and what its places are counted in, lines or bytes."""

    name: str
    unit: str = "line"

    def refuse(self, at: int, entry: str, value: object, wanted: str) -> NoReturn:
        """Raises the one-line UserError about the place `at`."""
        text = f"{value:g}" if isinstance(value, float) else str(value)
        text = ascii(text)[1:-1][:SHOWN_LENGTH]
        raise UserError(f"{self.name}, {self.unit} {at}: {entry} = {text}, but it must be {wanted}")

    def number(self, at: int, entry: str, text: str) -> float:
        """A finite number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in text:
            self.refuse(at, entry, text.strip(), "a finite number")
        return value

    def require(self, value: float | None, entry: str) -> float:
        """A quantity that the file lacks and the caller must give."""
        if value is None:
            raise UserError(f"{self.name}: {entry} = none, but it must be given: the file has none")
        return value


def check_given(given: Given) -> None:
    """Raises UserError where what the caller gives is not positive or beyond all sense."""
    limits = {"power": STRONGEST, "speed": FASTEST, "jump_speed": math.inf, "s_maximum": math.inf}
    for entry, largest in limits.items():
        value = getattr(given, entry)
        if value is not None and not (0 < value <= largest and math.isfinite(value)):
            raise UserError(f"{entry} = {value:g}, but it must be positive, finite and at most "
                            f"{largest:g}")


class Moves:
    """The moves of one laser in one layer, in the order of the file.

    A move carries the place in the file that it comes from. Segments that take no time at both ends
    of the path are left out: they only bring the beam to its start.
    """

    def __init__(self, source: Source, start: tuple[float, float, float] | None = None) -> None:
        self.source = source
        self.rows = array("d")
        self.start = start
        self.here = start

    def jump(self, at: int, point: tuple[float, float, float], speed: float | None) -> None:
        """To a point in m with the laser off: at once, or at `speed` in m/s."""
        if self.start is None:
            self.start = point
        elif point != self.here:
            length = math.dist(self.here, point)
            self._append(at, point, 0.0 if speed is None else length / speed, 0.0)
        self.here = point

    def line(
        self, at: int, point: tuple[float, float, float], speed: float, power: float
    ) -> None:
        """Straight to a point in m at `speed` in m/s, with `power` in W."""
        self._append(at, point, math.dist(self.here, point) / speed, power)
        self.here = point

    def hold(self, at: int, seconds: float, power: float) -> None:
        """Rests where the beam is."""
        if seconds != 0:
            self._append(at, self.here, seconds, power)

    def _append(
        self, at: int, point: tuple[float, float, float], seconds: float, power: float
    ) -> None:
        self.rows.extend((*point, seconds, power, at))

    def path(self) -> ScanPath | None:
        """The path from time 0, None where nothing is scanned; UserError for senseless sizes."""
        rows = np.frombuffer(self.rows).reshape(-1, COLUMNS)
        if not rows[:, 4].any():
            return None
        starts = np.vstack([[*self.start, 0.0, 0.0, rows[0, 5]], rows])
        ends, seconds, power, places = starts[:, :3], rows[:, 3], rows[:, 4], starts[:, 5]
        check_sizes(self.source, places, ends, power)
        check_moves(self.source, places, ends, seconds, power)
        taking = np.flatnonzero(seconds > 0)
        if not taking.size:
            return None
        span = slice(taking[0], taking[-1] + 1)
        times = np.concatenate([[0.0], np.cumsum(seconds[span])])
        # what is shorter than the clock's resolution brings no energy either
        power = np.where(np.diff(times) > 0, power[span], 0.0)
        return ScanPath(ends[taking[0]:taking[-1] + 2].copy(), times, power)


def check_sizes(source: Source, places: np.ndarray, ends: np.ndarray, power: np.ndarray) -> None:
    """Refuses the first of the positions (n+1, 3) in m and powers (n,) in W that make no sense."""
    far = ~(np.abs(ends) <= FARTHEST)
    if far.any():
        i, axis = np.argwhere(far)[0]
        source.refuse(int(places[i]), "xyz"[axis], f"{ends[i, axis]:g} m",
                      f"within {FARTHEST:g} m")
    wrong = ~((power >= 0) & (power <= STRONGEST))
    if wrong.any():
        i = int(np.argmax(wrong))
        source.refuse(int(places[i + 1]), "power", f"{power[i]:g} W", f"0 to {STRONGEST:g} W")


def check_moves(
    source: Source, places: np.ndarray, ends: np.ndarray, seconds: np.ndarray, power: np.ndarray
) -> None:
    """Refuses the first move that takes no sensible time, or is too fast with the laser on."""
    wrong = ~((seconds >= 0) & (seconds <= LONGEST))
    if wrong.any():
        i = int(np.argmax(wrong))
        source.refuse(int(places[i + 1]), "duration", f"{seconds[i]:g} s", f"0 to {LONGEST:g} s")
    lengths = np.linalg.norm(np.diff(ends, axis=0), axis=1)
    # a little room: the speed of a file was turned into seconds and is turned back
    fast = (power > 0) & (lengths > FASTEST * seconds * (1 + 1e-6))
    if fast.any():
        i = int(np.argmax(fast))
        source.refuse(int(places[i + 1]), "move", f"{lengths[i]:g} m in {seconds[i]:g} s",
                      f"at most {FASTEST:g} m/s fast with the laser on")


def check_speed(source: Source, at: int, speed: float) -> float:
    """The speed in m/s, refused where it is not positive or beyond all sense."""
    if not 0 < speed <= FASTEST:
        source.refuse(at, "speed", f"{speed:g} m/s", f"above 0, at most {FASTEST:g} m/s")
    return speed
