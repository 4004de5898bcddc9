"""Small block meshes with hanging nodes on faces and edges, fields on them, and a material."""

from types import SimpleNamespace

import numpy as np
from mpi4py import MPI

from partsim.mesh import growth
from partsim.mesh.forest import Leaves
from partsim.mesh.lattice import Lattice
from partsim.mesh.mesh import Mesh
from partsim.mesh.partition import cut

CELL = 5e-5
BAND = 4
# Tables 1 and 3 of arXiv 2402.17580
TITANIUM = {
    "density": 4090.0, "heat_capacity": 1130.0, "conductivity_powder": 0.286,
    "conductivity_melt": 28.6, "conductivity_solid": 28.6, "solidus": 1878.0, "liquidus": 1928.0,
    "emissivity": 0.7, "ambient": 293.0, "boiling": 3130.0, "evaporation_pressure": 54e3,
    "molar_mass": 0.0478, "evaporation_enthalpy": 8.84e6, "enthalpy_reference": 538.0,
    "evaporation_cap": 4130.0, "latent_heat": 0.0, "curves": {},
}  # fmt: skip


def material(**changes):
    """Ti-6Al-4V with other values where given."""
    return SimpleNamespace(**TITANIUM | changes)


def small_lattice(block=4, layer=1, extra=0):
    """A plate with powder on a part of its top, 8 cells high: 3 levels if B = 4, 2 if B = 8.

    extra  finest cells by which the plate is thicker than whole root blocks
    """
    depth, roots = {4: (2, (3, 3, 2)), 8: (1, (3, 2, 1))}[block]
    plate = roots[2] * 16 + extra
    powder, part = ((8, 24), (8, 24)), ((12, 16), (13, 16))
    return Lattice(
        CELL, block, depth, (*roots[:2], roots[2] + 1), (-8e-4, -6e-4, -plate * CELL), plate,
        layer, 8 // layer, powder, part,
    )


def uniform_lattice(roots, cell, block=4):
    """A plate of root blocks of finest cells, without powder."""
    edges = block * np.array(roots)
    everything = ((0, int(edges[0])), (0, int(edges[1])))
    return Lattice(
        cell, block, 0, tuple(roots), (0.0, 0.0, 0.0), int(edges[2]), 1, 0, everything, everything
    )


def varied_leaves(lattice: Lattice, layer: int, seed: int = 1) -> Leaves:
    """Leaves up to the top of `layer`, as fine as a build needs and refined further at random."""
    random = np.random.default_rng(seed)
    leaves = growth.plate_leaves(lattice, BAND)
    for number in range(layer + 1):
        leaves = growth.with_layer(leaves, lattice, number) if number else leaves
        finer = random.random(len(leaves)) < 0.02
        leaves = growth.adapted(leaves, lattice, number, BAND, (finer, np.zeros_like(finer)))
    return leaves


def make_mesh(comm: MPI.Comm, lattice: Lattice, leaves: Leaves, layer: int, power: float = 1.0):
    """The mesh on all ranks, cut by active height to some power."""
    weight = leaves.active(lattice.top(layer)).astype(float) ** power
    return Mesh(comm, lattice, leaves, layer, cut(weight, comm.size))


def varied_mesh(
    comm: MPI.Comm, layer: int = 3, block: int = 4, seed: int = 1, extra: int = 0
) -> Mesh:
    """Refined at random, with blocks that are active up to the top of `layer` only."""
    lattice = small_lattice(block, extra=extra)
    return make_mesh(comm, lattice, varied_leaves(lattice, layer, seed), layer)


def scattered(mesh: Mesh, seed: int = 3) -> Mesh:
    """The same mesh with every block given to a rank at random."""
    owner = np.random.default_rng(seed).integers(0, mesh.comm.size, len(mesh.leaves))
    return Mesh(mesh.comm, mesh.lattice, mesh.leaves, mesh.layer, owner)


def alone(mesh: Mesh) -> Mesh:
    """The same mesh on a single rank."""
    owner = np.zeros(len(mesh.leaves), int)
    return Mesh(MPI.COMM_SELF, mesh.lattice, mesh.leaves, mesh.layer, owner)


def node_points(mesh: Mesh) -> np.ndarray:
    """(nb, (B+1)^3, 3) lattice coordinates of the nodes of this rank's blocks, x fastest."""
    along = np.arange(mesh.lattice.block + 1)
    z, y, x = np.meshgrid(along, along, along, indexing="ij")
    local = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    leaves, own = mesh.leaves, mesh.own
    return leaves.corner[own][:, None] + local * leaves.stride[own][:, None, None]


def cell_points(mesh: Mesh) -> np.ndarray:
    """(nb, B^3, 3) lattice coordinates of the lower corners of this rank's cells, x fastest."""
    size = mesh.lattice.block
    points = node_points(mesh).reshape(-1, *3 * (size + 1,), 3)
    return points[:, :-1, :-1, :-1].reshape(-1, size**3, 3)


def present(mesh: Mesh) -> np.ndarray:
    """(nb, (B+1)^3) which nodes of the blocks belong to active cells."""
    active = mesh.active[mesh.own]
    height = np.arange((mesh.lattice.block + 1) ** 3) // (mesh.lattice.block + 1) ** 2
    return (height <= active[:, None]) & (active[:, None] > 0)


def nodal(mesh: Mesh, function) -> np.ndarray:
    """(n_total,) values of a function of lattice points (..., 3) at this rank's nodes."""
    return mesh.largest(np.array(function(node_points(mesh)), float))


def noise(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1), a function of seed and lattice point (..., 3)."""
    mixed = np.asarray(points, np.uint64) @ np.array([1, 2048, 4194304], np.uint64)
    mixed = mixed + np.uint64(seed << 40)
    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53), (33, 1)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(11)) * 2.0**-53


def noisy(mesh: Mesh, low: float, high: float, seed: int = 0) -> np.ndarray:
    """(n_total,) random values in [low, high), the same on any number of ranks."""
    return nodal(mesh, lambda points: low + (high - low) * noise(points, seed))


def everywhere(mesh: Mesh, rows: np.ndarray) -> np.ndarray:
    """Block-wise rows of all ranks, in the order of the leaves."""
    return mesh.everywhere(rows)


def total(mesh: Mesh, vector: np.ndarray) -> float:
    """Sum of a vector (n_total,) over the nodes of all ranks."""
    return mesh.comm.allreduce(float(vector[mesh.owned].sum()))
