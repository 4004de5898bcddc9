"""The heat equation on one mesh: capacities, conductivities, surface and plate."""

import numpy as np

from ..compiled import kernel
from ..mesh.mesh import Mesh
from .conductivity import make_conductivity_table
from .content import contents, make_content_table, temperatures
from .kernels import Conduction, make_workspace
from .losses import LossLaw


class Heat:
    """What all steps share; made anew for each mesh.

    capacity  (n_total,) J/K of each node, with the reference heat capacity
    table     heat content as a temperature (see .content), None where it is the temperature
    top       surface nodes with losses, ghosts first; `top_owned` slices off the ghosts
    fixed     nodes held at the plate's temperature; `fixed_owned` likewise
    """

    def __init__(self, mesh: Mesh, material, law: LossLaw, bottom_fixed: bool, consolidated):
        self.mesh, self.law = mesh, law
        self.volumetric = material.density * material.heat_capacity
        self.capacity = self.volumetric * mesh.volume
        self.table = make_content_table(material)
        lossy = law.radiation > 0 or law.evaporation > 0
        self.top = np.flatnonzero(mesh.area > 0) if lossy else np.zeros(0, np.int64)
        self.fixed = mesh.bottom if bottom_fixed else np.zeros(0, np.int64)
        self.top_owned = slice(int(np.searchsorted(self.top, mesh.nodes.n_ghost)), None)
        self.fixed_owned = self.fixed[self.fixed >= mesh.nodes.n_ghost]
        self.contributions = np.zeros(mesh.nodes.n_slots)
        size = (0,) * mesh.lattice.block
        varying = make_conductivity_table(material)
        conductivity = (
            material.conductivity_powder,
            material.conductivity_melt,
            material.conductivity_solid,
        )
        self.conduction = Conduction(
            size,
            mesh.nodes.tables,
            mesh.leaves.stride[mesh.own] * mesh.lattice.cell,
            np.ascontiguousarray(mesh.leaves.corner[mesh.own]),
            consolidated,
            self.solid_blocks(material, consolidated) & (len(varying) == 0),
            (*conductivity, material.solidus, material.liquidus),
            varying,
        )
        self.work = make_workspace(size)

    def solid_blocks(self, material, consolidated: np.ndarray) -> np.ndarray:
        """(nb,) Conduction.solid as the fields say, so that a resumed run goes on bit for bit."""
        whole = self.mesh.active[self.mesh.own] == self.mesh.lattice.block
        same = material.conductivity_melt == material.conductivity_solid
        return whole & same & (consolidated == 1.0).all(axis=1)

    def content(self, temperature: np.ndarray) -> np.ndarray:
        """Heat content as a temperature in K, in the shape (n,) of the temperatures."""
        return temperature if self.table is None else contents(temperature, self.table)

    def temperature(self, content: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        """K, the inverse of `content`; the less time is taken the closer it is to `near` (n,) K."""
        near = content if near is None else near
        return content if self.table is None else temperatures(content, near, self.table)

    def enthalpy(self, temperature: np.ndarray) -> float:
        """J of this rank's owned nodes, counted from 0 K."""
        owned = self.mesh.owned
        return compensated_dot(self.capacity[owned], self.content(temperature[owned]))


@kernel()
def compensated_dot(a, b):
    """Sum of a_i b_i with the round-off of the additions carried along."""
    total, rest = 0.0, 0.0
    for i in range(len(a)):
        term = a[i] * b[i]
        new = total + term
        if abs(total) >= abs(term):
            rest += (total - new) + term
        else:
            rest += (term - new) + total
        total = new
    return total + rest
