"""A closed triangulated surface from a file: read, scaled, moved to the origin, checked."""

import contextlib
import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from partsim.errors import UserError

BY_TRIMESH = (".stl", ".ply", ".obj", ".off", ".3mf", ".glb", ".gltf")
BY_MESHIO = {".msh": "gmsh", ".vtk": "vtk", ".vtu": "vtu"}


@dataclass(frozen=True)
class Surface:
    """A watertight surface whose bounding box starts at (0, 0, 0).

    mesh    the triangles in m, a trimesh.Trimesh
    digest  SHA-256 of the file
    """

    mesh: Any
    digest: str

    @property
    def size(self) -> tuple[float, float, float]:
        """Edges of the bounding box along x, y, z in m."""
        return tuple(map(float, self.mesh.bounds[1]))


def read(path: Path, unit: float) -> Surface:
    """The surface in a file, whose format (BY_TRIMESH, BY_MESHIO) its ending tells.

    unit  m, length of one unit of the file

    Raises UserError where the file cannot be read, or where its triangles do not enclose a volume
    with their outsides outward.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise UserError(f"surface file {path} cannot be read: {problem.strerror}") from problem
    return _checked(path, unit, digest)


@lru_cache(maxsize=2)
def _checked(path: Path, unit: float, digest: str) -> Surface:
    """The digest is an argument so that a file that has changed is read again."""
    mesh = _triangles(path)
    _require(len(mesh.faces) > 0, path, "holds no triangles")
    _require(np.isfinite(mesh.vertices).all(), path, "has corners that are no finite numbers")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    # triangles with a corner twice are lines that close no gap
    mesh.update_faces((mesh.faces != np.roll(mesh.faces, 1, axis=1)).all(axis=1))
    mesh.remove_unreferenced_vertices()
    _, shared = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    wrong = int((shared != 2).sum())
    _require(wrong == 0, path, f"is not watertight: {wrong} edges do not belong to two triangles")
    _require(mesh.is_winding_consistent, path, "has triangles that are wound in different senses")
    _require(mesh.volume > 0, path, f"encloses {mesh.volume:g} cubic units, but it must be a "
             "positive volume: all its triangles are inside out")
    mesh.apply_translation(-mesh.bounds[0])
    mesh.apply_scale(unit)
    return Surface(mesh, digest)


def _triangles(path: Path) -> Any:
    """The triangles of a file as they stand there."""
    import trimesh  # takes a second, which a box does not need

    ending = path.suffix.lower()
    try:
        if ending in BY_TRIMESH:
            return trimesh.load_mesh(path, process=False)
        if ending in BY_MESHIO:
            return trimesh.Trimesh(*_triangles_of_meshio(path, BY_MESHIO[ending]), process=False)
    # readers of foreign formats fail in as many ways as there are; meshio's end the program
    except (Exception, SystemExit) as problem:
        reason = " ".join(str(problem).split()) if isinstance(problem, Exception) else ""
        raise UserError(
            f"surface file {path} cannot be understood: {reason or 'it is damaged'}"
        ) from problem
    raise UserError(
        f"surface file {path} must end in one of {', '.join([*BY_TRIMESH, *BY_MESHIO])}"
    )


def _triangles_of_meshio(path: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3) and triangles (m, 3) of a file, its volume cells left out."""
    import meshio

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        mesh = meshio.read(path, kind)
    return mesh.points, mesh.get_cells_type("triangle")


def _require(condition: bool, path: Path, fault: str) -> None:
    if not condition:
        raise UserError(f"surface file {path} {fault}")
