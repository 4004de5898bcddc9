"""The explicit sweep with all data in cache: what a job would take if memory cost nothing.

Blocks of each kind (of one conductivity or not, with hanging nodes or without) are swept again and
again, each alone, so that everything that a block reads and writes stays in the caches of its core.
"""

from time import perf_counter

import numpy as np
from numba import njit

from partsim.build import Build
from partsim.thermal.kernels import Conduction, sweep

SAMPLES = 16  # blocks of a kind
REPEATS = 200  # of a block
TRIALS = 3


@njit
def sweep_again(count, arrays, conduction, beam, rates, work):
    """`count` sweeps from the same temperature; contributions pile up, which costs nothing."""
    temperature, new, contributions = arrays
    for _ in range(count):
        sweep(temperature, new, contributions, conduction, beam, rates, work)


def sweep_seconds_in_cache(build: Build) -> float:
    """Seconds that a sweep of this rank's blocks would take, each as fast as alone in cache."""
    conduction = build.site.heat.conduction
    kinds = 2 * conduction.solid + (conduction.tables.hanging != 0)
    total = 0.0
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        sample = members[np.linspace(0, len(members) - 1, SAMPLES).astype(int)]
        seconds = [block_seconds(build, conduction, block) for block in sample]
        total += len(members) * float(np.mean(seconds))
    return total


def block_seconds(build: Build, conduction: Conduction, block: int) -> float:
    """Seconds of a sweep of one block, in the best trial."""
    heat, temperature = build.site.heat, build.site.state["temperature"]
    arrays = temperature, temperature.copy(), np.zeros(len(heat.contributions))
    one, rates = only(conduction, block), build.explicit.block_rates[block : block + 1]
    best = np.inf
    for _ in range(TRIALS + 1):
        began = perf_counter()
        sweep_again(REPEATS, arrays, one, build.explicit.dark, rates, heat.work)
        best = min(best, perf_counter() - began)
    return best / REPEATS


def only(conduction: Conduction, block: int) -> Conduction:
    """The same with one of its blocks."""
    own, ends = slice(block, block + 1), slice(block, block + 2)
    tables = conduction.tables
    tables = tables._replace(
        **{name: getattr(tables, name)[ends] for name in ("surface_first", "listed_first")},
        **{
            name: getattr(tables, name)[own]
            for name in ("node_run", "slot_run", "interior_first", "active", "hanging")
        },
    )
    return conduction._replace(
        tables=tables,
        edge=conduction.edge[own],
        corner=conduction.corner[own],
        consolidated=conduction.consolidated[own].copy(),
        solid=conduction.solid[own].copy(),
    )
