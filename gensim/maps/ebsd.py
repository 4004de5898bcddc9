"""Maps of electron backscatter diffraction, read by orix: points with a cubic orientation each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from orix import io
from scipy.spatial import cKDTree

from partsim.errors import UserError

UNITS = {"um": 1e-6, "nm": 1e-9, "mm": 1e-3, "m": 1.0}
LAUE = "m-3m"
REACH = 1.2  # steps; neighbours are at 1, the next points at 1.41 (square) or 1.73 (hexagonal)
LEAST = 16  # points of a map
GRIDS = {4: 1.0, 6: 0.75**0.5}  # neighbours of a point: area of a point in steps squared


@dataclass(frozen=True)
class Map:
    """Points of a square or hexagonal grid.

    points        (n, 2) m, x to the right and y down as stored
    orientations  (n, 4) unit quaternions that turn the axes of the map into those of the crystal
    indexed       (n,) bool, whether the orientation was found
    pairs         (k, 2) numbers of neighbouring points
    step          m between neighbours
    """

    points: np.ndarray
    orientations: np.ndarray
    indexed: np.ndarray
    pairs: np.ndarray
    step: float

    @property
    def point_area(self) -> float:
        """Area in m^2 that one point stands for."""
        return GRIDS[neighbour_count(self.pairs)] * self.step**2


def read_map(path: Path, quality: str | None = None) -> Map:
    """The map in a file that orix reads.

    quality  a property of the points, such as detector_signal or ci, that is positive only where an
             orientation was found. Without it the points count that the file gives a phase, and
             that do not have EDAX's confidence -1.

    The axes of the Euler angles are taken to be those of the map, as orix does; programs of EDAX
    and Oxford can store them turned against each other.

    Raises UserError in one line for a file that is damaged, or a map that is not of cubic metal.
    """
    found = _loaded(path)
    _check_symmetry(found, path)
    points = _points(found, path)
    _check_rows(points, path)
    step = float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
    pairs = cKDTree(points).query_pairs(REACH * step, output_type="ndarray")
    if neighbour_count(pairs) not in GRIDS:
        raise UserError(f"map {path} has points on neither a square nor a hexagonal grid")
    orientations = found.rotations.data.reshape(len(points), -1, 4)[:, 0]
    indexed = _indexed(found, path, quality)
    if not indexed.any():
        raise UserError(f"map {path} has no indexed point")
    return Map(points, orientations, indexed, pairs, step)


def neighbour_count(pairs: np.ndarray) -> int:
    """How many neighbours a point has inside of the map."""
    return int(np.bincount(pairs.ravel()).max()) if len(pairs) else 0


def _loaded(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"map {path} does not exist")
    try:
        return io.load(str(path))
    except Exception as problem:  # the readers of orix meet damaged files with many kinds of errors
        text = " ".join(str(problem).split()) or type(problem).__name__
        raise UserError(f"map {path} cannot be read by orix: {text}") from problem


def _check_symmetry(found: Any, path: Path) -> None:
    for number, phase in found.phases_in_data:
        if number < 0:
            continue
        group = phase.point_group
        if group is None or group.laue.name != LAUE:
            name = "none" if group is None else group.name
            raise UserError(f"map {path}: phase {phase.name} has the point group {name}, but it "
                            f"must be cubic, of the Laue group {LAUE}")


def _points(found: Any, path: Path) -> np.ndarray:
    if found.scan_unit not in UNITS:
        raise UserError(f"map {path} has the unit of length {found.scan_unit}, but it must be one "
                        f"of {', '.join(UNITS)}")
    if found.x is None or found.y is None or np.ptp(found.x) == 0 or np.ptp(found.y) == 0:
        raise UserError(f"map {path} is a line of points, but it must be a map")
    points = np.stack([found.x, found.y], axis=1) * UNITS[found.scan_unit]
    if len(points) < LEAST or not np.isfinite(points).all():
        raise UserError(f"map {path} has {len(points)} points, but it must have at least {LEAST}, "
                        "at finite places")
    return points


def _check_rows(points: np.ndarray, path: Path) -> None:
    """All rows are equally long, on a hexagonal grid to a point; a map cut short has a short one.
    """
    count = np.unique(points[:, 1], return_counts=True)[1]
    short = np.flatnonzero(count < count.max() - 1)
    if len(short):
        raise UserError(f"map {path} is cut short or damaged: row {short[0] + 1} has "
                        f"{count[short[0]]} points, others have {count.max()}")


def _indexed(found: Any, path: Path, quality: str | None) -> np.ndarray:
    indexed = np.asarray(found.is_indexed).copy()
    if "ci" in found.prop:
        indexed &= found.prop["ci"] >= 0
    if quality is None:
        return indexed
    if quality not in found.prop:
        raise UserError(f"map {path} has no property {quality}, but {', '.join(found.prop)}")
    return indexed & (found.prop[quality] > 0)
