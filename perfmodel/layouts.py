"""What kernels are measured on: synthetic points for the phases, and the mesh of a real job.

The synthetic layouts follow section 4.1 of arXiv 2402.17580: neighbouring points, or blocks of 10
or 100 of them, need different branches of the model. Here every branch is one in which the state
of every point changes; points that rest or cannot change are in no layout.
"""

from pathlib import Path

import numpy as np

from partsim.build import Build
from partsim.job import Job

# X_as, X_am, T_old and T in K
BRANCHES = {
    "martensite forms": (0.01, 0.40, 700.0, 699.9),
    "martensite decomposes": (0.20, 0.50, 780.0, 780.1),
    "stable alpha grows": (0.20, 0.00, 1000.0, 999.9),
    "stable alpha dissolves": (0.70, 0.00, 1150.0, 1150.1),
}
BLOCK_SIZES = (1, 10, 100)
SPREAD = 0.05  # relative, of the fractions of neighbouring points
SPREAD_KELVIN = 20.0


def phase_points(block: int, count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """X_as, X_am, Y, T_old, T (count,) in blocks of `block` points of one branch after another."""
    rng = np.random.default_rng(seed)
    table = np.array(list(BRANCHES.values()))
    X_as, X_am, T_old, T = table[np.arange(count) // block % len(table)].T
    X_as = X_as * rng.uniform(1 - SPREAD, 1 + SPREAD, count)
    shift = rng.uniform(-SPREAD_KELVIN, SPREAD_KELVIN, count)
    return X_as, X_am.copy(), np.zeros(count), T_old + shift, T + shift


def scanning(job: Job, layer: int, comm, steps: int) -> Build:
    """A build of the job on this communicator, some laser steps into the middle of a layer.

    Nothing is written. The part below the layer is that of the layer-averaged estimate.
    """
    build = before_layer(job, layer, layer, comm)
    build.index = build.stretch.laser // 2
    for _ in range(steps):
        laser_step(build)
    return build


def before_layer(job: Job, layer: int, last: int, comm) -> Build:
    """A build of the layers up to `last` that is about to scan `layer`; nothing is written."""
    layers = job.layers.model_copy(update={"start": layer, "stop": last})
    build = Build(job.model_copy(update={"layers": layers}), comm, Path("unused"))
    build.site.lay_plate()
    if layer > 1:
        build.skip_layers(layer - 1)
    build.site.grow(layer, build.deal)
    return build


def laser_step(build: Build) -> None:
    """Temperature and phases one base step later."""
    build.thermal_step(1, "laser")
    build.phase_step(1, "laser")
    build.index += 1
