"""Readers of users' scan paths.

| format | endings | has | comes from |
|---|---|---|---|
| gcode | .gcode .gco .g .nc | G0, G1, F, S or P, M3, M5 | machines, slicers |
| cli | .cli | geometry alone | Common Layer Interface, ASCII or binary |
| ornl | .txt .scan .path | Mode X Y Z Pmod tParam | 3DThesis, AdditiveFOAM, adamantine |
| xypt | .h5 .hdf5 | X, Y in mm, P in W, every 10 us | NIST AM-Bench 2022 |
| csv | .csv | x, y, z, t or speed, power, laser, layer with units | scripts |

A reader is a pure function from the file's text or bytes to its layers in SI. Whatever is wrong in
a file ends in one UserError line: the file, the line or byte, the value and what is wanted.
"""

from pathlib import Path

from partsim.errors import UserError
from partsim.part.readers import cli, gcode, ornl, table, xypt
from partsim.part.readers.layers import Layer, PathFile
from partsim.part.readers.moves import Given, Source, check_given

__all__ = ["FORMATS", "Given", "Layer", "PathFile", "read"]

ENDINGS = {
    ".gcode": "gcode", ".gco": "gcode", ".g": "gcode", ".nc": "gcode", ".cli": "cli",
    ".h5": "xypt", ".hdf5": "xypt", ".csv": "csv",
}
TEXTS = {"gcode": gcode.layers, "ornl": ornl.layers, "csv": table.layers}
FORMATS = (*TEXTS, "cli", "xypt")
LARGEST = 500_000_000  # bytes that are read at once
HDF5_BEGIN = b"\x89HDF\r\n\x1a\n"
HEAD = 2000


def read(path: Path, format: str | None = None, given: Given = Given()) -> PathFile:
    """The layers of a file; `format` None: by its content, else by its ending.

    Raises UserError where the file cannot be read, is not of the format, holds nothing scanned, or
    lacks a power or a speed that is not given.
    """
    path = Path(path)
    check_given(given)
    head = content(path, HEAD)
    format = format or recognised(path, head)
    if format not in FORMATS:
        raise UserError(f"format = {format}, but it must be one of {', '.join(FORMATS)}")
    if format == "xypt":
        return PathFile(str(path), format, xypt.Layers(path))
    if path.stat().st_size > LARGEST:
        raise UserError(f"{path} has {path.stat().st_size} bytes, but it must be at most {LARGEST}")
    data, source = content(path), Source(str(path))
    if format == "cli":
        layers = cli.layers(data, source, given)
    else:
        layers = TEXTS[format](decoded(data, source), source, given)
    if not layers:
        raise UserError(f"{path}: layers = none, but it must hold a segment that is scanned")
    return PathFile(str(path), format, layers)


def content(path: Path, size: int = -1) -> bytes:
    """The first bytes of a file, or all."""
    try:
        if not path.is_file():
            raise UserError(f"{path} must be a file that exists")
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError) as problem:
        if isinstance(problem, UserError):
            raise
        raise UserError(f"{path} cannot be read: {problem}") from None


def decoded(data: bytes, source: Source) -> str:
    """The text of bytes in UTF-8 without control characters."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        Source(source.name, "byte").refuse(problem.start, "text", hex(data[problem.start]), "UTF-8")
    if "\0" in text:
        Source(source.name, "byte").refuse(data.index(b"\0"), "text", "zero byte", "a text file")
    return text


def recognised(path: Path, head: bytes) -> str:
    """The format by the first bytes, else by the ending."""
    if head.startswith(HDF5_BEGIN):
        return "xypt"
    if b"$$HEADERSTART" in head:
        return "cli"
    lines = head.decode("utf-8", "replace").splitlines()[:5]
    if any(line.split()[:1] == ["Mode"] for line in lines):
        return "ornl"
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UserError(f"{path}: format = unknown, but it must be given: {', '.join(FORMATS)}")
    return ENDINGS[ending]
