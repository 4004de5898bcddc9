"""Heat content counted as a temperature: theta(T) = H(T) / c_ref.

H is the heat content of a kilogram in J/kg, the integral of c_p(T) from 0 K plus the latent heat,
which melting takes in proportion to the liquid fraction; c_ref is one heat capacity for all
temperatures. Everything that conserves energy adds and removes theta, so that the lumped masses
m = rho c_ref V stay constant. Density is constant. Where c_p is constant and no latent heat is
taken, theta = T and no table exists.

The table is piecewise linear on equal steps of temperature and exact at its nodes, so melting
begins and ends up to STEP beyond the solidus and the liquidus.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import kernel

STEP = 2.0  # K, a power of two, so that no round-off decides in which segment a temperature lies


class ContentTable(NamedTuple):
    """Heat contents at the temperatures 0, STEP, 2 STEP, ...

    content  (n+1,) K, theta
    slope    (n,)   d theta / d T between the nodes, positive; the last one goes on for ever
    """

    content: np.ndarray
    slope: np.ndarray


def make_content_table(material) -> ContentTable | None:
    """The table of a material, None where theta = T."""
    curve = material.curves.get("heat_capacity")
    if curve is None and not material.latent_heat:
        return None
    # the last segment lies beyond everything that changes
    end = material.liquidus if curve is None else max(material.liquidus, curve.T[-1])
    nodes = STEP * np.arange(int(np.ceil(end / STEP)) + 2)
    content = heat_content(material, nodes) / material.heat_capacity
    return ContentTable(content, np.diff(content) / STEP)


def heat_content(material, temperature: np.ndarray) -> np.ndarray:
    """(n,) J/kg of a material at temperatures (n,) in K, counted from 0 K.

    The heat capacity is piecewise linear between the points of its table and constant beyond.
    """
    curve = material.curves.get("heat_capacity")
    sensible = material.heat_capacity * temperature
    if curve is not None:
        sensible = integral(np.array(curve.T), np.array(curve.value), temperature)
    liquid = (temperature - material.solidus) / (material.liquidus - material.solidus)
    return sensible + material.latent_heat * np.clip(liquid, 0.0, 1.0)


def integral(points: np.ndarray, values: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(n,) the integral from 0 to each end of the piecewise linear function through the points."""
    points = np.concatenate([[0.0], points])
    values = np.concatenate([values[:1], values])
    pieces = np.diff(points) * (values[1:] + values[:-1]) / 2
    before = np.concatenate([[0.0], np.cumsum(pieces)])
    at = np.searchsorted(points, end, side="right") - 1
    return before[at] + (end - points[at]) * (values[at] + np.interp(end, points, values)) / 2


@kernel(forceinline=True)
def segment(temperature, table):
    """The segment of the table in which a temperature lies, the first or the last one beyond."""
    return min(max(int(temperature * (1.0 / STEP)), 0), len(table.slope) - 1)


@kernel()
def content_at(temperature, table):
    """theta and its slope at one temperature."""
    at = segment(temperature, table)
    slope = table.slope[at]
    return table.content[at] + slope * (temperature - at * STEP), slope


@njit(cache=True)
def contents(temperature, table):
    """(n,) theta of the temperatures (n,)."""
    result = np.empty(len(temperature))
    for n in range(len(temperature)):
        result[n] = content_at(temperature[n], table)[0]
    return result


@kernel()
def temperature_at(content, near, table):
    """The temperature with a heat content, looked for at the temperature `near` before elsewhere.

    The result is the same for every `near`, bit for bit.
    """
    at = segment(near, table)
    if not table.content[at] <= content < table.content[at + 1]:
        at = np.searchsorted(table.content, content, side="right") - 1
        at = min(max(at, 0), len(table.slope) - 1)
    return at * STEP + (content - table.content[at]) / table.slope[at]


@njit(cache=True)
def temperatures(content, near, table):
    """(n,) the temperatures with the heat contents (n,): the inverse of `contents`.

    near  (n,) K, close to the result where that is known; it decides nothing but the time taken
    """
    result = np.empty(len(content))
    for n in range(len(content)):
        result[n] = temperature_at(content[n], near[n], table)
    return result


@kernel(forceinline=True)
def walk(temperature, change, table):
    """The T whose heat content exceeds that of `temperature` by `change` K.

    No change gives back the temperature itself.
    """
    at = segment(temperature, table)
    there = temperature + change / table.slope[at]
    if at * STEP <= there <= (at + 1) * STEP:
        return there
    return walk_far(temperature, change, at, table)


@kernel()
def walk_far(temperature, change, at, table):
    """`walk` from segment to segment, from the segment `at` on in which `temperature` lies."""
    slope = table.slope
    while change > 0.0 and at < len(slope) - 1:
        border = (at + 1) * STEP
        if temperature + change / slope[at] <= border:
            break
        change -= (border - temperature) * slope[at]
        temperature, at = border, at + 1
    while change < 0.0 and at > 0:
        border = at * STEP
        if temperature + change / slope[at] >= border:
            break
        change -= (border - temperature) * slope[at]
        temperature, at = border, at - 1
    return temperature + change / slope[at]


@kernel()
def add_change(content, temperature, new):
    """Replaces new = T + d (n,) by content + d, content = theta(T)."""
    for n in range(len(new)):
        new[n] = content[n] + (new[n] - temperature[n])
