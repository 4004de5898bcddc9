"""The solid to be built: where it is, and what a layer cuts out of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import shapely

from partsim.errors import UserError
from partsim.job import Job
from partsim.surface import Surface, read

ROUND_OFF = 1e-6
SLIVER = 1e-9  # m, area over outline of what is no part of a section
KEPT = 256  # sections; those of thousands of layers with fine outlines take gigabytes


class Shape(Protocol):
    """A solid whose bounding box starts at (0, 0, 0)."""

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,), (3,) of the bounding box in m."""

    @property
    def constants(self) -> dict[str, Any]:
        """What tells the solid from others, as JSON keeps it."""

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(...) bool: which of the points (..., 3) in m lie in the solid or on its surface."""

    def section(self, layer: int) -> shapely.MultiPolygon:
        """The solid in the plane x, y (m) at half the height of a layer; 1 is the lowest."""


def load(job: Job) -> Shape:
    """The solid of a job; UserError where the file of a surface is wrong."""
    part = job.part
    if part.shape == "box":
        return Box(part.size)
    return Sliced(read(job.path.parent / part.file, part.unit), job.layers.thickness)


@dataclass(frozen=True)
class Box:
    """A block with one corner at the origin and edges `size` (3,) in m along x, y, z."""

    size: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,), (3,) of the bounding box in m."""
        return np.zeros(3), np.array(self.size)

    @property
    def constants(self) -> dict[str, Any]:
        """The edges."""
        return {"size": list(self.size)}

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(...) bool: which of the points (..., 3) in m lie in the box or on its surface."""
        low, high = self.bounds
        return ((points >= low) & (points <= high)).all(axis=-1)

    def section(self, layer: int) -> shapely.MultiPolygon:
        """The base of the box, whatever the layer."""
        return shapely.MultiPolygon([shapely.box(0.0, 0.0, *self.size[:2])])


class Sliced:
    """The inside of a closed surface in layers, each a straight prism over its middle section."""

    def __init__(self, surface: Surface, thickness: float):
        """thickness  m, of a layer"""
        self.surface, self.thickness = surface, thickness
        self.sections: dict[int, shapely.MultiPolygon] = {}

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,), (3,) of the bounding box in m."""
        return np.zeros(3), np.array(self.surface.size)

    @property
    def constants(self) -> dict[str, Any]:
        """What the file holds, as its SHA-256."""
        return {"sha256": self.surface.digest}

    @cached_property
    def layers(self) -> int:
        """How many whole layers there are; the rest above belongs to the last one."""
        return max(1, int(self.surface.size[2] / self.thickness + ROUND_OFF))

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(...) bool: which of the points (..., 3) in m lie in or around the section of the layer
        that holds them, so that the solid is exactly what is scanned."""
        low, high = self.bounds
        inside = ((points >= low) & (points <= high)).all(axis=-1)
        x, y, z = points[inside].T
        layer = np.minimum((z / self.thickness).astype(int) + 1, self.layers)
        held = np.zeros(len(layer), bool)
        for number in np.unique(layer):
            there = layer == number
            held[there] = shapely.intersects_xy(self.section(int(number)), x[there], y[there])
        inside[inside] = held
        return inside

    def section(self, layer: int) -> shapely.MultiPolygon:
        """The solid in the plane x, y (m) at half the height of a layer; 1 is the lowest."""
        if layer not in self.sections:
            if len(self.sections) >= KEPT:
                del self.sections[next(iter(self.sections))]  # the oldest
            height = (layer - 0.5) * self.thickness
            self.sections[layer] = cut(self.surface.mesh, height)
            shapely.prepare(self.sections[layer])
        return self.sections[layer]


def cut(mesh: Any, height: float) -> shapely.MultiPolygon:
    """The inside of a closed mesh (trimesh.Trimesh) in the plane x, y at a height.

    Each edge that passes the plane is a corner and each triangle that does a side of the outline,
    whatever the size of the triangles; corners in the plane are taken to lie just below it. Raises
    UserError where sides cross, so that the outline winds twice around some place.
    """
    above = mesh.vertices[:, 2] > height
    passing = above[mesh.edges_unique].any(axis=1) & ~above[mesh.edges_unique].all(axis=1)
    side = mesh.faces_unique_edges[passing[mesh.faces_unique_edges].any(axis=1)]
    normal = mesh.face_normals[passing[mesh.faces_unique_edges].any(axis=1)]
    if not len(side):
        return shapely.MultiPolygon()
    low, high = np.moveaxis(mesh.vertices[mesh.edges_unique[side[passing[side]]]], 1, 0)
    share = (height - low[:, 2:]) / (high[:, 2:] - low[:, 2:])
    ends = (low + share * (high - low))[:, :2].reshape(-1, 2, 2)
    area = shapely.build_area(shapely.union_all(shapely.linestrings(ends)))
    if abs(area.area - winding_area(ends, normal)) > ROUND_OFF * area.area:
        raise UserError(f"the surface of the part crosses itself at the height {height:g} m")
    return flattened([area])


def winding_area(ends: np.ndarray, normal: np.ndarray) -> float:
    """Area in a closed outline, times how often the outline winds around it (Green's theorem).

    ends    (n, 2, 2) its sides, in any order and direction
    normal  (n, 3) outward
    """
    start, way = ends[:, 0], ends[:, 1] - ends[:, 0]
    leftward = way[:, 0] * -normal[:, 1] + way[:, 1] * normal[:, 0]
    return 0.5 * float(np.sign(leftward) @ (start[:, 0] * way[:, 1] - start[:, 1] * way[:, 0]))


def flattened(geometries: Iterable[Any]) -> shapely.MultiPolygon:
    """The polygons among some geometries and their parts; slivers of round-off are dropped."""
    parts = shapely.get_parts(shapely.get_parts(list(geometries)))
    area, length = shapely.area(parts), shapely.length(parts)
    return shapely.MultiPolygon(list(parts[area > SLIVER * length]))


def thin_share(section: shapely.MultiPolygon, width: float) -> float:
    """The share of a section's area that is narrower than a width in m.

    It is what a morphological opening takes away: the section made smaller by half the width on
    all sides and then larger again. Sharp corners stay (mitre joins).
    """
    if section.is_empty:
        return 0.0
    smaller = section.buffer(-width / 2 * (1 - ROUND_OFF), join_style="mitre")
    opened = smaller.buffer(width / 2 * (1 - ROUND_OFF), join_style="mitre")
    share = 1.0 - opened.intersection(section).area / section.area
    return share if share > ROUND_OFF else 0.0


def thinnest(job: Job, shape: Shape) -> tuple[int, float]:
    """The simulated layer with the largest share narrower than a finest cell, and that share."""
    layers = range(job.layers.start, job.layers.stop + 1)
    shares = [thin_share(shape.section(layer), job.mesh.cell) for layer in layers]
    most = int(np.argmax(shares))
    return layers[most], shares[most]
