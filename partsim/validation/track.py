"""A single laser track on a bare plate, with the beam resolved.

The plate is dense, its surface radiates and evaporates, its other sides let no heat pass. The mesh
is finest in a strip under the track and coarser outside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from partsim.ledger import Ledger
from partsim.mesh import growth
from partsim.mesh.lattice import Lattice
from partsim.mesh.mesh import Mesh
from partsim.mesh.partition import cut
from partsim.part.material import Material
from partsim.part.scan import ScanPath
from partsim.thermal.explicit import Explicit
from partsim.thermal.heat import Heat
from partsim.thermal.losses import make_loss_law
from partsim.thermal.source import Optics
from partsim.timers import Timers

BLOCK, DEPTH = 8, 2  # cells of a block; levels of blocks that are coarser than the finest
FINE = 1.6e-4  # m, depth to which cells are finest
PLATE = (1.28e-3, 6.4e-4)  # m, width and depth of the plate
MARGIN = 3.2e-4  # m, ahead of the beam and behind where it starts
STABLE = 0.9  # share of the stability limit that a step takes


class Beam(NamedTuple):
    """A Gaussian beam.

    power   W, absorbed
    speed   m/s
    radius  m, where the intensity falls to 1/e^2
    depth   m below the surface, over which the heat is spread evenly; 0 for the surface itself
    """

    power: float
    speed: float
    radius: float
    depth: float


@dataclass(frozen=True)
class Field:
    """Temperatures on the finest nodes of the strip.

    temperature  (nz, ny, nx) K
    x, y, z      (nx,), (ny,), (nz,) m: along the track from the beam on, across it, below the
                 surface (negative, rising to 0)
    """

    temperature: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @property
    def middle(self) -> int:
        """Which y lies under the track."""
        return int(np.argmin(np.abs(self.y)))


class Track:
    """A plate at one temperature, and the track of a beam over it."""

    def __init__(self, comm, material: Material, beam: Beam, size: tuple, temperature: float):
        """size  m, edge of the finest cells, and length of the track"""
        self.comm, self.material, self.beam = comm, material, beam
        cell, self.travel = size
        self.lattice = track_lattice(cell, self.travel, beam.radius)
        leaves = growth.plate_leaves(self.lattice, blocks_over(FINE, cell))
        weight = leaves.active(self.lattice.top(0)).astype(float)
        self.mesh = Mesh(comm, self.lattice, leaves, 0, cut(weight, comm.size))
        self.temperature = np.full(self.mesh.nodes.n_total, temperature)
        solid = np.ones((self.mesh.n_blocks, BLOCK**3))
        law = make_loss_law(material, radiation=True, evaporation=True)
        self.heat = Heat(self.mesh, material, law, False, solid)
        self.ledger = Ledger()

    @property
    def longest_step(self) -> float:
        """s, nine tenths of the stability limit."""
        law = self.material
        volumetric = law.density * law.smallest_heat_capacity
        return STABLE * self.lattice.cell**2 * volumetric / (2 * law.largest_conductivity)

    def fields(self, places: np.ndarray) -> Iterator[Field | None]:
        """The field on rank 0 (None elsewhere) when the beam has come to each place (n,) in m.

        The places are reached to within a step; the field's x counts from where the beam is.
        """
        beam, duration = self.beam, self.travel / self.beam.speed
        steps = ceil(duration / self.longest_step)
        ends = np.array([[0.0, 0.0, 0.0], [self.travel, 0.0, 0.0]])
        path = ScanPath(ends, np.array([0.0, duration]), np.array([beam.power]))
        lattice = self.lattice
        optics = Optics(beam.radius, lattice.cell, lattice.origin[:2], lattice.powder)
        explicit = Explicit(self.heat, duration / steps, self.ledger, Timers())
        explicit.aim_at((path,), optics, round(beam.depth / lattice.cell))
        wanted = np.rint(np.asarray(places) / self.travel * steps).astype(int)
        for step in range(1, wanted.max() + 1):
            explicit.step(self.temperature, (step - 1) * explicit.dt)
            if step in wanted:
                yield self.field(step * self.travel / steps)

    def field(self, beam_x: float) -> Field | None:
        """The finest nodes' temperatures on rank 0; collective."""
        mesh, lattice, pitch = self.mesh, self.lattice, BLOCK + 1
        fine = np.flatnonzero(mesh.leaves.level[mesh.own] == lattice.depth)
        values = mesh.some_blocks(self.temperature, fine).reshape(-1, pitch, pitch, pitch)
        parts = self.comm.gather((mesh.leaves.corner[mesh.own][fine], values))
        if parts is None:
            return None
        corner = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        low, high = self.strip()
        inside = ((corner >= low) & (corner + BLOCK <= high)).all(axis=1)
        result = np.empty((high - low + 1)[::-1])
        for (x, y, z), block in zip(corner[inside] - low, values[inside], strict=True):
            result[z : z + pitch, y : y + pitch, x : x + pitch] = block
        axes = [lattice.origin[axis] + lattice.cell * np.arange(low[axis], high[axis] + 1)
                for axis in range(3)]
        return Field(result, axes[0] - beam_x, axes[1], axes[2])

    def strip(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest lattice point (3,), (3,) of the strip under the track."""
        (x0, x1), (y0, y1) = self.lattice.part
        deep = self.lattice.plate - blocks_over(FINE, self.lattice.cell)
        return np.array([x0, y0, deep]), np.array([x1, y1, self.lattice.plate])

    def close(self) -> None:
        """Frees the mesh."""
        self.mesh.close()


def blocks_over(length: float, cell: float) -> int:
    """Cells of the fewest blocks that cover a length in m."""
    return BLOCK * ceil(length / cell / BLOCK - 1e-9)


def track_lattice(cell: float, travel: float, radius: float) -> Lattice:
    """The lattice of a plate whose track runs along x from (0, 0, 0), its surface at z = 0.

    Its strip is as wide as the source, three radii to both sides.
    """
    root = BLOCK << DEPTH
    roots = np.ceil(np.array([travel + 2 * MARGIN, *PLATE]) / cell / root - 1e-9).astype(int)
    roots[1] += roots[1] % 2  # the track lies between two roots
    x, y, z = (roots * root).tolist()
    half = blocks_over(3 * radius, cell)
    strip = ((0, x), (y // 2 - half, y // 2 + half))
    origin = (-round(MARGIN / cell) * cell, -y // 2 * cell, -z * cell)
    return Lattice(cell, BLOCK, DEPTH, tuple(roots.tolist()), origin, z, 1, 0, strip, strip)
