"""A mesh with a temperature, an energy account and the steps that advance it."""

from math import fsum

import numpy as np

from partsim.ledger import Ledger
from partsim.thermal.explicit import Explicit
from partsim.thermal.heat import Heat
from partsim.thermal.losses import make_loss_law
from partsim.thermal.source import Optics
from partsim.thermal.superstep import SuperStep
from partsim.timers import Timers
from tests.meshes import everywhere, material, nodal, present, total

RADIUS = 60e-6


def largest_diffusivity(alloy):
    """m^2/s, with the largest conductivity and the smallest heat capacity."""
    curves = alloy.curves
    capacities = curves["heat_capacity"].value if "heat_capacity" in curves else ()
    conductivities = [k for name, curve in curves.items() if name.startswith("conductivity")
                      for k in curve.value]
    largest = max(alloy.conductivity_solid, alloy.conductivity_melt, *conductivities)
    return largest / (alloy.density * min([alloy.heat_capacity, *capacities]))


class HeatRun:
    """Starts from a function of lattice points.

    lossy         whether the top radiates and evaporates
    fixed         whether the bottom of the plate is held
    consolidated  (nb, B^3) or one number
    alloy         by default Ti-6Al-4V
    """

    def __init__(
        self, mesh, temperature, lossy=False, fixed=False, consolidated=1.0, alloy=None
    ):
        alloy = alloy or material()
        self.mesh, self.ledger = mesh, Ledger()
        state = np.broadcast_to(consolidated, (mesh.n_blocks, mesh.lattice.block**3)).copy()
        law = make_loss_law(alloy, lossy, lossy)
        self.heat = Heat(mesh, alloy, law, fixed, state)
        self.temperature = nodal(mesh, temperature)
        self.start = self.enthalpy()
        self.longest = 0.9 * mesh.lattice.cell**2 / (2 * largest_diffusivity(alloy))

    def explicit(self, dt, count, path=None):
        """`count` explicit steps of dt, along a path if there is one."""
        stepper, lattice = Explicit(self.heat, dt, self.ledger, Timers()), self.mesh.lattice
        if path is not None:
            optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
            stepper.aim_at((path,), optics)
        for number in range(count):
            stepper.step(self.temperature, number * dt)
        return self

    def long(self, steps, plate=None):
        """Super-steps of the given lengths."""
        stepper = SuperStep(self.heat, self.longest, self.ledger, Timers())
        for dt in steps:
            stepper.step(self.temperature, dt, plate)
        return self

    def enthalpy(self):
        """J of all ranks, counted from 0 K."""
        return fsum(self.mesh.comm.allgather(self.heat.enthalpy(self.temperature)))

    def gap(self):
        """What the account lacks, relative to the laser's energy or else the largest term."""
        ledgers = self.mesh.comm.allgather(self.ledger)
        lost = [fsum(getattr(each, name).value for each in ledgers)
                for name in ("lost_top", "lost_plate")]
        stored, laser = self.enthalpy() - self.start, self.ledger.laser.value
        return (laser - stored - sum(lost)) / (laser or max(map(abs, lost)))

    def error(self, wave, time):
        """Mean square deviation from a wave, K."""
        cell = self.mesh.lattice.cell
        exact = nodal(self.mesh, lambda points: wave.temperature(cell * points, time))
        volume = self.mesh.volume
        square = total(self.mesh, volume * (self.temperature - exact) ** 2)
        return (square / total(self.mesh, volume)) ** 0.5

    def blocks(self):
        """(n, (B+1)^3) temperatures of the blocks of all ranks, 0 where there are no nodes."""
        values = self.mesh.to_blocks(self.temperature)
        return everywhere(self.mesh, np.where(present(self.mesh), values, 0.0))

    def close(self):
        """Frees the mesh."""
        self.mesh.close()
