"""Job files: quantities with units, defaults, and one line for whatever is wrong."""
import math
import re
from pathlib import Path

import pytest

from partsim import trackjob
from partsim.errors import UserError
from partsim.job import Inputs, load, parse
from partsim.jobcheck import cells_estimate, check, memory_needed, root_edge, stability_limit
from partsim.part import material
from partsim.units import Angle, Length, Number, Temperature, unit_of
from tests.small_job import job_text
from tests.wrong_jobs import CONTRADICTIONS, WRONG_ENTRIES, WRONG_PROBES

pytestmark = pytest.mark.serial

FOLDER = Path(__file__).parents[2] / "jobs"
TRACKS = sorted(FOLDER.glob("track_*.toml"))
COUPON = FOLDER / "coupon_316L.toml"
JOBS = sorted(set(FOLDER.glob("*.toml")) - {*TRACKS, COUPON})


def refusal(text, path="job.toml"):
    """The line that tells what is wrong with a job."""
    with pytest.raises(UserError) as told:
        job = parse(text, path)
        check(job, material.load(job.material))
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("changes, line", WRONG_ENTRIES, ids=str)
def test_wrong_entry_is_told_in_one_line(changes, line):
    assert refusal(job_text(changes)) == line


@pytest.mark.parametrize("changes, line", CONTRADICTIONS, ids=str)
def test_contradiction_between_sections_is_told_in_one_line(changes, line):
    assert refusal(job_text(changes)).startswith(line)


@pytest.mark.parametrize("probes, line", WRONG_PROBES, ids=str)
def test_wrong_probe_is_told_in_one_line(probes, line):
    assert refusal(job_text(probes=tuple(probes))).startswith(line)


def test_malformed_texts_are_told_in_one_line():
    assert "job file job.toml is not TOML" in refusal(job_text() + "[laser\n")
    assert "line" in refusal("[part]\nsize = 1\nsize = 2\n")
    assert refusal("") == "missing section part"
    assert refusal("laser = 3\n").startswith("missing section part")
    no_table = job_text().replace("[laser]", "[unused]").replace("[part]", "laser = 3\n[part]")
    assert refusal(no_table).startswith("unknown entry unused")
    no_table = "laser = 3\n" + re.sub(r"(?s)\[laser\].*?(?=\[)", "", job_text())
    assert refusal(no_table) == "laser = 3, but it must be a table"
    assert refusal(job_text({}) + "[probes]\nname = 'a'\n").startswith("probes = {")


def test_unreadable_files_are_told_in_one_line(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    cases = [("none.toml", "No such file"), (".", "directory"), ("binary.toml", "UTF-8")]
    for name, words in cases:
        with pytest.raises(UserError, match=f"job file .*{words}"):
            load(tmp_path / name)


@pytest.mark.parametrize("unit, text, value", [
    (Length, "80 um", 8e-5), (Length, "80 µm", 8e-5), (Length, "80 μm", 8e-5),
    (Length, "3 mm", 3e-3), (Length, "1.5e-3 cm", 1.5e-5), (Length, ".5mm", 5e-4),
    (Length, "-1 inch", -0.0254),
    (Length, 0.25, 0.25), (Length, 2, 2.0),
    (Temperature, "20 degC", 293.15), (Temperature, "293 K", 293.0),
    (Temperature, "-3 °C", 270.15),
    (Angle, "67 deg", math.radians(67)), (Angle, "90 deg", math.pi / 2), (Angle, "1 rad", 1.0),
    (Number, "5 %", 0.05), (Number, 0.1, 0.1), (Number, "0.1", 0.1),
])
def test_quantities_become_the_nearest_float(unit, text, value):
    assert unit_of(None, unit.__metadata__).read(text) == value


@pytest.mark.parametrize("text", [
    "", "m", "80 um)", "80 (um", "80 um^", "80 ** um", "8 0 um", "80 /", "0,08 mm", "80 um kg",
    "nan", "inf m", "80 m^1e9", "80 '", "1 m\n2",
])
def test_texts_without_sense_are_refused(text):
    with pytest.raises(ValueError, match="a length such as"):
        unit_of(None, Length.__metadata__).read(text)


def test_defaults_follow_from_the_other_entries():
    job = parse(job_text(), "folder/job.toml")
    assert (job.layers.start, job.layers.stop, job.layers.count) == (1, 4, 4)
    assert job.mesh.cell == job.layers.thickness == 50e-6
    assert job.mesh.refine_tolerance == 4 * job.mesh.coarsen_tolerance
    assert job.material.name == "Ti-6Al-4V"
    assert (job.path, job.text) == (Path("folder/job.toml"), job_text())
    assert job.probes == () and job.scan.start == ("left-front",) and job.scan.direction == (0.0,)
    changed = parse(job_text({"layers.count": 3, "mesh.cell": "25 um", "scan.rotation": "67 deg",
                              "mesh.coarsen_tolerance": 0.02}), "job.toml")
    assert (changed.layers.stop, changed.layers.count) == (3, 3)
    assert (changed.mesh.cell, changed.mesh.refine_tolerance) == (25e-6, 0.08)
    assert changed.scan.rotation == math.radians(67)


def test_job_is_frozen():
    job = parse(job_text(), "job.toml")
    with pytest.raises(ValueError, match="frozen"):
        job.laser.power = 1.0


def test_every_entry_is_described():
    """The schema is the documentation: no entry without words."""
    for section, field in Inputs.model_fields.items():
        kind = getattr(field.annotation, "__args__", [field.annotation])[0]
        for name, entry in kind.model_fields.items():
            assert entry.description, f"{section}.{name}"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_jobs_are_correct(path):
    job = load(path)
    alloy = material.load(job.material, path.parent)
    check(job, alloy, free_memory=math.inf)
    limit = 2.02e-4 * (job.mesh.cell / 50e-6) ** 2
    assert stability_limit(job, alloy) == pytest.approx(limit, rel=1e-2)
    assert re.search("Proell", job.text)


def test_coupon_is_correct():
    """Its longest stable step is h^2 rho c / (2 k) of 316L, c at 300 K and k at the liquidus."""
    job = load(COUPON)
    alloy = material.load(job.material, COUPON.parent)
    check(job, alloy)
    limit = 30e-6**2 * 8084 * (462 + 0.134 * 300) / (2 * (9.248 + 0.01571 * 1723))
    assert stability_limit(job, alloy) == pytest.approx(limit, rel=1e-2)
    assert job.laser.power == pytest.approx(0.54 * 150)
    assert job.arrivals.reach == pytest.approx(2 * job.scan.hatch)
    default = parse(job.text.replace('reach = "0.2 mm"', ""), COUPON).arrivals.reach
    assert default == pytest.approx(5 * job.laser.radius) != job.arrivals.reach


@pytest.mark.parametrize("path", TRACKS, ids=lambda path: path.stem)
def test_track_jobs_are_correct(path):
    assert trackjob.load(path).laser.power == 150.0


def test_cube_is_the_one_of_the_paper():
    job = load(next(path for path in JOBS if path.stem == "cube"))
    assert root_edge(job) == pytest.approx(3.2e-3)
    assert (job.layers.count, job.layers.dwell, job.time.step) == (200, 0.28, 1e-5)
    assert job.plate.size == (16e-3, 16e-3, 12.8e-3)
    assert 5.2e6 / 1.1 < cells_estimate(job) < 5.2e6 * 1.1
    assert memory_needed(job, ranks=2) == pytest.approx(500 * cells_estimate(job) + 4e8)
