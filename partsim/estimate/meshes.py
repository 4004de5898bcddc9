"""Which mesh each layer will have, from the positions of the blocks alone.

How far blocks merge depends on the fields of the build. Here they are taken to vary only at the
surface of what the beam has melted, within MELT radii of the beam on both of its sides: no block
that touches this shell merges, but once below the surface band, all others do as soon as growth,
their siblings and the 2:1 balance allow. Blocks that the fields would split again are not foreseen.
"""

from collections.abc import Iterator
from math import ceil

import numpy as np

from partsim import parallel
from partsim.job import Job
from partsim.mesh import growth
from partsim.mesh.adapt import merge_once
from partsim.mesh.forest import Leaves
from partsim.mesh.lattice import Lattice, make_lattice
from partsim.mesh.nodes import number_nodes
from partsim.mesh.partition import cut

MELT = 2  # beam radii to both sides of the part's faces


def job_lattice(job: Job) -> Lattice:
    """The lattice of a job."""
    size = np.array(job.part.size), np.array(job.plate.size)
    return make_lattice(*size, (job.layers.thickness, job.layers.count), job.mesh)


def touches_shell(leaves: Leaves, lattice: Lattice, width: int) -> np.ndarray:
    """(n,) whether blocks overlap the part's faces thickened by `width` finest cells."""
    edge = leaves.edge[:, None]
    low = np.array([*(bounds[0] for bounds in lattice.part), lattice.plate])
    high = np.array([*(bounds[1] for bounds in lattice.part), lattice.top(lattice.layers)])
    outside = (leaves.corner + edge <= low - width) | (leaves.corner >= high + width)
    within = (leaves.corner >= low + width) & (leaves.corner + edge <= high - width)
    above_plate = leaves.corner[:, 2] >= lattice.plate
    within[:, 2] = above_plate  # the next layer goes on where this one ends
    return ~outside.any(axis=1) & ~within.all(axis=1)


def layer_leaves(job: Job, lattice: Lattice) -> Iterator[Leaves]:
    """The blocks during each layer from the first to job.layers.stop."""
    band, width = job.mesh.fine_band, ceil(MELT * job.laser.radius / lattice.cell)
    leaves = growth.plate_leaves(lattice, band)
    for layer in range(1, job.layers.stop + 1):
        grown = growth.with_layer(leaves, lattice, layer)
        if len(grown) > len(leaves):
            top = lattice.top(layer - 1)
            complete = grown.active(top) == lattice.block
            coarser = complete & ~touches_shell(grown, lattice, width)
            coarser |= complete & merge_once(grown, top, job.mesh.surface_band)
            coarser &= job.mesh.coarsen != "never"
            wishes = np.zeros(len(grown), bool), coarser
            grown = growth.adapted(grown, lattice, layer, band, wishes)
        leaves = grown
        yield leaves


def count_nodes(leaves: Leaves, lattice: Lattice, layer: int) -> int:
    """Nodes of a mesh that are not hanging; the ranks share the counting; collective."""
    comm = parallel.world()
    top = lattice.top(layer)
    nodes = number_nodes(leaves, top, cut(leaves.active(top), comm.size), comm.rank)
    return parallel.global_sum(comm, nodes.n_total - nodes.n_ghost)


def layer_meshes(job: Job) -> dict[str, np.ndarray]:
    """Blocks, cells and nodes (layers,) from layers.start to layers.stop; collective.

    `shares` (layers, levels) are those of the cells that have 1, 2, 4, ... times the finest edge.
    Nodes are counted for five layers; in between, what they exceed the cells by is interpolated.
    """
    lattice, first, last = job_lattice(job), job.layers.start, job.layers.stop
    numbers = np.arange(first, last + 1)
    counted = np.unique([first, min(first + 7, last), (first + last) // 2,
                         last - (last - first) // 20, last])
    blocks, cells, surplus, shares = [], [], [], []
    for layer, leaves in enumerate(layer_leaves(job, lattice), start=1):
        if layer < first:
            continue
        blocks.append(len(leaves))
        active = leaves.active(lattice.top(layer))
        cells.append(int(active.sum()) * lattice.block**2)
        by_size = np.bincount(lattice.depth - leaves.level, active, lattice.depth + 1)
        shares.append(by_size / by_size.sum())
        if layer in counted:
            surplus.append(count_nodes(leaves, lattice, layer) - cells[-1])
    nodes = cells + np.rint(np.interp(numbers, counted, surplus)).astype(int)
    return {"layer": numbers, "blocks": np.array(blocks), "cells": np.array(cells), "nodes": nodes,
            "shares": np.array(shares)}
