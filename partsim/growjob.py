"""The sections of a job file of the track scale that tell how grains grow in a temperature file.

"Xie 2026" is Z. Xie et al., Engineering with Computers 42, 63 (2026), "program" its released code.
"""

from typing import Literal

from pydantic import Field

from partsim.job import Flag
from partsim.schema import Section
from partsim.units import (
    EnergyDensity, EnergyPerLength, InterfaceEnergy, KineticCoefficient, Length, MolarEnergy,
    Number, PerVolume, Temperature, Time,
)


class Grains(Section):
    """The block of metal whose grains are followed; it moves up with the layers."""

    law: Literal["phase field", "dendritic"] = Field("phase field", description="how grains grow")
    cell: Length = Field(2e-6, gt=0, description="edge of the cubic cells")
    margin: Length = Field(1e-4, gt=0, description="metal before and behind the tracks, along x")
    width: Length | None = Field(
        None, gt=0, description="along y; default: 300 um more than the tracks are apart"
    )
    depth: Length = Field(1.6e-4, gt=0, description="of the block that may change, along z")
    diameter: Length = Field(
        1.72e-5, gt=0, description="of a ball as large as the mean initial grain (Xie 2026)"
    )
    orientations: Literal["random", "paper", "paper merged"] = Field(
        "random", description="of each grain; one of the 20 of Xie 2026; and equal ones are one"
    )
    step: Time = Field(2e-7, gt=0, description="time step (Xie 2026)")
    window: Temperature = Field(
        1000.0, gt=0, description="solid colder than this is held; a front moves 0.3 um in 1 ms"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")


class Scan(Section):
    """Tracks side by side in layers, the same tracks in each."""

    layers: int = Field(1, ge=1, description="the first one is scanned without new metal")
    tracks: int = Field(1, ge=1, description="in a layer")
    hatch: Length = Field(1e-4, gt=0, description="between tracks, along y")
    thickness: Length = Field(3e-5, gt=0, description="of a layer; the program of Xie 2026: 32 um")
    reciprocating: Flag = Field(True, description="every other track runs back")


class Crops(Section):
    """Images cut out of the grains of all tracks, as `partsim crop` does."""

    section: Literal["cross", "longitudinal"] = Field("cross", description="normal to x, or to y")
    image: Literal["default", "paper", "paper-network", "paper-longitudinal"] = Field(
        "default", description="200 um in 64 pixels; see partsim.crops.pixels"
    )
    colours: Literal["ipf", "palette", "palette-plain"] = Field("ipf", description="of the grains")
    spacing: Length = Field(8e-6, gt=0, description="between planes")
    extent: Length | None = Field(
        None, gt=0, description="of the planes of a cross section, in the middle of the metal; "
        "default: half of it"
    )
    depth: Length = Field(0.0, ge=0, description="of the upper edge below the top surface")
    domain: str = Field("simulation", description="where the crops say that they come from")


class PhaseField(Section):
    """d eta_i/dt = -L (m (eta_i^3 - eta_i + 4 gamma eta_i sum_j eta_j^2 + 2 (1 - zeta)^2 eta_i)
    - kappa lap eta_i), L = L_0 exp(-Q / (R T)): equations (11) to (15) of Xie 2026."""

    barrier: EnergyDensity = Field(1.2e6, gt=0, description="m")
    gradient: EnergyPerLength = Field(2.77e-7, gt=0, description="kappa")
    mobility: KineticCoefficient = Field(3.5e3, gt=0, description="L_0")
    activation: MolarEnergy = Field(1.4e5, gt=0, description="Q")
    gas_constant: Number = Field(8.3, gt=0, description="R in J/(mol K), as the program has it")
    interaction: Number = Field(1.0, gt=0.25, description="gamma, as the program has it")
    hottest: Temperature = Field(2000.0, gt=0, description="of the mobility")
    cutoff: Number = Field(
        1e-14, gt=0, lt=0.01, description="smaller eta are zero; it slows the front"
    )
    share: Number = Field(
        1e-4, ge=0, lt=0.01, description="of the norm of all eta of a cell; smaller eta are zero"
    )
    slots: int = Field(256, ge=8, le=4096, description="order parameters in a block of 8^3 cells")
    precision: Literal["single", "double"] = Field("single", description="of eta")
    rest_change: Number = Field(
        1e-3, gt=0, lt=0.01, description="change of eta in a step below which solid rests"
    )


class Nucleation(Section):
    """New grains in cells that cool and are undercooled by at most `deepest`: P = 1 - exp(-J dt
    h^3), J = (k T N / h_P) exp(-Q / (R T)) exp(-f dG / (k T)), dG = 16 pi s^3 / (3 dg^2), dg =
    latent_heat (T_l - T) / T_l: equations (16) and (17) of Xie 2026."""

    rule: Literal["none", "paper", "code"] = Field(
        "paper", description='"paper": where no eta exceeds 1/2; "code": in solid as well'
    )
    multiplier: Number = Field(1.0, ge=0, description="of N")
    sites: PerVolume = Field(2.1e10, gt=0, description="N (Xie 2026)")
    interface: InterfaceEnergy = Field(0.385, gt=0, description="s (Xie 2026)")
    wetting: Number = Field(4.447e-6, gt=0, description="f, of a contact angle of 4 degrees")
    latent_heat: EnergyDensity = Field(2.1e9, gt=0, description="per volume, as the program has it")
    activation: MolarEnergy = Field(1.4e5, gt=0, description="Q (Xie 2026)")
    deepest: Temperature = Field(37.0, gt=0, description="largest undercooling (Xie 2026)")


class Dendritic(Section):
    """Velocity of dendrite tips, A (dT / K)^B, dT at most the freezing range.

    Defaults: 316L that solidifies as austenite, ExaCA's examples/Materials/SS316L_A.json (Rolchigo
    et al., Computational Materials Science 214, 111692, 2022).
    """

    factor: Number = Field(1.90855e-19, gt=0, description="A in m/s")
    exponent: Number = Field(12.9626, gt=0, description="B")
    freezing_range: Temperature = Field(26.5, gt=0, description="of the alloy")
