"""What a reader returns."""

from collections.abc import Sequence
from dataclasses import dataclass

from partsim.part.scan import ScanPath


@dataclass(frozen=True)
class Layer:
    """One layer of a file; layers in which nothing is scanned are left out by the readers.

    name   what the file calls it, else its place, 1 is the first
    z      m, None where the file does not tell
    paths  one for each laser, with a common clock
    """

    name: str
    z: float | None
    paths: tuple[ScanPath, ...]


@dataclass(frozen=True)
class PathFile:
    """The layers of a file in the order of the file; XYPT layers are read when asked for."""

    name: str
    format: str
    layers: Sequence[Layer]
