"""The laser's loads: energy to round-off, and the shape of a Gaussian over the nodes."""

import numpy as np
import pytest
from scipy.integrate import dblquad

from partsim.part.scan import ScanPath
from partsim.thermal.source import Optics, add_beam, aim, beam_room, empty_beam, spread_axis

pytestmark = pytest.mark.serial

RADIUS, CELL = 60e-6, 50e-6
OPTICS = Optics(RADIUS, CELL, (-1e-3, -2e-3), ((0, 80), (0, 96)))
COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
# to and fro with a jump in no time, a pause of two steps and a segment shorter than a step
ENDS = np.array([
    [0, 0, 0], [1e-3, 0, 0], [1e-3, 8e-5, 0], [2e-4, 8e-5, 0], [2e-4, 8e-5, 0], [2.1e-4, 1e-4, 0],
    [5e-4, 3e-4, 0], [1.1e-3, 7e-4, 0],
])  # fmt: skip
TIMES = np.array([0, 1.04e-3, 1.04e-3, 1.873e-3, 1.8963e-3, 1.8994e-3, 1.8994e-3, 2.651e-3])
PATH = ScanPath(ENDS, TIMES, np.array([180.0, 0.0, 150.0, 0.0, 90.0, 0.0, 200.0]))


def aimed(span, path=PATH, optics=OPTICS, layer=(40, 41), kernel=aim):
    """The beam of the step from span[0] to span[1] and its energy in J."""
    room = beam_room(path, span[1] - span[0], optics.radius)
    beam = empty_beam(optics, room, layer)
    count, energy = kernel(beam, path.times, path.ends, path.power, span, optics)
    assert count <= room
    return beam._replace(count=count), energy


def loads(beam, optics=OPTICS, corner=(0, 0, 38), cells=96):
    """Load in W at the nodes [z, y, x] of one cube of cells."""
    flux = np.zeros((cells + 1) ** 3)
    add_beam(beam, np.array(corner), cells, cells, flux)
    return -flux.reshape(3 * (cells + 1,))


def standing(place, seconds=1e-5, power=180.0):
    """A path that rests at a place (x, y) in m."""
    ends = np.array([[*place, 0.0]] * 2)
    return ScanPath(ends, np.array([0, seconds]), np.array([power]))


@pytest.mark.parametrize("dt", [1e-5, 3.3e-6, 1.7e-4, 3e-3])
def test_energy_of_all_steps_is_that_of_the_path(dt):
    """Steps straddle the ends of segments, jumps and pauses; each takes the path's own energy."""
    steps = int(np.ceil(PATH.duration / dt)) + 2
    total = 0.0
    for start in dt * np.arange(-1, steps):
        beam, energy = aimed((start, start + dt))
        assert energy == pytest.approx(PATH.energy(start, start + dt), rel=1e-13, abs=1e-20)
        power = beam.power[: beam.count].sum()
        assert power * dt == pytest.approx(energy, rel=1e-13, abs=1e-20)
        total += energy
    assert total == pytest.approx(PATH.energy(), rel=1e-13)


@pytest.mark.parametrize("start", [0.0, 1.035e-3, 1.868e-3, 1.89e-3, 2.645e-3])
def test_loads_sum_to_the_power(start):
    dt = 1e-5
    beam, energy = aimed((start, start + dt))
    assert beam.count > 0
    assert loads(beam).sum() * dt == pytest.approx(energy, rel=1e-13)


def test_no_beam_before_after_and_in_pauses():
    for start in (-1e-3, 1.875e-3, 2.7e-3):
        beam, energy = aimed((start, start + 1e-5))
        assert (beam.count, energy) == (0, 0.0)
        assert not loads(beam).any()


def test_beam_moves_with_the_path():
    """The load's centre of gravity is where the path is in the middle of the step."""
    optics = OPTICS._replace(cell=20e-6, powder=((0, 200), (0, 200)))
    for start in (3e-4, 1.2e-3, 2.1e-3):
        beam, _ = aimed((start, start + 2e-5), optics=optics)
        load = loads(beam, optics, (40, 88, 40)).sum(axis=0)
        y, x = np.indices(load.shape)
        centre = np.array([(load * (x + 40)).sum(), (load * (y + 88)).sum()]) / load.sum()
        expected = PATH.position(start + 1e-5)[:2] - np.array(optics.origin)
        np.testing.assert_allclose(centre * 20e-6, expected, atol=1e-3 * optics.cell)


def hat_integral(node, place, optics):
    """Integral of Gaussian x hat function of a node (x, y) over the plane; place in m."""
    radius, cell = optics.radius, optics.cell
    centre = (np.array(place) - optics.origin) / cell

    def integrand(y, x):
        gauss = np.exp(-2 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) * (cell / radius) ** 2)
        hat = (1 - abs(x - node[0])) * (1 - abs(y - node[1]))
        return 2 / np.pi * (cell / radius) ** 2 * gauss * hat

    i, j = node
    quarters = [(i + a, i + a + 1, j + b, j + b + 1) for a in (-1, 0) for b in (-1, 0)]
    return sum(dblquad(integrand, *box, epsabs=1e-13)[0] for box in quarters)


@pytest.mark.parametrize("radius", [60e-6, 150e-6])
def test_loads_are_the_integrals_of_the_hat_functions(radius):
    """Uniform over one layer, a Gaussian in the plane, cut at 3 R and made up for: 5e-7 of it."""
    optics, place = OPTICS._replace(radius=radius), (1.31e-4, -2.2e-5)
    beam, _ = aimed((0.0, 1e-5), standing(place), optics)
    load = loads(beam, optics) / 180
    layers = load.sum(axis=(1, 2))
    np.testing.assert_allclose(layers[[2, 3]], 0.5, rtol=1e-13)
    assert layers.sum() == pytest.approx(1, rel=1e-13)
    nearest = np.rint((np.array(place) - optics.origin) / CELL).astype(int)
    for offset in ((0, 0), (1, 0), (0, -1), (-1, 2), (2, 2), (-2, -1)):
        i, j = nearest + offset
        expected = 0.5 * hat_integral((i, j), place, optics)
        assert load[2, j, i] == pytest.approx(expected, rel=5e-6, abs=1e-9)


@COMPILED_AND_PLAIN
def test_shares_along_one_axis(pick):
    """They are positive, sum to one, and have the Gaussian's mean; nothing is met beyond 3 R."""
    for centre in (-9.1e-4, 0.0, 1.234e-4, 2.75e-3):
        lower, upper = np.zeros((2, 20))
        first, cells = pick(spread_axis)(centre, 0, OPTICS, lower, upper)
        shares = np.concatenate([lower[:cells], upper[:cells]])
        assert (shares >= 0).all() and shares.sum() == pytest.approx(1, rel=1e-14)
        middles = OPTICS.origin[0] + CELL * (first + np.arange(cells) + 0.5)
        assert (np.abs(middles - centre) <= 3 * RADIUS).all()
        within = np.flatnonzero(
            np.abs(OPTICS.origin[0] + CELL * (np.arange(80) + 0.5) - centre) <= 3 * RADIUS
        )
        assert first == within[0] and cells == len(within)
        place = OPTICS.origin[0] + CELL * (first + np.arange(cells))
        mean = (lower[:cells] * place).sum() + (upper[:cells] * (place + CELL)).sum()
        if 0 < first and first + cells < 80:  # the powder's rim cuts off one side
            assert mean == pytest.approx(centre, abs=1e-4 * CELL)


def test_a_tie_is_met_from_both_sides():
    """A beam whose 3 R end on the middle of a cell reaches as far to the left as to the right."""
    optics = OPTICS._replace(cell=40e-6)  # 3 R = 4.5 cells
    lower, upper = np.zeros((2, 20))
    for shift in (-1e-19, 0.0, 1e-19):
        assert spread_axis(optics.cell * 7 + shift, 0, optics, lower, upper)[1] == 10


@pytest.mark.parametrize("place", [(-1e-3, -2e-3), (-0.97e-3, 1e-3), (3e-3, 2.8e-3)])
def test_all_power_is_absorbed_at_the_rim_of_the_powder(place):
    """What would fall beyond is spread over the cells that are there, none of it outside."""
    beam, energy = aimed((0.0, 1e-5), standing(place))
    load = loads(beam)
    assert energy == pytest.approx(1.8e-3, rel=1e-13)
    assert (load >= 0).all() and load.sum() == pytest.approx(180, rel=1e-13)
    assert not load[:, :, 81:].any()  # the powder ends at x = 80


@pytest.mark.parametrize("radius", [CELL / 3, CELL / 8, CELL / 100])
@pytest.mark.parametrize("place", [(0.0, 0.0), (1e-5, 2.5e-5), (2.6e-5, -2e-3), (3e-3, 2.8e-3)])
def test_a_beam_narrower_than_a_cell_is_not_lost_between_their_middles(radius, place):
    """Layers built as one have such cells; at most its own and those that it touches are heated."""
    beam, _ = aimed((0.0, 1e-5), standing(place), OPTICS._replace(radius=radius))
    load = loads(beam)
    assert load.sum() == pytest.approx(180, rel=1e-13)
    heated = np.argwhere(load > 0)[:, :0:-1] * CELL + OPTICS.origin
    assert np.abs(heated - place).max() <= 1.5 * CELL * (1 + 1e-9)


@pytest.mark.parametrize("parts", [2, 4])
def test_cells_finer_than_a_layer(parts):
    """Two cells per layer: half the power in each, the middle nodes get both shares."""
    optics = Optics(RADIUS, CELL / parts, (-1e-3, -2e-3), ((0, 200), (0, 200)))
    beam, _ = aimed((0.0, 1e-5), standing((-0.5e-3, -1.5e-3)), optics, (40, 40 + parts))
    layers = loads(beam, optics, (0, 0, 38)).sum(axis=(1, 2))
    expected = np.zeros(97)
    expected[2 : 3 + parts] = 180 / parts
    expected[[2, 2 + parts]] /= 2
    np.testing.assert_allclose(layers, expected, rtol=1e-12)


@COMPILED_AND_PLAIN
def test_blocks_together_take_the_load_of_the_whole(pick):
    """Split into blocks of 4^3 cells, partly active ones too, the load stays the same."""
    beam, _ = aimed((1.868e-3, 1.878e-3), layer=(40, 42))
    whole = loads(beam)
    low = np.array([20, 36, 38])
    high = np.array([52, 52, 46])
    assembled = np.zeros_like(whole)
    for corner in np.stack(np.meshgrid(*map(np.arange, low, high, [4] * 3)), -1).reshape(-1, 3):
        flux = np.zeros(125)
        active = min(max(42 - corner[2], 0), 4)
        pick(add_beam)(beam, corner, active, 4, flux)
        x, y, z = corner - [0, 0, 38]
        assembled[z : z + 5, y : y + 5, x : x + 5] -= flux.reshape(5, 5, 5)
    np.testing.assert_allclose(assembled, whole, rtol=1e-13, atol=1e-13 * whole.max())


def test_inactive_cells_are_not_heated():
    beam, _ = aimed((0.0, 1e-5), standing((0.0, 0.0)))
    flux = np.zeros(125)
    add_beam(beam, np.array([20, 40, 38]), 2, 4, flux)  # active up to 40, where the layer begins
    assert not flux.any()
    add_beam(beam, np.array([20, 40, 38]), 3, 4, flux)
    layers = np.abs(flux).reshape(5, 25).sum(axis=1)
    assert (layers > 0).tolist() == [False, False, True, True, False]


@COMPILED_AND_PLAIN
def test_pieces_are_no_longer_than_a_quarter_radius(pick):
    """Also in steps that hold several segments."""
    for dt in (1e-5, 2e-4, 2e-3):
        for start in np.linspace(0, 2.6e-3, 7):
            beam, _ = aimed((start, start + dt), kernel=pick(aim))
            count = 0
            for n in np.flatnonzero(PATH.power):
                t0, t1 = max(start, TIMES[n]), min(start + dt, TIMES[n + 1])
                if t1 > t0:
                    way = np.linalg.norm(PATH.position(t1 - 1e-15) - PATH.position(t0))
                    count += max(int(np.ceil(4 * way / RADIUS - 1e-6)), 1)
            assert beam.count == count


def test_share_of_a_piece_is_its_time():
    """A step that straddles two segments of different power."""
    beam, energy = aimed((1.0395e-3, 1.0405e-3))
    np.testing.assert_allclose(beam.power[: beam.count], [90.0, 75.0], rtol=1e-9)
    assert energy == pytest.approx(0.165e-3, rel=1e-9)


def test_several_beams_are_the_sum_of_their_own():
    """Loads and energy of paths that a step follows together, one of which ends before."""
    other = standing((-3e-4, 5e-4), seconds=1.0e-3, power=120.0)
    room = sum(beam_room(path, 1e-5, RADIUS) for path in (PATH, other))
    for start, ends in ((2e-4, False), (9.95e-4, True), (2.1e-3, True)):
        span, beam, energies = (start, start + 1e-5), empty_beam(OPTICS, room, (40, 41)), []
        for path in (PATH, other):
            count, energy = aim(beam, path.times, path.ends, path.power, span, OPTICS)
            beam = beam._replace(count=count)
            energies.append(energy)
        alone = [aimed(span, path)[0] for path in (PATH, other)]
        np.testing.assert_allclose(loads(beam), sum(map(loads, alone)), rtol=1e-13, atol=1e-15)
        expected = [path.energy(*span) for path in (PATH, other)]
        assert energies == pytest.approx(expected, rel=1e-13)
        assert (energies[1] < 120 * 1e-5 * (1 - 1e-9)) == ends
