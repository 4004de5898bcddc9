"""Checks between the sections of a job, made before anything is built."""

from math import ceil, prod
from typing import Protocol

import psutil

from partsim.errors import UserError
from partsim.grouping import grouped
from partsim.job import Job
from partsim.schema import require

ROUND_OFF = 1e-6
AXES = ("x", "y", "z")
# finer lines than this share of the beam radius are a slip of the unit, not a scan
SMALLEST_HATCH = 0.01
# the temperature, the phases, the consolidated fraction, the tables of nodes and the work vectors
BYTES_PER_CELL = 500
# Python with its libraries and compiled kernels, per rank
INTERPRETER_BYTES = 200_000_000
MOST_RECORDED = 1_000_000  # cells of a window


class HeatProperties(Protocol):
    """What a material must tell for the checks; see partsim.part.material."""

    name: str
    density: float
    solidus: float
    phase: dict[str, float] | None

    @property
    def smallest_heat_capacity(self) -> float: ...

    @property
    def largest_conductivity(self) -> float: ...


def check(
    job: Job, material: HeatProperties, free_memory: float | None = None, ranks: int = 1
) -> None:
    """Raises UserError for the first contradiction between sections of the job.

    free_memory  bytes that a run may take on all machines together; default: free on this one
    ranks        that share the run
    """
    check_layers(job, material)
    job = grouped(job)
    check_cell(job)
    check_plate(job)
    check_time(job, material)
    check_scan(job)
    check_phase(job, material)
    check_output(job)
    free = psutil.virtual_memory().available if free_memory is None else free_memory
    check_memory(job, free, ranks)


def is_whole(ratio: float) -> bool:
    """Whether a ratio is 1, 2, 3, ... to round-off."""
    return ratio > 0.5 and abs(ratio - round(ratio)) <= ROUND_OFF


def root_edge(job: Job) -> float:
    """Edge of a root block in m: block cells of the coarsest size."""
    return job.mesh.block * job.mesh.cell * 2 ** (job.mesh.levels - 1)


def stability_limit(job: Job, material: HeatProperties) -> float:
    """h^2 rho c_p / (2 k) in s: explicit steps of lumped trilinear cells must be shorter.

    With the smallest c_p and the largest k where they depend on the temperature.
    """
    volumetric = material.density * material.smallest_heat_capacity
    return job.mesh.cell**2 * volumetric / (2 * material.largest_conductivity)


def longest_explicit_step(job: Job, material: HeatProperties) -> float:
    """s, longer steps of a cool-down are super-steps: nine tenths of the stability limit."""
    return 0.9 * stability_limit(job, material)


def largest_ratio(job: Job) -> int:
    """Base steps, a power of two, that a part of the mesh may take as one, whatever is stable.

    Parts step apart only where nothing is recorded in between, and phases divide no step.
    """
    longest = 1 if job.solidification else job.time.ratio
    longest = max(min(longest, int(job.phase.largest_substep / job.time.step)), 1)
    return 1 << longest.bit_length() - 1


def cells_estimate(job: Job) -> float:
    """Cells of the largest mesh: the finest band at the top, the part's sides, the coarse rest.

    With the footprint F = (L_x + 2 rim)(L_y + 2 rim), its perimeter P, the built height H, the
    finest edge h and B cells per block: (band + B) F / h^2 + 3 B P H / h^2 + plate volume / (h
    2^(levels-1))^3. It overestimates a 10 mm cube of 50 um cells by at most a tenth (B = 8).
    """
    h, block = job.mesh.cell, job.mesh.block
    x, y = (edge + 2 * job.mesh.powder_rim for edge in job.part.size[:2])
    height = job.layers.stop * job.layers.thickness
    band = (job.mesh.fine_band + block) * x * y / h**2
    sides = 3 * block * 2 * (x + y) * height / h**2
    coarse = h * 2 ** (job.mesh.levels - 1)
    width, depth, thick = (edge / coarse for edge in job.plate.size)
    return band + sides + width * depth * thick


def memory_needed(job: Job, ranks: int = 1) -> float:
    """Bytes that a run takes on all ranks: 500 per estimated cell, and 200 MB for each rank."""
    return BYTES_PER_CELL * cells_estimate(job) + INTERPRETER_BYTES * ranks


def check_layers(job: Job, material: HeatProperties) -> None:
    layers, height = job.layers, job.part.size[2]
    thickness = f"{layers.thickness:g} m"
    require(layers.count >= 1, "layers.thickness", thickness,
            f"at most part.size[2] = {height:g} m")
    require(layers.count * layers.thickness <= height * (1 + ROUND_OFF), "layers.count",
            f"{layers.count}", f"at most {int(height / layers.thickness + ROUND_OFF)}: the part is "
            f"{height:g} m high, a layer {thickness}")
    require(layers.stop <= layers.count, "layers.stop", f"{layers.stop}",
            f"at most layers.count = {layers.count}")
    require(layers.start <= layers.stop, "layers.start", f"{layers.start}",
            f"at most layers.stop = {layers.stop}")
    temperatures = {
        "layers.temperature": layers.temperature,
        "final_cooling.plate_temperature": job.final_cooling.plate_temperature,
    }
    for entry, value in temperatures.items():
        require(value < material.solidus, entry, f"{value:g} K",
                f"below the solidus of {material.name}, {material.solidus:g} K")


def check_cell(job: Job) -> None:
    cell = f"{job.mesh.cell:g} m"
    resolved = job.mesh.cell <= job.laser.radius * (1 + ROUND_OFF)
    require(resolved or job.layers.group > 1, "mesh.cell", cell,
            f"at most laser.radius = {job.laser.radius:g} m: a beam narrower than a cell is not "
            "resolved")
    require(is_whole(job.layers.thickness / job.mesh.cell), "mesh.cell", cell,
            f"layers.thickness = {job.layers.thickness:g} m divided by a whole number")


def check_plate(job: Job) -> None:
    """The part with its powder stands on the plate, which is whole root blocks long and wide, and
    whole finest blocks thick."""
    for axis in range(3):
        size = job.plate.size[axis]
        entry, value = f"plate.size[{axis}]", f"{size:g} m"
        if axis < 2:
            least = job.part.size[axis] + 2 * job.mesh.powder_rim
            require(size >= least * (1 - ROUND_OFF), entry, value,
                    f"at least {least:g} m, so that the scan path and the powder lie on the plate: "
                    f"part.size[{axis}] + 2 mesh.powder_rim")
        edge, kind, power = root_edge(job), "root", " x 2^(mesh.levels - 1)"
        if axis == 2:
            edge, kind, power = job.mesh.block * job.mesh.cell, "finest", ""
        low = int(size / edge)
        nearest = " or ".join(f"{n * edge:g} m" for n in (low, low + 1) if n)
        require(is_whole(size / edge), entry, value,
                f"a whole number of {kind} blocks of {edge:g} m (mesh.block x mesh.cell{power}), "
                f"such as {nearest}")


def check_time(job: Job, material: HeatProperties) -> None:
    step, limit = job.time.step, stability_limit(job, material)
    require(step < limit, "time.step", f"{step:g} s",
            f"below {limit:.3g} s, where explicit steps on cells of {job.mesh.cell:g} m become "
            "unstable: h^2 rho c_p / (2 k)")
    require(job.time.largest_step >= step, "time.largest_step", f"{job.time.largest_step:g} s",
            f"at least time.step = {step:g} s")
    pauses = {
        "layers.dwell": job.layers.dwell,
        "final_cooling.duration": job.final_cooling.duration,
    }
    for entry, value in pauses.items():
        require(value == 0 or is_whole(value / step), entry, f"{value:g} s",
                f"a whole number of steps time.step = {step:g} s")


def check_scan(job: Job) -> None:
    """Either scan.hatch places the lines, or scan.file has them."""
    hatch = job.scan.hatch
    if job.scan.file is not None:
        require(hatch is None, "scan.hatch", f"{hatch} m", "absent beside scan.file")
        require(job.scan.contour is None, "scan.contour", "given", "absent beside scan.file")
        return
    if hatch is None:
        raise UserError("missing entry scan.hatch, or section scan.file")
    for axis in range(2):
        width = job.part.size[axis] / job.scan.islands[axis]
        require(hatch <= width * (1 + ROUND_OFF), "scan.hatch", f"{hatch:g} m",
                f"at most {width:g} m, the size of a field along {AXES[axis]}: part.size[{axis}] "
                f"/ scan.islands[{axis}]")
    least = SMALLEST_HATCH * job.laser.radius
    require(hatch >= least, "scan.hatch", f"{hatch:g} m",
            f"at least {least:g} m, a hundredth of laser.radius")


def check_phase(job: Job, material: HeatProperties) -> None:
    for entry in ("laser_scheme", "cooling_scheme"):
        value = getattr(job.phase, entry)
        require(value == "off" or material.phase is not None, f"phase.{entry}", f'"{value}"',
                f'"off": the material {material.name} has no [phase] constants')
    laser, cooling = job.phase.laser_scheme, job.phase.cooling_scheme
    if laser == "off" and job.layers.group > 1:
        return  # grouped layers have no use for it
    require((laser == "off") == (cooling == "off"), "phase.laser_scheme", f'"{laser}"',
            f'as phase.cooling_scheme, "{cooling}", both "off" or none: phases that stand still '
            "while metal melts or cools are wrong")


def check_output(job: Job) -> None:
    layers = job.layers
    for layer in job.output.mid_scan:
        require(layers.start <= layer <= layers.stop, "output.mid_scan", f"{layer}",
                f"a layer that is simulated, {layers.start} to {layers.stop}")
    names = [probe.name for probe in job.probes]
    for number, probe in enumerate(job.probes):
        entry, name = f"probes[{number}].name", f'"{probe.name}"'
        require(probe.name not in names[:number], entry, name, "used once")
        require(probe.name != "time", entry, name, "another: the first column has this one")
        check_position(job, number)
    if job.solidification is not None:
        check_solidification(job)
    if job.window is not None:
        check_window(job)
    if job.arrivals is not None:
        check_arrivals(job)


def check_box(job: Job, name: str) -> int:
    """The section's box is one that holds cells of the domain; how many it would hold."""
    low, high = getattr(job, name).low, getattr(job, name).high
    for axis, (begin, end) in enumerate(extent(job, low[2] <= 0)):
        require(low[axis] < high[axis], f"{name}.high[{axis}]", f"{high[axis]:g} m",
                f"more than {name}.low[{axis}] = {low[axis]:g} m")
        require(high[axis] > begin, f"{name}.high[{axis}]", f"{high[axis]:g} m",
                f"more than {begin:g} m, where what is simulated begins")
        require(low[axis] < end, f"{name}.low[{axis}]", f"{low[axis]:g} m",
                f"less than {end:g} m, where what is simulated ends")
    return prod(ceil((high[axis] - low[axis]) / job.mesh.cell) for axis in range(3))


def check_window(job: Job) -> None:
    """The box is one and not too large, the layers are simulated."""
    cells = check_box(job, "window")
    require(cells <= MOST_RECORDED, "window", f"a box of {cells} cells",
            f"smaller: at most {MOST_RECORDED} cells of {job.mesh.cell:g} m")
    for layer in job.window.layers:
        first, last = job.layers.start, job.layers.stop
        require(first <= layer <= last, "window.layers", f"{layer}", f"among {first} to {last}")


def check_arrivals(job: Job) -> None:
    """The grid is not too fine, and the beam itself comes to its places."""
    x, y = (ceil(edge / job.arrivals.spacing) for edge in job.part.size[:2])
    require(x * y <= MOST_RECORDED, "arrivals.spacing", f"{job.arrivals.spacing:g} m",
            f"more: at most {MOST_RECORDED} places")
    require(job.layers.group == 1, "layers.group", f"{job.layers.group}",
            "1 where [arrivals] records: grouped layers have other beams")


def check_solidification(job: Job) -> None:
    """The box is one, and its cells see the beam itself."""
    check_box(job, "solidification")
    require(job.layers.group == 1, "layers.group", f"{job.layers.group}",
            "1 where [solidification] records: grouped layers do not resolve it")


def extent(job: Job, in_plate: bool) -> list[tuple[float, float]]:
    """m, from where to where is simulated along each axis, at heights of the plate or above it."""
    size, plate, rim = job.part.size, job.plate.size, job.mesh.powder_rim
    rims = [(plate[axis] - size[axis]) / 2 if in_plate else rim for axis in (0, 1)]
    sides = [(-beside, edge + beside) for beside, edge in zip(rims, size)]
    return [*sides, (-plate[2], job.layers.stop * job.layers.thickness)]


def check_position(job: Job, number: int) -> None:
    """A probe lies in the plate, or in the part and its powder."""
    position = job.probes[number].position
    for axis, (low, high) in enumerate(extent(job, position[2] <= 0)):
        value = position[axis]
        slack = ROUND_OFF * (high - low)
        require(low - slack <= value <= high + slack, f"probes[{number}].position[{axis}]",
                f"{value:g} m", f"in the simulated domain, {low:g} to {high:g} m along {AXES[axis]}"
                + ("" if axis == 2 else " at that height"))


def check_memory(job: Job, free: float, ranks: int) -> None:
    needed = memory_needed(job, ranks)
    if needed > free:
        raise UserError(
            f"the mesh needs about {needed / 1e9:.3g} GB on {ranks} ranks (mesh.cell = "
            f"{job.mesh.cell:g} m), but it must fit into the {free / 1e9:.3g} GB of memory that "
            "are free"
        )
