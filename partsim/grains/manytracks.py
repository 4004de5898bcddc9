"""`partsim track STUDY`: every case of a study with every seed, from melt to crops.

A case is one rank's work from its first to its last file; its seeds share one melt pool. Whatever
is in the folder from the same job is not computed again, so that a killed study goes on. A case is
done when its card is there, and is never written anew:

    case_07/melt/     the pool           case_07/seed_2/   grains of one seed
    case_07.h5        crops of all seeds, written once     case_07.png   a sheet of them
    case_07.json      the card: job, version, seeds, times, counts, correlation lengths
"""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import tomli_w

from partsim import __version__
from partsim.crops.request import Request, fulfil
from partsim.errors import UserError
from partsim.grains.grow import GRAINS, SUMMARY, finished, grow
from partsim.grains.onetrack import MELT, OF_MELT, check_growth, same_track, view_of
from partsim.meltpool import alloy as alloys
from partsim.meltpool import check
from partsim.meltpool.melt import TEMPERATURE, melt
from partsim.parallel import alone, one_line, raise_together, rank_print, together
from partsim.schema import parse_toml, read_text, require
from partsim.study import Study, seeds_of, split_of
from partsim.trackjob import TrackJob, parse
from partsim.wholefile import replace_json

OF_GROWTH = ("grains", "melted_cells", "nuclei_kept", "steps", "alive_cell_updates_per_second",
             "growth_seconds")


class Task(NamedTuple):
    """A case: its number in the study, and one job for each seed."""

    study: Path
    number: int
    jobs: dict[int, TrackJob]

    @property
    def name(self) -> str:
        return f"case_{self.number:02d}"

    @property
    def cost(self) -> float:
        """In proportion to the work: the volume that is molten grows as P / v."""
        laser = next(iter(self.jobs.values())).laser
        return len(self.jobs) * laser.power / laser.speed


def run_study(
    comm, study: Study, path: Path, folder: Path, cases: Collection[int] | None = None
) -> None:
    """Computes all cases (or those with these numbers) that the folder lacks; collective.

    One case per rank at a time. Every job of the study is checked before any work starts. A case
    that fails is told in one line at the end, when the others are done: UserError on all ranks.
    """
    tasks = together(comm, lambda: chosen(tasks_of(study, path), cases))
    left = together(comm, lambda: [task for task in tasks if not done(task, study, folder)])
    problems = []
    for task in shares(left, comm.size)[comm.rank]:
        try:
            run_case(task, study, folder)
        except UserError as failure:
            problems.append(f"{task.name}: {one_line(failure)}")
    raise_together(comm, "; ".join(problems) or None)
    rank_print(comm, f"{len(tasks)} cases are in {folder}")


def tasks_of(study: Study, path: Path) -> list[Task]:
    """The cases with their jobs, checked; UserError names the case of the first mistake."""
    if study.job is None:
        raise UserError(f"study {path}: missing entry job, the job that all cases vary")
    source = path.parent / study.job
    entries = parse_toml(read_text(source, "job file"), f"job file {source}")
    tasks = []
    for number in range(1, len(study.cases) + 1):
        seeds = seeds_of(study, number)
        try:
            jobs = {seed: job_of(study, number, seed, entries, source) for seed in seeds}
            for job in jobs.values():
                check_all(job)
        except UserError as problem:
            raise UserError(f"study {path}: case {number}: {problem}") from None
        tasks.append(Task(path, number, jobs))
    return tasks


def chosen(tasks: list[Task], numbers: Collection[int] | None) -> list[Task]:
    """The tasks with these numbers, all of them for None; UserError for a number of no case."""
    for number in numbers or ():
        require(1 <= number <= len(tasks), "--case", f"{number}", f"1 to {len(tasks)}")
    return [task for task in tasks if numbers is None or task.number in numbers]


def job_of(
    study: Study, number: int, seed: int, entries: dict[str, Any], source: Path
) -> TrackJob:
    """The job of one run: `entries` of the job file `source` with the case's condition."""
    case = study.cases[number - 1]
    tables = dict(entries)

    def put(name: str, /, **values: Any) -> None:
        table = tables.get(name, {})
        if isinstance(table, dict):  # else parse tells what is wrong
            tables[name] = table | values

    put("laser", power=case.power, speed=case.speed)
    put("track", initial_temperature=case.initial_temperature)
    put("grains", seed=seed)
    for section, name, value in (("source", "depth", case.source_depth),
                                 ("source", "absorptivity", case.absorptivity),
                                 ("scan", "hatch", case.hatch)):
        if value is not None:
            put(section, **{name: value})
    crops = tables.get("crops")
    if isinstance(crops, dict) and crops.get("section", "cross") != study.section:
        put("crops", section=study.section)
    return parse(tomli_w.dumps(tables), source)


def check_all(job: TrackJob) -> None:
    """Raises UserError for a job that melt, grow or crop would refuse."""
    if job.crops is None:
        raise UserError(f"{job.path}: missing section crops")
    check.check(job, alloys.load(job.material, job.path.parent))
    check_growth(job)


def shares(tasks: list[Task], ranks: int) -> list[list[Task]]:
    """The tasks of each rank: the longest first, each to the rank that has least so far."""
    dealt: list[list[Task]] = [[] for _ in range(ranks)]
    for task in sorted(tasks, key=lambda task: -task.cost):
        min(dealt, key=lambda own: sum(other.cost for other in own)).append(task)
    return dealt


def card_path(task: Task, folder: Path) -> Path:
    """The file that is written last."""
    return folder / f"{task.name}.json"


def done(task: Task, study: Study, folder: Path) -> bool:
    """Whether the folder has this case, complete; UserError where it has that of another job."""
    path = card_path(task, folder)
    if not path.exists():
        return False
    try:
        card = json.loads(read_text(path, "card"))
        found = card["job"], [run["seed"] for run in card["runs"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise UserError(f"{path} is no card of a case, or damaged") from problem
    if found != (next(iter(task.jobs.values())).text, sorted(task.jobs)):
        raise UserError(f"{path} is of another job or of other seeds: its crops are not written "
                        "over, choose another folder")
    splits = [run["split"] for run in card["runs"]]
    wanted = [split_of(study, task.number, seed) for seed in sorted(task.jobs)]
    if splits != wanted:
        raise UserError(f"{path} has its runs in the splits {', '.join(splits)}, but the study"
                        f" says {', '.join(wanted)}: its crops are not written over")
    return True


def run_case(task: Task, study: Study, folder: Path) -> None:
    """One case from its job to its crops and its card, on one rank."""
    target, home = folder / f"{task.name}.h5", folder / task.name
    begin = perf_counter()
    source = home / MELT / TEMPERATURE
    if not same_track(next(iter(task.jobs.values())), source):
        melt(alone(), next(iter(task.jobs.values())), home / MELT)
    runs = {seed: home / f"seed_{seed}" for seed in task.jobs}
    for seed, job in task.jobs.items():
        if not finished(job, source, runs[seed]):
            grow(alone(), job, source, runs[seed])
    told = fulfil(request_of(task, [run / GRAINS for run in runs.values()], target))
    card = card_of(task, study, home, told) | {"last_wall_seconds": perf_counter() - begin}
    replace_json(card_path(task, folder), card)


def request_of(task: Task, grains: list[Path], target: Path) -> Request:
    """The crops of all seeds of a case, as its job wants them."""
    view = view_of(next(iter(task.jobs.values())))
    return Request(tuple(grains), view, task.study, target, target.with_suffix(".png"))


def card_of(task: Task, study: Study, home: Path, told: dict[str, Any]) -> dict[str, Any]:
    """What a reader of a case's crops must know."""
    case = study.cases[task.number - 1]
    pool = json.loads((home / MELT / SUMMARY).read_text())
    runs = []
    for (seed, job), crops in zip(sorted(task.jobs.items()), told["runs"], strict=True):
        grown = json.loads((home / f"seed_{seed}" / SUMMARY).read_text())
        runs.append({
            "seed": seed, "split": split_of(study, task.number, seed),
            **{name: grown[name] for name in OF_GROWTH if name in grown},
            **{name: crops[name] for name in crops if name not in ("file", "case", "split")},
        })
    return {
        "study": task.study.name, "case": task.number, **case.model_dump(exclude_none=True),
        "domain": next(iter(task.jobs.values())).crops.domain, "version": __version__,
        "commit": commit(), **{name: pool[name] for name in OF_MELT},
        "melt_seconds": pool["wall_seconds"],
        **{name: told[name] for name in ("crops", "pixels", "pixel_size", "splits", "bytes")},
        "runs": runs, "job": next(iter(task.jobs.values())).text,
    }


def commit() -> str | None:
    """The commit of the source tree that runs, None where it is no git checkout."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True,
                               text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
