"""The parsers of counter programs on short samples of their documented output, and the choice."""
import sys
from types import SimpleNamespace

import pytest

from perfmodel import counters

LIKWID = """result of the program, 3
STRUCT,Info,3
CPU name:,Intel(R) Xeon(R) Platinum,
CPU clock:,2.5 GHz,
TABLE,Region triad,Group 1 Raw,FLOPS_DP,3
Region Info,HWThread 0,
RDTSC Runtime [s],0.250000,
call count,12,
Event,Counter,HWThread 0
INSTR_RETIRED_ANY,FIXC0,5067253000
FP_ARITH_INST_RETIRED_512B_PACKED_DOUBLE,PMC2,1.5e+09
TABLE,Region triad,Group 1 Metric,FLOPS_DP,3
Metric,HWThread 0,
DP [MFLOP/s],48000.5,
CPI,-,
TABLE,Region triad,Group 1 Metric STAT,FLOPS_DP,3
Metric,Sum,Min,Max,Avg
DP [MFLOP/s] STAT,1,1,1,1
STRUCT,Info,3
CPU clock:,2.5 GHz,
TABLE,Region sweep,Group 1 Metric,FLOPS_DP,1
Metric,HWThread 0,
DP [MFLOP/s],7.25,
"""
PERF = """# started on Mon Jan  1 00:00:00 2024

1200345,,cycles:u,511701,100.00,,
<not supported>,,instructions:u,0,100.00,,
0.61,msec,task-clock,607711,100.00,0.156,CPUs utilized
,,,,,0.98,insn per cycle
"""


def test_likwid_tables_by_region():
    regions = counters.parse_likwid(LIKWID)
    assert regions == {
        "triad": {
            "RDTSC Runtime [s]": 0.25,
            "call count": 12.0,
            "INSTR_RETIRED_ANY": 5067253000.0,
            "FP_ARITH_INST_RETIRED_512B_PACKED_DOUBLE": 1.5e9,
            "DP [MFLOP/s]": 48000.5,
        },
        "sweep": {"DP [MFLOP/s]": 7.25},
    }


def test_likwid_without_markers():
    assert counters.parse_likwid("TABLE,Group 1 Metric,CLOCK,1\nMetric,HWThread 0\nCPI,0.5") == {
        "": {"CPI": 0.5}
    }


def test_perf_events():
    assert counters.parse_perf(PERF) == {"cycles": 1200345.0, "task-clock": 0.61}


def program(path, name, lines):
    """An executable of that name in a folder, in place of a real one."""
    file = path / name
    file.write_text("#!/bin/sh\n" + lines)
    file.chmod(0o755)


INTO_FILE = 'while [ "$1" != -o ]; do shift; done\n'
INTO_FILE += 'printf "7,,cycles:u\\n%s,,instructions:u\\n" {} >$2'


@pytest.mark.parametrize(
    "lines, found",
    [
        (INTO_FILE.format("9"), "perf"),
        (INTO_FILE.format("'<not supported>'"), "declared"),
        ("echo no permission >&2; exit 255", "declared"),
    ],
    ids=["counts", "half", "refused"],
)
def test_source_tries_what_is_there(lines, found, tmp_path, monkeypatch):
    program(tmp_path, "perf", lines)
    monkeypatch.setenv("PATH", str(tmp_path))
    counters.source.cache_clear()
    assert counters.source() == found
    counters.source.cache_clear()


def test_likwid_is_taken_first(tmp_path, monkeypatch):
    program(tmp_path, "likwid-perfctr",
            'echo "TABLE,Region trial,Group 1 Metric,CLOCK,1"; echo "CPI,0.5"')  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    counters.source.cache_clear()
    assert counters.source() == "likwid"
    counters.source.cache_clear()


@pytest.mark.serial
def test_source_of_this_machine():
    counters.source.cache_clear()
    assert counters.source() in ("likwid", "perf", "declared")


def test_missing_program_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(counters.UserError, match="package likwid"):
        counters.run_likwid(["true"], "CLOCK")
    with pytest.raises(counters.UserError, match="package linux-perf"):
        counters.run_perf(["true"])


def test_failure_is_told_in_one_line(tmp_path, monkeypatch):
    program(tmp_path, "perf", "echo first >&2; echo 'no permission' >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"^perf failed \(3\): no permission$"):
        counters.run_perf(["true"])


def test_region_marks_only_under_likwid(monkeypatch):
    calls = []
    names = ["markerinit", "markerthreadinit", "markerstartregion", "markerstopregion"]
    fake = {name: lambda *words, name=name: calls.append((name, *words)) for name in names}
    module = SimpleNamespace(**fake, markerclose=lambda: None, __spec__=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "pylikwid", module)
    for path in (None, "markers"):
        counters.markers.cache_clear()
        monkeypatch.delenv("LIKWID_FILEPATH", raising=False)
        if path:
            monkeypatch.setenv("LIKWID_FILEPATH", path)
        with pytest.raises(KeyError), counters.region("sweep"):
            raise KeyError
        assert bool(calls) == bool(path)
    counters.markers.cache_clear()
    assert calls == [("markerinit",), ("markerthreadinit",), ("markerstartregion", "sweep"),
                     ("markerstopregion", "sweep")]  # fmt: skip
