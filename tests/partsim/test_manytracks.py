"""partsim track on a study: cases on all ranks, files that are there already, cases that fail."""

import json
import warnings

import h5py
import pytest

from partsim import study as studies
from partsim.crops import pixels
from partsim.crops.cropfile import read
from partsim.errors import UserError
from partsim.meltpool import alloy as alloys
from tests.pools import job_text, write_pool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries that orix imports
    from partsim.grains import manytracks
    from partsim.grains.onetrack import OF_MELT

LENGTH, CELL = 2.4e-5, 2e-6
STUDY = """
job = "base.toml"
seeds = [3, 5]
cases = [
  { power = "150 W", speed = "0.8 m/s" },
  { power = "120 W", speed = "0.5 m/s", split = "held_out" },
]
"""


@pytest.fixture
def study(comm, shared_tmp, monkeypatch):
    """The path of a study of two cases whose melt pool is a closed form."""
    monkeypatch.setitem(pixels.IMAGES, "default", pixels.Image(4e-5, 16, 16))
    monkeypatch.setattr(manytracks, "melt", instead_of_melt)
    if comm.rank == 0:
        text = job_text(LENGTH, CELL, "step = 4e-7\n")
        text = text.replace("width = 1.2e-4", "width = 6.4e-5").replace("depth = 6.4e-5",
                                                                        "depth = 4e-5")
        (shared_tmp / "base.toml").write_text(
            text + '[domain]\ncell = 2e-6\n[crops]\nspacing = "4 um"\nextent = "16 um"\n')
        (shared_tmp / "study.toml").write_text(STUDY)
    comm.Barrier()
    return shared_tmp / "study.toml"


def instead_of_melt(comm, job, folder):
    folder.mkdir(parents=True, exist_ok=True)
    source = write_pool(folder / "temperature.h5", length=LENGTH, cell=CELL, heat=20.0)
    with h5py.File(source, "a") as file:
        file.attrs.update(power=job.laser.power, speed=job.laser.speed, job=job.text,
                          alloy=alloys.load(job.material).model_dump_json())
    told = dict.fromkeys(OF_MELT, 0.5) | {"wall_seconds": 1.0}
    (folder / "summary.json").write_text(json.dumps(told))


def test_every_case_ends_in_crops_and_a_card(comm, study, monkeypatch):
    folder = study.parent / "out"
    manytracks.run_study(comm, studies.load(study), study, folder)
    for number, power, split in ((1, 150.0, "train"), (2, 120.0, "held_out")):
        crops = read(folder / f"case_{number:02d}.h5")
        seeds = [1000 * number + seed for seed in (3, 5)]
        assert len(crops) == 10 and set(crops.columns["seed"]) == set(seeds)  # 16 um at 4 um, twice
        assert set(crops.columns["case"]) == {number} and set(crops.columns["split"]) == {split}
        card = json.loads((folder / f"case_{number:02d}.json").read_text())
        assert card["power"] == power and card["crops"] == 10 and len(card["runs"]) == 2
        assert [run["seed"] for run in card["runs"]] == seeds
        assert all(run["correlation_length"] > 0 for run in card["runs"])
        assert f"power = {power}" in card["job"]
    assert (folder / "case_01.png").stat().st_size > 1000
    # what is there is not computed again: pool, grains, crops
    comm.Barrier()
    if comm.rank == 0:
        (folder / "case_02.json").unlink()  # as if killed before the last file
    comm.Barrier()
    monkeypatch.setattr(manytracks, "melt", None)
    monkeypatch.setattr(manytracks, "grow", None)
    manytracks.run_study(comm, studies.load(study), study, folder)
    assert len(read(folder / "case_02.h5")) == 10 and (folder / "case_02.json").exists()
    # a case that is there keeps its split, and nothing is computed over the results of another job
    for old, new, told in (
        ("held_out", "validation", "case_02.json has its runs in the splits held_out, held_out"),
        ("0.5 m/s", "0.6 m/s", "case_02.json is of another job or of other seeds"),
    ):
        comm.Barrier()
        if comm.rank == 0:
            study.write_text(STUDY.replace(old, new))
        comm.Barrier()
        with pytest.raises(UserError, match=told):
            manytracks.run_study(comm, studies.load(study), study, folder)


def test_some_cases_of_a_study_are_computed_alone(comm, study):
    folder = study.parent / "out"
    manytracks.run_study(comm, studies.load(study), study, folder, [2])
    assert (folder / "case_02.json").exists() and not (folder / "case_01").exists()
    with pytest.raises(UserError, match="--case = 3, but it must be 1 to 2"):
        manytracks.run_study(comm, studies.load(study), study, folder, [1, 3])
    assert not (folder / "case_01").exists()


def test_a_case_that_fails_does_not_stop_the_others(comm, study, monkeypatch):
    def grow(own, job, source, folder):
        if job.laser.power == 150.0:
            raise UserError("no grains today")
        return real(own, job, source, folder)

    real = manytracks.grow
    monkeypatch.setattr(manytracks, "grow", grow)
    folder = study.parent / "out"
    with pytest.raises(UserError, match="case_01: no grains today"):
        manytracks.run_study(comm, studies.load(study), study, folder)
    assert (folder / "case_02.h5").exists() and not (folder / "case_01.h5").exists()


@pytest.mark.parametrize("old, new, told", [
    ('job = "base.toml"', "", "missing entry job, the job that all cases vary"),
    ('"0.5 m/s"', '"0.5 m/s", source_depth = "1 mm"', "case 2: domain.depth = 0.0003 m"),
    ("base", "other", "other.toml cannot be read: No such file"),
    ("base.toml", "step.toml", "case 1: .*grains.step = 1e-05 s, but it must be at most"),
    ("base.toml", "plain.toml", "case 1: .*unknown entry name"),
])
def test_mistakes_are_told_before_any_work(comm, study, monkeypatch, old, new, told):
    monkeypatch.setattr(manytracks, "melt", None)
    if comm.rank == 0:
        study.write_text(STUDY.replace(old, new))
        text = (study.parent / "base.toml").read_text()
        (study.parent / "step.toml").write_text(text.replace("step = 4e-7", "step = 1e-5"))
        (study.parent / "plain.toml").write_text('name = "mine"\n' + text)
    comm.Barrier()
    with pytest.raises(UserError, match=told):
        manytracks.run_study(comm, studies.load(study), study, study.parent / "out")
    assert not (study.parent / "out").exists()


def test_the_longest_cases_are_dealt_first(study):
    tasks = manytracks.tasks_of(studies.load(study), study)
    assert [[task.number for task in own] for own in manytracks.shares(tasks, 2)] == [[2], [1]]
    assert [len(own) for own in manytracks.shares(tasks, 3)] == [1, 1, 0]


@pytest.mark.serial
def test_a_study_says_which_sections_are_cropped(study):
    study.write_text('section = "longitudinal"\n' + STUDY)
    tasks = manytracks.tasks_of(studies.load(study), study)
    assert {job.crops.section for task in tasks for job in task.jobs.values()} == {"longitudinal"}


@pytest.mark.serial
def test_grains_of_a_former_job_are_not_taken_for_those_of_a_new_one(comm, study, monkeypatch):
    """Grown, the job changed, killed while growing anew: what is left is not finished."""
    folder = study.parent / "out"
    manytracks.run_study(comm, studies.load(study), study, folder)
    (folder / "case_01.json").unlink()
    base = study.parent / "base.toml"
    base.write_text(base.read_text() + "[nucleation]\nmultiplier = 7.0\n")
    task = manytracks.tasks_of(studies.load(study), study)[0]
    monkeypatch.setattr("partsim.grains.grow.Growth.run", killed)
    with pytest.raises(InterruptedError):
        manytracks.run_case(task, studies.load(study), folder)
    home = folder / "case_01"
    assert not manytracks.finished(task.jobs[1003], home / "melt" / "temperature.h5",
                                   home / "seed_1003")


def killed(_):
    raise InterruptedError


@pytest.mark.serial
def test_a_case_may_differ_in_more_than_its_condition(study):
    text = STUDY.replace('split = "held_out"', 'absorptivity = 0.5, hatch = "90 um"')
    study.write_text(text)
    one, other = manytracks.tasks_of(studies.load(study), study)
    assert one.jobs[1003].source.absorptivity == 0.6 and one.jobs[1003].scan.hatch == 1e-4
    assert {job.source.absorptivity for job in other.jobs.values()} == {0.5}
    assert other.jobs[2005].scan.hatch == pytest.approx(9e-5)
    assert other.jobs[2005].grains.seed == 2005
