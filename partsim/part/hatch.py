"""Hatch lines over a region of a layer, clipped to it, and lines along its outline."""

import math
from typing import NamedTuple

import numpy as np
import shapely

from partsim.job import Scan
from partsim.part.shape import flattened

ANGLE_ROUND_OFF = 1e-9
SHORTEST = 1e-9  # m, of a line and of a gap


class Intervals(NamedTuple):
    """Pieces of parallel lines inside a region, line after line, each from below.

    line        (n,)  number of the line
    begin, end  (n,)  m, along the lines
    """

    line: np.ndarray
    begin: np.ndarray
    end: np.ndarray


def line_frame(scan: Scan, layer: int, turned: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (2,) of the first line of a layer and of the hatching, away from the start.

    The lines make the angle direction + (layer - 1) rotation + turned with the x axis; direction
    and start repeat over the layers.
    """
    angle = scan.direction[(layer - 1) % len(scan.direction)] + (layer - 1) * scan.rotation + turned
    start = scan.start[(layer - 1) % len(scan.start)]
    away = np.array([1 if "left" in start else -1, 1 if "front" in start else -1])
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    return tuple(v if v @ away > -ANGLE_ROUND_OFF else -v for v in (along, across))


def serpentine(
    region: shapely.Geometry,
    frame: tuple[np.ndarray, np.ndarray],
    hatch: float,
    taken: slice = slice(None),
) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end (n, 2, 2) in m of the pieces of hatch lines in a region, to and fro.

    There are round(width / hatch) lines (half a line rounds up, no line is none too few), the j-th
    one at (j + 1/2) width / n, where width is the extent of the region across the lines. Also (n,)
    whether a piece follows another one on the same line.

    frame  direction of the first line, direction of the hatching
    taken  which of the lines there are
    """
    along, across = frame
    corners = shapely.get_coordinates(region)
    side, reach = corners @ across, corners @ along
    width = float(np.ptp(side))
    count = max(1, math.floor(width / hatch + 0.5 + ANGLE_ROUND_OFF))
    level = side.min() + width * (np.arange(count)[taken] + 0.5) / count
    span = reach.min() - hatch, reach.max() + hatch
    chords = np.stack([level[:, None] * across + end * along for end in span], axis=1)
    found = intervals(region, shapely.linestrings(chords), along)
    _, passed = np.unique(found.line, return_inverse=True)
    back = passed % 2 == 1
    order = np.lexsort((np.where(back, -found.begin, found.begin), passed))
    line, back = found.line[order], back[order]
    pair = np.stack([found.begin[order], found.end[order]], axis=1)
    pair[back] = pair[back, ::-1]
    ends = pair[..., None] * along + level[line][:, None, None] * across
    ends = np.clip(ends, corners.min(axis=0), corners.max(axis=0))  # against round-off
    return ends, np.append(False, line[1:] == line[:-1])[: len(line)]


def intervals(region: shapely.Geometry, chords: np.ndarray, along: np.ndarray) -> Intervals:
    """The parts of chords (n,) in direction `along` that lie in a region."""
    parts, line = shapely.get_parts(shapely.intersection(region, chords), return_index=True)
    lines = shapely.length(parts) > 0  # neither points nor what is left of a chord that misses
    parts, line = parts[lines], line[lines]
    points, owner = shapely.get_coordinates(parts, return_index=True)
    begin, end = np.full(len(parts), np.inf), np.full(len(parts), -np.inf)
    np.minimum.at(begin, owner, points @ along)
    np.maximum.at(end, owner, points @ along)
    order = np.lexsort((begin, line))
    return merged(Intervals(line[order], begin[order], end[order]))


def merged(pieces: Intervals) -> Intervals:
    """Sorted pieces without those too short to be scanned, pieces that touch taken as one."""
    line, begin, end = pieces
    fresh = np.ones(len(line), bool)
    fresh[1:] = (np.diff(line) != 0) | (begin[1:] - end[:-1] > SHORTEST)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(line))[: len(first)] - 1
    long = end[last] - begin[first] > SHORTEST
    return Intervals(line[first][long], begin[first][long], end[last][long])


def outlines(section: shapely.MultiPolygon, offset: float) -> list[np.ndarray]:
    """The closed polylines (m, 2) in m at a distance inside the outline of a section.

    Piece after piece, lowest x first, and of each the outer one before those around its holes.
    Corners that follow each other closer than SHORTEST, as where the section passes a corner of the
    surface by round-off, are taken as one: the beam could not tell them apart in time.
    """
    inner = flattened([section.buffer(-offset, join_style="mitre")]) if offset else section
    pieces = sorted(inner.geoms, key=lambda piece: piece.bounds[:2])
    rings = [ring for piece in pieces for ring in (piece.exterior, *piece.interiors)]
    return [
        shapely.get_coordinates(shapely.remove_repeated_points(ring, SHORTEST)) for ring in rings
    ]
