"""Builds begun, and gone on with from a checkpoint."""

from collections.abc import Iterator
from pathlib import Path

from . import parallel
from .build import Build
from .errors import UserError
from .job import Job, parse
from .jobcheck import check
from .output.checkpoint import latest, load_header
from .part import material as materials
from .part import shape
from .part.strategy import check_layers
from .schema import read_text


def run(job: Job, folder: Path) -> None:
    """Builds the part of a checked job; results go to `folder`."""
    build = Build(job, parallel.world(), folder)
    for warning in warnings(build):
        parallel.rank_print(build.comm, f"warning: {warning}")
    build.start()
    build.go()


def warnings(build: Build) -> Iterator[str]:
    """What the job asks for and the computation does not resolve."""
    job = build.job
    layer, share = shape.thinnest(job, build.part)
    if share > 0:
        count = job.layers.group
        named = f"layer {layer}" if count == 1 else f"layers {count * (layer - 1) + 1} to " \
                                                    f"{count * layer}"
        yield (f"{100 * share:.2g} % of {named} is narrower than a cell, {job.mesh.cell:g} m: a "
               "wall that the mesh does not resolve")


def resume(source: Path, folder: Path | None = None) -> None:
    """Goes on from the newest checkpoint in the folder `source`, or from that file.

    A folder whose run is finished is left as it is, and this is said in one line.
    """
    comm = parallel.world()
    if comm.bcast((Path(source) / "summary.json").exists()):
        parallel.rank_print(comm, f"{source} is finished; nothing is left to do")
        return
    path = parallel.together(comm, lambda: find_checkpoint(Path(source)))
    free = parallel.free_memory(comm)
    job = parallel.together(comm, lambda: checked_job(path, free, comm.size))
    build = Build(job, comm, Path(folder) if folder else path.parent)
    build.restore(path)
    build.go()


def find_checkpoint(source: Path) -> Path:
    """The checkpoint file meant by a folder or file."""
    path = latest(source) if source.is_dir() else source
    if path is None:
        raise UserError(f"{source} holds no checkpoint to resume from")
    return path


def checked_job(path: Path, free_memory: float | None = None, ranks: int = 1) -> Job:
    """The job stored in a checkpoint, with its cross-checks passed, those of memory as in `check`.

    Raises UserError if the checkpoint lies in the folder of another job, or if its material or its
    surface is not what it was.
    """
    header, _ = load_header(path)
    beside = path.parent / "job.toml"
    if beside.exists() and read_text(beside, "job file") != header["job"]:
        raise UserError(f"{path} belongs to another job than {beside}")
    job = parse(header["job"], header["job_path"])
    material = materials.load(job.material, job.path.parent)
    check(job, material, free_memory, ranks)
    part = shape.load(job)
    check_layers(job, part)
    require_same(f"material {material.name}", material.constants, header["material"], path)
    require_same("part", part.constants, header["part"], path)
    return job


def require_same(what: str, found: dict, before: dict, path: Path) -> None:
    """Raises UserError for the first constant that is not what it was in the checkpoint."""
    for name, value in found.items():
        if value != before.get(name):
            raise UserError(f"{what}: {name} = {value}, but {path} needs {before.get(name)}")
