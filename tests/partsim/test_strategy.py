"""Lines clipped to sections, order of features and fields, contours, and several beams."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from partsim.errors import UserError
from partsim.job import parse
from partsim.part.hatch import outlines, serpentine
from partsim.part.shape import Box
from partsim.part.strategy import check_layers, layer_paths
from tests.small_job import job_text

pytestmark = pytest.mark.serial
MM = 1e-3
SPEED, POWER, TURN, HOP = 0.96, 180.0, 5e-4, 1.7e-3
JOB = {
    "part.size": ["4 mm", "1 mm", "0.2 mm"], "plate.size": ["8 mm", "4 mm", "0.8 mm"],
    "scan.hatch": "0.1 mm", "scan.turn_time": TURN, "scan.hop_time": HOP,
}
ALONG, ACROSS = np.array([1.0, 0.0]), np.array([0.0, 1.0])
RING = shapely.Point(0, 0).buffer(2.0, 64).difference(shapely.Point(0, 0).buffer(1.0, 64))


class Walls:
    """A solid with the same section in every layer: boxes (x0, y0, x1, y1) in mm."""

    def __init__(self, *walls):
        self.base = shapely.MultiPolygon([shapely.box(*np.array(wall) * MM) for wall in walls])

    bounds = np.zeros(3), np.array([4.0, 1.0, 0.2]) * MM

    def section(self, layer):
        return self.base


LEGS = Walls((3, 0, 4, 1), (0, 0, 1, 1), (1.75, 0, 2.25, 1))
WHOLE = Walls((0, 0, 4, 1))


def paths(shape=LEGS, layer=1, **changes):
    entries = JOB | {f"scan.{name}": value for name, value in changes.items()}
    text = job_text({n: v for n, v in entries.items() if n != "scan.contour"})
    if "scan.contour" in entries:
        rows = "\n".join(f"{n} = {v}" for n, v in entries["scan.contour"].items())
        text += f"[scan.contour]\n{rows}\n"
    return layer_paths(parse(text, "job.toml"), shape, layer)


def path_of(*arguments, **changes):
    (path,) = paths(*arguments, **changes)
    return path


def lines_of(path):
    """Begin and end (n, 2, 2) in mm of the segments with power."""
    on = np.flatnonzero(path.power)
    return np.stack([path.ends[on, :2], path.ends[on + 1, :2]], axis=1) / MM


def pauses_of(path):
    """Times without power between the lines, to what the sum of all times rounds off."""
    return np.diff(path.times)[1::2].round(12)


def rows(path):
    """x where lines begin and end, by rows of the same y in the order of scanning."""
    lines = lines_of(path).round(9)
    found = []
    for (x0, y0), (x1, y1) in lines:
        assert y0 == y1
        if not found or found[-1][0] != y0:
            found.append((y0, []))
        found[-1][1].append((x0, x1))
    return found


def test_lines_go_over_all_pieces_with_the_beam_off_in_the_gaps():
    path = path_of()
    found = rows(path)
    assert [y for y, _ in found] == pytest.approx((np.arange(10) + 0.5) / 10)
    assert found[0][1] == [(0, 1), (1.75, 2.25), (3, 4)]
    assert found[1][1] == [(4, 3), (2.25, 1.75), (1, 0)]
    assert pauses_of(path) == pytest.approx(([HOP, HOP, TURN] * 10)[:-1])
    assert path.duration == pytest.approx(10 * 2.5 * MM / SPEED + 20 * HOP + 9 * TURN)
    assert path.energy() == pytest.approx(POWER * 10 * 2.5 * MM / SPEED)


def test_features_are_scanned_one_after_the_other_from_the_lowest_x():
    """Each with lines of its own: 10, 5 and 10 of them along y."""
    path = path_of(order="features", direction="90 deg")
    lines = lines_of(path)
    expected = np.concatenate([
        (np.arange(10) + 0.5) / 10, 1.75 + (np.arange(5) + 0.5) / 10, 3 + (np.arange(10) + 0.5) / 10
    ])  # fmt: skip
    np.testing.assert_allclose(lines[:, 0, 0], expected, atol=1e-12)
    np.testing.assert_allclose(lines[:, 1, 0], expected, atol=1e-12)
    up = np.concatenate([np.arange(n) % 2 == 0 for n in (10, 5, 10)])
    np.testing.assert_allclose(lines[:, 0, 1], np.where(up, 0, 1), atol=1e-12)
    np.testing.assert_allclose(lines[:, 1, 1], np.where(up, 1, 0), atol=1e-12)
    hops = np.full(24, TURN)
    hops[[9, 14]] = HOP
    assert pauses_of(path) == pytest.approx(hops)


def test_order_repeats_over_the_layers():
    changes = {"order": ["lines", "features"], "direction": ["0 deg", "90 deg"]}
    for layer, other in ((1, {}), (2, {"order": "features", "direction": "90 deg"}), (3, {})):
        np.testing.assert_allclose(
            path_of(layer=layer, **changes).ends[:, :2], path_of(**other).ends[:, :2], atol=1e-15
        )


def test_hop_time_is_the_turn_time_unless_told():
    text = job_text(JOB | {"scan.hop_time": TURN})
    plain = job_text({name: value for name, value in JOB.items() if name != "scan.hop_time"})
    expected, found = (
        layer_paths(parse(each, "job.toml"), LEGS, 1)[0].times for each in (text, plain)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("width, hatch, count", [
    (5.0, 0.11, 45), (75.0, 0.11, 682), (0.5, 0.11, 5), (2.5, 0.11, 23), (0.01, 0.11, 1),
    (0.15, 0.1, 2), (0.149, 0.1, 1),
])  # fmt: skip
def test_number_of_lines_over_a_width(width, hatch, count):
    """Those of the cantilever among others; half a line rounds up."""
    ends, same = serpentine(shapely.box(0, 0, 3, width), (ALONG, ACROSS), hatch)
    np.testing.assert_allclose(ends[:, 0, 1], (np.arange(count) + 0.5) * width / count)
    assert not same.any()


def test_lines_over_a_ring_jump_its_hole():
    """Chords of two circles, at most as far off as the 256 sides of the polygons."""
    ends, same = serpentine(RING, (ALONG, ACROSS), 0.1)
    y = ends[:, 0, 1]
    outer, inner = np.sqrt(4 - y**2), np.sqrt(np.maximum(1 - y**2, 0))
    expected = np.where(np.abs(y) < 1, outer - inner, 2 * outer)
    np.testing.assert_allclose(np.abs(ends[:, 1, 0] - ends[:, 0, 0]), expected, atol=2e-3)
    np.testing.assert_allclose(np.unique(y.round(9)), (np.arange(40) + 0.5) / 10 - 2, atol=1e-9)
    assert same.sum() == 20 and len(y) == 60


@pytest.mark.parametrize("angle", [0, 17, 45, 67, 90, 135, 211])
def test_lines_cover_a_ring_in_any_direction(angle):
    """Their length times their distance is the area, to the second order of the hatch."""
    turn = math.radians(angle)
    along = np.array([math.cos(turn), math.sin(turn)])
    ends, _ = serpentine(RING, (along, np.array([-along[1], along[0]])), 0.05)
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum()
    assert length * 0.05 == pytest.approx(3 * math.pi, rel=5e-3)
    assert shapely.covers(RING.buffer(1e-9), shapely.linestrings(ends)).all()
    turns = np.sign((ends[:, 1] - ends[:, 0]) @ along)
    across = (ends[:, 0] @ [-along[1], along[0]]).round(6)
    flips = np.flatnonzero(np.diff(across))
    assert (turns[flips] == -turns[flips + 1]).all()


def test_lines_that_miss_the_section_are_left_out():
    """Two walls with four lines between them; one line alone may meet none."""
    walls = Walls((0, 0, 4, 0.3), (0, 0.7, 4, 1))
    found = rows(path_of(walls))
    assert [y for y, _ in found] == pytest.approx([0.05, 0.15, 0.25, 0.75, 0.85, 0.95])
    assert [pieces for _, pieces in found] == [[(0, 4)], [(4, 0)]] * 3
    with pytest.raises(UserError, match="no line meets the section with scan.hatch = 0.001 m"):
        paths(walls, hatch="1 mm")
    assert len(lines_of(path_of(walls, hatch="1 mm", islands=[2, 1], order="features"))) == 4


def test_line_that_touches_a_corner_is_one_line():
    """A notch whose tip lies on the line does not divide it; a tip above it leaves none."""
    notched = shapely.Polygon([(0, 0), (3, 0), (3, 1), (2, 1), (1.5, 0.5), (1, 1), (0, 1)])
    ends, same = serpentine(notched, (ALONG, ACROSS), 1.0)
    np.testing.assert_allclose(ends, [[[0, 0.5], [3, 0.5]]], atol=1e-9)
    spike = shapely.Polygon([(0, 0), (3, 0), (3, 0.1), (1.5, 0.5), (0, 0.1), (0, 0.05)])
    ends, _ = serpentine(shapely.union(spike, shapely.box(0, 0, 0.1, 1)), (ALONG, ACROSS), 1.0)
    np.testing.assert_allclose(ends, [[[0, 0.5], [0.1, 0.5]]], atol=1e-9)


def test_inset_keeps_the_lines_off_the_outline():
    found = rows(path_of(inset="0.1 mm", hatch="0.08 mm"))
    assert [y for y, _ in found] == pytest.approx(0.1 + 0.08 * (np.arange(10) + 0.5))
    assert found[0][1] == [(0.1, 0.9), (1.85, 2.15), (3.1, 3.9)]
    narrow = path_of(inset="0.3 mm")
    assert [len(pieces) for _, pieces in rows(narrow)] == [2] * 4


def test_layer_with_nothing_to_scan_is_told():
    with pytest.raises(UserError, match="layer 1 has nothing to scan: scan.inset = 0.0006 m takes"):
        paths(inset="0.6 mm")
    job = parse(job_text(JOB | {"scan.inset": "0.6 mm"}), "job.toml")
    with pytest.raises(UserError, match="layer 1 has nothing to scan"):
        check_layers(job, LEGS)
    job = parse(job_text(JOB), "job.toml")
    check_layers(job, LEGS)
    gap = SimpleNamespace(
        section=lambda layer: shapely.MultiPolygon() if layer == 3 else LEGS.base
    )
    with pytest.raises(UserError, match="layer 3 .* the part has no section there"):
        check_layers(job, gap)


def test_fields_take_what_the_section_leaves_of_them():
    """Four fields of 1 mm: the third holds a strip of 0.25 mm only, each has lines of its own."""
    path = path_of(islands=[4, 1], direction="90 deg")
    lines = lines_of(path)
    counts = [10, 3, 3, 10]
    expected = np.concatenate([
        low + (np.arange(n) + 0.5) * width / n
        for low, width, n in zip((0, 1.75, 2, 3), (1, 0.25, 0.25, 1), counts, strict=True)
    ])
    np.testing.assert_allclose(lines[:, 0, 0], expected, atol=1e-9)
    assert np.flatnonzero(pauses_of(path) == HOP).tolist() == [9, 12, 15]
    empty = path_of(Walls((0, 0, 0.9, 1)), islands=[4, 1])
    assert len(lines_of(empty)) == 10


def test_every_other_field_is_turned():
    path = path_of(WHOLE, islands=[4, 2], island_rotation="90 deg")
    lines = lines_of(path)
    places = np.floor(lines.mean(axis=1) / [1, 0.5]).astype(int)
    along_x = np.isclose(lines[:, 0, 1], lines[:, 1, 1])
    np.testing.assert_array_equal(along_x, places.sum(axis=1) % 2 == 0)


def test_random_order_is_a_function_of_seed_and_layer():
    def order(layer, seed):
        path = path_of(WHOLE, layer, islands=[4, 2], island_order="random", seed=seed)
        places = np.floor(lines_of(path).mean(axis=1) / [1, 0.5]).astype(int) @ [1, 4]
        visits = places[np.flatnonzero(np.diff(places, prepend=-1))].tolist()
        assert sorted(visits) == list(range(8))
        return visits

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(layer, seed)) for layer in (1, 2, 3) for seed in (0, 1)}) == 6


@pytest.mark.parametrize("order", ["first", "last"])
def test_contours_have_their_own_beam(order):
    contour = {"count": 2, "power": 100.0, "speed": 0.9, "offset": 5e-5, "distance": 8e-5,
               "order": f'"{order}"'}
    path = path_of(WHOLE, inset="0.25 mm", contour=contour)
    lines = lines_of(path)
    on = np.flatnonzero(path.power)
    ring = path.power[on] == 100.0
    assert ring.sum() == 8 and (ring[:8].all() if order == "first" else ring[-8:].all())
    length = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
    edges = [2 * (4 + 1 - 4 * inset) for inset in (0.05, 0.13)]
    assert length[ring].sum() == pytest.approx(sum(edges))
    np.testing.assert_allclose(np.diff(path.times)[on], length * MM / np.where(ring, 0.9, SPEED))
    outer = lines[ring][:4]
    np.testing.assert_allclose(outer.min(axis=(0, 1)), [0.05, 0.05], atol=1e-12)
    np.testing.assert_allclose(outer.max(axis=(0, 1)), [3.95, 0.95], atol=1e-12)
    np.testing.assert_allclose(outer[:, 1], np.roll(outer[:, 0], -1, axis=0), atol=1e-12)
    hops = np.flatnonzero(pauses_of(path) == HOP)
    assert len(hops) == 2 and np.count_nonzero(pauses_of(path) == 0) == 6


def test_contours_default_to_the_laser_and_the_hatch():
    path = path_of(contour={"count": 2})
    assert set(path.power[path.power > 0]) == {POWER}
    lines = lines_of(path)[:24]
    assert lines[12:].min() == pytest.approx(0.1)  # the first ring of the second round
    moving = np.diff(path.times)[np.flatnonzero(path.power)][:24]
    length = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1) * MM
    np.testing.assert_allclose(moving, length / SPEED)


def test_outlines_of_a_ring_go_around_the_hole_too():
    outer, inner = outlines(shapely.MultiPolygon([RING]), 0.25)
    radius = [np.linalg.norm(points, axis=1) for points in (outer, inner)]
    np.testing.assert_allclose(radius[0], 1.75, atol=2e-3)
    np.testing.assert_allclose(radius[1], 1.25, atol=2e-3)
    assert not outlines(shapely.MultiPolygon([RING]), 0.6)


def test_corners_closer_than_the_beam_can_tell_are_one():
    """A square with a corner twice but for round-off, in the middle and where its outline ends."""
    for first in range(4):
        corners = np.roll([[0.0, 0.0], [MM, 0.0], [MM, MM], [0.0, MM]], first, axis=0)
        beside = np.insert(corners, 2, corners[1] + 1e-19 - 2e-19 * (corners[1] > 0), axis=0)
        beside = np.vstack([beside, corners[0] * (1 - 2e-16) + 1e-19])
        section = shapely.MultiPolygon([shapely.Polygon(beside)])
        (ring,) = outlines(section, 0.0)
        length = np.linalg.norm(np.diff(ring, axis=0), axis=1)
        np.testing.assert_allclose(length, [MM] * 4, rtol=1e-9)
        walls = SimpleNamespace(section=lambda layer, base=section: base, bounds=WHOLE.bounds)
        path = path_of(walls, contour={"order": '"last"'})
        assert path.energy() == pytest.approx(POWER * (10 + 4) * MM / SPEED, rel=1e-9)


def test_one_field_is_dealt_to_beams_in_shares_of_equal_length():
    alone = lines_of(path_of())
    for lasers in (2, 3):
        beams = paths(lasers=lasers)
        assert len(beams) == lasers
        np.testing.assert_array_equal(np.concatenate([lines_of(beam) for beam in beams]), alone)
        energy = np.array([beam.energy() for beam in beams])
        assert np.abs(energy / energy.mean() - 1).max() < 1.01 / 25 * lasers
        assert all(beam.times[0] == 0 and beam.power[0] > 0 < beam.power[-1] for beam in beams)


def test_fields_are_dealt_whole_and_contours_apart():
    beams = paths(WHOLE, lasers=2, islands=[4, 1], contour={"count": 1})
    assert len(beams) == 2
    # the only ring lies in the middle of both shares: it goes to the second beam
    ring, hatching = lines_of(beams[1])[:4], [lines_of(beams[0]), lines_of(beams[1])[4:]]
    np.testing.assert_allclose([ring.min(axis=(0, 1)), ring.max(axis=(0, 1))], [[0, 0], [4, 1]])
    assert [lines[..., 0].min() for lines in hatching] == pytest.approx([0, 2], abs=1e-9)
    assert [lines[..., 0].max() for lines in hatching] == pytest.approx([2, 4])


def test_beam_for_which_nothing_is_left_does_not_appear():
    beams = paths(WHOLE, lasers=9, islands=[2, 2])
    assert len(beams) == 4
    assert len({beam.duration for beam in beams}) <= 4


def test_path_of_a_box_is_that_of_its_section():
    np.testing.assert_array_equal(
        path_of(Box((4 * MM, MM, 0.2 * MM))).ends, path_of(WHOLE).ends
    )
