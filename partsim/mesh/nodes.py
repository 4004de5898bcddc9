"""The nodes of a rank's blocks: which are hanging, which are shared, and where each is stored.

The vector of a rank is [ghost | owned surface | interior], where surface nodes lie on the surface
of some block. A node that blocks of several ranks touch is kept by all of them; the rank of the
first of these blocks owns it, for the others it is a ghost. Contributions to a shared node are
summed in block order, so that the sum is bitwise the same whoever owns what: the owner sums at the
node those of its blocks that come before all others; the rest is kept apart, one slot for each
block.
"""

from dataclasses import dataclass

import numpy as np

from .forest import Leaves
from .local import Tables
from .sides import find_runs, hanging_positions, hanging_sides, position_table, surface

KEY_BITS = 21


def node_key(points: np.ndarray) -> np.ndarray:
    """One integer for each lattice point (..., 3)."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return (z << 2 * KEY_BITS) | (y << KEY_BITS) | x


def key_point(key: np.ndarray) -> np.ndarray:
    """The lattice points (..., 3) of node keys."""
    mask = (1 << KEY_BITS) - 1
    return np.stack([key & mask, (key >> KEY_BITS) & mask, key >> 2 * KEY_BITS], axis=-1)


def hanging_bits(leaves: Leaves, neighbours: np.ndarray) -> np.ndarray:
    """(n,) Tables.hanging of every leaf, from its (n, 26) neighbours."""
    coarser = (neighbours >= 0) & (leaves.level[neighbours] < leaves.level[:, None])
    matters, _ = hanging_sides()
    bits = (coarser.astype(np.int32) @ matters.T.astype(np.int32)) > 0
    return bits @ (1 << np.arange(18)).astype(np.int64)


@dataclass(frozen=True)
class Entries:
    """The surface entries of some blocks, block after block.

    first    (m+1,)  first entry of each block
    block    (S,)    leaf of each entry
    key      (S,)    node key
    hanging  (S,)    whether it hangs
    """

    first: np.ndarray
    block: np.ndarray
    key: np.ndarray
    hanging: np.ndarray


def surface_entries(
    leaves: Leaves, blocks: np.ndarray, active: np.ndarray, bits: np.ndarray
) -> Entries:
    """The surface entries of `blocks`; active, bits (n,) of all leaves."""
    size = leaves.block
    count = np.array([len(surface(size, height)) for height in range(size + 1)])[active[blocks]]
    first = np.r_[0, np.cumsum(count)]
    key = np.empty(first[-1], np.int64)
    hanging = np.empty(first[-1], bool)
    kinds = active[blocks] + (size + 1) * bits[blocks]
    for kind in np.unique(kinds):
        which = np.flatnonzero(kinds == kind)
        height, mask = int(kind % (size + 1)), int(kind // (size + 1))
        local = surface(size, height)
        own = blocks[which]
        points = leaves.corner[own][:, None] + local * leaves.stride[own][:, None, None]
        places = first[which][:, None] + np.arange(len(local))
        key[places] = node_key(points)
        hanging[places] = hanging_positions(size, height, mask)
    return Entries(first, np.repeat(blocks, count), key, hanging)


@dataclass(frozen=True)
class Sharing:
    """How the shared nodes of a rank are summed and exchanged.

    nodes       (m,)  shared surface nodes (places in the vector)
    slot_first  (m+1,), slots  their slots in block order; the first of an owned node is the node
    ranks       the ranks that share nodes with this one
    send_slots  for each, the slots whose contributions it needs
    receive     for each, (first, last) of the slots that it fills
    send_nodes, receive_nodes  for each, owned nodes it has as ghosts, and the reverse
    """

    nodes: np.ndarray
    slot_first: np.ndarray
    slots: np.ndarray
    ranks: list[int]
    send_slots: list[np.ndarray]
    receive: list[tuple[int, int]]
    send_nodes: list[np.ndarray]
    receive_nodes: list[np.ndarray]


@dataclass(frozen=True)
class Nodes:
    """The nodes of one rank.

    tables     where the blocks' nodes are
    hanging    (n,) Tables.hanging of all leaves
    key        (n_surface,) key of each surface node, in the order of the vector
    n_ghost, n_surface, n_total   sizes of the parts of the vector
    n_slots    length of a vector of contributions: surface nodes, one waste place, slots
    foreign_block, foreign_node  (f,) leaves of other ranks, each with a node that it shares
    """

    tables: Tables
    hanging: np.ndarray
    key: np.ndarray
    n_ghost: int
    n_surface: int
    n_total: int
    n_slots: int
    sharing: Sharing
    foreign_block: np.ndarray
    foreign_node: np.ndarray


def first_seen(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys in the order in which they appear, and the place of each key among them."""
    distinct, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(index)
    place = np.empty(len(distinct), np.int64)
    place[order] = np.arange(len(distinct))
    return distinct[order], place[inverse]


def foreign_entries(leaves, mine, neighbours, shape) -> Entries:
    """Surface entries of the other ranks' blocks that touch this rank's blocks, mine (n,)."""
    active, bits = shape
    first = np.repeat(np.arange(len(leaves)), neighbours.shape[1])
    second = neighbours.ravel()
    across = (second >= 0) & (mine[first] != mine[second])
    touching = np.r_[first[across & ~mine[first]], second[across & ~mine[second]]]
    return surface_entries(leaves, np.unique(touching), active, bits)


def number_nodes(leaves: Leaves, top: int, owner: np.ndarray, rank: int) -> Nodes:
    """The nodes of a rank's blocks in a mesh active up to `top`; owner (n,) of all leaves."""
    active = leaves.active(top)
    neighbours = leaves.neighbours()
    bits = hanging_bits(leaves, neighbours)
    blocks = np.flatnonzero(owner == rank)
    own = surface_entries(leaves, blocks, active, bits)
    real = ~own.hanging
    key, node_of = first_seen(own.key[real])

    foreign = foreign_entries(leaves, owner == rank, neighbours, (active, bits))
    sorter = np.argsort(key)
    place = np.searchsorted(key, foreign.key, sorter=sorter)
    place = sorter[np.minimum(place, len(key) - 1)]
    shared = ~foreign.hanging & (key[place] == foreign.key)
    block = np.r_[own.block[real], foreign.block[shared]]
    node = np.r_[node_of, place[shared]]

    ghost = owner[lowest(node, block, len(key), len(leaves))] != rank
    order = np.argsort(~ghost, kind="stable")  # ghosts first
    renumber = np.empty(len(key), np.int64)
    renumber[order] = np.arange(len(key))
    key, node, n_ghost = key[order], renumber[node], int(ghost.sum())

    sharing, slot = share(block, node, owner, (rank, len(node_of), key))
    node_of, foreign_node = np.split(node, [len(node_of)])
    node, slots = np.zeros(len(real), np.int32), np.full(len(real), len(key), np.int32)
    node[real], slots[real] = node_of, slot
    # what `gather` and `scatter` read and leave as it is where a side is no run
    assert len(key) >= (leaves.block - 1) ** 2 or not active[blocks].any()
    inner = (leaves.block - 1) ** 2 * np.maximum(active[blocks] - 1, 0)
    interior_first = len(key) + np.r_[0, np.cumsum(inner)]
    n_slots = sharing.receive[-1][1] if sharing.ranks else len(key) + 1
    tables = Tables(
        (0,) * leaves.block,
        own.first,
        position_table(leaves.block),
        node,
        slots,
        *find_runs((own.first, node, slots, own.hanging), active[blocks], leaves.block),
        interior_first[:-1],
        active[blocks],
        bits[blocks],
    )
    sizes = (n_ghost, len(key), int(interior_first[-1]), n_slots)
    return Nodes(tables, bits, key, *sizes, sharing, foreign.block[shared], foreign_node)


def share(block, node, owner, frame):
    """Sharing, and the place in the contributions of every own entry.

    block, node  of the real entries at this rank's nodes, each rank's in block order: first the
                 own ones, then those of others
    owner        (n,) of all leaves
    frame        (rank, how many entries are its own, keys of the surface nodes)
    """
    rank, n_own, key = frame
    n_surface, sender = len(key), owner[block]
    home = lowest(node, block, n_surface, len(owner))
    node_owner = owner[home]
    others = sender != node_owner[node]
    guest = lowest(node[others], block[others], n_surface, len(owner))
    # what the owner sums at the node, of which only the first stands in a message for all
    direct = ~others & (block < guest[node])
    sent = ~direct | (block == home[node])

    slot = node[:n_own].copy()
    base = n_surface + 1 + int((~direct[:n_own]).sum())
    slot[~direct[:n_own]] = np.arange(n_surface + 1, base)
    received = n_own + np.flatnonzero(sent[n_own:])
    received = received[np.argsort(sender[received], kind="stable")]
    ranks = np.unique(sender[n_own:]).tolist()
    last = base + np.searchsorted(sender[received], ranks, side="right")
    send_slots, send_nodes, receive_nodes = [], [], []
    is_shared = np.zeros(n_surface, bool)
    for other in ranks:
        with_other = np.zeros(n_surface, bool)
        with_other[node[n_own:][sender[n_own:] == other]] = True
        is_shared |= with_other
        send_slots.append(slot[with_other[node[:n_own]] & sent[:n_own]])
        both = np.flatnonzero(with_other)
        both = both[np.argsort(key[both])]
        send_nodes.append(both[node_owner[both] == rank])
        receive_nodes.append(both[node_owner[both] == other])

    entries = np.flatnonzero(sent[:n_own] & is_shared[node[:n_own]])
    every = np.r_[entries, received]
    slots = np.r_[slot[entries], base + np.arange(len(received))]
    nodes, first, slots = in_block_order(node[every], block[every], slots)
    receive = [(int(low), int(high)) for low, high in zip(np.r_[base, last[:-1]], last)]
    sharing = Sharing(nodes, first, slots, ranks, send_slots, receive, send_nodes, receive_nodes)
    return sharing, slot


def lowest(node: np.ndarray, block: np.ndarray, nodes: int, none: int) -> np.ndarray:
    """(nodes,) the lowest of the blocks (m,) at each node, `none` where there is none."""
    result = np.full(nodes, none)
    np.minimum.at(result, node, block)
    return result


def in_block_order(nodes, blocks, slots) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sharing.nodes, slot_first and slots of entries given in any order."""
    order = np.lexsort((blocks, nodes))
    distinct, count = np.unique(nodes, return_counts=True)
    first = np.r_[0, np.cumsum(count)]
    return distinct.astype(np.int32), first.astype(np.int32), slots[order].astype(np.int32)
