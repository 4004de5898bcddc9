"""From grains to a crops file: sections, pixels, splits, correlation; what is refused."""
from dataclasses import replace

import h5py
import numpy as np
import pytest

from partsim.crops.correlation import (
    autocorrelation, boundary_counts, boundary_maps, correlation_length, effective_number,
)
from partsim.crops.crop import View, crop
from partsim.crops.cropfile import join, read, read_all, write
from partsim.crops.grainfile import read_block
from partsim.crops.pixels import IMAGES, image_of
from partsim.crops.request import Request, fulfil
from partsim.crops.sections import Cut, melted_share, planes
from partsim.errors import UserError
from partsim.study import Study
from tests.grain_files import random_quaternions, voronoi, write_grains

pytestmark = pytest.mark.serial
CUT = Cut(first=40e-6, last=72e-6)


@pytest.fixture(scope="module")
def grains(tmp_path_factory):
    """110 x 104 x 60 cells of 2 um (z, y, x)."""
    path = tmp_path_factory.mktemp("grains") / "grains.h5"
    return write_grains(path, voronoi((110, 104, 60), 400))


@pytest.fixture(scope="module")
def crops(grains):
    return crop([grains], View(CUT))[0]


def test_a_pixel_shows_the_cell_at_its_centre(grains):
    """Every pixel of the cross-section, found in plain Python from its place in metres."""
    block = read_block(grains)
    labels, positions = planes(block, CUT._replace(depth=8e-6), IMAGES["default"])
    np.testing.assert_allclose(positions, [40e-6, 48e-6, 56e-6, 64e-6, 72e-6])
    for row in (0, 17, 63):
        for column in (0, 31, 63):
            z = 110 * 2.0 - 8 - (row + 0.5) * 3.125
            y = 104 - 100 + (column + 0.5) * 3.125
            assert labels[1, row, column] == block.grain[int(z / 2), int(y / 2), 24]


def test_longitudinal_sections_have_the_scan_to_the_right(tmp_path):
    grain = voronoi((110, 30, 110), 400)
    block = read_block(write_grains(tmp_path / "grains.h5", grain))
    cut = Cut("longitudinal", first=31e-6, last=31e-6, centre=104e-6)
    labels, positions = planes(block, cut, IMAGES["paper"])
    np.testing.assert_array_equal(labels[0], grain[::-1, 15][:100, 2:102])
    assert positions == [31e-6]


def test_images_of_the_paper(grains):
    """100 pixels are the cells themselves; its 128 repeat the nearest of the 100."""
    block = read_block(grains)
    plain = planes(block, CUT, IMAGES["paper"]).labels
    np.testing.assert_array_equal(plain[0], block.grain[::-1, 2:102, 20][:100])
    nearest = ((np.arange(128) + 0.5) * 100 // 128).astype(int)
    shown = planes(block, CUT, IMAGES["paper-network"]).labels
    np.testing.assert_array_equal(shown, plain[:, nearest][:, :, nearest])


def test_nothing_is_enlarged():
    assert image_of("default", 2.961e-6).pixel_size == pytest.approx(3.125e-6)
    with pytest.raises(UserError, match="nothing is enlarged"):
        image_of("paper", 2.961e-6)
    with pytest.raises(UserError, match="--image huge must be one of default"):
        image_of("huge", 1e-6)


def test_share_that_was_molten(tmp_path):
    """The lowest 24 cells of 110 were not; the crop shows 14 of them, as 9 of 64 rows."""
    melted = np.ones((110, 104, 4), bool)
    melted[:24] = False
    path = write_grains(tmp_path / "grains.h5", voronoi(melted.shape, 9), melted=melted)
    assert melted_share(read_block(path), Cut(), IMAGES["default"]) == pytest.approx(1 - 9 / 64)


def test_a_file_holds_what_was_written(crops, tmp_path):
    path = tmp_path / "new" / "crops.h5"
    write(path, crops)
    found = read(path)
    for name in ("grains", "images", "orientations"):
        np.testing.assert_array_equal(getattr(found, name), getattr(crops, name))
    assert found.job == "[laser]\npower = 150\n" and found.section == "cross"
    assert found.columns["power"].tolist() == [150.0] * 5
    assert found.columns["split"].tolist() == ["train"] * 5
    with h5py.File(path) as file:
        assert file["images"].chunks == (1, 64, 64, 3) and file["grains"].chunks == (1, 64, 64)
        assert file["images"].compression == "gzip" and file["grains"].dtype == np.int32
        assert file.attrs["pixel_size"] == pytest.approx(3.125e-6)


def test_grains_of_two_runs_are_never_one(tmp_path):
    """Numbers go on from file to file; the orientation of each grain stays its own."""
    grain = voronoi((102, 102, 4), 60)
    paths = [
        write_grains(tmp_path / f"{seed}.h5", grain, random_quaternions(60, seed), seed=seed)
        for seed in (2, 1)
    ]
    found, told = crop(paths, View(Cut()))
    first, second = (set(found.grains[found.columns["run"] == run].ravel()) for run in (1, 2))
    assert not first & second
    assert found.columns["seed"].tolist() == [1, 2] and [t["run"] for t in told] == [1, 2]
    labels = planes(read_block(paths[0]), Cut(), IMAGES["default"]).labels
    np.testing.assert_array_equal(
        found.orientations[found.grains[1]], random_quaternions(60, 2)[labels[0]]
    )


def test_a_study_numbers_and_splits_the_cases(tmp_path):
    study = Study(seeds=(1, 2), validation_seeds=(2,), cases=(
        {"power": 100.0, "speed": 0.5}, {"power": 150.0, "speed": 0.8, "split": "held_out"},
    ))
    grain = voronoi((102, 102, 4), 20)
    paths = [
        write_grains(tmp_path / f"{power}{seed}.h5", grain, power=power, speed=speed, seed=seed)
        for power, speed, seed in ((150.0, 0.8, 2002), (150.0, 0.8, 2001), (100.0, 0.5, 1002),
                                   (100.0, 0.5, 1001))
    ]
    columns = crop(paths, View(Cut()), study)[0].columns
    assert columns["case"].tolist() == [1, 1, 2, 2]
    assert columns["split"].tolist() == ["train", "validation", "held_out", "held_out"]
    with pytest.raises(UserError, match="no case of 150 W, 0.9 m/s, 300 K"):
        crop([write_grains(tmp_path / "other.h5", grain, speed=0.9)], View(Cut()), study)
    with pytest.raises(UserError, match="no run with grains.seed = 7, but 1001, 1002"):
        crop([write_grains(tmp_path / "other.h5", grain, power=100.0, speed=0.5, seed=7)],
             View(Cut()), study)
    with pytest.raises(UserError, match="--section = longitudinal, but it must be cross, as in"):
        crop(paths, View(Cut("longitudinal")), study)
    with pytest.raises(UserError, match="each run must be given once"):
        crop([paths[0], paths[0]], View(Cut()))


def test_correlation_of_boundaries_that_come_and_go():
    """A pixel stays as it is with probability p, else it is drawn anew: C_k = p^k."""
    random, keep = np.random.default_rng(0), 0.8
    slices = [random.integers(0, 2, 2000)]
    for _ in range(799):
        new = random.integers(0, 2, 2000)
        slices.append(np.where(random.random(2000) < keep, slices[-1], new))
    labels = np.cumsum(slices, axis=1)[:, ::-1, None]
    found = autocorrelation(boundary_maps(labels))
    np.testing.assert_allclose(found[:6], keep ** np.arange(6), atol=0.02)
    assert correlation_length(found, 2e-6) == pytest.approx(-2e-6 / np.log(keep), rel=0.08)


def test_effective_number_is_that_of_the_variance_of_a_mean():
    lag = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    assert effective_number(0.8 ** np.arange(60)) == pytest.approx(60**2 / (0.8**lag).sum())
    assert effective_number(np.array([1.0, 0.5, -0.1, 0.3])) == pytest.approx(4 / 1.75)


def test_a_seam_that_all_slices_share_is_no_correlation():
    """100 independent slices with the same boundary in them count as about 100, and have no
    length."""
    slices = np.stack([voronoi((32, 32), 40, seed) for seed in range(100)])
    slices[:, :, 16:] += 1000
    for counts in boundary_counts(slices):
        assert effective_number(autocorrelation(counts)) > 60
    found = autocorrelation(boundary_maps(slices))
    assert np.abs(found[1:50]).max() < 0.05 and correlation_length(found, 1.0) < 0.7


def test_slices_that_are_equal_or_alone():
    same = np.broadcast_to(voronoi((20, 20), 9), (5, 20, 20))
    for labels in (same, np.zeros((3, 4, 4), int)):
        for values in (boundary_maps(labels), *boundary_counts(labels)):
            assert effective_number(autocorrelation(values)) == pytest.approx(1)
            assert np.isnan(correlation_length(autocorrelation(values), 1.0))
    assert effective_number(autocorrelation(boundary_maps(same[:1]))) == 1


def test_the_verb_writes_crops_and_a_sheet(grains, tmp_path):
    request = Request((grains,), View(CUT), None, tmp_path / "crops.h5", tmp_path / "sheet.png")
    told = fulfil(request)
    assert told["crops"] == 5 and told["splits"] == {"train": 5}
    assert 1 <= told["runs"][0]["effective_crops"] <= 5
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert len(read(tmp_path / "crops.h5")) == 5


@pytest.mark.parametrize("cut, words", [
    (Cut(first=-1e-6), "--first -1e-06 m must be in the block, 0 to 0.00012 m"),
    (Cut(first=9e-5, last=8e-5), "--last 8e-05 m must be at least --first 9e-05 m"),
    (Cut(spacing=1e-6), "--spacing 1e-06 m must be at least the cell of the grains, 2e-06 m"),
    (Cut(depth=3e-5), "--depth 3e-05 m puts the 0.0002 m of the image outside"),
    (Cut(centre=5e-5), "--centre 5e-05 m puts the 0.0002 m of the image outside"),
])
def test_windows_outside_of_the_grains_are_refused(grains, cut, words):
    with pytest.raises(UserError, match=words.replace("+", r"\+")):
        planes(read_block(grains), cut, IMAGES["default"])


@pytest.mark.parametrize("changes, words", [
    ({"speed": None}, "is incomplete: .*speed"),
    ({"grain": np.zeros((3, 4), np.int32)}, r"grain has the shape \(3, 4\), but it must be"),
    ({"grain": np.full((2, 2, 2), 5, np.int32), "orientations": random_quaternions(3)},
     "grain = 5 to 5, but they must be rows of orientations, 0 to 2"),
])
def test_wrong_grains_are_refused(tmp_path, changes, words):
    path = write_grains(tmp_path / "grains.h5", **{"grain": voronoi((4, 4, 4), 3)} | changes)
    with pytest.raises(UserError, match=words):
        read_block(path)


def test_a_file_cut_short_is_refused(crops, grains, tmp_path):
    path = tmp_path / "crops.h5"
    write(path, crops)
    for whole, reader in ((path, read), (grains, read_block)):
        file = tmp_path / "short.h5"
        file.write_bytes(whole.read_bytes()[:-500])
        with pytest.raises(UserError, match="is cut short, damaged or not HDF5$"):
            reader(file)
    with pytest.raises(UserError, match="does not exist"):
        read(tmp_path / "none.h5")


@pytest.mark.parametrize("change, words", [
    (lambda file: file.attrs.modify("format", "x"), 'format = .x., but it must be "partsim crops'),
    (lambda file: file.attrs.modify("pixel_size", -1.0), "pixel_size = -1.0, but it must be"),
    (lambda file: file.attrs.modify("section", "oblique"), "but it must be cross or longitudinal"),
    (lambda file: file.__delitem__("images"), "is incomplete: .*images"),
    (lambda file: file.__delitem__("seed"), "is incomplete: .*seed"),
    (lambda file: replaced(file, "images", np.zeros((5, 64, 63, 3), np.uint8)),
     r"images has the shape \(5, 64, 63, 3\), but it must be \(5, 64, 64, 3\)"),
    (lambda file: replaced(file, "power", np.zeros(4)), r"power has the shape \(4,\)"),
    (lambda file: file["grains"].write_direct(np.full((5, 64, 64), 10**6, np.int32)),
     "grains = 1000000 to 1000000, but they must be rows of orientations"),
    (lambda file: file["orientations"].__setitem__(0, 2.0), "orientations of length 4, not 1"),
    (lambda file: file["split"].__setitem__(0, "test"), 'split = "test", but it must be train'),
    (lambda file: file["split"].__setitem__(0, "validation"),
     "run 1 of case 1 .simulation. is in the splits train and validation"),
])
def test_wrong_crops_are_refused(crops, tmp_path, change, words):
    path = tmp_path / "crops.h5"
    write(path, crops)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(UserError, match=words) as problem:
        read(path)
    assert "\n" not in str(problem.value)


def replaced(file, name, values):
    del file[name]
    file[name] = values


def test_crops_that_do_not_fit_together_are_refused(crops, tmp_path):
    others = {
        "pixel_size": (replace(crops, pixel_size=2e-6), "pixel_size = 2e-06, but crops"),
        "section": (replace(crops, section="longitudinal"), "section = longitudinal"),
        "split": (split_as(crops, "held_out"), "run 1 of case 1 .simulation. is in the splits"),
        "leak": (split_as(crops, "held_out", run=2), "150 W, 0.8 m/s, 300 K .simulation. is held"),
    }
    write(tmp_path / "one.h5", crops)
    for name, (other, words) in others.items():
        write(tmp_path / f"{name}.h5", other)
        with pytest.raises(UserError, match=words):
            read_all([tmp_path / "one.h5", tmp_path / f"{name}.h5"])
    measured = split_as(crops, "held_out", run=2)
    measured.columns["domain"][:] = "experiment"
    both = join([crops, measured])
    assert len(both) == 10 and len(both.orientations) == 2 * len(crops.orientations)


def split_as(crops, split, run=1):
    changes = {"split": np.full(len(crops), split), "run": np.full(len(crops), run),
               "domain": crops.columns["domain"].astype("<U20")}
    return replace(crops, columns=crops.columns | changes)


def test_a_file_that_cannot_be_written_leaves_the_old_one(crops, tmp_path, monkeypatch):
    path = tmp_path / "crops.h5"
    write(path, crops)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("partsim.wholefile.os.fsync", full)
    with pytest.raises(UserError, match="cannot write .*: No space left on device"):
        write(path, crops)
    assert path.read_bytes() == before and list(tmp_path.glob("*.partial")) == []
