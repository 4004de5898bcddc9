"""Width, depth and length of what is hotter than an isotherm, finer than the cells."""

import numpy as np


def crossings(values: np.ndarray, level: float) -> tuple[float, float] | None:
    """Smallest and largest position along the last axis, in cells from its first cell's centre, at
    which a line of values crosses the level, linearly between centres; None if none is above.

    A line that is above at its end has its crossing there.
    """
    above = values > level
    if not above.any():
        return None
    return _last(values[..., ::-1], above[..., ::-1], level, True), _last(values, above, level)


def _last(values: np.ndarray, above: np.ndarray, level: float, mirrored: bool = False) -> float:
    """Largest crossing of all lines that are somewhere above the level."""
    count = values.shape[-1]
    lines, flags = values.reshape(-1, count), above.reshape(-1, count)
    rows = np.flatnonzero(flags.any(axis=1))
    last = count - 1 - np.argmax(flags[rows, ::-1], axis=1)
    rows = rows[last == last.max()]
    place = float(last.max())
    if last.max() < count - 1:
        inside, outside = lines[rows, last.max()], lines[rows, last.max() + 1]
        place += float(((inside - level) / (inside - outside)).max())
    return count - 1 - place if mirrored else place


def pool_size(temperature: np.ndarray, level: float, edge: float) -> np.ndarray:
    """(3,) width, depth and length in m of the region above the level, 0 where there is none.

    temperature  (nz, ny, nx)  K, at cell centres, the top at the last plane, y = 0 before the first
                               row, the other half its mirror image
    """
    along = crossings(temperature, level)
    if along is None:
        return np.zeros(3)
    across = crossings(np.moveaxis(temperature, 1, -1), level)[1]
    down = crossings(np.moveaxis(temperature, 0, -1), level)[0]
    nz = len(temperature)
    return edge * np.array([2 * (across + 0.5), nz - 0.5 - down, along[1] - along[0]])


def steady_from(times: np.ndarray, sizes: np.ndarray, tolerance: float = 0.05) -> float | None:
    """The first time from which all sizes (n, 3) stay within a tolerance of their mean over the
    second half of the times, None if they never do."""
    mean = second_half(times, sizes)
    good = (np.abs(sizes - mean) <= tolerance * mean).all(axis=1) & (mean > 0).all()
    late = np.flatnonzero(~good)
    first = late[-1] + 1 if len(late) else 0
    return float(times[first]) if first < len(times) else None


def second_half(times: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean of sizes (n, 3) over the times in the second half of all."""
    return sizes[times >= (times[0] + times[-1]) / 2].mean(axis=0)
