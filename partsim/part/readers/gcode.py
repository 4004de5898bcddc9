"""G-code: straight moves, a laser that is switched by M3 and M5, power in S or P.

Read are G0 (laser off), G1, G4 (pause: P in ms, S in s), G20, G21, G90, G91, M3, M4, M5, X, Y, Z,
F (length per minute), S and P (power), N, comments. Other words change nothing, but those that
would bend or rescale the path are refused. A file without M3 or M4 has the laser on in every G1.
Layers begin at comments ";LAYER", in files without them where a scanned line has a new Z.
"""

import re

from partsim.part.readers.layers import Layer
from partsim.part.readers.moves import Given, Moves, Source, check_speed

WORD = re.compile(r"\s*([A-Za-z])\s*([-+]?(?:\d+\.?\d*|\.\d+))")
COMMENT = re.compile(r"\([^()]*\)|;.*|\*\s*\d+\s*$")
LAYER = re.compile(r"\s*;\s*LAYER\b\s*[:=]?\s*(-?\d+)?", re.IGNORECASE)
SWITCH = re.compile(r"M0*[34](?![\d.])", re.IGNORECASE)
MILLIMETRE, INCH, MINUTE = 1e-3, 25.4e-3, 60.0
REFUSED = {2: "arc", 3: "arc", 5: "spline", 93: "inverse time", 95: "feed per turn"}
AXES = "XYZ"


def layers(text: str, source: Source, given: Given) -> tuple[Layer, ...]:
    """The layers of a G-code text."""
    machine = Machine(source, given, text)
    for at, line in enumerate(text.splitlines(), 1):
        machine.read(at, line)
    machine.close_layer()
    return tuple(machine.layers)


class Machine:
    """The state of a machine that follows the code."""

    def __init__(self, source: Source, given: Given, text: str) -> None:
        self.source, self.given = source, given
        self.by_comment = any(LAYER.match(line) for line in text.splitlines() if ";" in line)
        self.laser = SWITCH.search(text) is None
        self.motion, self.relative, self.unit = 0, False, MILLIMETRE
        self.speed, self.power = given.speed, None
        self.point = (0.0, 0.0, 0.0)
        self.layers: list[Layer] = []
        self.name: str | None = None
        self.height: float | None = None
        self.moves = Moves(source, self.point)

    def read(self, at: int, line: str) -> None:
        """Follows one line."""
        mark = LAYER.match(line)
        if mark:
            self.close_layer()
            self.name = mark[1]
        words = self.words(at, COMMENT.sub(" ", line).strip(" \t%"))
        codes = [value for letter, value in words if letter == "G"]
        entries = {letter: value for letter, value in words if letter not in "GMN"}
        for code in codes:
            self.modal(at, code, entries)
        for code in (value for letter, value in words if letter == "M"):
            self.laser = code in (3, 4) or (self.laser and code != 5)
        if 4 in codes:
            seconds = entries.get("S", 0.0) + 1e-3 * entries.get("P", 0.0)
            self.moves.hold(at, seconds, 0.0)
        else:
            self.settings(at, entries)
            if entries.keys() & set(AXES) and 92 not in codes:
                self.move(at, entries)

    def words(self, at: int, line: str) -> list[tuple[str, float]]:
        """Letters and numbers of a line without comments."""
        found, place = [], 0
        while place < len(line):
            match = WORD.match(line, place)
            if match is None:
                self.source.refuse(at, "word", line[place:].strip(), "a letter and a number")
            found.append((match[1].upper(), self.source.number(at, match[1], match[2])))
            place = match.end()
        return found

    def modal(self, at: int, code: float, entries: dict[str, float]) -> None:
        """A G word."""
        if code in REFUSED or (code == 92 and entries.keys() & set(AXES)):
            what = REFUSED.get(int(code), "shift of the origin")
            self.source.refuse(at, f"G{code:g}", what, "straight moves, G0 or G1")
        if code in (0, 1):
            self.motion = int(code)
        elif code in (20, 21):
            self.unit = INCH if code == 20 else MILLIMETRE
        elif code in (90, 91):
            self.relative = code == 91

    def settings(self, at: int, entries: dict[str, float]) -> None:
        """Speed and power."""
        if "F" in entries:
            self.speed = check_speed(self.source, at, entries["F"] * self.unit / MINUTE)
        value = entries.get("S", entries.get("P"))
        if value is not None:
            self.power = value
            if self.given.s_maximum is not None:
                nominal = self.source.require(self.given.power, "power")
                self.power = nominal * value / self.given.s_maximum

    def move(self, at: int, entries: dict[str, float]) -> None:
        """To the point that the line names."""
        point = tuple(
            self.unit * entries[axis] + (old if self.relative else 0.0) if axis in entries else old
            for axis, old in zip(AXES, self.point)
        )
        power = self.power_here()
        if power > 0 and not self.by_comment and self.height not in (None, point[2]):
            self.close_layer()
        self.point = point
        if self.motion == 0:
            self.moves.jump(at, point, self.given.jump_speed)
            return
        self.moves.line(at, point, self.source.require(self.speed, "speed"), power)
        if power > 0:
            self.height = point[2]

    def power_here(self) -> float:
        if self.motion == 0 or not self.laser:
            return 0.0
        return self.source.require(self.given.power, "power") if self.power is None else self.power

    def close_layer(self) -> None:
        """Ends the layer; the next one begins where the beam is."""
        path = self.moves.path()
        if path is not None:
            name = self.name or str(len(self.layers) + 1)
            self.layers.append(Layer(name, self.height, (path,)))
        self.moves = Moves(self.source, self.point)
