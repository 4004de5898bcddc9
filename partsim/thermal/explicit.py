"""Forward Euler: (theta(T^{n+1}) - theta(T^n)) m / dt = load - K(r_c, T^n) T^n - A q(T^{n+1}).

m is the lumped mass and theta the heat content as a temperature (see .content), T itself where the
heat capacity is constant and no latent heat is taken.
"""

from collections.abc import Sequence

import numpy as np

from ..ledger import Ledger
from ..timers import Timers
from .content import add_change
from .heat import Heat
from .kernels import finish_surface, sweep
from .losses import cool_contents, cool_surface, cool_surface_content, removed
from .source import Beam, Optics, aim, beam_room, empty_beam


class Explicit:
    """Steps of one length on one mesh; `aim_at` gives them paths.

    peak  K, highest temperature so far of a block under the beam, seen at the start of each step
    """

    def __init__(self, heat: Heat, dt: float, ledger: Ledger, timers: Timers):
        self.heat, self.dt, self.ledger, self.timers = heat, dt, ledger, timers
        conduction = heat.conduction
        self.block_rates = dt / (heat.volumetric * conduction.edge**3)
        self.surface_rates = dt / heat.capacity[: heat.mesh.nodes.n_surface]
        self.surface_rates[heat.fixed] = 0.0
        top = heat.top
        self.ratio = dt * heat.mesh.area[top] / heat.capacity[top]
        self.ratio[np.isin(top, heat.fixed)] = 0.0
        self.top_capacity = heat.capacity[top[heat.top_owned]]
        self.before, self.after, self.scaled = np.zeros((3, len(top)))
        self.peak = 0.0
        self.paths = ()
        self.dark = empty_beam(Optics(1.0, 1.0, (0.0, 0.0), ((0, 1), (0, 1))), 1, (0, 0))

    def aim_at(self, paths: Sequence, optics: Optics, depth: int | None = None) -> "Explicit":
        """Gives the steps the paths (ScanPath, times from 0) of beams that work together.

        depth  finest cells below the top that are heated, 0 for the surface itself; by default
               those of one layer
        """
        mesh, top = self.heat.mesh, self.heat.mesh.top
        heated = (top - (mesh.lattice.layer if depth is None else depth), top)
        room = sum(beam_room(path, self.dt, optics.radius) for path in paths)
        self.paths, self.optics, self.beam = paths, optics, empty_beam(optics, room, heated)
        return self

    def load(self, start: float) -> Beam:
        """The source of the step that begins at `start` seconds of the paths; books its energy."""
        if not self.paths:
            return self.dark
        beam, span = self.beam, (start, start + self.dt)
        for path in self.paths:
            count, energy = aim(beam, path.times, path.ends, path.power, span, self.optics)
            self.ledger.laser.add(energy)
            beam = beam._replace(count=count)
        return beam

    def step(
        self, temperature: np.ndarray, start: float = 0.0, new: np.ndarray | None = None
    ) -> None:
        """`temperature` (n_total,) dt later goes to `new`, or replaces it where none is given.

        start  s, time on the paths
        """
        heat, new = self.heat, temperature if new is None else new
        self.conduct(temperature, new, self.load(start), heat.table)
        account, result = (heat.top, self.ratio, heat.law), (self.before, self.after)
        if heat.table is None:
            cool_surface(new, *account, *result)
        else:
            cool_surface_content(new, *account, heat.table, self.scaled, *result)
        self.book_losses()

    def step_content(
        self, content: np.ndarray, temperature: np.ndarray, new: np.ndarray
    ) -> None:
        """The heat `content` (n_total,) of `temperature` dt later goes to `new`; without beams."""
        heat = self.heat
        if heat.table is None:
            self.step(temperature, new=new)
            return
        self.conduct(temperature, new, self.dark, None)
        add_change(content, temperature, new)
        account, result = (heat.top, self.ratio, heat.law), (self.before, self.after)
        cool_contents(new, temperature, *account, heat.table, self.scaled, *result)
        self.book_losses()

    def conduct(self, temperature: np.ndarray, new: np.ndarray, beam: Beam, table) -> None:
        """What conduction and a beam do in a step, see `sweep`; books what passes the plate."""
        heat = self.heat
        peak = sweep(
            temperature,
            new,
            heat.contributions,
            heat.conduction,
            beam,
            self.block_rates,
            heat.work,
            table,
        )
        self.peak = max(self.peak, peak)
        with self.timers("halo"):
            heat.mesh.halo.sum(heat.contributions)
        if len(heat.fixed_owned):
            self.ledger.lost_plate.add(
                -self.dt * float(heat.contributions[heat.fixed_owned].sum())
            )
        finish_surface(temperature, new, heat.contributions, self.surface_rates, table)

    def book_losses(self) -> None:
        """Books what the top surface has lost in a step."""
        owned = self.heat.top_owned
        gone = removed(self.before[owned], self.after[owned], self.top_capacity)
        self.ledger.lost_top.add(gone)
