"""The command line: one verb per stage of the work, in the order in which they are used.

The stages are imported by the verb that needs them, so that every verb starts quickly.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from partsim import parallel
from partsim.errors import UserError
from partsim.grouping import grouped
from partsim.job import Job, MaterialChoice, load
from partsim.jobcheck import check
from partsim.part import material, shape
from partsim.part.strategy import check_layers
from partsim.schema import require
from partsim.trackcommand import verbs as track_verbs
from partsim.verbs import (
    JobFile, JsonFile, Output, agreed, check_exists, check_folder, on_first_rank, quantity_of,
    report, report_scan,
)
from partsim.writable import check_report, make_writable

app = typer.Typer(
    help="Heat and phase history of metal parts while laser powder-bed fusion builds them.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(track_verbs)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that a run has written.")]
What = Annotated[
    Literal["points", "layers", "solidification", "window", "arrivals"],
    typer.Argument(help="points: histories of the probes; layers: phase means of each layer; "
                   "solidification: times, cooling rates and gradients at the liquidus; "
                   "window: temperatures of a box; arrivals: temperatures before the beam comes."),
]
Share = Annotated[float | None, typer.Option(metavar="X", help="Fraction at the first time.")]
Beam = Annotated[
    str | None, typer.Option(metavar="X", help="Where the file has none: 200 W, 960 mm/s.")
]


def execute(words: list[str], program: str = "partsim", verbs: typer.Typer = app) -> int:
    """Runs the verb and options in `words`; the exit status.

    Raises UserError for a mistake in the words or in the files that they name.
    """
    try:
        return verbs(words or ["--help"], prog_name=program, standalone_mode=False) or 0
    except typer.TyperException as problem:
        raise UserError(problem.format_message()) from problem


@app.command("plan")
def plan_verb(job: JobFile, json_file: JsonFile = None) -> None:
    """Tell what a job will cost, and which temperatures and phases to expect, before it runs."""
    checked = agreed(read_and_check, job, math.inf)
    agreed(check_report, json_file)
    from partsim.plan import plan

    report(plan(checked), json_file)


@app.command()
def run(
    job: JobFile,
    output: Output = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Give up an unfinished run in the folder.")
    ] = False,
) -> None:
    """Build the part: heat and phases, layer by layer. Default of --output: JOB ending in .out.

    Exit status: 0 finished; 1 failed; 2 a mistake in the input, or a file that cannot be written;
    3 stopped by SIGTERM, SIGUSR1 or SIGINT with a checkpoint written: go on with partsim resume.
    """
    checked = checked_job(job)
    folder = output or job.with_suffix(".out")
    agreed(make_writable, folder)
    if not overwrite:
        agreed(check_unfinished, folder)
    from partsim import launch

    launch.run(checked, folder)


@app.command()
def resume(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, or one of its checkpoints.")
    ],
    output: Output = None,
) -> None:
    """Continue a run from its newest checkpoint, or from the one given."""
    agreed(check_exists, checkpoint)
    if output is not None:
        agreed(make_writable, output)
    from partsim import launch

    launch.resume(checkpoint, output)


@app.command()
def info(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|RUN", help="A file of ours, or the folder of a run.")
    ],
    json_file: JsonFile = None,
) -> None:
    """Tell every input of a job as it is understood, or what a file or a run holds."""
    agreed(check_exists, source)
    agreed(check_report, json_file)
    from partsim.files import describe_file
    from partsim.info import describe_run

    report(agreed(describe_run if source.is_dir() else describe_file, source), json_file)


@app.command()
def render(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY", help="Folder of a run, or a study (.toml).")
    ],
    output: Output = None,
    layer: Annotated[
        list[int] | None, typer.Option(min=1, help="Of which cuts are drawn; repeat.")
    ] = None,
    cut: Annotated[
        list[str] | None, typer.Option(metavar="PLANE", help='Such as "x=5 mm"; repeat.')
    ] = None,
) -> None:
    """Draw the fields of a run, or the conditions of a study, as PNG files.

    Default of --output: the folder of the run; STUDY ending in .out. With --layer or --cut:
    temperature and phases of the fields written in these layers (default: at the end) in these
    planes (default: upright through the middle, both ways).
    """
    if source.suffix == ".toml":
        render_study(source, output or source.with_suffix(".out"))
        return
    agreed(check_folder, source)
    folder = output or source
    agreed(make_writable, folder)
    from partsim.output import picture

    if layer or cut:
        planes = [plane_of(text) for text in cut or []]
        on_first_rank(picture.render_cuts, source, folder, layer or [], planes)
        return
    on_first_rank(picture.render, source, folder)


def plane_of(text: str) -> tuple[int, float]:
    """Axis and place in m of "x=5 mm"; UserError where it is none."""
    name, equals, place = (word.strip() for word in text.partition("="))
    if name not in ("x", "y", "z") or not equals:
        raise UserError(f'--cut "{text}" must be a plane such as "x=5 mm" or "z=9 mm"')
    return "xyz".index(name), quantity_of("--cut", place, "m")


def render_study(path: Path, folder: Path) -> None:
    """Draws the conditions of a study into the folder, as conditions.png."""
    from partsim import study
    from partsim.studypicture import draw_study

    cases = agreed(study.load, path)
    agreed(make_writable, folder)
    on_first_rank(draw_study, cases, folder / "conditions.png")


@app.command()
def export(
    run_folder: RunFolder,
    what: What,
    output: Output = None,
    layer: Annotated[
        int | None, typer.Option(min=1, help="layers: after its cool-down. Default: the end.")
    ] = None,
) -> None:
    """Write what other programs read. Default of --output: the folder of the run."""
    agreed(check_folder, run_folder)
    require(layer is None or what == "layers", "--layer", f"{layer}", f"left out for {what}")
    folder = output or run_folder
    agreed(make_writable, folder)
    on_first_rank(export_of(what, layer), run_folder, folder)


def export_of(what: str, layer: int | None) -> Callable[[Path, Path], object]:
    """What writes one of the tables of a run into a folder; layer: see `export`."""
    from partsim.export.arrivals import export_arrivals
    from partsim.export.layers import export_layers
    from partsim.export.points import export_points
    from partsim.export.solidification import export_solidification
    from partsim.export.window import export_window
    from partsim.output.picture import of_layers, snapshots

    def layers(run: Path, folder: Path) -> object:
        if layer is None:
            return export_layers(snapshots(run)[-1], folder / "layers.csv")
        return export_layers(of_layers(run, [layer])[-1], folder / f"layers_{layer:04d}.csv")

    return {
        "points": lambda run, folder: export_points(run, folder / "points.h5"),
        "layers": layers,
        "solidification": lambda run, folder: export_solidification(
            run, folder / "solidification.csv"),
        "window": lambda run, folder: export_window(run, folder / "window.h5"),
        "arrivals": lambda run, folder: export_arrivals(run, folder / "arrivals_layers.csv"),
    }[what]


@app.command()
def scan(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|JOB", help="Scan-path file, or job file (.toml).")
    ],
    layer: Annotated[int | None, typer.Option(metavar="N", help="Default: the first.")] = None,
    output: Output = None,
    json_file: JsonFile = None,
    format: Annotated[
        str | None, typer.Option(metavar="F", help="gcode, cli, ornl, xypt or csv.")
    ] = None,
    power: Beam = None,
    speed: Beam = None,
    colour: Annotated[str, typer.Option(metavar="time|power", help="What the colour is.")] = "time",
) -> None:
    """Draw one layer of a scan path and tell what is odd. Default of --output: FILE in .out."""
    from partsim import scancheck
    from partsim.part.readers import Given

    agreed(check_exists, source)
    agreed(check_report, json_file)
    if colour not in ("time", "power"):
        raise UserError(f"--colour {colour} must be time or power")
    if source.suffix == ".toml":
        shown = agreed(scancheck.job_layer, source, layer)
    else:
        given = Given(agreed(quantity_of, "--power", power, "W"),
                      agreed(quantity_of, "--speed", speed, "m/s"))
        shown = agreed(scancheck.file_layer, source, layer, format, given)
    folder = output or source.with_suffix(".out")
    agreed(make_writable, folder)
    on_first_rank(lambda: report_scan(scancheck.show(shown, folder, colour), json_file))


@app.command()
def phases(
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY.csv", help="Columns time (s) and temperature (K).")
    ],
    output: Output = None,
    material_file: Annotated[
        Path | None, typer.Option("--material", metavar="FILE", help="Default: Ti-6Al-4V.")
    ] = None,
    alpha_stable: Share = None,
    martensite: Share = None,
) -> None:
    """Follow the phase fractions along a history. Default of --output: HISTORY ending in .out."""
    agreed(check_exists, history)
    constants = agreed(phase_constants, material_file)
    given = alpha_stable is not None or martensite is not None
    initial = (alpha_stable or 0.0, martensite or 0.0) if given else None
    folder = output or history.with_suffix(".out")
    agreed(make_writable, folder)
    from partsim.phase.history import run_history
    from partsim.phase.model import PhaseLaw

    on_first_rank(run_history, history, folder, PhaseLaw(**constants), initial)


@app.command("validate")
def validate_verb(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="amb2018-02.")],
    output: Output = None,
    json_file: JsonFile = None,
    cell: Annotated[str, typer.Option(metavar="LENGTH", help="Edge of finest cells.")] = "10 um",
) -> None:
    """Compute measured melt pools and compare. With --output: a picture of them, too."""
    from partsim.validation import amb2018_02

    if benchmark != amb2018_02.NAME:
        raise UserError(f'BENCHMARK = "{benchmark}", but it must be {amb2018_02.NAME}')
    edge = amb2018_02.cell_edge(cell)
    agreed(check_report, json_file)
    if output is not None:
        agreed(make_writable, output)
    report(amb2018_02.validate(edge, output), json_file)


def checked_job(path: Path) -> Job:
    """The job in a file, its cross-checks passed on every rank; collective."""
    return agreed(read_and_check, path, parallel.free_memory(parallel.world()))


def check_unfinished(folder: Path) -> None:
    """UserError where the folder has a run that could be gone on with."""
    if any(folder.glob("*.checkpoint.h5")) and not (folder / "summary.json").exists():
        raise UserError(f"{folder} has a run that is not finished: go on with partsim resume "
                        f"{folder}, or give it up with --overwrite")


def read_and_check(path: Path, free: float) -> Job:
    job = load(path)
    check(job, material.load(job.material, job.path.parent), free, parallel.world().size)
    check_layers(grouped(job), shape.load(grouped(job)))
    return job


def phase_constants(material_file: Path | None) -> dict[str, float]:
    """The constants of the phase model in a material file, or of the default alloy."""
    choice = MaterialChoice(name="Ti-6Al-4V")
    if material_file is not None:
        choice = MaterialChoice(file=str(material_file))
    alloy = material.load(choice)
    if alloy.phase is None:
        raise UserError(f"material file {material_file} has no section phase")
    return alloy.phase
