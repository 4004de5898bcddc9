"""The segment format of 3DThesis, AdditiveFOAM and adamantine.

Rows "Mode X(mm) Y(mm) Z(mm) Pmod tParam": mode 0 moves straight to the point at tParam in m/s, mode
1 is at the point at once and rests there for tParam in s; the power is Pmod times the caller's.
A file that begins with a line begins at the origin, as there. adamantine writes its heading without
units, below the number of segments, and lengths in m. A scanned row with a new Z begins a layer.
"""

from partsim.part.readers.layers import Layer
from partsim.part.readers.moves import Given, Moves, Source, check_speed

MILLIMETRE = 1e-3
ORIGIN = (0.0, 0.0, 0.0)
COLUMNS = ("Mode", "X", "Y", "Z", "Pmod", "tParam")


def layers(text: str, source: Source, given: Given) -> tuple[Layer, ...]:
    """The layers of a text in the segment format."""
    nominal = source.require(given.power, "power")
    lines = text.splitlines()
    first, unit = heading(lines, source)
    found: list[Layer] = []
    moves, height = Moves(source), None
    for at, line in enumerate(lines[first:], first + 1):
        if not line.strip():
            continue
        mode, *point, share, parameter = row(at, line, source)
        point = tuple(unit * value for value in point)
        if share > 0 and height not in (None, point[2]):
            close(moves, height, found)
            moves = Moves(source, moves.here)
        height = point[2] if share > 0 else height
        if mode == 0:
            moves.jump(at, moves.here or ORIGIN, None)
            moves.line(at, point, check_speed(source, at, parameter), share * nominal)
        else:
            moves.jump(at, point, None)
            moves.hold(at, parameter, share * nominal)
    close(moves, height, found)
    return tuple(found)


def heading(lines: list[str], source: Source) -> tuple[int, float]:
    """How many lines stand above the rows, and the unit of length in m."""
    for index, line in enumerate(lines[:5]):
        if line.split()[:1] == ["Mode"]:
            return index + 1, MILLIMETRE if "mm" in line or index == 0 else 1.0
    source.refuse(1, "heading", lines[0] if lines else "", " ".join(COLUMNS))


def row(at: int, line: str, source: Source) -> list[float]:
    """The six numbers of a row."""
    texts = line.split()
    if len(texts) != len(COLUMNS):
        source.refuse(at, "row", line.strip(), f"{len(COLUMNS)} numbers: " + " ".join(COLUMNS))
    values = [source.number(at, name, text) for name, text in zip(COLUMNS, texts)]
    if values[0] not in (0, 1):
        source.refuse(at, "Mode", values[0], "0, a line, or 1, a spot")
    if values[4] < 0 or (values[0] == 1 and values[5] < 0):
        source.refuse(at, "row", line.strip(), "a Pmod and a time of at least 0")
    return values


def close(moves: Moves, height: float | None, found: list[Layer]) -> None:
    """Adds the layer of the moves, if something is scanned in it."""
    path = moves.path()
    if path is not None:
        found.append(Layer(str(len(found) + 1), height, (path,)))
