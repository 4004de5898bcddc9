"""Crops files and sets of them: what is refused, parts, augmentation, statistics."""
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from gensim.chance import Purpose, generator
from gensim.command import execute
from gensim.data.augment import Augmentation, exchanged, resized
from gensim.data.crops import CropFile
from gensim.data.sets import CropSet, parts
from gensim.data.conditions import distinct_conditions
from gensim.data.sheet import count_grains, row_title
from gensim.evaluate import channel
from partsim.crops import palette
from partsim.crops.components import components
from partsim.errors import UserError
from tests.crops_files import COLOURS, ORIENTATIONS, crops_data, write_small
from tests.grain_files import random_quaternions
from tests.processes import environment_outside_mpi

pytestmark = pytest.mark.serial


def refusal(*paths):
    with pytest.raises(UserError) as told:
        CropSet(paths)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_what_was_written_is_read(tmp_path):
    data = crops_data()
    file = CropFile(write_small(tmp_path / "a.h5"))
    which = np.array([5, 2, 5, 40])
    np.testing.assert_array_equal(file.rows("images", which), data["images"][which])
    np.testing.assert_array_equal(file.rows("grains", which), data["grains"][which])
    for name, values in file.columns.items():
        np.testing.assert_array_equal(values, data[name])
    np.testing.assert_array_equal(file.palette.colours[file.palette.number], COLOURS)


def test_two_files_are_numbered_through(tmp_path):
    a = write_small(tmp_path / "a.h5")
    b = write_small(tmp_path / "b.h5", images=255 - crops_data()["images"])
    crops, images = CropSet([a, b]), crops_data()["images"]
    n = len(images)
    got = crops.images(np.array([n + 1, 3, n, n - 1]))
    np.testing.assert_array_equal(got[[1, 3]], images[[3, n - 1]])
    np.testing.assert_array_equal(got[[0, 2]], 255 - images[[1, 0]])
    assert len(crops) == 2 * n and crops.conditions.shape == (2 * n, 3)


DATA = crops_data()
WRONG = {
    "channels": ({"images": np.zeros((48, 16, 16, 4), np.uint8)}, "4 channels"),
    "grey": ({"images": DATA["images"][..., 0]}, "1 channels"),
    "float": ({"images": DATA["images"] / 255}, "float64"),
    "narrow": ({"images": DATA["images"][:, :, :8]}, "16 x 8"),
    "other grains": ({"grains": DATA["grains"][:9]}, "(9, 16, 16)"),
    "power": ({"power": -DATA["power"]}, "power = [-100.]"),
    "short column": ({"speed": DATA["speed"][:7]}, "7 values of speed"),
    "split": ({"split": np.array(["test"] * 48)}, "'test'"),
    "lacking": ({"drop": ["case", "run"]}, "lacks case, run"),
    "section": ({"section": "top"}, "'top'"),
    "pixel size": ({"pixel_size": 0.0}, "pixel_size = 0.0"),
    "unknown grain": ({"grains": DATA["grains"] + 99}, "grains up to 104, but orientations for 6"),
    "three numbers": ({"orientations": np.ones((6, 3))}, "orientations (6, 3)"),
    "no rotation": ({"orientations": np.full((6, 4), np.nan)}, "no unit quaternions"),
    "text": ({"power": np.array(["many"] * 48, "S")}, "power of |S4, but it must be numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_is_refused_by_name(tmp_path, name):
    changes, said = WRONG[name]
    path = write_small(tmp_path / "bad.h5", **changes)
    line = refusal(path)
    assert line.startswith(str(path)) and said in line


def test_file_cut_short_or_absent(tmp_path):
    path = write_small(tmp_path / "a.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path) == f"{path} is cut short or no HDF5 file"
    assert refusal(tmp_path / "none.h5") == f"{tmp_path / 'none.h5'} does not exist"
    with h5py.File(path, "w"):
        pass
    assert "partsim crops 1" in refusal(path)


def test_files_that_do_not_fit_together(tmp_path):
    a = write_small(tmp_path / "a.h5")
    assert "pixel_size = 4e-06" in refusal(a, write_small(tmp_path / "b.h5", pixel_size=4e-6))
    assert "section = longitudinal" in refusal(
        a, write_small(tmp_path / "c.h5", section="longitudinal"))
    assert "size = 32" in refusal(a, write_small(tmp_path / "d.h5", size=32))


def test_run_in_two_splits_is_a_leak(tmp_path):
    split = DATA["split"].copy()
    split[0] = "validation"
    line = refusal(write_small(tmp_path / "a.h5", split=split))
    assert line.startswith("run 0 of case 0 is in validation and in train")


def test_held_out_conditions_and_runs_are_apart(tmp_path):
    crops = CropSet([write_small(tmp_path / "a.h5")])
    found = parts(crops)
    assert {name: len(part) for name, part in found.items()} == {
        "train": 12, "validation": 12, "held_out_case": 12, "held_out_run": 12}
    assert set(crops.columns["case"][found["held_out_case"]]) == {3}
    assert set(crops.columns["run"][found["held_out_run"]]) == {2}
    assert sorted(np.concatenate(list(found.values()))) == list(range(48))


def test_runs_and_cases_can_validate(tmp_path):
    """A run of a case that trains, and all of another; what is held out stays so."""
    path = write_small(tmp_path / "a.h5")
    crops = CropSet([path], [(0, 0), (1, None)])
    found = parts(crops)
    assert {name: len(part) for name, part in found.items()} == {
        "train": 4, "validation": 20, "held_out_case": 20, "held_out_run": 4}
    assert set(crops.columns["case"][found["train"]]) == {2}
    for case, run, said in ((9, None, "case 9"), (2, 7, "run 7 of case 2"), (3, None, "case 3")):
        with pytest.raises(UserError) as told:
            CropSet([path], [(case, run)])
        assert str(told.value) == f"{path} has no {said} that could validate"


def test_colours_are_exchanged_one_for_one():
    grains, image = DATA["grains"][0].copy(), DATA["images"][0].copy()
    grains[0, 0] = -1
    order = np.array([19, 3, 0, 17, 1, 5, 2, 4])
    changed = exchanged(image, grains, COLOURS, order)
    np.testing.assert_array_equal(changed[0, 0], image[0, 0])
    known = grains >= 0
    np.testing.assert_array_equal(changed[known], COLOURS[[3, 0, 1, 5, 2, 4]][grains[known]])


def test_grains_of_one_orientation_share_its_colour(tmp_path):
    """As many rows as grains, but few orientations: what the phase field with 20 of them writes."""
    few = len(ORIENTATIONS)
    grains = DATA["grains"] + few * np.arange(len(DATA["grains"]), dtype=np.int32)[:, None, None]
    rows = np.tile(ORIENTATIONS, (len(grains), 1))
    file = CropFile(write_small(tmp_path / "a.h5", grains=grains, orientations=rows))
    assert len(file.palette.colours) == few
    np.testing.assert_array_equal(file.palette.colours[file.palette.number[grains[7]]],
                                  DATA["images"][7])


@pytest.mark.parametrize("section", ["cross", "longitudinal"])
def test_only_a_cross_section_is_mirrored(tmp_path, section):
    crops = CropSet([write_small(tmp_path / "a.h5", section=section)])
    augment, image = Augmentation(colours=False), DATA["images"][0]
    seen = [augment.image(crops, 0, generator(1, i, Purpose.TRAINING)) for i in range(40)]
    mirrored = sum(np.array_equal(other, image[:, ::-1]) for other in seen)
    assert sum(np.array_equal(other, image) for other in seen) == 40 - mirrored
    assert 10 <= mirrored <= 30 if section == "cross" else mirrored == 0


def test_recoloured_grains_that_touch_differ_in_every_exchange(tmp_path):
    crops = CropSet([write_small(tmp_path / "a.h5", orientations=random_quaternions(6, 1))],
                    drawn="palette")
    numbers, colours = crops.exchangeable(3)
    pieces, known = components(DATA["grains"][3]), palette.colours()
    np.testing.assert_array_equal(colours, known)
    augment = Augmentation(mirror=False)
    for seed in range(4):
        seen = augment.image(crops, 3, generator(seed, 0, Purpose.TRAINING))
        assert (seen[..., None, :] == known).all(-1).any(-1).all()
        np.testing.assert_array_equal(components(channel.read(seen[None])[0][0]), pieces)
    np.testing.assert_array_equal(crops.images(np.array([3]))[0], known[numbers])


def test_crops_without_grains_are_not_recoloured(tmp_path):
    path = write_small(tmp_path / "a.h5", grains=np.full_like(DATA["grains"], -1))
    crops = CropSet([path], drawn="palette")
    np.testing.assert_array_equal(crops.images(np.array([5]))[0], DATA["images"][5])
    assert crops.numbers(5) is None


def test_many_orientations_keep_their_colours(tmp_path):
    path = write_small(tmp_path / "a.h5", orientations=random_quaternions(21))
    crops, chance = CropSet([path]), generator(1, 0, Purpose.TRAINING)
    np.testing.assert_array_equal(
        Augmentation(mirror=False).image(crops, 0, chance), DATA["images"][0])


def test_dropout_hides_all_or_the_temperature():
    augment, known = Augmentation(dropout=0.2), np.array([150.0, 0.8, 400.0])
    hidden = [np.isnan(augment.conditions(known, generator(1, i, Purpose.TRAINING))).tolist()
              for i in range(2000)]
    share = {key: hidden.count(list(key)) / 2000 for key in set(map(tuple, hidden))}
    assert set(share) == {(True, True, True), (False, False, True), (False, False, False)}
    assert share[True, True, True] == pytest.approx(0.2, abs=0.04)  # 4 sigma
    assert share[False, False, True] == pytest.approx(0.2, abs=0.04)


def test_resized_by_nearest_pixel():
    image = np.arange(16).reshape(1, 4, 4)
    np.testing.assert_array_equal(resized(image, 8)[0], np.kron(image[0], np.ones((2, 2))))
    np.testing.assert_array_equal(resized(image, 2)[0], [[5, 7], [13, 15]])
    rows = np.repeat(np.arange(100)[:, None], 100, axis=1)[None]
    np.testing.assert_array_equal(resized(rows, 128)[0, ::32, 0], [0, 25, 50, 75])


def test_random_numbers_of_image_and_purpose_are_apart():
    draws = {generator(seed, index, purpose).random()
             for seed in (0, 1) for index in (0, 1) for purpose in Purpose}
    assert len(draws) == 2 * 2 * len(Purpose)


def test_equal_conditions_are_one_also_where_unknown():
    nan = np.nan
    given = [[150, 0.8, nan], [nan, nan, nan], [150, 0.8, nan], [150, 0.8, 300], [nan, nan, nan]]
    rows, which = distinct_conditions(np.array(given))
    np.testing.assert_array_equal(rows[which], given)
    assert len(rows) == 3


def test_samples_without_conditions_are_unconditioned():
    none, some = np.full(3, np.nan), np.array([150, 0.8, np.nan])
    assert row_title(none, "sampled") == "unconditioned"
    assert row_title(none, "measured") == "unknown"
    assert row_title(some, "sampled") == "150 W, 0.8 m/s"


def test_touching_grains_of_one_orientation_are_one():
    assert count_grains(np.array([[0, 0, 1], [1, 0, 1], [1, 2, 0]])) == 5


WITHOUT_TORCH = """import sys
sys.modules["torch"] = None
from gensim.__main__ import main
sys.exit(main())"""


def test_mistakes_end_with_2_and_one_line(tmp_path):
    """As a program: a file cut short, and a verb whose libraries are not installed."""
    path = write_small(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:5000])
    for words, said in ((["inspect", path], f"{path} is cut short or no HDF5 file"),
                        (["info"], "torch is missing: pip install -e '.[learn]'")):
        done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *map(str, words)],
                              env=environment_outside_mpi(), capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gensim: {said}\n")


def test_inspect_tells_and_draws(tmp_path, capsys):
    path = write_small(tmp_path / "a.h5")
    execute(["inspect", str(path), "--json", str(tmp_path / "a.json")])
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["splits"] == {"train": 12, "validation": 12, "held_out": 24}
    assert told["conditions"][0] == {
        "power": 100.0, "speed": 0.5, "initial_temperature": 300.0, "crops": 8}
    expected = (DATA["images"] / 255).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(told["colour_mean"], expected, rtol=1e-12)
    counts = [count_grains(grains) for grains in DATA["grains"]]
    assert told["grains"]["per_crop"] == pytest.approx(np.mean(counts))
    assert (tmp_path / "a.out" / "sheet.png").stat().st_size > 1000
    assert "crops: 48" in capsys.readouterr().out
