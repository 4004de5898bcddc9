"""Which blocks exist under which layer, and how fine: the plate, powder rows, the band below."""

from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from partsim.mesh import growth
from partsim.mesh.forest import box_leaves
from partsim.mesh.lattice import make_lattice, snap_range
from tests.meshes import BAND, make_mesh, small_lattice, varied_leaves

MESH = SimpleNamespace(cell=5e-5, block=4, levels=3, powder_rim=4e-4)
PART, PLATE = np.array([1.1e-3, 0.9e-3, 6e-4]), np.array([3.2e-3, 2.4e-3, 1.6e-3])


def made_lattice(thickness=5e-5, layers=12, **changes):
    inputs = SimpleNamespace(**vars(MESH) | changes)
    return make_lattice(PART, PLATE, (thickness, layers), inputs)


def nothing(leaves):
    return np.zeros((2, len(leaves)), bool)


def built(lattice, layers, wishes=nothing, band=BAND):
    """Leaves of a build of `layers` layers, one after another."""
    leaves = growth.plate_leaves(lattice, band)
    yield 0, leaves
    for layer in range(1, layers + 1):
        leaves = growth.with_layer(leaves, lattice, layer)
        leaves = growth.adapted(leaves, lattice, layer, band, wishes(leaves))
        yield layer, leaves


def always_merging(leaves):
    return np.array([np.zeros(len(leaves), bool), np.ones(len(leaves), bool)])


def under(lattice, leaves, rectangle):
    """(n,) whether a leaf's footprint overlaps a lattice rectangle, point by point."""
    points = np.zeros((len(leaves),), bool)
    (x0, x1), (y0, y1) = rectangle
    for number, (corner, edge) in enumerate(zip(leaves.corner, leaves.edge)):
        columns = set(range(corner[0], corner[0] + edge)) & set(range(x0, x1))
        rows = set(range(corner[1], corner[1] + edge)) & set(range(y0, y1))
        points[number] = bool(columns and rows)
    return points


def test_lattice_has_the_plate_centred_and_its_top_on_a_root_boundary():
    lattice = made_lattice()
    assert lattice.root_edge == 16
    assert lattice.plate == 32 and lattice.plate % lattice.root_edge == 0
    assert lattice.roots == (4, 3, 3)  # 32 cells of plate and 12 of layers: three roots high
    np.testing.assert_allclose(lattice.origin, [-1.05e-3, -0.75e-3, -1.6e-3], rtol=1e-14)
    top = lattice.position(np.array([21, 15, lattice.plate]))
    np.testing.assert_allclose(top, [0, 0, 0], atol=1e-18)
    corner = lattice.position(np.array([43, 33, lattice.top(12)]))
    np.testing.assert_allclose(corner, PART, rtol=1e-13)
    assert lattice.part == ((21, 43), (15, 33))
    assert lattice.powder == ((12, 52), (4, 44))  # 13 to 51 and 7 to 41 cells, in whole blocks


def test_lattice_of_several_cells_per_layer():
    lattice = made_lattice(thickness=1e-4, layers=6)
    assert (lattice.layer, lattice.layers, lattice.top(3)) == (2, 6, 38)


@pytest.mark.parametrize("low, high, expected", [
    (13.0, 51.0, (12, 52)), (12.0, 52.0, (12, 52)), (12 + 1e-12, 52 + 1e-12, (12, 52)),
    (-3.0, 61.0, (0, 60)), (11.9, 52.1, (8, 56)),
])
def test_range_of_whole_blocks_that_covers(low, high, expected):
    assert snap_range(low, high, 4, 60) == expected


def test_powder_wider_than_the_plate_ends_with_the_plate():
    assert made_lattice(powder_rim=5e-3).powder == ((0, 64), (0, 48))


@pytest.mark.parametrize("layer_cells", [1, 2, 3, 6, 8])
def test_layers_cover_the_powder_and_nothing_else(layer_cells):
    lattice = small_lattice(layer=layer_cells)
    for layer, leaves in built(lattice, lattice.layers):
        top, grid = lattice.top(layer), np.zeros((48, 48, 48), int)
        for corner, edge in zip(leaves.corner, leaves.edge):
            grid[tuple(slice(low, low + edge) for low in corner)] += 1
        expected = np.zeros_like(grid)
        expected[:, :, : lattice.plate] = 1
        (x0, x1), (y0, y1) = lattice.powder
        expected[x0:x1, y0:y1, lattice.plate : top] = 1
        np.testing.assert_array_equal(grid[:, :, :top], expected[:, :, :top])
        # and above the top only what the last row of blocks needs
        assert leaves.corner[:, 2].max() < top


@pytest.mark.parametrize("block, layer_cells, wishes", [
    (4, 1, nothing), (4, 1, always_merging), (4, 2, always_merging), (8, 1, always_merging),
])
def test_blocks_at_the_top_and_in_the_band_are_finest(block, layer_cells, wishes):
    lattice = small_lattice(block, layer_cells)
    for layer, leaves in built(lattice, lattice.layers, wishes, band=6):
        top, upper = lattice.top(layer), leaves.corner[:, 2] + leaves.edge
        at_top = (upper >= top) & under(lattice, leaves, lattice.powder)
        in_band = (upper > top - 6) & under(lattice, leaves, lattice.part)
        assert at_top.sum() and in_band.sum()
        assert (leaves.level[at_top | in_band] == lattice.depth).all()
        partial = (leaves.active(top) > 0) & (leaves.active(top) < block)
        assert (leaves.level[partial] == lattice.depth).all()


def test_band_is_no_thicker_than_asked():
    """Without wishes the plate is as coarse as the band and the 2:1 balance allow."""
    lattice = small_lattice()
    leaves = growth.plate_leaves(lattice, 4)
    finest = leaves.level == lattice.depth
    assert leaves.corner[finest, 2].min() == lattice.plate - 8  # the two rows of a halved block
    deeper = growth.plate_leaves(lattice, 9)
    finest = deeper.level == lattice.depth
    assert deeper.corner[finest, 2].min() == lattice.plate - 16
    assert (leaves.level == 0).any() and (deeper.level == 0).any()


def test_row_of_blocks_is_added_when_the_top_outgrows_it():
    lattice, fresh = small_lattice(), 4 * 4
    counts = [growth.plate_leaves(lattice, BAND)]
    for layer in range(1, 9):
        counts.append(growth.with_layer(counts[-1], lattice, layer))
    added = np.diff([len(leaves) for leaves in counts])
    assert added.tolist() == [fresh, 0, 0, 0, fresh, 0, 0, 0]
    assert counts[2] is counts[1]


def test_merging_below_the_growing_top_thins_the_mesh_out():
    lattice = small_lattice()
    kept = [len(leaves) for _, leaves in built(lattice, 8)]
    thinned = list(built(lattice, 8, always_merging))
    assert len(thinned[-1][1]) < kept[-1]
    for _, leaves in thinned:
        assert len(leaves.balanced()) == len(leaves)


def test_wishes_are_granted_where_the_build_allows():
    lattice = small_lattice()
    leaves = growth.plate_leaves(lattice, BAND)
    coarse = leaves.level == 0
    finer = growth.adapted(leaves, lattice, 0, BAND, (coarse, ~coarse))
    assert (finer.level > 0).all()
    split = leaves.find(finer.corner)
    assert (finer.level[coarse[split]] >= 1).all()
    # a wish to merge everything brings back the coarsest plate the band allows
    merged = growth.adapted(finer, lattice, 0, BAND, always_merging(finer))
    np.testing.assert_array_equal(merged.corner, leaves.corner)
    # splitting wins over merging, and nothing is split beyond the finest level
    both = np.ones((2, len(leaves)), bool)
    once = growth.adapted(leaves, lattice, 0, BAND, both)
    assert len(once) == len(leaves.split(leaves.level < lattice.depth).balanced())
    assert once.level.max() == lattice.depth


def test_adapted_mesh_differs_from_the_old_by_one_level_at_most():
    """What the transfer of fields relies on."""
    lattice, random = small_lattice(), np.random.default_rng(3)
    leaves = growth.plate_leaves(lattice, BAND)
    for layer in range(1, 9):
        leaves = growth.with_layer(leaves, lattice, layer)
        new = growth.adapted(leaves, lattice, layer, BAND, random.random((2, len(leaves))) < 0.3)
        source = leaves.find(new.corner)
        assert (source >= 0).all()
        assert (np.abs(leaves.level[source] - new.level) <= 1).all()
        leaves = new


@pytest.mark.parametrize("extra", [4, 8, 12])
@pytest.mark.parametrize("wishes", [nothing, always_merging])
def test_plate_of_any_number_of_finest_blocks(extra, wishes):
    """Every place is held once, by a block that lies on the grid of its level, 2:1 balanced."""
    lattice = small_lattice(extra=extra)
    assert lattice.plate == 32 + extra
    for layer, leaves in built(lattice, lattice.layers, wishes):
        (x0, x1), (y0, y1) = lattice.powder
        rows = -(-layer // 4) * 4
        volume = 48 * 48 * lattice.plate + (x1 - x0) * (y1 - y0) * rows
        assert (leaves.edge**3).sum() == volume
        assert (leaves.corner % leaves.edge[:, None] == 0).all()
        assert len(leaves.balanced()) == len(leaves)
        middle = leaves.corner + leaves.edge[:, None] // 2
        np.testing.assert_array_equal(leaves.find(middle), np.arange(len(leaves)))
    coarse = growth.plate_leaves(lattice, 4)
    assert (coarse.level == 0).any() and coarse.corner[coarse.level == 0, 2].max() <= 16


@pytest.mark.parametrize("layer, rows", [(0, 0), (1, 1), (6, 6), (8, 8)])
def test_volume_and_surface_of_the_active_mesh(comm, layer, rows):
    """Plate and powder, and a top area that is that of the plate at any height."""
    lattice = small_lattice()
    mesh = make_mesh(comm, lattice, varied_leaves(lattice, layer), layer)
    cells = 48 * 48 * 32 + 16 * 16 * rows
    volume = comm.allreduce(mesh.volume[mesh.owned].sum(), MPI.SUM)
    assert volume == pytest.approx(cells * lattice.cell**3, rel=1e-13)
    owned_area = mesh.area[mesh.nodes.n_ghost :].sum()
    assert comm.allreduce(owned_area) == pytest.approx((48 * lattice.cell) ** 2, rel=1e-13)
    mesh.close()


def test_leaves_of_a_box():
    leaves = box_leaves(4, 2, 1, np.array([8, 0, 16]), np.array([24, 8, 24]))
    assert leaves.level.tolist() == [1, 1] and leaves.edge.tolist() == [8, 8]
    assert leaves.corner.tolist() == [[8, 0, 16], [16, 0, 16]]
