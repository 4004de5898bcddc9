"""Machine files: what is written is read again, and one line tells whatever is wrong."""
import datetime
import sys
from pathlib import Path

import pytest

from partsim.errors import UserError
from perfmodel import machine, messages, stream
from perfmodel.machine import Bandwidth, Machine, Peak

pytestmark = pytest.mark.pair

SAMPLE = Machine(
    name="sample",
    processor='A "B" \\ µ\x7f (zen)',
    cores=2,
    lanes=4,
    virtual=True,
    date=datetime.date(2025, 3, 9),
    command="mpirun -n 2 python -m perfmodel machine sample",
    caches=(stream.Cache(level=1, bytes=32768, cores=1),),
    bandwidths=(
        Bandwidth(ranks=1, level="L1", bytes_per_rank=16384, gb_per_second=100.5,
                  median_gb_per_second=98.0),
        Bandwidth(ranks=1, level="memory", bytes_per_rank=2**27, gb_per_second=12.0),
        Bandwidth(ranks=2, level="memory", bytes_per_rank=2**27, gb_per_second=20.0),
    ),
    peaks=(
        Peak(ranks=1, lanes=1, gflop_per_second=12.0),
        Peak(ranks=1, lanes=4, gflop_per_second=48.0, median_gflop_per_second=47.0),
    ),
    messages=(
        messages.Message(link="node", bytes=8, seconds=1.25e-6, median_seconds=2e-6),
    ),
    exchanges=(
        messages.Exchange(ranks=2, neighbours=1, bytes=8, seconds=3e-5, median_seconds=4e-5),
    ),
)


def test_what_is_written_is_read_again(tmp_path):
    file = tmp_path / "machines" / "sample.toml"
    machine.write(SAMPLE, file)
    assert machine.load(file) == machine.load(str(file)) == SAMPLE
    assert [path.name for path in file.parent.iterdir()] == ["sample.toml"]


def test_every_entry_of_a_file_is_explained():
    lines = machine.as_toml(SAMPLE).splitlines()
    for name, field in Machine.model_fields.items():
        number = next(n for n, line in enumerate(lines) if line.startswith(f"{name} = "))
        beside = lines[number - 1] if lines[number].endswith("[") else lines[number]
        assert beside.endswith(f"# {field.description}")


def test_limits_are_in_si():
    assert SAMPLE.bandwidth(1) == 12e9 and SAMPLE.bandwidth(2) == 20e9
    assert SAMPLE.bandwidth(1, "L1") == 100.5e9
    assert SAMPLE.peak(1) == SAMPLE.peak(1, 4) == 48e9 and SAMPLE.peak(1, lanes=1) == 12e9


@pytest.mark.parametrize("ask, line", [
    (lambda: SAMPLE.bandwidth(3),
     "ranks = 3, but the memory bandwidth of sample was measured with 1, 2"),
    (lambda: SAMPLE.bandwidth(2, "L1"),
     "ranks = 2, but the L1 bandwidth of sample was measured with 1"),
    (lambda: SAMPLE.bandwidth(1, "L4"),
     'level = "L4", but the bandwidth of sample was measured at L1, memory'),
    (lambda: SAMPLE.peak(2), "ranks = 2, but the peak of sample was measured with 1"),
    (lambda: SAMPLE.peak(1, 8),
     "lanes = 8, but it must be one of those measured on sample: 1, 4"),
    (lambda: SAMPLE.model_copy(update={"peaks": ()}).peak(1),
     "ranks = 1, but the peak of sample was measured with none"),
])
def test_what_was_not_measured_is_refused(ask, line):
    with pytest.raises(UserError) as problem:
        ask()
    assert str(problem.value) == line


@pytest.mark.parametrize("old, new, line", [
    ("cores = 2", "cores = 0", "cores = 0, but it must be at least 1"),
    ("cores = 2", "cores = 2.5", "cores = 2.5, but it must be a whole number"),
    ("cores = 2", "", "missing entry cores"),
    ("cores = 2", "cores = 2\ncors = 2", "unknown entry cors; did you mean cores?"),
    ("virtual = true", 'virtual = "no"', 'virtual = "no", but it must be true or false'),
    ('name = "sample"', 'name = "../up"',
     'name = "../up", but it must be made of letters, digits, blanks, \'.\', \'_\' and \'-\''),
    ("gb_per_second = 12.0", "gb_per_second = -12.0",
     "bandwidths[1].gb_per_second = -12.0, but it must be positive"),
    ("gb_per_second = 12.0", "gb_per_second = nan",
     "bandwidths[1].gb_per_second = NaN, but it must be a number without unit such as "
     "0.01, and finite"),
    ("gb_per_second = 12.0", "gb_per_sec = 12.0",
     "unknown entry bandwidths[1].gb_per_sec; did you mean bandwidths[1].gb_per_second?"),
    ('link = "node"', 'link = "moon"',
     "messages[0].link = \"moon\", but it must be 'node' or 'network'"),
])
def test_wrong_entries_are_named(tmp_path, old, new, line):
    text = machine.as_toml(SAMPLE)
    assert text.count(old) == 1
    file = tmp_path / "own.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as problem:
        machine.load(file)
    assert str(problem.value) == f"{file}: {line}"


@pytest.mark.parametrize("content, words", [
    (None, "cannot be read: No such file or directory"),
    (b"\xff\xfe", "is not a text file in UTF-8"),
    (b"cores = = 2", "is not TOML: Invalid value (at line 1, column 9)"),
])
def test_unreadable_files_are_refused(tmp_path, content, words):
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as problem:
        machine.load(str(file))
    assert str(problem.value) == f"machine file {file} {words}"


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="sample.toml"):
        machine.write(SAMPLE, tmp_path / "file" / "sample.toml")


def test_machines_are_known_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MACHINES", tmp_path / "machines")
    with pytest.raises(UserError) as problem:
        machine.load("sample")
    assert str(problem.value) == (
        'machine = "sample", but it must be a file: no machine is known by name'
    )
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "notes.md").touch()
    for name in ("sample", "other"):
        machine.write(SAMPLE, tmp_path / "machines" / f"{name}.toml")
    assert machine.load("sample") == SAMPLE
    with pytest.raises(UserError) as problem:
        machine.load("samples")
    assert str(problem.value) == (
        'machine = "samples", but it must be one of other, sample; did you mean sample?'
    )


def test_measured_machine(comm, shared_tmp, monkeypatch):
    monkeypatch.setattr(stream, "TRIAL_SECONDS", 1e-3)
    monkeypatch.setattr(messages, "TRIAL_SECONDS", 1e-3)
    found = machine.measure_machine(comm, "here")
    assert comm.allgather(found) == [found] * comm.size
    levels = list(stream.working_sets(stream.caches(), 1))
    ranks = range(1, comm.size + 1)
    assert [(b.ranks, b.level) for b in found.bandwidths] == [(n, m) for n in ranks for m in levels]
    assert [(p.ranks, p.lanes) for p in found.peaks] == [
        (n, lanes) for n in ranks for lanes in stream.fma_lanes()
    ]
    assert bool(found.messages) == bool(found.exchanges) == (comm.size > 1)
    if comm.rank == 0:
        machine.write(found, shared_tmp / "here.toml")
        assert machine.load(shared_tmp / "here.toml") == found


def test_a_name_that_no_file_can_have_is_refused_before_the_measurement(comm):
    with pytest.raises(UserError) as problem:
        machine.measure_machine(comm, "../up")
    assert str(problem.value).startswith('name = "../up", but it must be made of letters')


def test_measured_numbers_have_four_digits():
    peak = machine.rounded(Peak(ranks=2, lanes=4, gflop_per_second=48.123456))
    assert peak == Peak(ranks=2, lanes=4, gflop_per_second=48.12)
    message = SAMPLE.messages[0].model_copy(update={"seconds": 1.234567e-6})
    assert machine.rounded(message).seconds == 1.235e-6


def test_numbers_of_ranks():
    assert machine.rank_counts(1) == [1]
    assert machine.rank_counts(9) == [*range(1, 10)]
    assert machine.rank_counts(28) == [*range(1, 9), 16, 24, 28]


@pytest.mark.parametrize("flags, virtual", [("fpu hypervisor lm", True), ("fpu lm", False)])
def test_what_linux_tells_about_the_processor(tmp_path, monkeypatch, flags, virtual):
    file = tmp_path / "cpuinfo"
    one = f"processor\t: 0\nmodel name\t: Some CPU @ 3: fast\nflags\t\t: {flags}\n"
    file.write_text(one + "\n" + one.replace("Some", "Other"))
    monkeypatch.setattr(machine, "CPU_FILE", file)
    facts = machine.description()
    assert facts["processor"].startswith("Some CPU @ 3: fast (") and facts["virtual"] is virtual


def test_a_system_without_cpuinfo_is_described_too(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU_FILE", tmp_path / "absent")
    facts = machine.description()
    assert facts["virtual"] is False and not facts["processor"].startswith(" ")
    assert facts["cores"] >= 1


@pytest.mark.parametrize("words, ranks, line", [
    (["/home/me/perfmodel/__main__.py", "machine", "my box"], 1,
     "python -m perfmodel machine 'my box'"),
    (["/opt/bin/perfmodel", "machine"], 4, "mpirun -n 4 perfmodel machine"),
])
def test_command_names_no_folder(monkeypatch, words, ranks, line):
    monkeypatch.setattr(sys, "argv", words)
    assert machine.command(ranks) == line


@pytest.mark.parametrize("file", sorted(Path(str(machine.MACHINES)).glob("*.toml")), ids=str)
def test_machines_of_the_package_load(file):
    assert machine.load(file).name == file.stem


SHIPPED = sorted(path.stem for path in Path(str(machine.MACHINES)).glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_machines_can_be_read(name):
    described = machine.load(name)
    assert described.name == name
    assert described.bandwidth(1) < described.bandwidth(1, "L1") and described.peak(1) > 0
