"""A coarse grid of plate and part, and heat conduction on it by finite volumes.

Cells are boxes; the plate is divided from its bottom to its top, the part into cells of several
layers of which only the topmost may be partly filled. A cell that the part fills in part conducts
like that share of metal beside powder. The powder rim conducts, whatever lies outside of it and the
surfaces of plate and rim do not.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from partsim.job import Job
from partsim.laplacian import laplacian, sides
from partsim.part.section import covered_shares
from partsim.part.shape import Shape
from partsim.thermal.superstep import euler_step, stage_count, weights

CELL = 5e-4  # m, wanted edge of a cell
LEAST = 8  # cells at least across the part, where they are not too narrow for long steps:
NARROWEST = CELL / 4
FEWEST = 4  # over its height and over the plate's
# beam radii to which the scan consolidates more than the part on each side; scan-resolved runs of
# small blocks of Ti-6Al-4V gave 0.4 to 0.8
BEYOND = 0.75


class Property(NamedTuple):
    """J/(m^3 K) of everything, W/(m K) of the solid and of the powder."""

    volumetric: float
    solid: float
    powder: float


def divided(length: float, least: int = 1) -> np.ndarray:
    """Widths (n,) of equal cells of about CELL that fill a length; none for no length."""
    count = max(least, round(length / CELL)) if length > 1e-9 else 0
    return np.full(count, length / max(count, 1))


@dataclass(frozen=True)
class Grid:
    """The cells of a build, those of one height after the other (index z, y, x).

    width    x: (nx,), y: (ny,)  m, over the whole plate
    plate    (np,)  m, heights of the plate's cells, from the bottom
    filled   (ng, ny, nx)  share of each of the part's cells that the scan consolidates
    powder   (ny, nx)  whether a column of cells lies in the part's box with its powder rim
    layer    m, thickness of a layer
    group    layers in a cell of the part
    """

    width: tuple[np.ndarray, np.ndarray]
    plate: np.ndarray
    filled: np.ndarray
    powder: np.ndarray
    layer: float
    group: int

    def heights(self, layer: int) -> np.ndarray:
        """(nz,) m, heights of the cells when `layer` layers have been laid."""
        full, rest = divmod(layer, self.group)
        part = [self.group] * full + ([rest] if rest else [])
        return np.concatenate([self.plate, self.layer * np.array(part, float)])

    def levels(self, layer: int) -> np.ndarray:
        """(nz,) m, z of the middles of the cells; z = 0 is the plate's top."""
        height = self.heights(layer)
        return np.cumsum(height) - height / 2 - self.plate.sum()

    def footprint(self, nz: int) -> np.ndarray:
        """(nz, ny, nx) m^2, area of what the scan consolidates; in the plate what is below it."""
        area = self.width[1][:, None] * self.width[0]
        below = np.broadcast_to(self.filled[0], (len(self.plate), *area.shape))
        return np.concatenate([below, self.filled])[:nz] * area

    def conductivity(self, nz: int, material: Property) -> np.ndarray:
        """(nz, ny, nx) W/(m K), 0 where there is nothing."""
        above = self.filled[: nz - len(self.plate)]
        mixed = above * material.solid + (1 - above) * material.powder
        plate = np.full((len(self.plate), *self.powder.shape), material.solid)
        return np.concatenate([plate, np.where(self.powder, mixed, 0.0)])


def make_grid(job: Job, shape: Shape) -> Grid:
    """The grid of a job, whose part stands on the middle of its plate."""
    (x, rim_x), (y, rim_y) = (along(job, axis) for axis in range(2))
    powder = rim_y[:, None] & rim_x
    layers = job.layers
    group = max(1, min(round(CELL / layers.thickness), layers.count // FEWEST))
    firsts = range(1, layers.count + 1, group)
    sections = [shape.section(middle_layer(first, group, layers.count)) for first in firsts]
    corner = [(part - plate) / 2 for part, plate in zip(job.part.size, job.plate.size, strict=True)]
    edges = [low + np.r_[0, np.cumsum(width)] for low, width in zip(corner, (x, y), strict=False)]
    grown = BEYOND * job.laser.radius
    filled = [covered_shares(section, grown, *edges) for section in sections]
    plate = divided(job.plate.size[2], FEWEST)
    return Grid((x, y), plate, np.stack(filled) * powder, powder, layers.thickness, group)


def along(job: Job, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Widths (n,) of the cells along x or y, and whether (n,) they are part or powder."""
    part, plate = job.part.size[axis], job.plate.size[axis]
    rim = min(job.mesh.powder_rim, (plate - part) / 2)
    beyond = min(BEYOND * job.laser.radius, rim)
    bare, rest, wide = (plate - part) / 2 - rim, rim - beyond, part + 2 * beyond
    if bare < NARROWEST:
        bare, rest = 0.0, bare + rest
    side = [divided(bare), divided(rest)]
    pieces = [*side, divided(wide, min(LEAST, int(wide / NARROWEST))), *side[::-1]]
    powder = np.repeat([False, True, True, True, False], [len(piece) for piece in pieces])
    return np.concatenate(pieces), powder


def middle_layer(first: int, group: int, count: int) -> int:
    """The layer in the middle of a group of layers, the last of which may be incomplete."""
    return (first + min(first + group - 1, count)) // 2


class Conduction:
    """dT/dt = rates T + supply on the active cells, and the heat that the plate gives away.

    The unknowns are the temperatures of the cells that exist, in the order of the grid, and last
    the J that have left through a fixed bottom of the plate.

    level     (n,)  which cell over the height
    area      (n,)  m^2, horizontal, of what the scan consolidates
    extent    (nz,) m^2, sum of the areas of a level
    capacity  (n,)  J/K
    rates     (n+1, n+1) sparse, 1/s; the last row in W/K
    limit     s, longest stable step of forward Euler (Gershgorin)
    """

    def __init__(self, grid: Grid, layer: int, material: Property, bottom: float | None):
        """bottom  K, or None where the plate is insulated"""
        height = grid.heights(layer)
        conductivity = grid.conductivity(len(height), material)
        edges = np.meshgrid(height, grid.width[1], grid.width[0], indexing="ij")
        volume = edges[0] * edges[1] * edges[2]
        active = conductivity > 0
        self.level = np.nonzero(active)[0]
        self.area = grid.footprint(len(height))[active]
        self.extent = np.bincount(self.level, self.area)
        self.capacity = material.volumetric * volume[active]
        cells = np.flatnonzero(active)
        joint = conductances(conductivity, edges, volume)
        matrix = laplacian(joint, volume.shape)[cells][:, cells]
        outflow = np.zeros(volume.shape)
        if bottom is not None:
            outflow[0] = 2 * conductivity[0] * volume[0] / edges[0][0] ** 2
        outflow = outflow[active]
        inner = sparse.diags(1 / self.capacity) @ (matrix - sparse.diags(outflow))
        last = [sparse.csr_array(outflow[None]), sparse.csr_array((1, 1))]
        self.rates = sparse.block_array([[inner, None], last], format="csr")
        self.supply = np.append(outflow / self.capacity, -outflow.sum()) * (bottom or 0.0)
        self.limit = 1 / np.abs(inner.diagonal()).max()

    def means(self, state: np.ndarray) -> np.ndarray:
        """(nz,) K, mean temperature over what the scan consolidates in each level."""
        return np.bincount(self.level, self.area * state[:-1]) / self.extent

    def advance(self, state: np.ndarray, power: np.ndarray, duration: float) -> np.ndarray:
        """The unknowns (n+1,) after a time with power (n,) W into the cells.

        One super-step, see partsim.thermal.superstep.
        """
        supply = self.supply.copy()
        supply[:-1] += power / self.capacity
        stages = stage_count(duration, self.limit)
        unit = euler_step(duration, stages)
        first = unit * (self.rates @ state + supply)
        before, now = state, state + first / 3
        for mu, nu, gamma in weights(stages):
            moved = now + unit * (self.rates @ now + supply)
            new = mu * moved + nu * before + (1 - mu - nu) * state - gamma * first
            before, now = now, new
        return now


def conductances(
    conductivity: np.ndarray, edges: list[np.ndarray], volume: np.ndarray
) -> list[np.ndarray]:
    """W/K between two cells, that of their halves in series, for the faces across each axis."""
    found = []
    for axis, edge in enumerate(edges):
        low, high = sides(2 * conductivity * volume / edge**2, axis)
        joint = np.zeros_like(low)
        np.divide(low * high, low + high, out=joint, where=low + high > 0)
        found.append(joint)
    return found
