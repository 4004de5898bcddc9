"""How the beams cover a layer: fields, features, contours, and what each of several beams does."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from shapely.ops import substring

from partsim.errors import UserError
from partsim.job import Job, Scan
from partsim.part.hatch import line_frame, outlines, serpentine
from partsim.part.scan import ScanPath, Vectors, joined, path_along
from partsim.part.shape import Shape, flattened


class Sweep(NamedTuple):
    """One of the `count` times that the beams go over a layer that stands for as many.

    It has the pattern of the single layer whose place it takes, but of every `count` lines only one
    and of each contour only a part, another one in every sweep and layer.

    number  from 0
    """

    number: int = 0
    count: int = 1

    def single(self, layer: int) -> int:
        """Number of the single layer."""
        return (layer - 1) * self.count + self.number + 1

    @property
    def missing(self) -> float:
        """Share of the layer that would not be laid yet."""
        return 1 - (self.number + 1) / self.count

    def first(self, layer: int) -> int:
        """The first line that is taken."""
        return (self.number + layer) % self.count


WHOLE = Sweep()


def layer_paths(
    job: Job, shape: Shape, layer: int, sweep: Sweep = WHOLE
) -> tuple[ScanPath, ...]:
    """The way of each beam over layer number `layer` (1 is the lowest), all from time 0.

    Each field is a serpentine over the part's section there, or one after the other over each of
    its connected pieces; the beam is off for turn_time from line to line, and for hop_time over
    gaps and to the next piece, field or contour. Several beams share the contours, and also the
    fields (or the lines, if there is one field), in contiguous shares of lengths as equal as
    possible; a beam for which nothing is left is not in the result. With scan.file they are the
    file's paths, one for each of its lasers.

    Raises UserError where there is nothing to scan. One of several sweeps may be empty.
    """
    if job.scan.file is not None:
        # the readers need libraries that load slowly
        from partsim.part.scanfile import file_paths

        return file_paths(job, layer)
    section = shape.section(layer)
    hatching = list(field_vectors(job, section, shape.bounds, (layer, sweep)))
    if len(hatching) == 1:
        hatching = [hatching[0].rows(slice(i, i + 1)) for i in range(len(hatching[0].pause))]
    rings = list(ring_vectors(job, section, (layer, sweep)))
    stages = [rings, hatching]
    if job.scan.contour and job.scan.contour.order == "last":
        stages.reverse()
    shared = zip(*(shares(stage, job.scan.lasers) for stage in stages), strict=True)
    beams = [first + second for first, second in shared]
    if not any(beams) and sweep.count == 1:
        raise UserError(f"layer {layer} has nothing to scan: {nothing(job, section)}")
    height = layer * job.layers.thickness
    return tuple(path_along(joined(groups), height) for groups in beams if groups)


def nothing(job: Job, section: shapely.MultiPolygon) -> str:
    """Why there is nothing to scan in a section."""
    if section.is_empty:
        return "the part has no section there"
    if hatched_region(job.scan, section).is_empty:
        return f"scan.inset = {job.scan.inset:g} m takes away the whole section"
    return f"no line meets the section with scan.hatch = {job.scan.hatch:g} m"


def check_layers(job: Job, shape: Shape) -> None:
    """Raises UserError for the first simulated layer that has nothing to scan, or no right file."""
    for layer in range(job.layers.start, job.layers.stop + 1):
        # lines cannot miss a disc wider than their distance; elsewhere it is tried
        if job.scan.file or hatched_region(job.scan, shape.section(layer)).buffer(
            -job.scan.hatch
        ).is_empty:
            layer_paths(job, shape, layer)


def hatched_region(scan: Scan, section: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """The section without its rim."""
    if scan.inset == 0:
        return section
    return flattened([section.buffer(-scan.inset, join_style="mitre")])


def field_vectors(
    job: Job,
    section: shapely.MultiPolygon,
    bounds: tuple[np.ndarray, np.ndarray],
    turn: tuple[int, Sweep],
) -> Iterator[Vectors]:
    """The hatch lines of each field that holds some of the section, in the order of scanning.

    turn  number of the layer, and which sweep over it
    """
    layer, sweep = turn
    scan, single = job.scan, sweep.single(layer)
    taken = slice(sweep.first(layer), None, sweep.count)
    region = hatched_region(scan, section)
    by_feature = scan.order[(single - 1) % len(scan.order)] == "features"
    for frame, rectangle in fields(scan, bounds, single):
        piece = region if scan.islands == (1, 1) else flattened([region.intersection(rectangle)])
        features = [] if piece.is_empty else [piece]
        if by_feature:
            features = sorted(piece.geoms, key=lambda feature: feature.bounds[:2])
        vectors = [hatch_vectors(job, feature, frame, taken) for feature in features]
        if any(len(each.pause) for each in vectors):
            yield joined(vectors)


def hatch_vectors(
    job: Job, region: shapely.Geometry, frame: tuple[np.ndarray, np.ndarray], taken: slice
) -> Vectors:
    """The serpentine over a region, those of its lines that are taken."""
    scan = job.scan
    ends, same_line = serpentine(region, frame, scan.hatch, taken)
    pause = np.where(same_line, scan.hop_time, scan.turn_time)
    pause[:1] = scan.hop_time / taken.step
    power, speed = (np.full(len(ends), value) for value in (job.laser.power, job.laser.speed))
    return Vectors(ends, pause, power, speed)


def fields(
    scan: Scan, bounds: tuple[np.ndarray, np.ndarray], layer: int
) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], shapely.Polygon]]:
    """Line frame and rectangle of each field of the bounding box, in the order of scanning."""
    low, high = (corner[:2] for corner in bounds)
    count = np.array(scan.islands)
    places = [(i, j) for j in range(count[1]) for i in range(count[0])]
    if scan.island_order == "columns":
        places.sort()
    if scan.island_order == "checkerboard":
        places.sort(key=lambda place: sum(place) % 2)
    if scan.island_order == "random":
        order = np.random.default_rng([scan.seed, layer]).permutation(len(places))
        places = [places[number] for number in order]
    size = (high - low) / count
    frames = [line_frame(scan, layer, turned) for turned in (0.0, scan.island_rotation)]
    for place in places:
        corner = low + place * size
        yield frames[sum(place) % 2], shapely.box(*corner, *(corner + size))


def ring_vectors(
    job: Job, section: shapely.MultiPolygon, turn: tuple[int, Sweep]
) -> Iterator[Vectors]:
    """The lines of each contour, those that the sweep takes, from the outermost one inwards."""
    scan, contour, (layer, sweep) = job.scan, job.scan.contour, turn
    share = (sweep.first(layer) + np.array([0, 1])) / sweep.count
    for number in range(contour.count if contour else 0):
        for points in outlines(section, contour.offset + number * contour.distance):
            line = substring(shapely.linestrings(points), *share, normalized=True)
            points = shapely.get_coordinates(line)
            ends = np.stack([points[:-1], points[1:]], axis=1)
            pause = np.zeros(len(ends))
            pause[0] = scan.hop_time / sweep.count
            values = (np.full(len(ends), value) for value in (contour.power, contour.speed))
            yield Vectors(ends, pause, *values)


def shares(groups: Sequence[Vectors], beams: int) -> list[list[Vectors]]:
    """Contiguous groups for each beam; a group goes to the beam in whose share its middle lies."""
    length = np.array([float(group.lengths.sum()) for group in groups])
    middle = np.cumsum(length) - length / 2
    inner = np.searchsorted(middle, length.sum() * np.arange(1, beams) / beams)
    return [list(groups[low:high]) for low, high in pairwise([0, *inner, len(groups)])]
