"""The job file of the track scale: melt pool and grains of single tracks, checked as a whole.

The frame of a track: x along the scan from the beam's start, y from the centre line, z up from the
top surface. Sections and entries are declared once, with unit, default and meaning.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from partsim.growjob import Crops, Dendritic, Grains, Nucleation, PhaseField, Scan
from partsim.job import Flag, MaterialChoice
from partsim.schema import Section, parse_toml, read_text, validate
from partsim.units import (
    DepthPerEnergyDensity, Diffusivity, FilmCoefficient, HeatCapacity, Length, Number, Power, Speed,
    Temperature, Time,
)


class TrackLaser(Section):
    """A Gaussian beam that moves along x."""

    power: Power = Field(gt=0, description="nominal power while the beam is on")
    radius: Length = Field(4e-5, gt=0, description="where the intensity falls to 1/e^2")
    speed: Speed = Field(gt=0, description="of the beam")


class Source(Section):
    """How the beam heats: uniform down to a depth d = scale (slope K - offset) that grows with the
    normalised enthalpy K = eta P / (pi rho c (T_l - T_0) sqrt(alpha v r^3)).

    The volume source is 2 eta P / (pi r^2 D) exp(-2 s^2 / r^2) above d. D is d in the form "paper"
    (the absorbed power is eta P) and phi P / (v r^2) in the form "code", whose absorbed power
    eta P d / D grows with the energy density, as from conduction mode to keyhole mode. The defaults
    are those of Xie et al., Engineering with Computers 42, 63 (2026), and of their program.
    """

    form: Literal["code", "paper"] = Field("code", description="what the source is divided by")
    absorptivity: Number = Field(0.6, gt=0, le=1, description="eta")
    depth: Length | None = Field(None, gt=0, description="d; default: from the normalised enthalpy")
    depth_scale: Length = Field(65.784e-6, gt=0, description="scale")
    depth_slope: Number = Field(0.453, gt=0, description="slope")
    depth_offset: Number = Field(1.4, description="offset")
    heat_capacity: HeatCapacity = Field(758.6, gt=0, description="c of the normalised enthalpy")
    diffusivity: Diffusivity = Field(7.22e-6, gt=0, description="alpha of the normalised enthalpy")
    depth_factor: DepthPerEnergyDensity = Field(6.5e-16, gt=0, description='phi of the form "code"')


class Track(Section):
    """One track on solid metal."""

    length: Length = Field(gt=0, description="way of the beam")
    initial_temperature: Temperature = Field(300.0, gt=0, description="of the metal, T_0")


class Domain(Section):
    """The block of metal that is computed; it moves with the beam where it is shorter than the
    track. Its sides and its bottom are insulated."""

    cell: Length = Field(4e-6, gt=0, description="edge h of the cubic cells")
    margin: Length = Field(1.5e-4, gt=0, description="metal behind the start and before the beam")
    length: Length | None = Field(
        None, gt=0, description="along x; default: the track with a margin at both ends"
    )
    width: Length = Field(5e-4, gt=0, description="along y")
    depth: Length = Field(3e-4, gt=0, description="along z")


class SurfaceLosses(Section):
    """What the top surface loses: film (T - ambient) + emissivity sigma (T^4 - ambient^4)."""

    film_coefficient: FilmCoefficient = Field(0.0, ge=0, description="to the gas")
    emissivity: Number = Field(0.0, ge=0, le=1, description="of a grey body")
    ambient: Temperature = Field(300.0, gt=0, description="of the gas and of the chamber")


class Melt(Section):
    """How heat and flow are computed."""

    flow: Flag = Field(True, description="false: the liquid rests, heat is only conducted")
    scheme: Literal["quick", "released"] = Field(
        "quick", description="of convection: weight 3/4 of the mean at a face, or 1/8"
    )
    energy: Literal["enthalpy", "apparent"] = Field(
        "enthalpy", description="the unknown: enthalpy, or temperature with an apparent capacity"
    )
    projection: Literal["drag", "direct", "multigrid"] = Field(
        "drag", description="drag: the pressure's correction feels the drag of the mushy zone; "
        "direct: it does not; multigrid: as drag, all by PETSc (slow, to check the others)"
    )
    largest_speed: Speed = Field(5.0, gt=0, description="of the liquid, for which steps are stable")
    step: Time | None = Field(None, gt=0, description="default: nine tenths of the stable step")
    frame_distance: Length = Field(8e-6, gt=0, description="way of the beam between two frames")
    longest_cooling: Time = Field(5e-3, gt=0, description="after the laser; longer is a mistake")


class TrackInputs(Section):
    """The tables of a job file of the track scale."""

    material: MaterialChoice = MaterialChoice(name="316L")
    laser: TrackLaser
    source: Source = Source()
    track: Track
    domain: Domain = Domain()
    losses: SurfaceLosses = SurfaceLosses()
    melt: Melt = Melt()
    scan: Scan = Scan()
    grains: Grains = Grains()
    phase_field: PhaseField = PhaseField()
    nucleation: Nucleation = Nucleation()
    dendritic: Dendritic = Dendritic()
    crops: Crops | None = None


class TrackJob(TrackInputs):
    """Inputs with where they come from; SI units throughout."""

    path: Path
    text: str


def load(path: Path | str) -> TrackJob:
    """The job in a file; UserError names the first mistake in one line."""
    path = Path(path)
    return parse(read_text(path, "job file"), path)


def parse(text: str, path: Path | str) -> TrackJob:
    """The job in a TOML text; `path` is where it was read, and the base of the files it names."""
    inputs = validate(TrackInputs, parse_toml(text, f"job file {path}"))
    sections = {name: getattr(inputs, name) for name in TrackInputs.model_fields}
    return TrackJob(**sections, path=Path(path), text=text)
