"""The leaves of the octree: order, look-up, splitting, balance and merging, against brute force."""

import numpy as np
import pytest

from partsim.mesh.forest import DIRECTIONS, OCTANTS, Leaves, box_leaves, carried, morton, spread

pytestmark = pytest.mark.serial

DEPTH, BLOCK = 3, 4
ROOTS = np.array([3, 2, 1])
SIZE = ROOTS * (BLOCK << DEPTH)  # of the domain in finest cells


def roots():
    return box_leaves(BLOCK, DEPTH, 0, np.zeros(3, int), SIZE)


def random_leaves(seed, rounds=3, share=0.3):
    """Leaves split at random, not balanced."""
    random, leaves = np.random.default_rng(seed), roots()
    for _ in range(rounds):
        leaves = leaves.split((random.random(len(leaves)) < share) & (leaves.level < DEPTH))
    return leaves


def covering(leaves):
    """The leaf over each cube of BLOCK^3 finest cells, [x, y, z]."""
    owner = np.full(SIZE // BLOCK, -1)
    for leaf, (corner, edge) in enumerate(zip(leaves.corner // BLOCK, leaves.edge // BLOCK)):
        place = tuple(slice(low, low + edge) for low in corner)
        assert (owner[place] == -1).all()
        owner[place] = leaf
    return owner


def touching(leaves):
    """(n, n) whether two leaves share a point."""
    low, high = leaves.corner, leaves.corner + leaves.edge[:, None]
    meets = (low[:, None] <= high[None]) & (high[:, None] >= low[None])
    return meets.all(axis=-1)


def is_balanced(leaves):
    levels = np.abs(leaves.level[:, None] - leaves.level[None])
    return bool((levels[touching(leaves)] <= 1).all())


def names(leaves):
    """The set of (level, x, y, z) of the leaves."""
    return set(map(tuple, np.column_stack([leaves.level, leaves.corner]).tolist()))


def test_morton_keys_interleave_the_bits():
    random = np.random.default_rng(1)
    points = np.concatenate([random.integers(0, 1 << 21, (50, 3)), np.eye(3, dtype=int) << 20])
    for point, key in zip(points.tolist(), morton(points).tolist()):
        bits = sum((point[n % 3] >> n // 3 & 1) << n for n in range(63))
        assert key == bits
    assert spread(np.array([0b1011])).tolist() == [0b1000001001]


def test_leaves_follow_the_curve_however_they_are_given():
    leaves = random_leaves(2)
    assert (np.diff(leaves.key) > 0).all()
    shuffled = np.random.default_rng(3).permutation(len(leaves))
    again = Leaves(BLOCK, DEPTH, leaves.level[shuffled], leaves.corner[shuffled])
    np.testing.assert_array_equal(again.corner, leaves.corner)
    np.testing.assert_array_equal(again.level, leaves.level)


def test_ancestor_is_a_stretch_of_the_curve():
    """What makes one binary search enough: the leaves within any root are neighbours in order."""
    leaves = random_leaves(4)
    root = morton(leaves.corner // (BLOCK << DEPTH))
    assert (np.diff(root) >= 0).all() and len(np.unique(root)) == ROOTS.prod()


@pytest.mark.parametrize("seed", range(3))
def test_find_is_the_leaf_that_covers_a_cell(seed):
    leaves = random_leaves(seed)
    owner = covering(leaves)
    assert (owner >= 0).all()
    cells = np.stack(np.meshgrid(*(np.arange(-2, n + 3) for n in SIZE), indexing="ij"), axis=-1)
    inside = ((cells >= 0) & (cells < SIZE)).all(axis=-1)
    expected = np.full(inside.shape, -1)
    expected[inside] = owner[tuple(np.moveaxis(cells[inside] // BLOCK, -1, 0))]
    np.testing.assert_array_equal(leaves.find(cells), expected)


def test_find_outside_of_a_gap():
    """Where leaves are missing, as above the powder's rim, nothing is found."""
    leaves = roots()
    fewer = leaves.replaced(np.arange(len(leaves)) == 2, np.zeros(0, int), np.zeros((0, 3), int))
    assert (fewer.find(leaves.corner) == -1).tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("seed", range(3))
def test_neighbours_lie_at_the_places_around(seed):
    leaves = random_leaves(seed)
    owner = np.pad(covering(leaves), 8, constant_values=-1)
    found = leaves.neighbours()
    for number, direction in enumerate(DIRECTIONS):
        place = (leaves.corner + direction * leaves.edge[:, None]) // BLOCK + 8
        np.testing.assert_array_equal(found[:, number], owner[tuple(place.T)])
    assert len(DIRECTIONS) == 26 and len(np.unique(DIRECTIONS, axis=0)) == 26
    np.testing.assert_array_equal(leaves.neighbours(np.array([5, 2])), found[[5, 2]])


def test_split_replaces_a_leaf_by_its_octants():
    leaves = random_leaves(5, rounds=1)
    flagged = np.zeros(len(leaves), bool)
    flagged[[1, 4]] = True
    split = leaves.split(flagged)
    assert len(split) == len(leaves) + 14
    assert (covering(split) >= 0).all()
    for corner, edge in zip(leaves.corner[flagged], leaves.edge[flagged]):
        children = split.find(corner + OCTANTS * edge // 2)
        assert (split.edge[children] == edge // 2).all()
        assert (np.diff(children) == 1).all()  # and they follow each other
    assert leaves.split(np.zeros(len(leaves), bool)) is leaves


@pytest.mark.parametrize("seed", range(6))
def test_balance_is_the_smallest_refinement_without_a_jump_of_two_levels(seed):
    leaves = random_leaves(seed, rounds=3, share=0.12)
    balanced = leaves.balanced()
    assert is_balanced(balanced) and (covering(balanced) >= 0).all()
    assert names(slowly_balanced(leaves)) == names(balanced)
    assert balanced.balanced() is balanced


def slowly_balanced(leaves):
    """Splits every leaf that touches one two levels finer, until none is left."""
    while True:
        finer = leaves.level[None] - leaves.level[:, None] > 1
        flagged = (touching(leaves) & finer).any(axis=1)
        if not flagged.any():
            return leaves
        leaves = leaves.split(flagged)


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (1, 1, 1)])
def test_balance_reaches_over_faces_edges_and_corners(direction):
    """Of a chain of splits towards one corner only the block behind it has to follow."""
    size = np.array([2, 2, 2]) * (BLOCK << 2)
    leaves = box_leaves(BLOCK, 2, 0, np.zeros(3, int), size)
    for point in ([0, 0, 0], size // 2 - 1):  # the first root, then its octant at the middle
        leaves = leaves.split(np.arange(len(leaves)) == leaves.find(np.array(point)))
    behind = np.array(direction) * size // 2
    assert leaves.level[leaves.find(behind)] == 0
    balanced = leaves.balanced()
    assert balanced.level[balanced.find(behind)] == 1
    assert is_balanced(balanced)


@pytest.mark.parametrize("seed", range(3))
def test_families_are_complete_and_flagged(seed):
    leaves = random_leaves(seed, rounds=2, share=0.4)
    flagged = np.random.default_rng(seed).random(len(leaves)) < 0.97
    expected = set()
    rows = np.column_stack([leaves.level, leaves.corner]).tolist()
    by_name = {tuple(row): leaf for leaf, row in enumerate(rows)}
    for level, *corner in names(leaves):
        edge = BLOCK << (DEPTH - level)
        if level == 0 or np.any(np.array(corner) % (2 * edge)):
            continue
        family = [by_name.get((level, *place)) for place in np.array(corner) + OCTANTS * edge]
        if None not in family and flagged[family].all():
            expected.add(tuple(family))
    found = {tuple(family) for family in leaves.families(flagged).tolist()}
    assert found == expected and 0 < len(found)


def test_family_with_a_missing_sibling_is_none():
    """As over the rim of the powder, where no block exists: seven must not borrow an eighth."""
    leaves = roots().split(np.arange(6) < 2)
    families = leaves.families(np.ones(len(leaves), bool))
    assert len(families) == 2
    for missing in range(16):
        fewer = leaves.replaced(
            np.arange(len(leaves)) == missing, np.zeros(0, int), np.zeros((0, 3), int)
        )
        left = fewer.families(np.ones(len(fewer), bool))
        assert len(left) == 1
        kept = families[1 - missing // 8]
        assert names_of(fewer, left[0]) == names_of(leaves, kept)
        assert len(fewer.merged(np.ones(len(fewer), bool))) == len(fewer) - 7


def names_of(leaves, which):
    return set(map(tuple, np.column_stack([leaves.level, leaves.corner])[which].tolist()))


@pytest.mark.parametrize("seed", range(4))
def test_merging_all_keeps_the_balance_and_undoes_splits(seed):
    leaves = random_leaves(seed, rounds=3, share=0.2).balanced()
    flagged = np.random.default_rng(seed).random(len(leaves)) < 0.97
    merged = leaves.merged(flagged)
    assert is_balanced(merged) and (covering(merged) >= 0).all()
    source = leaves.find(merged.corner)
    assert ((leaves.level[source] - merged.level) <= 1).all()  # one level at a time
    changed = merged.level < leaves.level[source]
    gone = names(leaves) - names(merged)
    assert len(gone) == 8 * changed.sum() > 0
    wanted = names_of(leaves, np.flatnonzero(flagged))
    assert gone <= wanted
    everything = leaves
    for _ in range(DEPTH):
        everything = everything.merged(np.ones(len(everything), bool))
    assert names(everything) == names(roots())


def test_merging_leaves_out_only_what_would_unbalance():
    """Every flagged complete family that stays touches a leaf finer than itself."""
    leaves = random_leaves(7, share=0.25).balanced()
    merged = leaves.merged(np.ones(len(leaves), bool))
    touch = touching(merged)
    original = leaves.find(merged.corner)
    for family in merged.families(leaves.level[original] == merged.level):
        finer = merged.level[None] > merged.level[family][:, None]
        assert (touch[family] & finer).any()


def test_active_height_counts_cells_below_the_top():
    leaves = random_leaves(8)
    for top in (0, 1, 5, 8, 31, 32, 40):
        for corner, stride, active in zip(leaves.corner, leaves.stride, leaves.active(top)):
            lower = corner[2] + stride * np.arange(BLOCK)
            assert active == (lower + stride <= top).sum()


def test_flags_are_carried_to_the_leaves_that_stay():
    leaves = random_leaves(9, rounds=2).balanced()
    flagged = np.random.default_rng(1).random(len(leaves)) < 0.5
    split = np.random.default_rng(2).random(len(leaves)) < 0.3
    changed = leaves.split(split & (leaves.level < DEPTH))
    taken = names_of(changed, np.flatnonzero(carried(leaves, flagged, changed)))
    assert taken == names_of(leaves, np.flatnonzero(flagged)) & names(changed)
