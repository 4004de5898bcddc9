"""Ghost layers behind the walls of the flow box."""

from dataclasses import dataclass, field

import numpy as np

from partsim.meltpool.kernels import HIGH, LOW

STICK, SLIP = -1, 1


@dataclass(frozen=True)
class Wall:
    """What a wall that nothing passes does to the velocities along it.

    kind   STICK: they vanish at the wall, SLIP: their normal derivative does
    slope  by axis of the component, in m/s, a number or an array over the wall (padded as the
           arrays). On a SLIP wall: the derivative along the wall's axis, times the cell edge. On a
           STICK wall at the upper side: twice the velocity of the wall
    """

    kind: int
    slope: dict[int, np.ndarray | float] = field(default_factory=dict)


Walls = dict[tuple[int, int], Wall]


def fill(velocity: np.ndarray, walls: Walls) -> None:
    """Ghosts of all components; the normal ones vanish on the walls.

    velocity  (3, nz+5, ny+5, nx+5)  m/s, components z, y, x
    walls     by axis and side (0 low, 1 high)
    """
    for (axis, side), wall in walls.items():
        for component in range(3):
            values = np.moveaxis(velocity[component], axis, 0)
            if component == axis:
                close(values, side)
            else:
                slope = wall.slope.get(component, 0.0)
                reflect(values, side, wall.kind, slope if side else -1.0 * np.asarray(slope))


def close(values: np.ndarray, side: int) -> None:
    """A normal component vanishes on its wall and is odd about it; the axis is the first."""
    wall = len(values) - HIGH if side else LOW
    values[wall] = 0.0
    for distance in (1, 2):
        inner = values[wall - distance if side else wall + distance]
        values[wall + distance if side else wall - distance] = -inner


def reflect(values: np.ndarray, side: int, sign: int, slope: np.ndarray | float = 0.0) -> None:
    """Ghosts of values at cell centres along the first axis: sign x mirror image + slope x distance
    between the two, in cells."""
    edge = len(values) - HIGH if side else LOW
    for inner, distance in ((0, 1), (1, 3)):
        source = edge - 1 - inner if side else edge + inner
        ghost = edge + inner if side else edge - 1 - inner
        values[ghost] = sign * values[source] + distance * slope


def padded(values: np.ndarray) -> np.ndarray:
    """Values at cells with their mirror images in the ghost layers."""
    out = np.zeros(tuple(n + LOW + HIGH for n in values.shape))  # corners are read before written
    out[tuple(slice(LOW, n + LOW) for n in values.shape)] = values
    for axis in range(3):
        line = np.moveaxis(out, axis, 0)
        for side in (0, 1):
            reflect(line, side, SLIP)
        line[-1] = line[-2]
    return out
