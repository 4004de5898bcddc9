"""Checks of a job against the temperature file in which its grains are to grow."""

from partsim.grains.layers import plan
from partsim.grains.phasefield import longest_step
from partsim.grains.temperature import FOLLOWED, LEAST_CELLS, TemperatureFile
from partsim.jobcheck import is_whole
from partsim.schema import require
from partsim.trackjob import TrackJob

ROUND_OFF = 1e-6
BYTES_PER_CELL = 5  # grain and melted
MOST_BYTES = 64e9


def check(job: TrackJob, file: TemperatureFile) -> None:
    """Raises UserError for the first contradiction, in one line."""
    check_origin(job, file)
    check_step(job, file.header["liquidus"])
    check_block(job, file)


def check_origin(job: TrackJob, file: TemperatureFile) -> None:
    """The file is that of this laser and track."""
    told = {
        "laser.power": (job.laser.power, "power", "W"),
        "laser.speed": (job.laser.speed, "speed", "m/s"),
        "track.length": (job.track.length, "length", "m"),
        "track.initial_temperature": (job.track.initial_temperature, "initial_temperature", "K"),
    }
    for entry, (value, name, unit) in told.items():
        of_file = file.header[name]
        require(abs(value - of_file) <= ROUND_OFF * of_file, entry, f"{value:g} {unit}",
                f"{of_file:g} {unit} as in the temperature file {file.path}")


def check_step(job: TrackJob, liquidus: float) -> None:
    """Explicit steps are stable, and only solid is held."""
    grains, law = job.grains, job.phase_field
    require(grains.window < liquidus, "grains.window", f"{grains.window:g} K",
            f"below the liquidus, {liquidus:g} K")
    require(grains.window >= FOLLOWED, "grains.window", f"{grains.window:g} K",
            f"at least {FOLLOWED:g} K, as temperature files do not follow colder metal")
    if grains.law == "phase field":
        require(law.hottest >= liquidus, "phase_field.hottest", f"{law.hottest:g} K",
                f"at least the liquidus, {liquidus:g} K")
        limit = longest_step(law, grains.cell)
        require(grains.step <= limit, "grains.step", f"{grains.step:g} s",
                f"at most {limit:.3g} s, where explicit steps become unstable")
    else:
        own = job.dendritic
        limit = grains.cell / (2 * own.factor * own.freezing_range**own.exponent)
        require(grains.step <= limit, "grains.step", f"{grains.step:g} s",
                f"at most {limit:.3g} s, in which a tip grows by half a cell")


def check_block(job: TrackJob, file: TemperatureFile) -> None:
    """The pool is resolved and lies inside of the window, and the layers fit on the cells."""
    grains, scan = job.grains, job.scan
    width, depth = file.pool[:, 0].max(), file.pool[:, 1].max()
    require(width >= LEAST_CELLS * grains.cell, "grains.cell", f"{grains.cell:g} m",
            f"at most a tenth of the pool's width, {width:.3g} m")
    require(depth + grains.cell < grains.depth, "grains.depth", f"{grains.depth:g} m",
            f"more than the pool's depth, {depth:.3g} m")
    reach = (scan.tracks - 1) * scan.hatch + width
    across = plan(job, file.header["length"]).window[1] * grains.cell
    require(across > reach, "grains.width", f"{across:g} m",
            f"more than {reach:.3g} m, the width of all tracks")
    check_layers(job)


def check_layers(job: TrackJob) -> None:
    """The metal fits into memory, and the layers on its cells: what no pool needs be known for."""
    grains, scan = job.grains, job.scan
    nz, ny, nx = plan(job, job.track.length).cells
    require(BYTES_PER_CELL * nz * ny * nx <= MOST_BYTES, "grains.cell", f"{grains.cell:g} m",
            f"larger: {nz * ny * nx:.3g} cells need more than {MOST_BYTES / 1e9:g} GB")
    if scan.layers > 1:
        require(is_whole(scan.thickness / grains.cell), "scan.thickness", f"{scan.thickness:g} m",
                f"a whole number of cells, grains.cell = {grains.cell:g} m")
        require(scan.thickness < grains.depth, "scan.thickness", f"{scan.thickness:g} m",
                f"less than grains.depth = {grains.depth:g} m")
