"""What the beam does to a layer that stands for several, given by rule.

The beam over n grouped layers is n times as slow, on lines n times as far apart, in cells n times
as large. It heats some of them to thousands of kelvin and leaves others of the layer solid: what
follows from such temperatures is not what the scan of a single layer does. Therefore

- the part's cells of a layer are dense once it is laid;
- the share of the power that radiation and evaporation take, measured with the beam resolved, does
  not arrive; the surface only radiates, and what is hotter than the solidus as if it had that
  temperature, for what melt loses is in the share;
- the phases wait while the beam is on. Then they pass the time of the sweep at the mean temperature
  of each node, which is that of a single scan; and the part's nodes in the layer, and above the
  depth to which the single scan leaves no alpha, become beta quenched to the temperature they have.
"""

import numpy as np

from .errors import UserError
from .estimate.patch import Effect, Effects
from .fields import HISTORY_FIELDS
from .part.section import covered
from .part.shape import Shape
from .phase.integrate import initial
from .program import Stretch
from .site import Site


class GroupedScan:
    """The rule for the layers of a build, whose state is `site`.

    effects  of a scan with the beam resolved
    """

    def __init__(self, site: Site, shape: Shape, effects: Effects):
        self.site, self.shape, self.effects = site, shape, effects

    def effect(self, layer: int) -> Effect:
        """What a single scan will do in `layer`, before it is laid; collective.

        It follows from the mean temperature of the surface on which the layer is laid. UserError
        where the part is so thin there that no node lies in it.
        """
        below = max(layer - 1, 1)
        surface = self.site.surface_temperature(self.shape.section(below))
        if surface is None:
            raise UserError(f"layers.group = {self.site.job.layers.group}: no node of the mesh lies"
                            f" in the part's section of grouped layer {below}; smaller groups have"
                            " smaller cells")
        return self.effects.at(surface)

    def begin(self, layer: int) -> None:
        """The part's cells in the layer just laid are dense."""
        site = self.site
        site.state["consolidated"][self.cells(layer, 0.0)] = 1.0
        site.settle(site.mesh, site.state)

    def follow(self, duration: float) -> None:
        """Remembers the temperature of the last `duration` s of the scan."""
        self.site.state["scan_sum"] += duration * self.site.state["temperature"]

    def end(self, stretch: Stretch, base: float, depth: float) -> None:
        """The phases pass a scan in steps of `base` s, which leaves no alpha above a depth (m).

        The part's nodes in the layer, and above the depth, are beta quenched to their temperature.
        """
        site, mesh = self.site, self.site.mesh
        duration = stretch.laser * base
        mean = site.state["scan_sum"] / duration
        site.state["scan_sum"][:] = 0.0
        if not site.phased:
            return
        site.phases.step(site.job.phase.cooling_scheme, mean, mean, duration)
        site.phases.catch_up(mean)
        depth += site.job.layers.thickness * stretch.sweep.missing
        cells = self.cells(stretch.layer, depth)
        nodes = mesh.largest(touched(cells, mesh.lattice.block)) > 0
        fresh = initial("powder", site.state["temperature"][nodes], site.phase_law)
        for name, values in zip(HISTORY_FIELDS, fresh, strict=True):
            site.state[name][nodes] = values
        site.settle(mesh, site.state)

    def cells(self, layer: int, depth: float) -> np.ndarray:
        """(nb, B^3) which cells of this rank lie in the layer or, with their middles, above a depth
        in m, and where its scan passes."""
        mesh, lattice = self.site.mesh, self.site.lattice
        along = np.arange(lattice.block) + 0.5
        stride, corner = mesh.leaves.stride[mesh.own], mesh.leaves.corner[mesh.own]
        x, y, z = (corner[:, axis, None] + stride[:, None] * along for axis in range(3))
        top = lattice.top(layer)
        new = (z > min(lattice.top(layer - 1), top - depth / lattice.cell)) & (z < top)
        scanned = np.zeros((mesh.n_blocks, *[lattice.block] * 3), bool)
        origin, section = np.array(lattice.origin), self.shape.section(layer)
        for block in np.flatnonzero(new.any(axis=1)):
            places = [lattice.cell * values[block] for values in (x, y)]
            x_cell, y_cell = origin[0] + places[0], origin[1] + places[1][:, None]
            inside = covered(section, x_cell, y_cell)
            scanned[block] = new[block][:, None, None] & inside
        return scanned.reshape(mesh.n_blocks, -1)


def touched(cells: np.ndarray, size: int) -> np.ndarray:
    """(nb, (B+1)^3) 1.0 at the corners of cells (nb, B^3), 0.0 elsewhere."""
    cells = cells.reshape(-1, size, size, size)
    nodes = np.zeros((len(cells), *[size + 1] * 3))
    for k, j, i in np.ndindex(2, 2, 2):
        part = nodes[:, k : k + size, j : j + size, i : i + size]
        np.maximum(part, cells, out=part)
    return nodes.reshape(len(cells), -1)
