"""The job file: every input of a part-scale run, declared once, with unit, default and meaning."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from partsim.errors import UserError
from partsim.schema import Section, parse_toml, read_text, require, shown, validate
from partsim.surface import read as read_surface
from partsim.units import Angle, Length, Number, Power, Speed, Temperature, Time, WallTime

Positive = Field(gt=0)
Triple = tuple[Length, Length, Length]
Size = tuple[
    Annotated[Length, Positive], Annotated[Length, Positive], Annotated[Length, Positive]
]
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrNone = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Corner = Literal["left-front", "right-front", "left-back", "right-back"]
Order = Literal["lines", "features"]
Scheme = Literal["explicit", "crank-nicolson", "off"]
COARSEN_TO_REFINE = 4
MOST_LAYERS = 10**9


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


OneOrMore = BeforeValidator(_as_list)


class Part(Section):
    """The solid to be built; its bounding box starts at (0, 0, 0)."""

    shape: Literal["box", "surface"] = Field("box", description="the kind of solid")
    size: Size | None = Field(None, description="edges along x, y, z; a surface's are its file's")
    file: Text | None = Field(
        None, description="triangulated surface (STL, PLY, OBJ, ...), relative to the job's folder"
    )
    unit: Length = Field(1e-3, gt=0, description="length of one unit of the file")


class Plate(Section):
    """The base plate: centred under the part, its top at z = 0."""

    size: Size = Field(description="edges along x, y, z")
    bottom: Literal["fixed", "insulated"] = Field(
        "fixed", description="its lower side keeps layers.temperature, or lets no heat pass"
    )


class MaterialChoice(Section):
    """One of the materials that come with the package, or a file of the user's."""

    name: Text | None = Field(None, description="a material of the package")
    file: Text | None = Field(None, description="path of a file, relative to the job's folder")
    latent_heat: Flag = Field(False, description="melting takes the latent heat of fusion")


class Laser(Section):
    """A Gaussian beam, uniform over the depth of one powder layer."""

    power: Power = Field(gt=0, description="absorbed power while the beam is on")
    radius: Length = Field(gt=0, description="where the intensity falls to 1/e^2")
    speed: Speed = Field(gt=0, description="of the beam along a line")


class Contour(Section):
    """Lines along the outline of a layer."""

    count: Count = Field(1, description="how many, one inside the other")
    power: Power | None = Field(None, gt=0, description="absorbed; default: laser.power")
    speed: Speed | None = Field(None, gt=0, description="default: laser.speed")
    offset: Length = Field(0.0, ge=0, description="of the first one from the outline")
    distance: Length | None = Field(
        None, gt=0, description="between two of them; default: scan.hatch"
    )
    order: Literal["first", "last"] = Field("first", description="before the hatching or after it")


class ScanFile(Section):
    """Scan paths that are read from a file, see partsim.part.readers."""

    name: Text = Field(description="path relative to the job's folder; {layer}, {layer:04d}: its n"
                                   "umber, where each layer has a file of its own")
    format: Literal["auto", "gcode", "cli", "ornl", "xypt", "csv"] = Field(
        "auto", description="auto: by ending and content"
    )
    power: Power | None = Field(None, gt=0, description="nominal, where the file has none")
    speed: Speed | None = Field(None, gt=0, description="of the beam, where the file has none")
    jump_speed: Speed | None = Field(None, gt=0, description="where the file has none; none: 0 s")
    s_maximum: Number | None = Field(
        None, gt=0, description="S of G-code that means `power`; none: S is in W"
    )
    absorptivity: Number = Field(1.0, gt=0, le=1, description="absorbed share of the file's power")
    offset: tuple[Length, Length] = Field((0.0, 0.0), description="added to x, y")
    repeat: Flag = Field(False, description="begin again after the last layer of the file")


class Scan(Section):
    """How the beams cover one layer; lists repeat over the layers."""

    file: ScanFile | None = Field(None, description="instead of all else here")
    hatch: Length | None = Field(
        None, gt=0, description="wanted distance between neighbouring lines"
    )
    islands: tuple[Count, Count] = Field((1, 1), description="fields along x and y")
    direction: Annotated[tuple[Angle, ...], OneOrMore, Field(min_length=1)] = Field(
        (0.0,), description="of the lines, from the x axis"
    )
    rotation: Angle = Field(0.0, description="added to the direction from layer to layer")
    start: Annotated[tuple[Corner, ...], OneOrMore, Field(min_length=1)] = Field(
        ("left-front",), description="corner where each field begins: left, front are low x, y"
    )
    turn_time: Time = Field(0.0, ge=0, description="beam off between two lines")
    hop_time: Time | None = Field(
        None, ge=0, description="beam off over gaps and between fields; default: turn_time"
    )
    order: Annotated[tuple[Order, ...], OneOrMore, Field(min_length=1)] = Field(
        ("lines",), description="lines go over all pieces of a field, or piece after piece"
    )
    inset: Length = Field(0.0, ge=0, description="of the hatching from the outline")
    island_order: Literal["rows", "columns", "checkerboard", "random"] = Field(
        "rows", description="order of the fields: x fastest, y fastest, every other one first"
    )
    island_rotation: Angle = Field(0.0, description="added to the direction in every other field")
    seed: CountOrNone = Field(0, description="of the random order of the fields")
    lasers: Count = Field(1, description="beams that share a layer and work at the same time")
    contour: Contour | None = Field(None, description="lines along the outline; default: none")


class Layers(Section):
    """The powder layers and the pause after each."""

    thickness: Length = Field(gt=0, description="of one powder layer")
    count: Count | None = Field(None, description="how many; default: what the part's height holds")
    dwell: Time = Field(0.4, ge=0, description="cool-down after each layer")
    start: Count = Field(1, description="first layer that is simulated")
    stop: Count | None = Field(None, description="last layer that is simulated; default: count")
    temperature: Temperature = Field(
        293.0, gt=0, description="of the plate at the start, of fresh powder, of the fixed bottom"
    )
    group: Count = Field(1, description="layers that are built as one, layer-averaged")


class Mesh(Section):
    """The block octree."""

    cell: Length | None = Field(
        None, gt=0, description="edge of the finest cell; default: layers.thickness"
    )
    block: Literal[4, 8] = Field(8, description="cells along a block's edge")
    levels: int = Field(
        4, strict=True, ge=1, le=12, description="sizes of blocks, each half the one above"
    )
    powder_rim: Length = Field(4e-4, ge=0, description="powder around the part's bounding box")
    fine_band: int = Field(8, strict=True, ge=8, description="finest cells below the top")
    surface_band: int = Field(
        8, strict=True, ge=0, description="finest cells below the top that keep part and powder "
        "apart; deeper ones merge once across the part's surface"
    )
    coarsen_tolerance: Number = Field(
        1e-2, gt=0, description="largest error of a history field where eight blocks merge"
    )
    refine_tolerance: Number | None = Field(
        None, gt=0, description="error at which a block splits; default: 4 coarsen_tolerance"
    )
    coarsen: Literal["interpolant", "equal", "never"] = Field(
        "interpolant", description="merge by the error of interpolation, by equal values, or never"
    )


class TimeStepping(Section):
    """Steps with the laser on and while a layer cools."""

    step: Time = Field(1e-5, gt=0, description="base step, used with the laser on")
    ratio: Count = Field(
        16, description="largest multiple of the base step for what changes slowly in the mesh; "
        "probes are read so far apart (1 where solidification is recorded)"
    )
    hold_steps: CountOrNone = Field(2000, description="base steps at the start of a cool-down")
    steps_per_doubling: Count = Field(10, description="equal steps before the step doubles")
    largest_step: Time = Field(0.1, gt=0, description="where the doubling ends")


class Losses(Section):
    """What the surface of the newest layer loses."""

    radiation: Flag = Field(True, description="grey body to the ambient")
    evaporation: Flag = Field(True, description="metal vapour")


class FinalCooling(Section):
    """The cool-down after the last layer."""

    duration: Time = Field(0.0, ge=0, description="0 for none")
    plate_temperature: Temperature = Field(293.0, gt=0, description="of the plate's fixed bottom")
    largest_step: Time = Field(1.0, gt=0, description="where the doubling of the steps ends")


class Phase(Section):
    """Integration of the phase fractions."""

    laser_scheme: Scheme = Field("explicit", description="with the laser on")
    cooling_scheme: Scheme = Field("crank-nicolson", description="while a layer cools")
    largest_substep: Time = Field(
        0.1, gt=0, le=1.0, description="longer thermal steps are divided; the fixed point of "
                                       "Crank-Nicolson converges up to 1 s"
    )
    rest_tolerance: Number = Field(
        1e-6, ge=0, le=1e-3, description="change of a fraction that a resting block may miss"
    )
    decomposition: Literal["martensite", "excess"] = Field(
        "martensite", description="what drives martensite to alpha: all of it, or its excess"
    )


class Output(Section):
    """What a run writes beside its summary and the fields at its end."""

    every_layers: CountOrNone = Field(10, description="fields after every n-th cool-down, 0: none")
    mid_scan: tuple[Count, ...] = Field((), description="layers written in the middle of the scan")
    checkpoint_layers: CountOrNone = Field(10, description="checkpoint every n layers, 0: none")
    checkpoint_minutes: WallTime = Field(0.0, ge=0, description="and after so long, 0: never")
    keep_checkpoints: Count = Field(2, description="newest checkpoints that stay")
    keep_fields: CountOrNone = Field(0, description="newest fields that stay, 0: all")
    history_steps: Count = Field(1000, description="a row of the history table every n laser steps")


class Probe(Section):
    """A point whose temperature and phases are recorded in every step."""

    name: str = Field(strict=True, pattern=r"^[\w.-][\w .-]*$", description="heads its columns")
    position: Triple = Field(description="x, y, z")


class SolidificationBox(Section):
    """Every passage of the liquidus is recorded in all finest cells whose centres it holds."""

    low: Triple = Field(description="corner of the box")
    high: Triple = Field(description="opposite corner")


class WindowBox(Section):
    """Temperatures over time are recorded in all finest cells whose centres it holds."""

    low: Triple = Field(description="corner of the box")
    high: Triple = Field(description="opposite corner")
    every: Time = Field(gt=0, description="between records; at least the steps")
    layers: tuple[Count, ...] = Field((), description="layers in which is recorded, none: all")


class ArrivalGrid(Section):
    """How warm the part is before the beam comes is recorded on a grid over each layer."""

    spacing: Length = Field(5e-4, gt=0, description="of the grid")
    reach: Length | None = Field(
        None, gt=0, description="of the beam when it counts as come; default: 5 laser.radius"
    )


class Inputs(Section):
    """The tables of a job file."""

    part: Part
    plate: Plate
    material: MaterialChoice = MaterialChoice(name="Ti-6Al-4V")
    laser: Laser
    scan: Scan
    layers: Layers
    mesh: Mesh = Mesh()
    time: TimeStepping = TimeStepping()
    losses: Losses = Losses()
    final_cooling: FinalCooling = FinalCooling()
    phase: Phase = Phase()
    output: Output = Output()
    probes: tuple[Probe, ...] = ()
    solidification: SolidificationBox | None = None
    window: WindowBox | None = None
    arrivals: ArrivalGrid | None = None


class Job(Inputs):
    """Inputs with every default filled in, and where they come from.

    Lengths in m, times in s, temperatures in K, angles in rad, powers in W.
    """

    path: Path
    text: str


def load(path: Path | str) -> Job:
    """The job in a file; UserError names the first mistake in one line."""
    path = Path(path)
    return parse(read_text(path, "job file"), path)


def parse(text: str, path: Path | str) -> Job:
    """The job in a TOML text; `path` is where it was read, and the base of the files it names."""
    inputs = validate(Inputs, parse_toml(text, f"job file {path}"))
    sections = {name: getattr(inputs, name) for name in Inputs.model_fields}
    part = _sized(inputs.part, Path(path).parent)
    sections |= {
        "part": part,
        "material": _one_material(inputs.material),
        "scan": _filled_scan(inputs),
        "layers": _filled(inputs.layers, **_layer_range(inputs.layers, part.size[2])),
        "arrivals": inputs.arrivals and _filled(inputs.arrivals, reach=5 * inputs.laser.radius),
        "mesh": _filled(
            inputs.mesh,
            cell=inputs.layers.thickness,
            refine_tolerance=COARSEN_TO_REFINE * inputs.mesh.coarsen_tolerance,
        ),
    }
    return Job(**sections, path=Path(path), text=text)


def _filled(section: Any, **defaults: object) -> Any:
    """The section with defaults in place of the entries that are not given."""
    missing = {name: value for name, value in defaults.items() if getattr(section, name) is None}
    return section.model_copy(update=missing)


def _layer_range(given: Layers, height: float) -> dict[str, int]:
    """Number of layers that the part's height holds, and the last one to simulate."""
    layers = min(height / given.thickness, MOST_LAYERS)
    whole = math.floor(layers + 1e-6)
    return {"count": whole, "stop": given.count or whole}


def _sized(part: Part, folder: Path) -> Part:
    """The part with its size: of a box as given, of a surface that of its bounding box."""
    needed, other = ("size", "file") if part.shape == "box" else ("file", "size")
    if getattr(part, needed) is None:
        raise UserError(f"missing entry part.{needed}")
    left = getattr(part, other)
    require(left is None, f"part.{other}", shown(left), f'left out: part.shape = "{part.shape}"')
    if part.shape == "box":
        return part
    return part.model_copy(update={"size": read_surface(folder / part.file, part.unit).size})


def _filled_scan(inputs: Inputs) -> Scan:
    """The scan with its pauses, and with the beam of its contours."""
    scan, laser = inputs.scan, inputs.laser
    contour = scan.contour and _filled(
        scan.contour, power=laser.power, speed=laser.speed, distance=scan.hatch
    )
    return _filled(scan, hop_time=scan.turn_time).model_copy(update={"contour": contour})


def _one_material(material: MaterialChoice) -> MaterialChoice:
    if material.name and material.file:
        raise UserError("material has both name and file, but it must have one of them")
    return material if material.file else _filled(material, name="Ti-6Al-4V")
