"""The command line of perfmodel; under mpirun all ranks measure at the same time."""

import json
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from partsim import parallel
from partsim.command import read_and_check
from partsim.errors import UserError
from partsim.lines import as_lines
from partsim.job import Job
from partsim.jobcheck import largest_ratio
from partsim.schema import require
from partsim.trackjob import load as load_track
from partsim.verbs import agreed, check_exists, check_folder, on_first_rank, quantity_of
from partsim.wholefile import replace_json
from partsim.writable import check_report, make_writable

app = typer.Typer(
    help="What a machine can do, and how near to it the kernels of partsim come.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `kernels` has written.")]
KERNELS, JOB, SECTIONS, MACHINE = "kernels.json", "job.json", "sections.json", "machine.toml"
TRACKS, SCALING = "tracks.json", "scaling.json"
GIGA = 1e9
BUILDS = 2  # that stepping holds at a time


@app.command("machine")
def machine_verb(
    name: Annotated[str, typer.Argument(help="Name of the machine.")] = platform.node(),
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: perfmodel/machines/NAME.toml.")
    ] = None,
) -> None:
    """Measure bandwidth, peak and messages of this machine, for 1 to all ranks."""
    from perfmodel.machine import MACHINES, as_toml, measure_machine, write

    path = output or Path(str(MACHINES)) / f"{name}.toml"
    agreed(make_writable, path.parent)
    machine = measure_machine(parallel.world(), name)
    on_first_rank(write, machine, path)
    on_first_rank(print, as_toml(machine))


@app.command()
def kernels(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="Whose mesh and steps are timed.")],
    layer: Annotated[int, typer.Option(min=1, help="The layer that is scanned.")] = 8,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path(
        "perfmodel.out"
    ),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The records, once more.")
    ] = None,
    variants: Annotated[
        bool, typer.Option(help="Also other widths of vectors and the C library's functions.")
    ] = True,
) -> None:
    """Time every kernel beside this machine's DAXPY and write kernels.json, job.json."""
    checked = agreed(timed_job, job, parallel.free_memory(parallel.world()))
    if layer > checked.layers.count:
        raise UserError(f"--layer {layer}, but {job} has {checked.layers.count} layers")
    agreed(make_writable, output)
    agreed(make_writable, (json_file or output / KERNELS).parent)
    from perfmodel.study import measure_all

    records, facts, sections = measure_all(parallel.world(), checked, layer, variants)
    files = {output / KERNELS: records, output / JOB: facts}
    files |= {output / SECTIONS: sections} if sections else {}
    files |= {json_file: records} if json_file else {}
    for path, content in files.items():
        on_first_rank(replace_json, path, content)
    on_first_rank(show, {"records": records, **facts})


@app.command()
def tracks(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="Of a track, whose pool is timed.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path(
        "perfmodel.out"
    ),
) -> None:
    """Time the kernels of melt pool and phase field beside DAXPY and write tracks.json."""
    checked = agreed(load_track, job)
    agreed(make_writable, output)
    from perfmodel.study import measured_limits
    from perfmodel.tracks import measure_tracks

    comm = parallel.world()
    records = measure_tracks(comm, checked, measured_limits(comm, has_model=False))
    on_first_rank(replace_json, output / TRACKS, records)
    on_first_rank(show, {"records": records})


@app.command()
def stepping(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="Whose layers are built.")],
    first: Annotated[int, typer.Option(min=1, help="The first of the layers.")] = 1,
    layers: Annotated[int, typer.Option(min=1, help="How many layers.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Base steps of each layer, by default all.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The report for scripts.")
    ] = None,
) -> None:
    """Time multirate steps beside the one-rate scheme on the same layers; compare the fields."""
    checked = agreed(multirate_job, job, parallel.free_memory(parallel.world()) / BUILDS)
    if first + layers - 1 > checked.layers.count:
        raise UserError(f"--first {first} --layers {layers}, but {job} has {checked.layers.count} "
                        "layers")
    agreed(check_report, json_file)
    from perfmodel.stepping import measure_stepping

    report = measure_stepping(parallel.world(), checked, first, layers, steps)
    on_first_rank(show, report)
    if json_file:
        on_first_rank(replace_json, json_file, report)


@app.command()
def scaling(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="Whose layers are scanned.")],
    ranks: Annotated[list[int], typer.Option(min=1, help="To measure; repeat.")] = [],
    layer: Annotated[
        list[int], typer.Option(min=1, help="Repeat. Default: first and last.")
    ] = [],
    steps: Annotated[int, typer.Option(min=1, help="Base steps that are timed.")] = 2048,
    predict: Annotated[list[int], typer.Option(min=1, help="Ranks to predict.")] = [
        40, 80, 160, 320, 1280
    ],
    latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of messages in predictions for more ranks.")
    ] = None,
    bandwidth: Annotated[
        float | None, typer.Option(metavar="GB/S", help="Of each rank, beside --latency.")
    ] = None,
    weak: Annotated[bool, typer.Option(help="Also parts that grow with the ranks.")] = False,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path(
        "scaling.out"
    ),
) -> None:
    """Time layers on several rank counts, predict others; write scaling.json, .md, .png."""
    checked = agreed(multirate_job, job, parallel.free_memory(parallel.world()))
    comm = parallel.world()
    layers = tuple(dict.fromkeys(layer or (checked.layers.start, checked.layers.stop)))
    for each in layers:
        if each > checked.layers.count:
            raise UserError(f"--layer {each}, but {job} has {checked.layers.count} layers")
    counts = tuple(ranks) or tuple(sorted({1, comm.size}))
    if max(counts) > comm.size:
        raise UserError(f"--ranks {max(counts)}, but it runs on {comm.size}: start it with "
                        f"mpirun -n {max(counts)}")
    link = agreed(given_link, latency, bandwidth)
    agreed(make_writable, output)
    from perfmodel.scaling import Question, check_question, measure_scaling, measure_weak
    from perfmodel.scalingreport import write_scaling

    asked = Question(layers, counts, steps, tuple(predict), link)
    agreed(check_question, checked, asked, weak)
    study = measure_scaling(comm, checked, asked)
    if weak:
        study["weak"] = measure_weak(comm, checked, asked)
    on_first_rank(replace_json, output / SCALING, study)
    on_first_rank(write_scaling, output, study)
    on_first_rank(show, study)


def timed_job(path: Path, free: float) -> Job:
    """A job whose scan of a layer has heat and phases to be timed."""
    job = read_and_check(path, free)
    require(job.layers.group == 1, "layers.group", f"{job.layers.group}",
            "1: single layers are timed")
    require(job.phase.laser_scheme != "off", "phase.laser_scheme", '"off"',
            "a scheme: the phases are timed")
    return job


def multirate_job(path: Path, free: float) -> Job:
    """A job that can be run in so many bytes, and whose blocks step apart."""
    job = read_and_check(path, free)
    if largest_ratio(job) == 1:
        raise UserError(f"{path} takes equal steps everywhere, but multirate steps are asked for:"
                        f" time.ratio = {job.time.ratio:g} must be above 1, without solidification,"
                        f" and phase.largest_substep = {job.phase.largest_substep:g} s at least two"
                        f" of time.step = {job.time.step:g} s")
    require(job.layers.group == 1, "layers.group", f"{job.layers.group}",
            "1: single layers are timed")
    return job


def given_link(latency: str | None, bandwidth: float | None):
    """The perfmodel.predict.Link that the options give, None without them."""
    from perfmodel.predict import Link

    seconds = quantity_of("--latency", latency, "s")
    if seconds is None:
        if bandwidth is not None:
            raise UserError(f"--bandwidth {bandwidth:g} needs --latency beside it")
        return None
    require(seconds >= 0, "--latency", f"{seconds:g} s", "at least 0")
    gigabytes = 1.0 if bandwidth is None else bandwidth
    require(gigabytes > 0, "--bandwidth", f"{gigabytes:g}", "above 0")
    return Link(seconds, GIGA * gigabytes)


@app.command()
def roofline(folder: Folder) -> None:
    """Draw throughput and roofline (.png, .svg) from kernels.json, tracks from tracks.json."""
    records, machine = agreed(read_records, folder), agreed(read_machine, folder)
    of_tracks = agreed(read_tracks, folder)
    from perfmodel.roofline import draw_roofline, draw_throughput

    on_first_rank(draw_roofline, records, machine, folder / "roofline")
    on_first_rank(draw_throughput, records, machine, folder / "throughput")
    if of_tracks:
        on_first_rank(draw_roofline, of_tracks, machine, folder / "tracks")


@app.command()
def mca(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The table as JSON.")
    ] = None,
) -> None:
    """Cycles and port work of the sections of the phase kernels, by llvm-mca."""
    from perfmodel.judge import section_rows
    from perfmodel.mca import find_program

    agreed(find_program)
    table = section_rows()
    on_first_rank(show, {"sections": table})
    if json_file:
        on_first_rank(replace_json, json_file, table)


@app.command()
def likwid(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="As for `kernels`.")],
    group: Annotated[str, typer.Option(help="A group of counters of LIKWID.")] = "MEM_DP",
) -> None:
    """Run `kernels` under LIKWID, its regions marked, or else tell what can be counted here."""
    agreed(check_exists, job)
    from perfmodel.counters import run_likwid, source

    found = agreed(source)
    if found != "likwid":
        raise UserError(
            f"LIKWID's counters cannot be used here (needed: likwid-perfctr, pylikwid and access to"
            f" the counters); the numbers' source is: {found}"
        )
    command = [sys.executable, "-m", "perfmodel", "kernels", str(job), "--no-variants", "--output",
               "perfmodel.likwid"]

    def count() -> None:
        try:
            show(run_likwid(command, group))
        except RuntimeError as problem:
            raise UserError(str(problem)) from problem

    on_first_rank(count)


@app.command()
def report(folder: Folder) -> None:
    """Write report.md: tables and figures of the machine, the kernels and a job."""
    roofline(folder)
    records, machine = agreed(read_records, folder), agreed(read_machine, folder)
    records = records + agreed(read_tracks, folder)
    facts = agreed(read_json, folder / JOB)
    sections = agreed(read_json, folder / SECTIONS) if (folder / SECTIONS).exists() else None
    from perfmodel.accuracy import accuracy_table
    from perfmodel.report import write_report

    def write() -> None:
        print(write_report(folder, machine, records, facts, sections, accuracy_table()))

    on_first_rank(write)


def show(tree: dict[str, Any]) -> None:
    print("\n".join(as_lines(tree)))


def read_records(folder: Path) -> list[dict[str, Any]]:
    check_folder(folder)
    return read_json(folder / KERNELS)


def read_tracks(folder: Path) -> list[dict[str, Any]]:
    """The records of `tracks`, none where it never ran."""
    return read_json(folder / TRACKS) if (folder / TRACKS).exists() else []


def read_json(path: Path) -> Any:
    """The content of a file that `kernels` or `tracks` has written; UserError for any other."""
    check_exists(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(f"{path} cannot be read: {problem}") from None


def read_machine(folder: Path) -> Any:
    """The machine of a folder, as `machine --output DIR/machine.toml` has measured it."""
    from perfmodel.machine import load

    return load(folder / MACHINE)
