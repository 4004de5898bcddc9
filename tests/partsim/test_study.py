"""Studies: the shipped ones against their sources, and what is refused."""
import math
from pathlib import Path

import pytest
from scipy.stats import qmc

from partsim.errors import UserError
from partsim.study import load, seeds_of, split_of

pytestmark = pytest.mark.serial
STUDIES = Path(__file__).parents[2] / "jobs" / "studies"
# Xie et al., Engineering with Computers 42, 63 (2026): W and m/s
TABLE_3 = [(100, 0.5), (120, 0.25), (160, 0.5), (140, 0.75), (180, 0.25), (150, 0.4), (150, 0.6),
           (200, 0.25), (200, 0.5), (200, 0.75)]
TABLE_5 = [(100, 0.5), (120, 0.5), (120, 0.7), (150, 0.5), (150, 0.9), (180, 0.7), (180, 0.9),
           (200, 0.7)]
SMALL = """
seeds = [1, 2]
cases = [
  { power = "100 W", speed = "0.5 m/s" },
  { power = "150 W", speed = "0.5 m/s", split = "held_out" },
]
"""


def sobol(dimensions, count):
    """(P in W, v in m/s, T0 in K or nothing) of the points in the window, each once."""
    found = []
    for point in qmc.Sobol(dimensions, scramble=False).random_base2(8):
        power = 5 * round((100 + 100 * point[0]) / 5)
        speed = 5 * round((50 + 50 * point[1]) / 5)
        case = (power, speed / 100, *(50 * round((300 + 300 * t) / 50) for t in point[2:]))
        if 150 * speed <= 100 * power <= 300 * speed and case not in found:
            found.append(case)
    return found[:count]


def conditions(name):
    return [case.condition for case in load(STUDIES / f"{name}.toml").cases]


def test_tables_of_the_paper():
    assert conditions("table5") == [(*case, 300) for case in TABLE_5]
    assert conditions("table3_longitudinal") == [(*case, 300) for case in TABLE_3]
    held = [c.condition[:2] for c in load(STUDIES / "table5.toml").cases if c.split == "held_out"]
    assert held == [(150, 0.5), (200, 0.7)]


def test_points_of_the_sobol_sequences():
    assert conditions("sobol40") == [(*case, 300) for case in sobol(2, 40)]
    assert conditions("preheat") == sobol(3, 20)


def test_depths_of_the_source_follow_its_law():
    for case in load(STUDIES / "table3_longitudinal.toml").cases:
        spread = math.sqrt(7.22e-6 * case.speed * 40e-6**3)
        enthalpy = 0.6 * case.power / (math.pi * 8084 * 758.6 * 1423 * spread)
        depth = 65.784e-6 * (0.453 * enthalpy - 1.4)
        assert case.source_depth == pytest.approx(depth, abs=0.051e-6)


def test_seeds_of_validation_split_runs(tmp_path):
    study = load(written(tmp_path, "validation_seeds = [2]" + SMALL))
    assert [split_of(study, 1, seed) for seed in (1001, 1002)] == ["train", "validation"]
    assert [split_of(study, 2, seed) for seed in (2001, 2002)] == ["held_out", "held_out"]
    assert study.number_of((150, 0.5, 300)) == 2
    with pytest.raises(UserError, match="case 2 has no run with grains.seed = 1, but 2001, 2002"):
        split_of(study, 2, 1)


def test_no_two_cases_grow_from_the_same_metal_unless_they_say_so(tmp_path):
    for name in ("data", "experiment_like", "sobol40"):
        study = load(STUDIES / f"{name}.toml")
        metal: dict[int, set[str]] = {}
        for number, case in enumerate(study.cases, 1):
            for seed in seeds_of(study, number):
                assert case.seeds is not None or seed not in metal
                metal.setdefault(seed, set()).add(split_of(study, number, seed))
        assert all(len(splits) == 1 for splits in metal.values()), name
    same = SMALL.replace('"100 W", speed', '"100 W", seeds = [7, 8], speed')
    assert same != SMALL
    shared = same.replace('split = "held_out"', 'split = "held_out", seeds = [8, 9]')
    told = (r"cases\[1\].seeds = 8, but it must be another: it is that of cases\[0\], which is in "
            "train, not held_out")
    with pytest.raises(UserError, match=told):
        load(written(tmp_path, shared))
    with pytest.raises(UserError, match=r"cases\[0\].seeds = \[7, 7\], but it must be 2 different"):
        load(written(tmp_path, same.replace("[7, 8]", "[7, 7]")))


def written(folder, text):
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_the_window_knows_the_hatch_of_a_case(tmp_path):
    """66.7 and 100 J/mm^3 at 100 um; the first one at 50 um has twice as much."""
    window = '[window]\nlowest = "60 J/mm^3"\nhighest = "110 J/mm^3"\n'
    load(written(tmp_path, SMALL + window))
    narrow = SMALL.replace('"100 W", speed', '"100 W", hatch = "50 um", speed')
    with pytest.raises(UserError, match=r"cases\[0\] = 1.333e\+11 J/m\^3, but it must be in the"):
        load(written(tmp_path, narrow + window))


@pytest.mark.parametrize("text, words", [
    (SMALL.replace('"held_out"', '"test"'), r"cases\[1\].split = .test., but it must be"),
    (SMALL.replace("150 W", "100 W"), r"cases\[1\] = 100 W, 0.5 m/s, 300 K, but it must be differ"),
    (SMALL.replace("[1, 2]", "[1, 1]"), r"seeds = \[1, 1\], but it must be different numbers"),
    ("validation_seeds = [3]" + SMALL, r"validation_seeds\[0\] = 3, but it must be one of seeds"),
    ("validation_seeds = [1, 2]" + SMALL, "nothing would be left to train on"),
    (SMALL + '[window]\nlowest = "70 J/mm^3"\nhighest = "100 J/mm^3"',
     r"cases\[0\] = 6.667e\+10 J/m\^3, but it must be in the window"),
    (SMALL + "[window]\nlowest = 9e10\nhighest = 5e10", "window.highest = 5e.10 J/m.3, but it"),
    (SMALL + "[windows]", "unknown entry windows; did you mean window"),
    ("seeds = [1]", "missing section cases"),
])
def test_wrong_studies_are_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as problem:
        load(written(tmp_path, text))
    assert "\n" not in str(problem.value) and "study.toml: " in str(problem.value)
