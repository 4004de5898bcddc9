"""The report holds every row, links to files that exist, and says what is missing."""
import datetime
import re

import pytest

from perfmodel import report
from perfmodel.accuracy import Error
from perfmodel.machine import Bandwidth, Machine, Peak
from perfmodel.messages import Exchange, Message
from perfmodel.stream import Cache

pytestmark = pytest.mark.serial

MACHINE = Machine(
    name="sample", processor="A | B", cores=2, lanes=4, virtual=True,
    date=datetime.date(2025, 3, 9), command="perfmodel machine",
    caches=(Cache(level=1, bytes=32768, cores=1), Cache(level=3, bytes=1 << 25, cores=8)),
    bandwidths=(
        Bandwidth(ranks=1, level="L1", bytes_per_rank=16384, gb_per_second=100.44,
                  median_gb_per_second=98.0),
        Bandwidth(ranks=1, level="memory", bytes_per_rank=1 << 27, gb_per_second=12.0),
        Bandwidth(ranks=2, level="memory", bytes_per_rank=1 << 27, gb_per_second=20.0),
    ),
    peaks=(Peak(ranks=1, lanes=1, gflop_per_second=12.0),
           Peak(ranks=1, lanes=4, gflop_per_second=48.0)),
    messages=(
        Message(link="node", bytes=8, seconds=1.25e-6, median_seconds=2e-6),
        Message(link="node", bytes=8000, seconds=4e-6, median_seconds=5e-6),
    ),
    exchanges=(Exchange(ranks=2, neighbours=1, bytes=8, seconds=3e-5, median_seconds=4e-5),),
)
RECORD = {
    "kernel": "explicit phases", "layout": "blocks of 10", "lanes": 4, "ranks": 2,
    "gdof_per_second": 0.12345, "gb_per_second": 4.0, "daxpy_gb_per_second": 16.0,
    "bytes_per_dof": 32.4, "flops_per_dof": 70.25, "gflop_per_second": 8.67,
    "nanoseconds_per_node": 32.4, "roof": 0.2469, "fraction_of_roof": 0.5, "binds": "memory",
    "arithmetic_share": 0.4, "source": "declared",
}
OF_JOB = RECORD | {"kernel": "phases of a job", "lanes": None, "binds": "arithmetic"}
JOB = {"job": "layer 8", "nodes": 1234567, "rest": {"share": 0.98765, "missed": 1.2345e-9},
       "rounds": [{"alone": 12.345, "shared": 13.0}, {"alone": 14.0}]}
SECTION = {"name": "loaded", "flops": 12.0, "declared": 10, "cycles": 3.1234, "share": 0.4567,
           "binds": "FP0"}
ERROR = Error("exp", "[-708, 709]", "relative", 1.2345e-15, 1.5)


def written(folder, records=(RECORD, OF_JOB), job=JOB, sections=(SECTION,), accuracy=(ERROR,)):
    path = report.write_report(folder, MACHINE, records, job, sections, accuracy)
    assert path == folder / "report.md"
    return path.read_text(encoding="utf-8")


def rows(text):
    """The cells of every line of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def test_every_record_has_its_row(tmp_path):
    text = written(tmp_path)
    assert ("| explicit phases | blocks of 10 | 4 | 2 | 32.4 | 0.123 | 4.00 | 16.0 | 25.0 | 32.4"
            " | 70.2 | 0.247 | 50.0 | memory |") in text
    assert "| phases of a job | blocks of 10 | as compiled | 2 |" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_machine_is_described(tmp_path):
    text = written(tmp_path)
    for line in (
        r"| processor | A \| B |",
        "| data caches | level 1: 32 KiB for each core; level 3: 32768 KiB for 8 cores together |",
        "| virtual machine | yes |",
        "| measured on | 2025-03-09 |",
        "| 1 | 100 (98.0) | 12.0 |",
        "| 2 | - | 20.0 |",
        "| ranks | lanes = 1 | lanes = 4 |",
        "| 1 | 12.0 | 48.0 |",
        "| one message, node | 8 | 1.25 | 8000 | 2.00 |",
        "| exchange, 2 ranks, neighbours: 1 | 8 | 30.0 | 8 | 0.000267 |",
    ):
        assert line in text.splitlines(), line


def test_job_sections_and_accuracy_have_their_rows(tmp_path):
    text = written(tmp_path)
    for line in (
        "| nodes | 1234567 |",
        "| rest / share | 0.988 |",
        "| rest / missed | 1.23e-09 |",
        "| alone | shared |",
        "| 12.3 | 13.0 |",
        "| 14.0 | - |",
        "| loaded | 10 | 12.0 | 3.12 | 45.7 | FP0 |",
        "| exp | [-708, 709] | 1.23e-15 | relative | 1.50 |",
    ):
        assert line in text.splitlines(), line


def test_rows_of_a_table_are_as_long_as_its_head(tmp_path):
    text = written(tmp_path)
    tables = [rows(part) for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 9
    for table in tables:
        assert {len(row) for row in table} == {len(table[0])}


def test_links_lead_to_files(tmp_path):
    for name in "roofline.png", "roofline.svg", "throughput.png":
        (tmp_path / name).touch()
    links = re.findall(r"\]\((.*?)\)", written(tmp_path))
    assert links == ["roofline.png", "roofline.svg"]


def test_each_column_of_the_kernels_is_explained_once(tmp_path):
    lines = written(tmp_path).splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("| kernel |"))
    start = lines.index("## Kernels")
    for name in lines[head].strip("| ").split(" | "):
        assert sum(line.startswith(f"- {name}: ") for line in lines[start:head]) == 1, name


def test_source_of_the_numbers_is_named(tmp_path):
    assert f"\n{report.SOURCES['declared']}.\n" in written(tmp_path)
    mixed = written(tmp_path, records=[RECORD, OF_JOB | {"source": "likwid"}])
    assert f"explicit phases: {report.SOURCES['declared']}." in mixed
    assert f"phases of a job: {report.SOURCES['likwid']}." in mixed


@pytest.mark.parametrize("missing, said", [
    ({"sections": None}, "Debian's package llvm-19"),
    ({"job": {}}, "No job was measured."),
    ({"accuracy": []}, "Not computed."),
])
def test_what_is_missing_is_said(tmp_path, missing, said):
    assert said not in written(tmp_path)
    assert said in written(tmp_path, **missing)


@pytest.mark.parametrize("value, text", [
    (0.0, "0.00"), (12345.6, "12300"), (0.0012345, "0.00123"), (-1.5, "-1.50"), (1e-4, "0.0001"),
    (2.3456e7, "2.35e+07"), (99.96, "100"),
])
def test_numbers_have_three_digits(value, text):
    assert report.number(value) == text
