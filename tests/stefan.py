"""Melting of a half-space whose face is held above the liquidus: Neumann's solution in three zones.

Melt, mush and solid conduct alike; in the mush the latent heat adds L / (T_liq - T_sol) to the
heat capacity. With s = x / sqrt(t), T is an error function of s in each zone and the heat flux is
continuous where they meet.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import fsolve
from scipy.special import erf, erfc


@dataclass(frozen=True)
class Stefan:
    """Temperatures in K of the face, the liquidus, the solidus and far away; m^2/s; J/kg over c_p.

    diffusivity  of melt and solid
    latent       K, latent heat over heat capacity
    """

    face: float
    liquidus: float
    solidus: float
    far: float
    diffusivity: float
    latent: float

    @property
    def widths(self):
        """2 sqrt(a) of melt and solid, and of the mush."""
        slope = 1 + self.latent / (self.liquidus - self.solidus)
        return 2 * self.diffusivity**0.5, 2 * (self.diffusivity / slope) ** 0.5

    def slopes(self, fronts):
        """dT/ds on both sides of the liquidus and of the solidus times sqrt(pi)/2."""
        clear, mush = self.widths
        hot, cold = fronts
        melt = (self.liquidus - self.face) / erf(hot / clear) / clear
        between = (self.solidus - self.liquidus) / (erf(cold / mush) - erf(hot / mush)) / mush
        solid = (self.far - self.solidus) / erfc(cold / clear) / clear
        return (melt * np.exp(-((hot / clear) ** 2)) - between * np.exp(-((hot / mush) ** 2)),
                between * np.exp(-((cold / mush) ** 2)) - solid * np.exp(-((cold / clear) ** 2)))

    def fronts(self):
        """s of the liquidus and of the solidus, m/sqrt(s)."""
        clear, _ = self.widths
        found, _, done, text = fsolve(
            lambda f: np.array(self.slopes(f)) / 1e6, (0.3 * clear, 0.5 * clear),
            xtol=1e-12, full_output=True)
        assert done == 1, text
        return found

    def temperature(self, x, time):
        """K at distances x in m from the face."""
        clear, mush = self.widths
        hot, cold = self.fronts()
        s = x / time**0.5
        melt = self.face + (self.liquidus - self.face) * erf(s / clear) / erf(hot / clear)
        share = (erf(s / mush) - erf(hot / mush)) / (erf(cold / mush) - erf(hot / mush))
        between = self.liquidus + (self.solidus - self.liquidus) * share
        solid = self.far + (self.solidus - self.far) * erfc(s / clear) / erfc(cold / clear)
        return np.select([s < hot, s < cold], [melt, between], solid)
