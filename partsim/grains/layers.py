"""The order of tracks and layers, and the metal that they grow in.

Layer 0 is scanned on the initial metal; before each later one, new grains are laid on top and the
window moves up by as much. What leaves the window at its bottom is kept and does not change again.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

from partsim.grains.orientations import PAPER, paper_choice
from partsim.grains.temperature import Placement
from partsim.grains.voronoi import voronoi
from partsim.trackjob import TrackJob

RIM = 16  # cells around liquid


class Step(NamedTuple):
    """Track `track` of layer `layer`, the `number`-th of all."""

    number: int
    layer: int
    track: int


class Plan(NamedTuple):
    """Sizes in cells: window (nz, ny, nx), and how much a layer adds along z."""

    window: tuple[int, int, int]
    rise: int
    job: TrackJob

    @property
    def cells(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of the metal with all layers."""
        nz, ny, nx = self.window
        return nz + (self.job.scan.layers - 1) * self.rise, ny, nx

    def steps(self) -> list[Step]:
        """All tracks in their order."""
        tracks, layers = self.job.scan.tracks, self.job.scan.layers
        return [Step(n, *divmod(n, tracks)) for n in range(tracks * layers)]

    def rows(self, layer: int) -> slice:
        """The rows along z that are the window of a layer."""
        return slice(layer * self.rise, layer * self.rise + self.window[0])

    def backward(self, track: int) -> bool:
        """Whether a track runs towards smaller x."""
        return self.job.scan.reciprocating and track % 2 == 1

    def placement(self, track: int, length: float) -> Placement:
        """Where a track of this length in m lies in the window."""
        h, scan = self.job.grains.cell, self.job.scan
        nz, ny, nx = self.window
        y = ny * h / 2 + (track - (scan.tracks - 1) / 2) * scan.hatch
        backward = self.backward(track)
        x = nx * h / 2 + (length / 2 if backward else -length / 2)
        return Placement(h, (x, y), backward, nz * h)


def plan(job: TrackJob, length: float) -> Plan:
    """The sizes for tracks of this length in m."""
    grains, scan = job.grains, job.scan
    width = grains.width or (scan.tracks - 1) * scan.hatch + 3e-4
    sizes = (grains.depth, width, length + 2 * grains.margin)
    window = tuple(max(round(size / grains.cell), 1) for size in sizes)
    return Plan(window, round(scan.thickness / grains.cell), job)


class Metal:
    """All of the metal: which grain every cell belongs to, and whether it was ever liquid.

    grain   (nz, ny, nx) int32, numbers in `labels`; -1 above the present surface
    melted  (nz, ny, nx) bool
    labels  (grains,) int64, from which orientations follow
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.grain = np.full(plan.cells, -1, np.int32)
        self.melted = np.zeros(plan.cells, bool)
        self.labels = np.zeros(0, np.int64)

    def lay(self, comm, layer: int) -> None:
        """Fills the metal of layer 0, or the new metal of a later one, with grains; collective."""
        window, grains = self.plan.window, self.plan.job.grains
        rise = self.plan.rise if layer else window[0]
        top = self.plan.rows(layer).stop
        new = voronoi(comm, (rise, *window[1:]), grains.cell, grains.diameter, (grains.seed, layer))
        first = len(self.labels)
        labels = np.arange(first, first + int(new.max()) + 1)
        if grains.orientations == "paper merged":
            self.labels = np.arange(PAPER)
            label = paper_choice(grains.seed + layer, labels).astype(np.int32)
            self.grain[top - rise:top] = label[new]
        else:
            self.labels = np.concatenate([self.labels, labels])
            self.grain[top - rise:top] = new + first

    def take(self, step: Step, grid, found: list) -> dict[str, int]:
        """Stores what a track has changed; counts of nuclei that are grains now, and of cells that
        were still liquid and therefore got the grain of the nearest solid one.

        found  (block, labels, melted) of the window's blocks
        """
        rows = self.plan.rows(step.layer)
        window, melted = self.grain[rows], self.melted[rows]
        known = len(self.labels)
        labels = np.unique([part for _, part, _ in found]) if found else np.zeros(0, np.int64)
        new = labels[labels >= known]
        self.labels = np.concatenate([self.labels, new])
        for block, part, molten in found:
            cut = grid.cut(block)
            inside = tuple(slice(0, n) for n in window[cut].shape)
            part = part[inside]
            after = np.searchsorted(new, part) + known
            window[cut] = np.where(part < known, part, after)
            melted[cut] |= molten[inside]
        return {"nuclei_kept": len(new), "quenched_cells": freeze(window)}


def freeze(grain: np.ndarray) -> int:
    """Gives liquid cells, -1 in (nz, ny, nx), the grain of the nearest solid cell; how many.

    So does metal that is quenched: growth goes on from what is solid. The front of the phase field
    crawls at such temperatures, 0.03 m/s at 1400 K, and would leave a hole.
    """
    liquid = np.argwhere(grain < 0)
    if len(liquid) == 0:
        return 0
    low, high = np.maximum(liquid.min(axis=0) - RIM, 0), liquid.max(axis=0) + RIM + 1
    box = grain[tuple(map(slice, low, high))]
    holes = box < 0
    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    box[holes] = box[tuple(nearest)][holes]
    return len(liquid)
