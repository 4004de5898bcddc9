"""The Common Layer Interface, version 2.0 of its public format: polylines and hatches by layer.

The file gives geometry alone: power and speed are the caller's. Every polyline and every hatch is
scanned in the order of the file. ASCII commands begin with $$; binary ones with a number of two
bytes: 127 and 128 a layer, 130 and 129 a polyline, 132 and 131 hatches, the first of each pair with
numbers of four bytes (lengths as floats), the second with unsigned numbers of two; little-endian.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from partsim.part.readers.layers import Layer
from partsim.part.readers.moves import FARTHEST, Given, Moves, Source

MILLIMETRE = 1e-3
HEADER_END = b"$$HEADEREND"
LONGEST_HEADER = 100_000
COMMAND = re.compile(r"\$\$([A-Z]+)(?:/([^$]*))?")
COMMENT = re.compile(r"//[^/\n]*//")
# command: kind, layout of the numbers before the points, type of the points
BINARY = {
    127: ("LAYER", "<f", "<f4"),
    128: ("LAYER", "<H", "<u2"),
    129: ("POLYLINE", "<HHH", "<u2"),
    130: ("POLYLINE", "<iii", "<f4"),
    131: ("HATCHES", "<HH", "<u2"),
    132: ("HATCHES", "<ii", "<f4"),
}
NUMBERS_PER = {"POLYLINE": 2, "HATCHES": 4}


class Command(NamedTuple):
    """A layer with its height, or points (n, 2); lengths in units of the file.

    at  line or byte where it begins
    """

    at: int
    kind: str
    height: float
    points: np.ndarray


def layers(data: bytes, source: Source, given: Given) -> tuple[Layer, ...]:
    """The layers of an ASCII or binary file."""
    speed, power = source.require(given.speed, "speed"), source.require(given.power, "power")
    end = data.find(HEADER_END, 0, LONGEST_HEADER)
    if end < 0:
        source.refuse(1, "header", "without end", "closed by $$HEADEREND")
    header = data[:end].decode("ascii", "replace")
    unit = header_unit(header, source)
    body = end + len(HEADER_END)
    if re.search(r"\$\$BINARY\b", header):
        source = Source(source.name, "byte")
        commands = binary_commands(data, body, source)
    else:
        commands = text_commands(data, body, source)
    found: list[Layer] = []
    moves, height = Moves(source), None
    for command in commands:
        if command.kind == "LAYER":
            close(moves, height, found)
            moves, height = Moves(source, moves.here), unit * command.height
            continue
        if height is None:
            source.refuse(command.at, "command", command.kind, "below a layer")
        points = scaled(command, unit, source)
        for line in points.reshape(-1, 2, 2) if command.kind == "HATCHES" else [points]:
            scan(moves, command.at, line.tolist(), height, (speed, power, given.jump_speed))
    close(moves, height, found)
    return tuple(found)


def scan(
    moves: Moves, at: int, line: list[list[float]], height: float, beam: tuple
) -> None:
    """Jumps to the beginning of a line of points and follows it."""
    speed, power, jump_speed = beam
    moves.jump(at, (*line[0], height), jump_speed)
    for point in line[1:]:
        moves.line(at, (*point, height), speed, power)


def close(moves: Moves, height: float | None, found: list[Layer]) -> None:
    """Adds the layer of the moves, if something is scanned in it."""
    path = moves.path()
    if path is not None:
        found.append(Layer(str(len(found) + 1), height, (path,)))


def scaled(command: Command, unit: float, source: Source) -> np.ndarray:
    """The points in m."""
    far = ~(np.abs(command.points) <= FARTHEST / unit)
    if far.any():
        value = command.points[far][0]
        source.refuse(command.at, "coordinate", f"{value:g} of {unit:g} m",
                      f"within {FARTHEST:g} m")
    return unit * command.points.astype(float)


def header_unit(header: str, source: Source) -> float:
    """The unit of length in m."""
    if re.search(r"\$\$ALIGN\b", header):
        source.refuse(1, "header", "$$ALIGN", "without $$ALIGN: aligned files are not read")
    match = re.search(r"\$\$UNITS/([^\s$]*)", header)
    if match is None:
        source.refuse(1, "$$UNITS", "none", "the unit in mm")
    at = header.count("\n", 0, match.start()) + 1
    unit = source.number(at, "$$UNITS", match[1])
    if not 1e-9 <= unit <= 1e4:
        source.refuse(at, "$$UNITS", unit, "the unit in mm, 1e-9 to 1e4")
    return unit * MILLIMETRE


def text_commands(data: bytes, begin: int, source: Source) -> Iterator[Command]:
    """The commands of an ASCII file; those that draw nothing are passed over."""
    text = COMMENT.sub("", data[begin:].decode("ascii", "replace"))
    line, before = data.count(b"\n", 0, begin) + 1, 0
    for match in COMMAND.finditer(text):
        line, before = line + text.count("\n", before, match.start()), match.start()
        kind, values = match[1], match[2] or ""
        if kind == "LAYER":
            yield Command(line, kind, source.number(line, "$$LAYER", values), np.empty((0, 2)))
        elif kind in NUMBERS_PER:
            yield text_points(line, kind, values, source)


def text_points(at: int, kind: str, values: str, source: Source) -> Command:
    """A polyline "id,dir,n,points" or hatches "id,n,points"."""
    leading = 3 if kind == "POLYLINE" else 2
    numbers = [source.number(at, "$$" + kind, text) for text in values.split(",")]
    count = numbers[leading - 1] if len(numbers) >= leading else -1
    points = np.array(numbers[leading:])
    if count < 1 or points.size != NUMBERS_PER[kind] * count:
        source.refuse(at, f"$${kind}", f"{count:g} for {points.size} numbers",
                      f"a count of at least 1 with {NUMBERS_PER[kind]} numbers each")
    return Command(at, kind, 0.0, points.reshape(-1, 2))


def binary_commands(data: bytes, begin: int, source: Source) -> Iterator[Command]:
    """The commands of a binary file. A count is compared with what is left before it is used."""
    # some writers end the line of the header, and no command begins with these bytes
    while data[begin:begin + 1] in (b"\r", b"\n"):
        begin += 1
    while begin < len(data):
        (code,) = taken(data, begin, "<H", source)
        if code not in BINARY:
            source.refuse(begin, "command", code, "127 to 132")
        kind, layout, dtype = BINARY[code]
        values = taken(data, begin + 2, layout, source)
        after = begin + 2 + struct.calcsize(layout)
        points = np.empty((0, 2))
        if kind != "LAYER":
            points = taken_points(data, after, (kind, values[-1], dtype), source)
        yield Command(begin, kind, float(values[0]), points)
        begin = after + points.size * np.dtype(dtype).itemsize


def taken(data: bytes, at: int, layout: str, source: Source) -> tuple:
    if at + struct.calcsize(layout) > len(data):
        source.refuse(at, "file", f"{len(data)} bytes", "longer: it ends within a command")
    return struct.unpack_from(layout, data, at)


def taken_points(data: bytes, at: int, what: tuple[str, int, str], source: Source) -> np.ndarray:
    """The points (n, 2) of a polyline or of hatches."""
    kind, count, dtype = what
    size = count * NUMBERS_PER[kind]
    if count < 1 or at + size * np.dtype(dtype).itemsize > len(data):
        source.refuse(at, f"count of {kind}", count,
                      f"at least 1, and what the {len(data) - at} bytes that are left can hold")
    return np.frombuffer(data, dtype, size, at).reshape(-1, 2)
