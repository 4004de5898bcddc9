"""Radiation and evaporation at the top surface, solved for at each node.

q_rad = eps sigma (T^4 - T_inf^4), eq. (11);
q_evap = m_v (h_v + c_p (T - T_h0)), m_v = 0.82 C_P exp(-C_T (1/T - 1/T_v)) sqrt(C_M / T), eq. (12),
with T limited to T_max in the evaporation, and to the law's `glow` in the radiation.
"""

from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ..fastmath import exp_accurate
from .content import content_at, segment, temperature_at

STEFAN_BOLTZMANN = 5.670374e-8  # W/(m^2 K^4)
GAS_CONSTANT = 8.314462618  # J/(mol K)
STICKING = 0.82
FAINT = 1e-5  # W/m^2; where so much evaporates, 1e9 times as much is radiated
ARRIVED = 1e-13  # relative change of the last step where the heat content has kinks
# Relative change of the last step where it has none: what is left for another one is the square of
# it times T q''/(2 q'), which is 1.5 for radiation and up to 30 for evaporation; `start` keeps all
# steps on one side of the kinks of q.
CLOSE = 1e-8
CHUNK = 32  # nodes, of which one that is not faint makes all take the longer way


class LossLaw(NamedTuple):
    """Coefficients of the flux out of the top surface.

    radiation    W/(m^2 K^4), eps sigma
    ambient      K^4, T_inf^4
    evaporation  kg/(m^2 s) sqrt(K), 0.82 C_P sqrt(C_M)
    barrier      K, C_T
    boiling      1/K, 1/T_v
    heat         J/kg, h_v - c_p T_h0
    capacity     J/(kg K), c_p
    cap          K, T_max
    glow         K, what is hotter radiates as if it had this temperature
    faint        K, what is colder does not evaporate: it would by less than FAINT
    """

    radiation: float
    ambient: float
    evaporation: float
    barrier: float
    boiling: float
    heat: float
    capacity: float
    cap: float
    glow: float
    faint: float


def make_loss_law(material, radiation: bool, evaporation: bool, glow: float = inf) -> LossLaw:
    """The law of a material, with each loss switched on or off."""
    pressure_factor = sqrt(material.molar_mass / (2 * np.pi * GAS_CONSTANT))
    law = LossLaw(
        STEFAN_BOLTZMANN * material.emissivity * radiation,
        material.ambient**4,
        STICKING * material.evaporation_pressure * pressure_factor * evaporation,
        material.evaporation_enthalpy * material.molar_mass / GAS_CONSTANT,
        1 / material.boiling,
        material.evaporation_enthalpy - material.heat_capacity * material.enthalpy_reference,
        material.heat_capacity,
        material.evaporation_cap,
        glow,
        0.0,
    )
    return law._replace(faint=faint_below(law) if evaporation else inf)


def faint_below(law: LossLaw) -> float:
    """K, to the degree, below which less than FAINT evaporates."""
    T = np.arange(1.0, law.cap)
    rate = law.evaporation * np.exp(law.barrier * (law.boiling - 1 / T)) / np.sqrt(T)
    return float(np.r_[0.0, T][np.searchsorted(rate * (law.heat + law.capacity * T), FAINT)])


@kernel(error_model="numpy", forceinline=True)
def radiate(temperature, law):
    """What is radiated in W/m^2 and its derivative with the temperature."""
    glowing = temperature if temperature < law.glow else law.glow
    square = glowing * glowing
    flux = law.radiation * (square * square - law.ambient)
    return flux, 4.0 * law.radiation * square * glowing if temperature <= law.glow else 0.0


@kernel(error_model="numpy", forceinline=True)
def loss(temperature, law):
    """Flux out of the surface in W/m^2 and its derivative with the temperature."""
    radiated, brighter = radiate(temperature, law)
    limited = temperature if temperature < law.cap else law.cap
    slope = 1.0 if temperature <= law.cap else 0.0
    inverse = 1.0 / limited
    rate = law.evaporation * exp_accurate(law.barrier * (law.boiling - inverse)) * sqrt(inverse)
    rate = rate if temperature > law.faint else 0.0
    heat = law.heat + law.capacity * limited
    rise = rate * (heat * (law.barrier * inverse - 0.5) * inverse + law.capacity)
    return radiated + rate * heat, brighter + slope * rise


@kernel(error_model="numpy")
def start(target, ratio, law):
    """A temperature from which Newton's method on T + ratio q(T) = target descends monotonically.

    q is convex but for kinks at T_max and at the glow: the start is the kink above the root.
    """
    for kink in (min(law.cap, law.glow), max(law.cap, law.glow)):
        if target <= kink:
            return target
        flux, _ = loss(kink, law)
        if kink + ratio * flux >= target:
            return kink
    return target


@kernel(error_model="numpy", forceinline=True)
def newton(temperature, target, ratio, losing):
    """By how much too high Newton's method finds a temperature; losing: flux and derivative."""
    flux, rise = losing
    return (temperature + ratio * flux - target) / (1.0 + ratio * rise)


@kernel(error_model="numpy")
def cool_node(target, ratio, law):
    """The T with T + ratio q(T) = target, by Newton's method to round-off."""
    temperature = start(target, ratio, law)
    for _ in range(100):
        change = newton(temperature, target, ratio, loss(temperature, law))
        temperature -= change
        if abs(change) <= CLOSE * temperature:
            break
    return temperature


@kernel(error_model="numpy", forceinline=True)
def last_step(temperature, change):
    """The temperature less the change, -1 where that is not the last one."""
    still = change * change <= CLOSE**2 * temperature * temperature
    return temperature - change if still else -1.0


@kernel(error_model="numpy")
def newton_twice(target, ratio, law, result):
    """Two Newton steps from T* for every node (n,); -1 where the second one was not the last.

    A loop of its own without branches, so that it becomes vector code.
    """
    for n in range(len(target)):
        t, r = target[n], ratio[n]
        t -= newton(t, target[n], r, loss(t, law))
        result[n] = last_step(t, newton(t, target[n], r, loss(t, law)))


@kernel(error_model="numpy")
def newton_twice_faint(target, ratio, law, result):
    """The same bits as newton_twice for nodes that are all faint, without evaporation."""
    for n in range(len(target)):
        t, r = target[n], ratio[n]
        t -= newton(t, target[n], r, radiate(t, law))
        result[n] = last_step(t, newton(t, target[n], r, radiate(t, law)))


@kernel()
def any_above(values, limit):
    """Whether a value (or a NaN) lies above the limit."""
    above = 0
    for n in range(len(values)):
        above |= np.int64(not values[n] <= limit)
    return above != 0


@kernel(error_model="numpy")
def solve_twice(target, ratio, law, result):
    """newton_twice, or newton_twice_faint where that gives the same bits."""
    for first in range(0, len(target), CHUNK):
        part = slice(first, first + CHUNK)
        if any_above(target[part], law.faint):
            newton_twice(target[part], ratio[part], law, result[part])
        else:
            newton_twice_faint(target[part], ratio[part], law, result[part])


@kernel(error_model="numpy")
def cool_surface(temperature, nodes, ratio, law, before, after):
    """Replaces T* by T with T + (dt A / m) q(T) = T* at the top nodes; no node knows of another.

    nodes, ratio   (n,)  places in `temperature`; K m^2/W, dt A / m
    before, after  (n,)  are left with T* and T
    """
    for n in range(len(nodes)):
        before[n] = temperature[nodes[n]]
    solve_twice(before, ratio, law, after)
    for n in range(len(nodes)):
        if not after[n] > 0.0:
            after[n] = cool_node(before[n], ratio[n], law)
        temperature[nodes[n]] = after[n]


@kernel(error_model="numpy")
def cool_content(target, hot, ratio, law, table):
    """The T with theta(T) + ratio q(T) = target = theta(hot), by bracketed Newton's method.

    The left side rises with T, and what is far below the ambient temperature loses nothing.
    """
    ambient = law.ambient**0.25
    temperature, low, high = hot, 0.1 * ambient, hot
    if loss(hot, law)[0] < 0.0:
        low, high = hot, ambient
    for _ in range(100):
        flux, rise = loss(temperature, law)
        content, slope = content_at(temperature, table)
        excess = content + ratio * flux - target
        low, high = (low, temperature) if excess > 0.0 else (temperature, high)
        old = temperature
        temperature -= excess / (slope + ratio * rise)
        if not low <= temperature <= high:
            temperature = 0.5 * (low + high)
        if abs(temperature - old) <= ARRIVED * old:
            break
    return temperature


@kernel(error_model="numpy")
def cool_surface_content(temperature, nodes, ratio, law, table, scaled, before, after):
    """What `cool_surface` does where heat content is not temperature: theta(T) in place of T.

    scaled         (n,)  scratch, see cool_by_content
    before, after  (n,)  are left with the heat contents before and after
    """
    for n in range(len(nodes)):
        before[n] = temperature[nodes[n]]
    cool_by_content(before, ratio, law, table, scaled, after)
    for n in range(len(nodes)):
        temperature[nodes[n]] = after[n]
        before[n], _ = content_at(before[n], table)
        after[n], _ = content_at(after[n], table)


@kernel(error_model="numpy")
def cool_contents(content, near, nodes, ratio, law, table, scaled, before, after):
    """`cool_surface_content` where heat contents are kept; `near` as of temperature_at."""
    for n in range(len(nodes)):
        before[n] = temperature_at(content[nodes[n]], near[nodes[n]], table)
    cool_by_content(before, ratio, law, table, scaled, after)
    for n in range(len(nodes)):
        before[n] = content[nodes[n]]
        after[n], _ = content_at(after[n], table)
        content[nodes[n]] = after[n]


@kernel(error_model="numpy")
def cool_by_content(hot, ratio, law, table, scaled, cooled):
    """cooled (n,) becomes the T with theta(T) + ratio q(T) = theta(hot).

    Within a segment of the table, where theta is straight, this is T + scaled q(T) = hot with
    scaled = ratio/slope, which is left there.
    """
    for n in range(len(hot)):
        scaled[n] = ratio[n] / table.slope[segment(hot[n], table)]
    solve_twice(hot, scaled, law, cooled)
    for n in range(len(hot)):
        if segment(cooled[n], table) != segment(hot[n], table) or not cooled[n] > 0.0:
            target, _ = content_at(hot[n], table)
            cooled[n] = cool_content(target, hot[n], ratio[n], law, table)


@kernel(error_model="numpy")
def removed(before, after, capacity):
    """Energy in J that left the nodes: sum of capacity (n,) J/K x temperature drop."""
    total = 0.0
    for n in range(len(before)):
        total += capacity[n] * (before[n] - after[n])
    return total
