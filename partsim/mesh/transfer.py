"""Every stored field from the old mesh to the new one, across ranks.

Temperature: each block's share of the enthalpy (nodal volume x temperature) is carried over, added
at the new nodes and divided by their volume. For nested trilinear meshes with lumped volumes this
is T_c = P^T (m_f T_f) / m_c when cells merge, plain interpolation when they split, and the mixture
(m_old T_old + dm T_0) / (m_old + dm) under a new layer: constants and bounds are kept, and the
enthalpy up to round-off. Nodes that touch no changed block keep their value bit for bit.
Phases: kept at the nodes that remain, interpolated at new ones inside old cells.
"""

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from numba import njit

from ..fields import FIELDS
from .forest import OCTANTS, Leaves
from .local import interpolate_line, restrict_blocks, restrict_line
from .mesh import Mesh, corner_counts

SAME, SPLIT, MERGED, FRESH = 0, 1, 2, 3


@dataclass(frozen=True)
class Sources:
    """Where each new leaf comes from.

    kind  (n,)    SAME, SPLIT (from a coarser leaf), MERGED (from eight finer ones), FRESH
    leaf  (n, 8)  old leaves; the first one counts unless MERGED, -1 where there is none
    """

    kind: np.ndarray
    leaf: np.ndarray


def sources(old: Leaves, new: Leaves) -> Sources:
    """The old leaves under each new one."""
    first = old.find(new.corner)
    kind = np.full(len(new), FRESH)
    held = first >= 0
    kind[held & (old.level[first] == new.level)] = SAME
    kind[held & (old.level[first] < new.level)] = SPLIT
    kind[held & (old.level[first] > new.level)] = MERGED
    leaf = np.full((len(new), 8), -1)
    leaf[:, 0] = first
    merged = kind == MERGED
    half = new.edge[merged] // 2
    leaf[merged] = old.find(new.corner[merged][:, None] + OCTANTS * half[:, None, None])
    assert (np.abs(old.level[leaf[held, 0]] - new.level[held]) <= 1).all()
    return Sources(kind, leaf)


def moves(origin: np.ndarray, old: Mesh, new: Mesh):
    """Which old leaves this rank sends to each rank, and which it gets from each, in order.

    origin  (n, m) the old leaves that each new one needs, -1 for none
    """
    owner, leaf = np.repeat(new.owner, origin.shape[1]), origin.ravel()
    rank, ranks = new.rank, new.comm.size
    wanted = np.unique(leaf[leaf >= 0] * ranks + owner[leaf >= 0])
    leaf, target = wanted // ranks, wanted % ranks
    source = old.owner[leaf]
    send = [leaf[(source == rank) & (target == other)] for other in range(ranks)]
    receive = [leaf[(source == other) & (target == rank)] for other in range(ranks)]
    return send, receive


def redistribute(old: Mesh, rows: np.ndarray, plan) -> tuple[np.ndarray, np.ndarray]:
    """Rows (nb, columns) of old blocks sent where `plan` says: leaves, rising, and their rows."""
    send, receive = plan
    leaves = np.concatenate(receive)
    out = rows[np.searchsorted(old.own, np.concatenate(send))]
    if old.comm.size == 1:
        return leaves, out
    into = np.empty((len(leaves), rows.shape[1]))
    kind = MPI.DOUBLE.Create_contiguous(rows.shape[1]).Commit()
    counts = [[len(part) for part in parts] for parts in plan]
    old.comm.Alltoallv([out, counts[0], kind], [into, counts[1], kind])
    kind.Free()
    order = np.argsort(leaves)
    return leaves[order], into[order]


def moved(old: Mesh, new: Mesh, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows (nb, columns) of blocks for each name, from one partition of the same leaves to another.

    Collective.
    """
    plan = moves(np.arange(len(old.leaves))[:, None], old, new)
    return {name: redistribute(old, rows[name], plan)[1] for name in rows}


@njit(cache=True)
def prolong(coarse, octant, size, fine):
    """fine ((B+1)^3,) = trilinear values of `coarse` in one of its octants (x + 2y + 4z)."""
    pitch, half = size + 1, size // 2
    x0, y0, z0 = octant % 2 * half, octant // 2 % 2 * half, octant // 4 * half
    for k in range(half + 1):
        for j in range(half + 1):
            for i in range(half + 1):
                at = ((z0 + k) * pitch + y0 + j) * pitch + x0 + i
                fine[(2 * k * pitch + 2 * j) * pitch + 2 * i] = coarse[at]
    for k in range(0, pitch, 2):
        for j in range(0, pitch, 2):
            interpolate_line(fine, (k * pitch + j) * pitch, 1, size)
    for k in range(0, pitch, 2):
        for i in range(pitch):
            interpolate_line(fine, k * pitch * pitch + i, pitch, size)
    for j in range(pitch):
        for i in range(pitch):
            interpolate_line(fine, j * pitch + i, pitch * pitch, size)


@njit(cache=True)
def add_merged(fine, octant, size, coarse):
    """coarse += the transpose of `prolong` applied to `fine` (used up)."""
    pitch, half = size + 1, size // 2
    for j in range(pitch):
        for i in range(pitch):
            restrict_line(fine, j * pitch + i, pitch * pitch, size)
    for k in range(0, pitch, 2):
        for i in range(pitch):
            restrict_line(fine, k * pitch * pitch + i, pitch, size)
    for k in range(0, pitch, 2):
        for j in range(0, pitch, 2):
            restrict_line(fine, (k * pitch + j) * pitch, 1, size)
    x0, y0, z0 = octant % 2 * half, octant // 2 % 2 * half, octant // 4 * half
    for k in range(half + 1):
        for j in range(half + 1):
            for i in range(half + 1):
                at = ((z0 + k) * pitch + y0 + j) * pitch + x0 + i
                coarse[at] += fine[(2 * k * pitch + 2 * j) * pitch + 2 * i]


@njit(cache=True)
def inject(fine, octant, size, coarse):
    """The values of `fine` at the nodes that remain, in one octant of `coarse`."""
    pitch, half = size + 1, size // 2
    x0, y0, z0 = octant % 2 * half, octant // 2 % 2 * half, octant // 4 * half
    for k in range(half + 1):
        for j in range(half + 1):
            for i in range(half + 1):
                at = ((z0 + k) * pitch + y0 + j) * pitch + x0 + i
                coarse[at] = fine[(2 * k * pitch + 2 * j) * pitch + 2 * i]


@njit(cache=True)
def carry_nodes(kind, rows, octant, values, size, result):
    """result (nb, (B+1)^3) = a nodal field of the new blocks; FRESH blocks are left alone.

    kind, octant  (nb,)    Sources.kind; octant of a SPLIT block in its source
    rows          (nb, 8)  rows of `values` (m, (B+1)^3)
    """
    for block in range(len(kind)):
        if kind[block] == SAME:
            result[block] = values[rows[block, 0]]
        elif kind[block] == SPLIT:
            prolong(values[rows[block, 0]], octant[block], size, result[block])
        elif kind[block] == MERGED:
            for child in range(8):
                inject(values[rows[block, child]], child, size, result[block])


@njit(cache=True)
def carry_heat(kind, rows, octant, values, size, volume, heat):
    """heat (nb, (B+1)^3) = unassembled volume x temperature of the old material in new blocks.

    volume  (nb, (B+1)^3)  of the old material of the block (of one child where it is MERGED)
    """
    work = np.empty(values.shape[1])
    for block in range(len(kind)):
        heat[block] = 0.0
        if kind[block] == SAME:
            heat[block] = volume[block] * values[rows[block, 0]]
        elif kind[block] == SPLIT:
            prolong(values[rows[block, 0]], octant[block], size, work)
            heat[block] = volume[block] * work
        elif kind[block] == MERGED:
            for child in range(8):
                work[:] = volume[block] * values[rows[block, child]]
                add_merged(work, child, size, heat[block])


@njit(cache=True)
def carry_cells(kind, rows, octant, values, size, result):
    """result (nb, B^3) = a cell field: kept, repeated when split, the mean when merged, or 0."""
    half = size // 2
    for block in range(len(kind)):
        x0, y0 = octant[block] % 2 * half, octant[block] // 2 % 2 * half
        z0 = octant[block] // 4 * half
        if kind[block] == SAME:
            result[block] = values[rows[block, 0]]
            continue
        result[block] = 0.0
        for k in range(size):
            for j in range(size):
                for i in range(size):
                    at = (k * size + j) * size + i
                    if kind[block] == SPLIT:
                        parent = ((z0 + k // 2) * size + y0 + j // 2) * size + x0 + i // 2
                        result[block, at] = values[rows[block, 0], parent]
                    elif kind[block] == MERGED:
                        child = k // half * 4 + j // half * 2 + i // half
                        for corner in range(8):
                            z = k % half * 2 + corner // 4
                            y = j % half * 2 + corner // 2 % 2
                            x = i % half * 2 + corner % 2
                            source = values[rows[block, child], (z * size + y) * size + x]
                            result[block, at] += source / 8


class Transfer:
    """Moves fields from `old` to `new`, which may differ in leaves, layer and partition."""

    def __init__(self, old: Mesh, new: Mesh):
        self.old, self.new = old, new
        self.size = new.lattice.block
        origin = sources(old.leaves, new.leaves)
        self.plan = moves(origin.leaf, old, new)
        self.kind = origin.kind[new.own]
        self.leaf = origin.leaf[new.own]
        first = self.leaf[:, 0]
        behind = new.leaves.corner[new.own] - old.leaves.corner[first]
        in_half = behind >= (new.leaves.edge[new.own])[:, None]
        self.octant = in_half @ np.array([1, 2, 4])
        stays = origin.kind == SAME
        both = old.nodes.hanging[first] & new.nodes.hanging[new.own]
        self.still_hanging = np.where(self.kind == SAME, both, 0)
        self.repartitioned = bool((old.owner[origin.leaf[stays, 0]] != new.owner[stays]).any())
        self.split = len(np.unique(origin.leaf[origin.kind == SPLIT, 0]))
        self.merged = 8 * int((origin.kind == MERGED).sum())

    def __call__(
        self, state: dict[str, np.ndarray], powder: dict[str, float]
    ) -> dict[str, np.ndarray]:
        """The state on the new mesh; powder gives the nodal values of freshly laid material."""
        old, result = self.old, {}
        for name, field in FIELDS.items():
            nodal = field.place == "node"
            own = old.to_blocks(state[name]) if nodal else state[name]
            leaves, values = redistribute(old, own, self.plan)
            rows = np.searchsorted(leaves, self.leaf)
            if field.transfer == "mean":
                result[name] = np.zeros((self.new.n_blocks, self.size**3))
                carry_cells(self.kind, rows, self.octant, values, self.size, result[name])
                continue
            carry = self.temperature if field.transfer == "enthalpy" else self.phases
            result[name] = carry(values, rows, powder[name])
        return result

    def old_active(self) -> np.ndarray:
        """(nb,) how high the new blocks were active before."""
        before = self.old.active[self.leaf[:, 0]]
        return np.where(self.kind == SAME, before, np.where(self.kind == FRESH, 0, self.size))

    def untouched(self) -> np.ndarray:
        """(nb, (B+1)^3) nodes at which the block is what it was."""
        pitch = self.size + 1
        height = np.arange(pitch**3) // pitch**2
        before = self.old_active()
        grows = before < self.new.active[self.new.own]
        below = np.where(grows, before, pitch)
        return (self.kind == SAME)[:, None] & (height < below[:, None])

    def temperature(self, values: np.ndarray, rows: np.ndarray, fresh: float) -> np.ndarray:
        """(n_total,) the temperature at the new nodes."""
        new, before = self.new, self.old_active()
        counts = corner_counts(self.size)
        unit = (new.leaves.stride[new.own] * new.lattice.cell) ** 3 / 8
        piece = np.where(self.kind == MERGED, unit / 8, unit)
        volume = piece[:, None] * counts[before]
        # What hangs before and after stays with its masters: spreading it anew would smooth them.
        restrict_blocks(volume, self.still_hanging, self.size)
        heat = np.zeros(new.block_shape())
        carry_heat(self.kind, rows, self.octant, values, self.size, volume, heat)
        grown = unit[:, None] * (counts[new.active[new.own]] - counts[before])
        heat += (
            np.where((self.kind == SAME) | (self.kind == FRESH), 1.0, 0.0)[:, None] * grown * fresh
        )
        mean = new.assemble(heat) / new.volume
        kept = np.full(new.block_shape(), fresh)
        carry_nodes(self.kind, rows, self.octant, values, self.size, kept)
        changed = new.largest(np.where(self.untouched(), 0.0, 1.0)) > 0
        exact = new.largest(kept)
        return np.where(changed, mean, exact)

    def phases(self, values: np.ndarray, rows: np.ndarray, fresh: float) -> np.ndarray:
        """(n_total,) a history field at the new nodes; `fresh` where only new material is."""
        kept = np.full(self.new.block_shape(), -np.inf)
        carry_nodes(self.kind, rows, self.octant, values, self.size, kept)
        pitch = self.size + 1
        height = np.arange(pitch**3) // pitch**2
        above = (self.kind == SAME)[:, None] & (height > self.old_active()[:, None])
        kept[above] = -np.inf
        found = self.new.largest(kept)
        return np.where(np.isneginf(found), fresh, found)
