"""Studies: which cells there are, the condition score, tables; a small one from end to end."""
import json
import shutil

import numpy as np
import pytest

from gensim.evaluate.compare import Choices
from gensim.evaluate.domain import Domain
from gensim.evaluate.growth import turned
from gensim.study.cells import Cell, best_rates, compared, grouped, searched
from gensim.study.judge import JUDGEMENT, Judge, Truth, judged
from gensim.study.plan import StudyPlan, continues, load
from gensim.study.reference import ANOTHER_RUN, NEAREST, another_run, nearest
from gensim.study.score import Prints, deviation, less_bias, print_of, scores
from gensim.study.tables import (
    FRECHET, RATIOS, baselines, beside_baseline, quantities, searched as search_table, tabulated,
)
from partsim.errors import Interrupted, UserError
from tests.crops_files import crops_data, voronoi, write_small

pytestmark = pytest.mark.serial
PLAN = {"simulation": "simulation", "experiment": "experiment", "pretrain_images": 96,
        "images": 64, "learning_rates": [1e-3, 3e-3], "seeds": [0, 1], "samples": 4,
        "truth": [0.8, 0.5], "cases": [1], "features": "none"}


def test_every_cell_is_there_once():
    plan = StudyPlan(**PLAN)
    assert len(searched(plan)) == 6
    rates = best_rates({cell: cell.rate if cell.method == "distill" else -cell.rate
                        for cell in searched(plan)})
    assert rates == {"baseline": 3e-3, "finetune": 3e-3, "distill": 1e-3}
    cells = compared(plan, rates)
    assert len(cells) == len(set(cells)) == len({cell.name for cell in cells}) == 6 + 2 + 6
    assert all(cell.rate == rates[cell.method] for cell in cells)
    groups = grouped(cells)
    assert list(groups) == ["baseline", "finetune", "distill 0.8", "distill 0.5",
                            "baseline, 1 cases", "finetune, 1 cases", "distill 0.8, 1 cases"]
    assert all([cell.seed for cell in group] == [0, 1] for group in groups.values())


def test_a_longer_baseline_is_one_more_cell():
    rates = dict.fromkeys(("baseline", "finetune", "distill"), 1e-3)
    plain, longer = (compared(StudyPlan(**PLAN, long_baseline=images), rates)
                     for images in (0, 640))
    (more,) = set(longer) - set(plain)
    assert (more.method, more.seed, more.images) == ("baseline", 0, 640)
    assert grouped(longer)["baseline, 640 images"] == [more]
    assert more.name == "baseline_rate0.001_seed0_images640"


@pytest.mark.parametrize("change, same", [
    ({}, True),
    ({"seeds": [0, 1, 2], "truth": [0.8, 0.5, 0.2], "long_baseline": 640}, True),
    ({"seeds": [1, 0]}, False),
    ({"seeds": [0]}, False),
    ({"images": 128}, False),
    ({"settings": {"batch": 8}}, False),
])
def test_a_study_may_grow(change, same):
    before, plan = (json.loads(StudyPlan(**each).model_dump_json())
                    for each in (PLAN, PLAN | change))
    assert continues(plan, before) == same
    if change.get("long_baseline"):
        assert not continues(before, plan)


def test_score_counts_conditions_nearest_to_their_own_truth():
    prints = np.array([[1.0, 1, 10], [2, 1, 10], [1, 2, 10], [2, 2, 10]])
    deviations = np.array([0.5, 0.25, 1])
    true = Prints(prints, deviations, np.array([False, False, False, True]))
    found = scores(true, {3: np.array([1.9, 1.8, 10])})
    assert found["score"] == 1 and found["control"] is None
    assert found["distance_ratio"] == pytest.approx(
        np.hypot(0.1 / 0.5, 0.2 / 0.25) / np.hypot(0.9 / 0.5, 0.2 / 0.25))
    assert scores(true, {3: np.array([1.9, 1.2, 10])})["score"] == 0
    assert scores(true, {3: np.full(3, np.nan)})["score"] == 0
    assert scores(true, {0: np.array([1.0, 1, 10])})["score"] is None
    both = true._replace(held_out=np.array([False, False, True, True]))
    made = {2: np.array([1.0, 1.9, 10]), 3: np.array([1.0, 1.1, 10])}
    found = scores(both, made)
    assert found["score"] == 0.5 and found["control"] == 0.5  # what was made for 2 is near 3


def test_deviation_of_runs_is_pooled_over_conditions(tmp_path):
    """Against numpy's of prints taken apart by hand."""
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))
    run, parts = truth.domain.crops.columns["run"], [truth.part(number) for number in range(2)]
    squares = np.zeros(3)
    for part in parts:
        both = [print_of(part._replace(which=part.which[run[part.which] == each]))
                for each in (0, 1)]
        gaps = np.array(both) - print_of(part)
        gaps[:, 2] = (gaps[:, 2] + 90) % 180 - 90
        squares += (gaps ** 2).sum(axis=0)
    np.testing.assert_allclose(truth.prints.deviation, np.sqrt(squares / 2), rtol=1e-12)
    single = [part._replace(which=part.which[run[part.which] == 0]) for part in parts]
    np.testing.assert_allclose(deviation(single),
                               np.std([print_of(part) for part in single], axis=0), rtol=1e-9)


def test_directions_differ_by_less_than_a_quarter_turn():
    np.testing.assert_allclose(turned(np.array([170.0, -100, 90, 10])), [-10, 80, -90, 10])


def experiment_of(folder):
    """Three conditions that differ in the size of their grains, the last one held out."""
    data = crops_data(size=32, cases=3, runs=2, per_run=6)
    chance = np.random.default_rng(3)
    grains = np.stack([voronoi(32, 15 * (case + 1) ** 2, chance) for case in data["case"]])
    split = np.where(data["case"] == 2, "held_out", "train")
    temperature = np.full(len(split), 300.0)
    return write_small(folder / "three.h5", size=32, cases=3, runs=2, per_run=6, grains=grains,
                       split=split, initial_temperature=temperature)


def test_truth_itself_scores_and_exchanged_conditions_do_not(tmp_path):
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))
    assert truth.held_out.tolist() == [False, False, True]
    taught = ~truth.held_out
    found = judged(truth, {number: truth.part(number) for number in range(3)}, Choices(), taught)
    for each in found["scores"].values():
        assert each == {"score": 1, "distance_ratio": 0, "control": 0}
    for row in found["conditions"]:
        assert row["inclination"]["difference"] == 0
        assert all(entry["relative"] == 0 and entry["wasserstein"] == 0
                   for entry in row["measures"].values())
    swapped = judged(truth, {2: truth.part(0)}, Choices(), ~truth.held_out)
    assert swapped["scores"]["as made"]["score"] == 0
    width = swapped["conditions"][0]["measures"]["width"]
    assert width["relative"] == pytest.approx(width["other"] / width["truth"] - 1)
    assert width["relative"] > 0.5


def test_a_maker_with_a_bias_follows_conditions_all_the_same(tmp_path):
    """Grains too wide by more than conditions differ, everywhere, and turned by 10 degrees."""
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))
    true, mean = truth.prints, truth.prints.mean
    prints = dict(enumerate(mean + [2 * mean[:, 0].std(), 0, 10]))
    assert scores(true, prints)["score"] == 0
    fair = less_bias(true, prints, ~truth.held_out)
    np.testing.assert_allclose([*fair.values()], mean, rtol=1e-12)
    only = less_bias(true, prints, np.array([True, False, False]))
    np.testing.assert_allclose(only[2], mean[2], rtol=1e-12)


def test_rows_that_need_no_training(tmp_path):
    """Another run has other metal and all conditions; the nearest condition is one that teaches,
    shown by the crops that do."""
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))
    run = truth.domain.crops.columns["run"]
    rest, made = another_run(truth)
    np.testing.assert_array_equal(rest.conditions, truth.conditions)
    for number in range(3):
        mine, other = truth.domain.which[made[number].which], rest.domain.which[
            rest.part(number).which]
        assert set(run[mine]) == {1} and set(run[other]) == {0}
        assert len(mine) + len(other) == (truth.number == number).sum()
    assert another_run(rest) is None
    np.testing.assert_array_equal(rest.prints.deviation, truth.prints.deviation)
    teaches = (truth.number == 1) & (run == 0)
    found = nearest(truth, teaches)
    assert set(found) == {0, 2}
    np.testing.assert_array_equal(found[2].which, np.flatnonzero(teaches))
    np.testing.assert_array_equal(nearest(truth, truth.number < 2)[1].which,
                                  np.flatnonzero(truth.number == 0))


def test_methods_are_set_beside_the_baseline_seed_by_seed(tmp_path):
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))

    def cell(number, distance):
        found = judged(truth, {2: truth.part(number)}, Choices(), ~truth.held_out)
        return found | {"features": {"frechet": distance, "images": [6, 6]}}

    base, mine = [cell(0, 2.0), cell(1, 4.0)], [cell(1, 1.0), cell(1, 1.0)]
    cells = [Cell(method, 1e-3, 0, 0.8, cases) for method, cases in (
        ("baseline", 0), ("finetune", 0), ("finetune", 1))]
    assert baselines(cells, ["simulation", ANOTHER_RUN]) == {"simulation": "baseline",
                                                             "finetune": "baseline"}
    fewer = cells + [cells[0]._replace(cases=1), cells[0]._replace(images=9)]
    assert baselines(fewer, [])["finetune, 1 cases"] == "baseline, 1 cases"
    table = beside_baseline({"baseline": base, "finetune": mine, "simulation": mine[:1]},
                            baselines(cells, ["simulation"]))
    assert list(table) == ["simulation", "finetune"] and set(table["finetune"]) == set(RATIOS)
    np.testing.assert_allclose(table["simulation"][FRECHET], table["finetune"][FRECHET])
    np.testing.assert_allclose(table["finetune"][FRECHET], [0.375, np.std([0.5, 0.25], ddof=1)])
    width = [quantities(each, True)["width distance"] for each in (base[0], mine[0])]
    np.testing.assert_allclose(table["finetune"]["width distance"][0],
                               (width[1] / width[0] + 1) / 2)


def test_tables_are_means_over_conditions_and_seeds(tmp_path):
    truth = Truth.of(Domain.of([experiment_of(tmp_path)]))
    one = judged(truth, {2: truth.part(0)}, Choices(), ~truth.held_out)
    two = judged(truth, {2: truth.part(1)}, Choices(), ~truth.held_out)
    table = tabulated({"row": [one, two]}, True)["row"]
    errors = [100 * abs(each["conditions"][0]["measures"]["width"]["relative"])
              for each in (one, two)]
    np.testing.assert_allclose(table["width error"], [np.mean(errors), np.std(errors, ddof=1)])
    assert table["score"] == [0, 0] and tabulated({"row": [one]}, False) == {}
    removed = [100 * truth.domain.measured.removed[truth.part(number).which].mean()
               for number in (0, 1)]
    np.testing.assert_allclose(table["removed"], [np.mean(removed), np.std(removed, ddof=1)])
    known = judged(truth, {0: truth.part(0), 1: truth.part(0)}, Choices(), np.array([True, False]))
    taught = tabulated({"row": [known]}, False)["row"]
    assert taught["width error"] == [0, 0]  # the condition that it did not know is left out
    one["conditions"][0]["measures"]["width"]["relative"] = None  # as JSON has what is not a number
    table = tabulated({"row": [one, two]}, True)["row"]
    assert table["width error"] == [None, None] and None not in table["length error"]


@pytest.mark.parametrize("change, told", [
    ({"seeds": [1, 1]}, r"seeds = \[1, 1\], but it must be different values"),
    ({"images": 0}, "images = 0, but it must be"),
    ({"methods": ["both"]}, "methods"),
    ({"settings": {"seed": 3}}, "settings: seed is set by the study itself: leave it out"),
    ({"imagse": 3}, "imagse"),
    ({"settings": {"btach": 8}}, "settings: unknown entry btach; did you mean batch?"),
    ({"settings": {"batch": 0}}, "settings: batch = 0, but it must be"),
    ({"validation": "2/"}, "settings: validation = "),
    ({"seeds": [-1]}, r"seeds\[0\] = -1, but it must be"),
])
def test_wrong_studies(tmp_path, change, told):
    lines = [f"{name} = {json.dumps(value)}" for name, value in ({**PLAN, **change}).items()
             if not isinstance(value, dict)]
    lines += [f"[{name}]\n" + "\n".join(f"{key} = {entry}" for key, entry in value.items())
              for name, value in change.items() if isinstance(value, dict)]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    with pytest.raises(UserError, match=told) as problem:
        load(tmp_path / "study.toml")
    assert "\n" not in str(problem.value)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The file of a study whose trainings take a second each."""
    pytest.importorskip("torch", reason="the extra learn is not installed")
    pytest.importorskip("diffusers", reason="the extra learn is not installed")
    from tests.gensim_runs import SHORT, TINY

    folder = tmp_path_factory.mktemp("study")
    for name in ("simulation", "experiment"):
        (folder / name).mkdir()
    write_small(folder / "simulation" / "all.h5")
    held = crops_data()["case"] == 3
    for number, which in enumerate([crops_data()["case"] < 2, crops_data()["case"] == 2, held]):
        part = {name: values[which] for name, values in crops_data().items()
                if name != "orientations"}
        write_small(folder / "experiment" / f"case_{number}.h5", **part)
    settings = {**SHORT, "warmup": 8, "validate_every": 32}
    entries = {**PLAN, "network": TINY, "learning_rates": [1e-3], "truth": [0.8]}
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in entries.items())
    text += "\n[settings]\n" + "\n".join(
        f"{name} = {value}" for name, value in settings.items()
        if name not in ("images", "learning_rate"))
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def test_a_study_goes_on_where_it_was_stopped(small, monkeypatch):
    from gensim.study import run

    whole, halted = small.parent / "whole", small.parent / "halted"
    run.fulfil(small, whole)
    tree = json.loads((whole / "study.json").read_text())
    assert list(tree["held_out"])[:2] == ["simulation", NEAREST]
    assert tree["held_out"][NEAREST]["score"] == [None, None]
    assert set(tree["beside_baseline"]) == {"simulation", NEAREST, "finetune", "distill 0.8",
                                            "finetune, 1 cases", "distill 0.8, 1 cases"}
    assert {"baseline", "finetune", "distill 0.8", "baseline, 1 cases"} < set(tree["held_out"])
    report = (whole / "report.md").read_text()
    assert "| finetune | " in report
    assert tree["models"]["finetune"] == "finetune_rate0.001_seed0"
    assert all((whole / name / "gensim.json").exists() for name in tree["models"].values())
    for name in ("errors.png", "held_out.png"):
        assert (whole / name).stat().st_size > 10_000
    cells = {path.name for path in whole.glob("*_seed*.json")}
    assert len(cells) == 2 * (3 * 2 + 3 * 2)  # the loss and the result of each
    losses = [each["validation_loss"] for each in tree["search"]]
    assert len(losses) == 3 and all(f"{loss:.4f}" in report for loss in losses)

    calls, train = [], run.trained

    def third_is_stopped(plan, folder, ranks):
        calls.append(folder.name)
        if len(calls) == 3:
            raise Interrupted("stopped")
        return train(plan, folder, ranks)

    monkeypatch.setattr(run, "trained", third_is_stopped)
    with pytest.raises(Interrupted):
        run.fulfil(small, halted)
    run.fulfil(small, halted)
    assert len(calls) == len(set(calls)) + 1
    for name in (*cells, "without_training.json", "study.json"):
        assert (halted / name).read_text() == (whole / name).read_text(), name
    run.fulfil(small, halted)
    assert len(calls) == len(set(calls)) + 1
    # older judgements are made again, of the samples that are there
    for name in ("without_training.json", "finetune_rate0.001_seed0.json"):
        text, number = (halted / name).read_text(), f'"judgement": {JUDGEMENT},'
        assert number in text
        (halted / name).write_text(text.replace(number, ""))
        run.fulfil(small, halted)
        assert (halted / name).read_text() == text
    assert len(calls) == len(set(calls)) + 1


def test_a_rate_that_diverges_is_not_chosen(small, monkeypatch):
    from gensim.ranks import Ranks
    from gensim.study import run
    from gensim.train.loop import Diverged

    def diverges(plan, folder, ranks):
        if plan.settings.seed == 1 and plan.settings.learning_rate == 1.0:
            raise Diverged("the loss is not finite after 32 images")
        return 0.5 - 0.1 * plan.settings.learning_rate

    monkeypatch.setattr(run, "trained", diverges)
    monkeypatch.setattr(run.Study, "sample", lambda *_: None)
    monkeypatch.setattr(run.Study, "result", lambda *_: {"judgement": JUDGEMENT})
    changes = {"methods": ("finetune",), "learning_rates": (1e-3, 1.0), "cases": ()}
    plan = load(small).model_copy(update={**changes, "pretrained": "model"})
    study = run.Study(plan, small.parent, small.parent / "diverged", Ranks())
    slow, fast = (Cell("finetune", rate, 0, 0.8) for rate in (1e-3, 1.0))
    for cell in (slow, fast, fast._replace(seed=1), slow._replace(seed=1)):
        (study.folder / cell.name).mkdir(parents=True)
    losses = {cell: study.loss(cell) for cell in (slow, fast)}
    assert losses[fast] < losses[slow]
    losses, results = study.compared(losses)
    assert losses[fast] is None and losses[slow] is not None
    assert list(results) == [slow, slow._replace(seed=1)]
    assert study.stored(f"{fast._replace(seed=1).name}_loss")["validation_loss"] is None
    assert best_rates({slow: 0.5, fast: None}) == {"finetune": 1e-3}
    tree = {"search": [{"method": "finetune", "rate": cell.rate, "validation_loss": loss}
                       for cell, loss in ((slow, 0.5), (fast, None))],
            "learning_rates": {"finetune": 1e-3}}
    assert "0.001 *" in search_table(tree) and "diverged" in search_table(tree)
    with pytest.raises(UserError, match="learning_rates: finetune diverges at each of them"):
        best_rates({fast: None})


def test_all_makers_are_judged_by_as_many_images(tmp_path, monkeypatch):
    """`samples` of each held-out condition, be there more crops or not."""
    from gensim.study import judge

    truth, seen = Truth.of(Domain.of([experiment_of(tmp_path)])), []
    monkeypatch.setattr(judge, "apart", lambda a, b, *rest: seen.append((len(a), len(b))) or {})
    plan = StudyPlan(**PLAN | {"features": "efficientnet-lite0"})
    Judge(plan, truth.domain).judgement(truth, {2: truth.part(2)}, ~truth.held_out)
    assert seen == [(12, 4)]


def test_equal_methods_make_equal_steps(small):
    from gensim.study.run import Study
    from gensim.ranks import Ranks

    study = Study(load(small), small.parent, small.parent / "none", Ranks())
    plans = [study.plan_of(Cell(method, 1e-3, 0, 0.8)) for method in load(small).methods]
    assert len({plan.settings.images for plan in plans}) == 1
    assert all(plan.settings.patience > 1000 for plan in plans)
    assert plans[0].base is None and plans[1].base == plans[2].base is not None
    given = Study(load(small).model_copy(update={"pretrained": "model"}), small.parent,
                  small.parent / "none", Ranks())
    assert given.plan_of(Cell("distill", 1e-3, 0, 0.8)).base == small.parent / "model"
    with pytest.raises(UserError, match="model is not the folder of a model"):
        given.check()
    study.folder.mkdir()
    study.check()
    study.once("plan", lambda: study.asked)
    study.check()
    changed = Study(load(small).model_copy(update={"images": 80}), small.parent, study.folder,
                    Ranks())
    with pytest.raises(UserError, match="has the results of another study"):
        changed.check()
    one = study.plan_of(Cell("finetune", 1e-3, 0, 0.8, 1))
    assert [path.name for path in one.files] == ["case_0.h5", "case_2.h5"]


def test_a_study_does_not_go_on_with_other_crops(small, tmp_path):
    from gensim.study.run import Study
    from gensim.ranks import Ranks

    copy = tmp_path / "copy"
    shutil.copytree(small.parent, copy, ignore=shutil.ignore_patterns("whole", "halted", "none"))

    def again():
        return Study(load(copy / "study.toml"), copy, copy / "out", Ranks())

    again().folder.mkdir()
    again().once("plan", lambda: again().asked)
    again().check()
    shutil.copy(copy / "experiment" / "case_0.h5", copy / "experiment" / "case_9.h5")
    with pytest.raises(UserError, match="experiment/case_9.h5 was changed, added or removed"):
        again().check()
    (copy / "experiment" / "case_9.h5").unlink()
    again().check()
    write_small(copy / "simulation" / "all.h5", power=crops_data()["power"] + 1)
    with pytest.raises(UserError, match="simulation/all.h5 was changed"):
        again().check()
