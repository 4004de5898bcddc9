"""The mesh of one layer on one rank: leaves, partition, nodes, halo, nodal measures."""

from functools import cached_property

import numpy as np

from .forest import Leaves
from .halo import Halo
from .lattice import Lattice
from .local import add_blocks, gather, gather_blocks, raise_blocks
from .nodes import key_point, number_nodes


class Grid:
    """The leaves (n) active up to the top of `layer`, whoever owns them."""

    def __init__(self, lattice: Lattice, leaves: Leaves, layer: int):
        self.lattice, self.leaves, self.layer = lattice, leaves, layer

    @property
    def top(self) -> int:
        """Lattice height of the current top."""
        return self.lattice.top(self.layer)

    @cached_property
    def active(self) -> np.ndarray:
        """(n,) active height of all blocks."""
        return self.leaves.active(self.top)

    @cached_property
    def cells(self) -> int:
        """Active cells of the whole mesh."""
        return int(self.active.sum()) * self.lattice.block**2


class Mesh(Grid):
    """Blocks active up to the top of `layer`, and this rank's share of them.

    leaves   all blocks (the same on every rank)
    owner    (n,) rank of each block
    own      (nb,) this rank's blocks among the leaves, rising
    nodes    numbering of this rank's nodes
    volume   (n_total,)    m^3, lumped volume of each node
    area     (n_surface,)  m^2, exposed top area of each surface node
    """

    def __init__(self, comm, lattice: Lattice, leaves: Leaves, layer: int, owner: np.ndarray):
        super().__init__(lattice, leaves, layer)
        self.comm, self.rank, self.owner = comm, comm.rank, owner
        self.own = np.flatnonzero(owner == comm.rank)
        self.nodes = number_nodes(leaves, lattice.top(layer), owner, comm.rank)
        self.halo = Halo(comm, self.nodes.sharing)
        self.volume = self.assemble(self.block_volume())
        self.area = self.assemble(self.block_area())[: self.nodes.n_surface]

    @property
    def owned(self) -> slice:
        """The owned nodes in a vector of this rank."""
        return slice(self.nodes.n_ghost, self.nodes.n_total)

    @property
    def n_blocks(self) -> int:
        """Blocks of this rank."""
        return len(self.own)

    @cached_property
    def total_nodes(self) -> int:
        """Nodes of the whole mesh that are not hanging."""
        return self.comm.allreduce(self.nodes.n_total - self.nodes.n_ghost)

    @cached_property
    def bottom(self) -> np.ndarray:
        """Surface nodes on the bottom of the plate."""
        return np.flatnonzero(key_point(self.nodes.key)[:, 2] == 0)

    @cached_property
    def home(self) -> tuple[np.ndarray, np.ndarray]:
        """(nb+1,), (nb+1,) the owned nodes of each block: two ranges of the vector per block.

        Block b has the surface nodes first[b]:first[b+1], those that no block before it touches,
        and the interior nodes second[b]:second[b+1]. So a node belongs to the same block on any
        number of ranks.
        """
        nodes, tables = self.nodes, self.nodes.tables
        node, entry = np.unique(tables.surface_node, return_index=True)
        block = np.searchsorted(tables.surface_first, entry, side="right") - 1
        block = block[node >= nodes.n_ghost]
        assert (np.diff(block) >= 0).all()
        count = np.bincount(block, minlength=self.n_blocks)
        first = nodes.n_ghost + np.r_[0, np.cumsum(count)]
        return first, np.r_[tables.interior_first, nodes.n_total]

    @cached_property
    def hanging_across(self) -> int:
        """Blocks of this rank with hanging nodes and with masters that another rank owns."""
        tables = self.nodes.tables
        ghost = np.logical_or.reduceat(
            np.r_[tables.surface_node < self.nodes.n_ghost, False], tables.surface_first[:-1]
        )
        return int((ghost & (tables.hanging != 0)).sum())

    @cached_property
    def border_blocks(self) -> list[np.ndarray]:
        """For each of Sharing.ranks, the leaves of both sides that touch nodes shared with it."""
        nodes, tables = self.nodes, self.nodes.tables
        block = np.repeat(self.own, np.diff(tables.surface_first))
        real = tables.surface_slot != nodes.n_surface
        owner = self.owner[nodes.foreign_block]
        result = []
        for rank in nodes.sharing.ranks:
            shared = np.zeros(nodes.n_surface, bool)
            shared[nodes.foreign_node[owner == rank]] = True
            touching = block[real & shared[tables.surface_node]]
            result.append(np.unique(np.r_[touching, nodes.foreign_block[owner == rank]]))
        return result

    def touches_ghosts(self, which: np.ndarray) -> bool:
        """Whether some of this rank's blocks `which` have nodes that another rank owns."""
        tables = self.nodes.tables
        ranges = [slice(*tables.surface_first[block : block + 2]) for block in which]
        return any((tables.surface_node[own] < self.nodes.n_ghost).any() for own in ranges)

    def everywhere(self, rows: np.ndarray) -> np.ndarray:
        """(n, ...) rows (nb, ...) of the blocks of all ranks, in the order of the leaves."""
        order = np.argsort(self.owner, kind="stable")
        result = np.empty((len(order), *rows.shape[1:]), rows.dtype)
        result[order] = np.concatenate(self.comm.allgather(rows))
        return result

    def block_shape(self) -> tuple[int, int]:
        """Shape of block-wise nodal values of this rank."""
        return self.n_blocks, (self.lattice.block + 1) ** 3

    def to_blocks(self, vector: np.ndarray) -> np.ndarray:
        """(nb, (B+1)^3) values of the own blocks, hanging nodes interpolated.

        The ghosts in `vector` must be right.
        """
        values = np.zeros(self.block_shape())
        gather_blocks(vector, self.nodes.tables, values)
        return values

    def some_blocks(self, vector: np.ndarray, which: np.ndarray) -> np.ndarray:
        """(m, (B+1)^3) the same for some of this rank's blocks."""
        values = np.zeros((len(which), (self.lattice.block + 1) ** 3))
        for row, block in enumerate(which):
            gather(vector, self.nodes.tables, block, values[row])
        return values

    def assemble(self, values: np.ndarray) -> np.ndarray:
        """(n_total,) sum of block-wise contributions (nb, (B+1)^3; used up) at the nodes."""
        contributions, vector = np.zeros(self.nodes.n_slots), np.zeros(self.nodes.n_total)
        add_blocks(values, self.nodes.tables, contributions, vector)
        self.halo.sum(contributions)
        vector[: self.nodes.n_surface] = contributions[: self.nodes.n_surface]
        return vector

    def largest(self, values: np.ndarray) -> np.ndarray:
        """(n_total,) largest of block-wise values (nb, (B+1)^3) at the nodes."""
        contributions = np.full(self.nodes.n_slots, -np.inf)
        vector = np.zeros(self.nodes.n_total)
        raise_blocks(values, self.nodes.tables, contributions, vector)
        self.halo.max(contributions)
        vector[: self.nodes.n_surface] = contributions[: self.nodes.n_surface]
        return vector

    def block_volume(self) -> np.ndarray:
        """(nb, (B+1)^3) m^3, an eighth of each adjacent active cell of the block."""
        unit = (self.leaves.stride[self.own] * self.lattice.cell) ** 3 / 8
        return unit[:, None] * corner_counts(self.lattice.block)[self.active[self.own]]

    def block_area(self) -> np.ndarray:
        """(nb, (B+1)^3) m^2, a quarter of each exposed top face of the block."""
        size, pitch = self.lattice.block, self.lattice.block + 1
        area = np.zeros((self.n_blocks, pitch, pitch, pitch))
        stride = self.leaves.stride[self.own]
        corner, active = self.leaves.corner[self.own], self.active[self.own]
        upper = corner[:, 2] + active * stride
        candidates = np.flatnonzero((upper == self.top) | (upper == self.lattice.plate))
        j, i = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        for block in candidates:
            above = np.stack(
                [
                    corner[block, 0] + i * stride[block],
                    corner[block, 1] + j * stride[block],
                    np.full_like(i, upper[block]),
                ],
                axis=-1,
            )
            exposed = (self.leaves.find(above) < 0) | (upper[block] >= self.top)
            quarter = (stride[block] * self.lattice.cell) ** 2 / 4 * exposed
            plane = area[block, active[block]]
            for y in (0, 1):
                for x in (0, 1):
                    plane[y : y + size, x : x + size] += quarter
        return area.reshape(self.block_shape())

    def close(self) -> None:
        """Frees the communication of this mesh."""
        self.halo.close()


def corner_counts(size: int) -> np.ndarray:
    """(B+1, (B+1)^3) for each active height, how many active cells of a block touch each node."""
    side = np.full(size + 1, 2.0)
    side[[0, -1]] = 1
    counts = np.zeros((size + 1, size + 1, size + 1, size + 1))
    for active in range(1, size + 1):
        height = np.zeros(size + 1)
        height[:active] += 1
        height[1 : active + 1] += 1
        counts[active] = height[:, None, None] * side[:, None] * side
    return counts.reshape(size + 1, -1)
