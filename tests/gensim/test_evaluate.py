"""`gensim evaluate`: the report of two small domains, and what is refused."""
import json

import numpy as np
import pytest

from gensim.command import execute
from gensim.evaluate.compare import Choices, compared
from gensim.evaluate.domain import Domain
from partsim.errors import UserError
from tests.crops_files import crops_data, voronoi, write_small

pytestmark = pytest.mark.serial
SIZE = {"size": 32, "cases": 2, "runs": 4, "per_run": 3}


def grown(count, seeds, seed):
    """(count, 32, 32) maps with so many seeds each: the more, the smaller the grains."""
    chance = np.random.default_rng(seed)
    return np.stack([voronoi(32, seeds, chance) for _ in range(count)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """fine.h5, alike.h5 and coarse.h5: grains of two sizes, the first two of one."""
    folder = tmp_path_factory.mktemp("domains")
    count = len(crops_data(**SIZE)["images"])
    for number, (name, seeds) in enumerate({"fine": 60, "alike": 60, "coarse": 15}.items()):
        write_small(folder / f"{name}.h5", grains=grown(count, seeds, number), **SIZE)
    return folder


def evaluated(folder, other, *words):
    execute(["evaluate", str(folder / "fine.h5"), str(folder / f"{other}.h5"), "--output",
             str(folder / other), "--features", "none", *words])
    return json.loads((folder / other / "report.json").read_text())


def test_domains_alike_differ_by_the_floor_and_others_by_more(folder):
    alike, coarse = (evaluated(folder, name)["all"] for name in ("alike", "coarse"))
    for name in ("width", "length", "area"):
        assert alike[name]["wasserstein"] < 2 * alike[name]["floor"]["wasserstein"]
        assert coarse[name]["wasserstein"] > 5 * alike[name]["wasserstein"]
        assert coarse[name]["mae"] > 2 * coarse[name]["floor"]["mae"]
        low, high = alike[name]["truth"]["interval"]
        assert low < alike[name]["other"]["mean"] < high
        assert coarse[name]["other"]["interval"][0] > coarse[name]["truth"]["interval"][1]


def test_what_taught_can_be_left_out_of_the_truth(folder):
    table = evaluated(folder, "alike", "--split", "held_out", "--train", str(folder / "fine.h5"))
    assert table["copies"]["truth"]["least"] > 0.1
    with pytest.raises(UserError, match="--split = test, but it must be train, validation, held"):
        evaluated(folder, "alike", "--split", "test")


def test_report_tells_each_condition_and_pictures_are_drawn(folder):
    table = evaluated(folder, "alike", "--train", str(folder / "fine.h5"))
    assert [row["condition"]["power"] for row in table["conditions"]] == [100, 100, 125, 125]
    told = table["copies"]["truth"]  # of the truth's own file, some taught and most were held out
    assert told["least"] == pytest.approx(0, abs=1e-9) and told["median"] > 0.3
    assert table["copies"]["other"]["least"] > 0.05
    report = (folder / "alike" / "report.md").read_text()
    mean = table["all"]["width"]["truth"]["mean"] * 1e6
    assert "## 125 W, 0.6 m/s, 300 K" in report and f"| width um | {mean:.3g} [" in report
    for name in ("sheet", "histograms", "overlays"):
        assert (folder / "alike" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_report_repeats_itself(folder):
    assert evaluated(folder, "coarse") == evaluated(folder, "coarse")


def test_bias_is_that_of_the_channel(folder):
    """Only where a small piece is taken away may two grains of one colour meet."""
    domain = Domain.of([folder / "fine.h5"])
    for name, value in domain.bias().items():
        assert value == pytest.approx(0, abs=0.005), name


def test_longitudinal_sections_have_a_depth(folder, tmp_path):
    files = [write_small(tmp_path / f"{seed}.h5", section="longitudinal",
                         grains=grown(24, 40, seed), **SIZE) for seed in (5, 6)]
    truth, other = (Domain.of([file]) for file in files)
    table = compared(truth, other, Choices())["all"]
    assert 0 < table["depth"]["truth"]["mean"] < 32 * 2e-6
    assert 0 <= table["inclination"]["truth"]["mean"] < 180


def test_features_of_photographs_tell_domains_apart(folder):
    """Of EfficientNet, whose weights come with a package; Inception's must be downloaded."""
    pytest.importorskip("torch", reason="the extra learn is not installed")
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra learn is not installed")
    from gensim.evaluate.features import features
    from gensim.evaluate.run import apart

    fine, alike, coarse = (Domain.of([folder / f"{name}.h5"])
                           for name in ("fine", "alike", "coarse"))
    one, two = features("efficientnet-lite0", [fine.images, fine.images[:5]])
    assert one.shape == (24, 1280)
    np.testing.assert_allclose(one[:5], two, rtol=1e-3, atol=1e-4)
    near, far = (apart(fine, other, None, "efficientnet-lite0", 4) for other in (alike, coarse))
    assert near["name"] == "FD-EfficientNetLite0" and near["dimensions"] == 4
    assert far["frechet"] > 3 * near["frechet"] and far["kernel"] > 3 * abs(near["kernel"])
    few = apart(fine, alike, None, "efficientnet-lite0", 40)["refused"]
    assert "needs 48 images of both sets, but there are 24" in few


@pytest.mark.parametrize("change, told", [
    ({"pixel_size": 4e-6}, "pixel_size = 4e-06, but"),
    ({"section": "longitudinal"}, "section = longitudinal, but"),
])
def test_crops_that_cannot_be_compared_are_refused(folder, tmp_path, change, told):
    grains = grown(24, 40, 9)
    write_small(tmp_path / "odd.h5", grains=grains, **change, **SIZE)
    with pytest.raises(UserError, match=told) as problem:
        execute(["evaluate", str(folder / "fine.h5"), str(tmp_path / "odd.h5"), "--output",
                 str(tmp_path / "out"), "--features", "none"])
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("words, told", [
    (["--features", "vgg"], "--features = vgg, but it must be efficientnet-lite0, inception, none"),
    (["--features", "none", "--train", "{folder}/empty"], "empty has no crops file"),
    (["--features", "none", "--pairs", "3"], "greater than or equal to 20"),
])
def test_wrong_words_are_refused(folder, words, told):
    (folder / "empty").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=told):
        evaluated(folder, "alike", *(word.format(folder=folder) for word in words))
