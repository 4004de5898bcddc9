"""Checks of a job before its melt pool is computed, and of the pool after its track."""

from importlib.util import find_spec

from partsim.errors import UserError
from partsim.meltpool.alloy import Alloy
from partsim.meltpool.conduction import mean_metal, pool_width
from partsim.meltpool.heat import FROZEN, block_shape
from partsim.meltpool.limits import step_of
from partsim.meltpool.source import REACH, beam
from partsim.schema import require
from partsim.trackjob import TrackJob

LEAST_CELLS = 10  # across a pool
EXPECTED = 0.7  # of a pool's width, at least, is what the closed form of conduction tells
WARM_BOTTOM = 50.0  # K
# energy, temperature, conduction, and as much again for the frames and the box of the flow
BYTES_PER_CELL = 60
MOST_BYTES = 64e9


def check(job: TrackJob, alloy: Alloy) -> None:
    """Raises UserError for the first contradiction in the job, in one line."""
    track, domain, laser = job.track, job.domain, job.laser
    require(alloy.solidus > FROZEN, f"material {alloy.name}: solidus", f"{alloy.solidus:g} K",
            f"above {FROZEN:g} K: metal below that is taken to be at rest")
    require(track.initial_temperature < FROZEN, "track.initial_temperature",
            f"{track.initial_temperature:g} K", f"below {FROZEN:g} K: the solidus of {alloy.name} "
            f"is {alloy.solidus:g} K, and metal below {FROZEN:g} K does not change")
    require(job.melt.frame_distance <= laser.radius, "melt.frame_distance",
            f"{job.melt.frame_distance:g} m", f"at most laser.radius = {laser.radius:g} m: between "
            "frames the temperature is interpolated")
    if job.melt.projection == "multigrid" and find_spec("petsc4py") is None:
        raise UserError('melt.projection = "multigrid" needs petsc4py, which is not installed')
    reach = REACH * laser.radius
    require(domain.margin >= reach, "domain.margin", f"{domain.margin:g} m",
            f"at least {REACH:g} laser.radius = {reach:g} m, so that the beam is inside")
    require(domain.width >= 2 * reach, "domain.width", f"{domain.width:g} m",
            f"at least {2 * REACH:g} laser.radius = {2 * reach:g} m, so that the beam is inside")
    if domain.length is not None:
        require(domain.length >= 2 * domain.margin, "domain.length", f"{domain.length:g} m",
                f"at least 2 domain.margin = {2 * domain.margin:g} m")
    nz, ny, nx = block_shape(job)
    require(BYTES_PER_CELL * nz * ny * nx <= MOST_BYTES, "domain.cell", f"{domain.cell:g} m",
            f"larger: {nz * ny * nx:.3g} cells need more than {MOST_BYTES / 1e9:g} GB")
    require(min(nz, ny) >= 4, "domain.cell", f"{domain.cell:g} m",
            "at most an eighth of domain.width and a quarter of domain.depth")
    source = beam(job, alloy)
    metal = mean_metal(alloy, track.initial_temperature, alloy.liquidus)
    expected = pool_width(source, laser.speed, metal)
    check_resolved(job, expected / EXPECTED)
    step_of(job, alloy)


def check_resolved(job: TrackJob, width: float) -> None:
    """Raises UserError for a pool of this width in m that has fewer than 10 cells across."""
    cell = job.domain.cell
    require(width > 0, "laser.power", f"{job.laser.power:g} W", "high enough to melt the metal")
    require(width >= LEAST_CELLS * cell, "domain.cell", f"{cell:g} m",
            f"at most {width / LEAST_CELLS:.3g} m: a pool {width:.3g} m wide needs "
            f"{LEAST_CELLS} cells across")
