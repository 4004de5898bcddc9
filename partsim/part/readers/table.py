"""CSV: rows of corners, with a heading that names columns and units, such as "x (mm)".

Columns: x, y, power, and t or speed; z, laser and layer where the file has them. Each row is a
corner of the path of its laser; its power and speed hold from there to the next row of the same
laser in the same layer, those of the last row are not used. Without speed the rows tell when the
beam is there. A layer is what has one value of `layer`, without that column one z.
"""

import csv
import io
import re
from collections.abc import Iterator

import numpy as np

from partsim.errors import UserError
from partsim.part.readers.layers import Layer
from partsim.part.readers.moves import (
    LONGEST, Given, Moves, Source, check_moves, check_sizes, check_speed,
)
from partsim.part.scan import ScanPath

HEADING = re.compile(r"\s*(\w+)\s*(?:[(\[]\s*([^)\]]*?)\s*[)\]])?\s*")
LENGTHS = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6}
TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
UNITS = {
    "x": LENGTHS, "y": LENGTHS, "z": LENGTHS, "t": TIMES,
    "speed": {"m/s": 1.0, "mm/s": 1e-3},
    "power": {"W": 1.0, "kW": 1e3},
    "laser": {None: 1.0}, "layer": {None: 1.0},
}
Row = tuple[int, dict[str, float]]


def layers(text: str, source: Source, given: Given) -> tuple[Layer, ...]:
    """The layers of a CSV text."""
    groups: dict[float, dict[float, list[Row]]] = {}
    z_of: dict[float, float] = {}
    for row in rows(text, source):
        values = row[1]
        key = values.get("layer", values.get("z", 0.0))
        groups.setdefault(key, {}).setdefault(values.get("laser", 0.0), []).append(row)
        if "z" in values:
            z_of.setdefault(key, values["z"])
    found = []
    for number, (key, lasers) in enumerate(groups.items(), 1):
        paths = tuple(filter(None, layer_paths(lasers, source, given)))
        if paths:
            name = f"{key:g}" if "layer" in next(iter(lasers.values()))[0][1] else str(number)
            found.append(Layer(name, z_of.get(key), paths))
    return tuple(found)


def rows(text: str, source: Source) -> Iterator[Row]:
    """Line number and SI values of every row."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        columns = heading(next(reader, []), source)
        for texts in reader:
            at = reader.line_num
            if not any(map(str.strip, texts)):
                continue
            if len(texts) != len(columns):
                source.refuse(at, "row", f"{len(texts)} entries", f"{len(columns)} entries")
            yield at, {
                name: scale * source.number(at, name, entry)
                for (name, scale), entry in zip(columns, texts)
            }
    except csv.Error as problem:
        raise UserError(f"{source.name}, line {reader.line_num}: row = {problem}, but it must be "
                        "comma-separated numbers") from None


def heading(texts: list[str], source: Source) -> list[tuple[str, float]]:
    """Name and unit in SI of every column."""
    columns = []
    for text in texts:
        match = HEADING.fullmatch(text.removeprefix("\ufeff"))
        name, unit = (match[1].lower(), match[2]) if match else (text, None)
        name = "t" if name == "time" else name
        if name not in UNITS:
            source.refuse(1, "column", text, "one of " + ", ".join(UNITS))
        if unit not in UNITS[name]:
            known = ", ".join(str(symbol) for symbol in UNITS[name])
            source.refuse(1, "column", text, f"with a unit in brackets: {known}")
        columns.append((name, UNITS[name][unit]))
    names = [name for name, _ in columns]
    complete = {"x", "y", "power"} <= set(names) and ("t" in names) != ("speed" in names)
    if not complete or len(set(names)) < len(names):
        source.refuse(1, "columns", ", ".join(names),
                      "x, y, power and one of t and speed, each once")
    return columns


def layer_paths(
    lasers: dict[float, list[Row]], source: Source, given: Given
) -> Iterator[ScanPath | None]:
    """The path of each laser, from the first time of all."""
    with_times = "t" in next(iter(lasers.values()))[0][1]
    begin = min(group[0][1].get("t", 0.0) for group in lasers.values())
    for _, group in sorted(lasers.items()):
        yield timed_path(group, begin, source) if with_times else fast_path(group, source, given)


def timed_path(group: list[Row], begin: float, source: Source) -> ScanPath | None:
    """The path of rows with times, None where nothing is scanned."""
    places = np.array([at for at, _ in group])
    table = np.array([[v["x"], v["y"], v.get("z", 0.0), v["t"], v["power"]] for _, v in group])
    check_sizes(source, np.append(places[:1], places), table[[0, *range(len(table))], :3],
                table[:, 4])
    times = table[:, 3] - begin
    wrong = ~((times >= 0) & (times <= LONGEST)) | np.append(False, np.diff(times) < 0)
    if wrong.any():
        i = int(np.argmax(wrong))
        source.refuse(int(places[i]), "t", f"{table[i, 3]:g} s", "never before the row above, "
                      f"and within {LONGEST:g} s")
    ends, spent, power = table[:, :3].copy(), np.diff(times), table[:-1, 4]
    check_moves(source, places, ends, spent, power)
    power = np.where(spent > 0, power, 0.0)
    return ScanPath(ends, times, power) if power.any() else None


def fast_path(group: list[Row], source: Source, given: Given) -> ScanPath | None:
    """The path of rows with speeds, None where nothing is scanned."""
    moves = Moves(source)
    before: dict[str, float] = {"power": 0.0}
    for at, values in group:
        point = (values["x"], values["y"], values.get("z", 0.0))
        if before["power"] > 0:
            moves.line(at, point, check_speed(source, at, before["speed"]), before["power"])
        elif before["power"] < 0:
            source.refuse(at, "power", before["power"], "at least 0")
        else:
            moves.jump(at, point, given.jump_speed)
        before = values
    return moves.path()
