"""From a part to its grains: conditions at places of a run, what is refused, what is written."""
import json
import re

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from gensim.command import execute
from gensim.predict.picture import draw_places, draw_section
from gensim.predict.places import (
    along, columns_of_tiles, lines_across, near_plane, place_at, read_arrivals, tiles,
)
from gensim.predict.section import GREY, laid
from gensim.predict.volume import write_slab
from partsim.errors import UserError
from partsim.part.shape import load as load_shape
from partsim.part.strategy import layer_paths
from tests.crops_files import crops_data, write_small
from tests.small_job import job_text

pytestmark = pytest.mark.serial
CHANGES = {"material.name": "316L", "phase.laser_scheme": "off", "phase.cooling_scheme": "off",
           "layers.thickness": "50 um", "arrivals.spacing": "0.1 mm"}


def write_run(folder, layers=(1, 2, 3, 4), **changes):
    """A run of a part 0.4 x 0.4 x 0.2 mm that is 10 K warmer with each layer and along x."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.toml").write_text(job_text({**CHANGES, **changes}))
    lines = ["time,layer,x,y,z,arrives,power,speed,temperature"]
    for layer in layers:
        for x in (0.5e-4, 1.5e-4, 2.5e-4, 3.5e-4):
            for y in (1e-4, 3e-4):
                kelvin = 300 + 10 * layer + 1e5 * x
                lines.append(f"0.1,{layer},{x},{y},{5e-5 * (layer - 1)},0.1,81.0,0.55,{kelvin}")
    (folder / "arrivals.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_condition_is_that_of_the_nearest_place_in_the_layer(tmp_path):
    arrivals = read_arrivals(write_run(tmp_path / "run"))
    place = place_at(arrivals, np.array([1.6e-4, 2.9e-4, 1.2e-4]), 110.0, 5e-5)
    assert place.layer == 3 and place.absorbed == 81
    np.testing.assert_allclose(place.condition, [110, 0.55, 300 + 30 + 15])
    assert place.distance == pytest.approx(np.hypot(1e-5, 1e-5))
    layers = [place_at(arrivals, np.array([1e-4, 1e-4, z]), 110.0, 5e-5).layer
              for z in (2.5e-5, 5e-5, 5.1e-5, 1.75e-4)]
    assert layers == [1, 1, 2, 4]


def test_images_lie_across_the_lines_of_the_layer(tmp_path):
    """67 degrees from layer to layer; signs so that x, or else y, is positive."""
    turning = read_arrivals(write_run(tmp_path / "run", **{"scan.rotation": "67 deg"}))
    job = turning.job
    angles = np.degrees([np.arctan2(*along(job, layer)[::-1]) for layer in (1, 2, 3, 4)])
    np.testing.assert_allclose(angles, [0, 67, 134 - 180, 201 - 180], atol=1e-9)
    with pytest.raises(UserError, match="--section: the lines of layer 2 are not along x"):
        tiles(turning, 2e-4, 5e-5)
    across = read_arrivals(write_run(tmp_path / "across", **{"scan.direction": "90 deg"}))
    np.testing.assert_allclose(along(across.job, 1), [0, 1])
    # an image has no thickness along the lines
    place_at(across, np.array([2e-4, 0, 1e-4]), 110.0, 5e-5)
    with pytest.raises(UserError, match="must lie between 0.025,0,0.025 mm and 0.375,0.4,0.175 mm"):
        place_at(across, np.array([0, 2e-4, 1e-4]), 110.0, 5e-5)


def test_tiles_cover_a_plane_from_the_top(tmp_path):
    """A part 0.4 x 0.4 x 0.2 mm with lines 0.1 mm apart and images 0.15 mm wide: two beside each
    other, one in height; of a run that ended at 0.15 mm its highest layer is the top."""
    hatch = {"scan.hatch": "0.1 mm"}
    arrivals = read_arrivals(write_run(tmp_path / "run", **hatch))
    np.testing.assert_allclose(lines_across(arrivals.job), [5e-5, 1.5e-4, 2.5e-4, 3.5e-4])
    found = tiles(arrivals, 2e-4, 1.5e-4)
    np.testing.assert_allclose(found[:, [0, 2]], [[2e-4, 1.25e-4]] * 2)
    np.testing.assert_allclose(found[:, 1], 1.5e-4 + np.array([0, 1.5e-4]))
    halted = read_arrivals(write_run(tmp_path / "halted", layers=(2, 3), **hatch))
    np.testing.assert_allclose(tiles(halted, 2e-4, 1e-4)[:, 2], 1e-4)
    for x, width in ((2e-4, 2.5e-4), (-1e-5, 5e-5)):
        with pytest.raises(UserError, match="--section .* mm must lie within the part"):
            tiles(arrivals, x, width)


@pytest.mark.parametrize("changes", [
    {}, {"scan.hatch": "70 um"}, {"scan.inset": "30 um"},
    {"scan.islands": [2, 3], "scan.hatch": "50 um", "scan.inset": "20 um"},
])
def test_lines_are_those_of_the_scan(changes, tmp_path):
    job = read_arrivals(write_run(tmp_path / "run", **changes)).job
    (path,) = layer_paths(job, load_shape(job), 1)
    scanned = np.unique(np.round(path.ends[:-1, 1][path.power > 0], 12))
    np.testing.assert_allclose(lines_across(job), scanned, atol=1e-11)


def test_columns_of_tiles_have_a_line_in_the_first():
    """The coupon's: lines at 50, 150, ... um, images of 200 um: nine, not ten that miss them."""
    lines = np.arange(0.5, 20) * 1e-4
    found = columns_of_tiles(lines, 2e-3, 2e-4)
    np.testing.assert_allclose(found, 1.5e-4 + 2e-4 * np.arange(9), rtol=1e-12)
    np.testing.assert_allclose(columns_of_tiles(lines + 0.5e-4, 2e-3, 2e-4),
                               1e-4 + 2e-4 * np.arange(10), rtol=1e-12)
    assert len(columns_of_tiles(lines, 1e-4, 2e-4)) == 0


def test_a_plane_is_read_beside_it_on_one_side(tmp_path):
    """At 0.2 mm, between places at 0.15 and 0.25 mm."""
    beside = near_plane(read_arrivals(write_run(tmp_path / "run")), 2e-4)
    assert set(beside.columns["x"]) == {1.5e-4}
    assert set(beside.columns["layer"]) == {1, 2, 3, 4}


def test_what_the_model_does_not_know_stays_grey(tmp_path):
    arrivals = read_arrivals(write_run(tmp_path / "run"))
    places = [place_at(arrivals, np.array([2e-4, y, z]), 110.0, 5e-5)
              for z in (1.5e-4, 1e-4) for y in (1e-4, 1.5e-4, 2e-4)]
    images = np.full((4, 8, 8, 3), [[[[7]]], [[[8]]], [[[9]]], [[[10]]]], np.uint8)
    places = [place._replace(refused="too warm" if number in (1, 3) else None)
              for number, place in enumerate(places)]
    section = laid(places, images, 6.25e-6)
    assert section.image.shape == (16, 24, 3) and section.tile == 8
    np.testing.assert_array_equal(section.image[::8, ::8, 0], [[7, GREY, 8], [GREY, 9, 10]])
    np.testing.assert_allclose(section.centre, [2e-4, 1.5e-4, 1.25e-4])


def refusal(run, point=(1e-4, 1e-4, 1e-4)):
    with pytest.raises(UserError) as told:
        place_at(read_arrivals(run), np.array(point), 110.0, 5e-5)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_runs_that_tell_nothing_are_refused(tmp_path):
    assert "is not the folder of a run" in refusal(tmp_path)
    titanium = write_run(tmp_path / "ti", **{"material.name": "Ti-6Al-4V"})
    assert "is a part of Ti-6Al-4V, but the models of grains are of 316L" in refusal(titanium)
    run = write_run(tmp_path / "run", layers=(3, 4))
    told = "lies in layer 1, but the run has arrivals of layers 3 to 4"
    assert told in refusal(run, (1e-4, 1e-4, 3e-5))
    for point in ((1e-4, 1e-4, 1.9e-4), (1e-4, 1e-5, 1e-4)):
        told = "must lie between 0,0.025,0.025 mm and 0.4,0.375,0.175 mm, half an image within"
        assert told in refusal(run, point)
    rings = write_run(tmp_path / "rings", **{"scan.contour.offset": "50 um"})
    assert "scan.contour = given, but it must be left out" in refusal(rings)
    islands = {"scan.islands": [2, 2], "scan.island_rotation": "90 deg"}
    turned = write_run(tmp_path / "turned", **islands)
    assert "island_rotation = 1.5708, but it must be 0" in refusal(turned)
    surface = write_run(tmp_path / "surface", **{"part.shape": "surface"})
    assert "part.shape = surface, but it must be box" in refusal(surface)
    (run / "arrivals.csv").write_text("time,layer\n1,x\n")
    assert "is damaged or no table of arrivals" in refusal(run)
    (run / "arrivals.csv").write_text("time,layer,x,y,power,speed,temperature\n")
    assert "the beam has not come to any place yet" in refusal(run)
    (run / "arrivals.csv").unlink()
    assert "has no arrivals.csv: its job has no [arrivals]" in refusal(run)


def middle_of(path, colour):
    """(column, row) of the middle of all pixels of a colour in a PNG."""
    pixels = np.round(255 * imread(path)[..., :3]).astype(int)
    row, column = np.nonzero((pixels == colour).all(axis=2))
    assert len(row) > 100
    return np.array([column.mean(), row.mean()])


@pytest.mark.parametrize("kind", ["places", "plane"])
def test_part_is_drawn_as_it_stands(kind, tmp_path):
    """Two places, the second at higher y and lower z; their images are green above, and red or blue
    below: z is up, y to the right, and the places come one after the other."""
    green, red, blue = (0, 255, 0), (255, 0, 0), (0, 0, 255)
    images = np.zeros((2, 1, 16, 16, 3), np.uint8)
    images[0], images[1] = red, blue
    images[:, :, :8] = green
    arrivals = read_arrivals(write_run(tmp_path / "run"))
    places = [place_at(arrivals, np.array([2e-4, *point]), 110.0, 5e-5)
              for point in ((1e-4, 1.5e-4), (3e-4, 5e-5))]
    path = tmp_path / "part.png"
    if kind == "plane":
        four = [place_at(arrivals, np.array([2e-4, y, z]), 110.0, 5e-5)
                for z in (1.5e-4, 1e-4) for y in (1e-4, 1.5e-4)]
        four[1:3] = [place._replace(refused="too warm") for place in four[1:3]]
        section = laid(four, images[:, 0], 5e-5 / 16)
        draw_section(path, arrivals, section)
        to_blue = middle_of(path, blue) - middle_of(path, red)
        np.testing.assert_allclose(to_blue[0] / to_blue[1], 1, rtol=0.05)
        assert to_blue[0] > 10
    else:
        draw_places(path, arrivals, places, images, 5e-5)
        assert middle_of(path, blue)[1] > middle_of(path, red)[1] + 50
    above, below = (np.mean([middle_of(path, colour)[1] for colour in colours])
                    for colours in ([green], [red, blue]))
    assert above < below


@pytest.mark.parametrize("along, sizes, across", [
    ((1, 0), (1, 4, 3), lambda points: points[:, 1]),
    ((0, 1), (4, 1, 3), lambda points: -points[:, 0]),
])
def test_slab_lies_around_its_place_across_the_lines(along, sizes, across, tmp_path):
    """Normal to lines along x its columns follow y, to lines along y negative x."""
    pyvista = pytest.importorskip("pyvista")
    image = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    write_slab(tmp_path / "a.vtkhdf", image, 2e-6, np.array([1e-3, 2e-3, 3e-3]), np.array(along))
    grid = pyvista.read(tmp_path / "a.vtkhdf")
    np.testing.assert_allclose(grid.center, [1e-3, 2e-3, 3e-3])
    np.testing.assert_allclose(np.diff(np.reshape(grid.bounds, (3, 2))).ravel(),
                               2e-6 * np.array(sizes), rtol=1e-9)
    centres, colours = grid.cell_centers().points, grid.cell_data["colour"]
    top = np.flatnonzero(np.isclose(centres[:, 2], centres[:, 2].max()))
    np.testing.assert_array_equal(colours[top[np.argsort(across(centres[top]))]], image[0])


@pytest.mark.parametrize("at, told", [("1 mm,2 mm", "must be three lengths"),
                                      ("1 mm,2 mm,soon", "must be three lengths")])
def test_wrong_places(at, told, tmp_path):
    pytest.importorskip("torch", reason="the extra learn is not installed")
    with pytest.raises(UserError, match=told):
        execute(["predict", str(tmp_path), "--model", str(tmp_path), "--at", at, "--power", "1 W",
                 "--output", str(tmp_path / "out")])


def test_grains_are_drawn_for_places_of_a_part(tmp_path):
    pytest.importorskip("torch", reason="the extra learn is not installed")
    pytest.importorskip("diffusers", reason="the extra learn is not installed")
    from gensim.model.folder import save
    from tests.gensim_runs import training

    number = np.arange(len(crops_data()["case"]))
    warmth = {"power": 100.0 + 50 * (number % 2), "speed": 0.5 + 0.1 * (number // 2 % 2),
              "initial_temperature": 300.0 + 200 * (number // 4 % 2)}
    crops = write_small(tmp_path / "crops.h5", case=number // 4, run=np.zeros(48, int),
                        split=np.where(number < 40, "train", "validation"), **warmth)
    model = training(crops, tmp_path / "model").model
    save(model, tmp_path / "model")
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    words = ["predict", str(run), "--model", str(tmp_path / "model"), "--power", "120 W",
             "--output", str(out), "--count", "2"]
    execute([*words, "--at", "0.1 mm,0.1 mm,0.1 mm", "--at", "0.3 mm,0.3 mm,0.18 mm"])
    told = json.loads((out / "places.json").read_text())
    assert [place["layer"] for place in told] == [2, 4]
    with h5py.File(out / "samples.h5") as file:
        assert file["images"].shape == (4, 16, 16, 3)
        np.testing.assert_allclose(file["initial_temperature"][::2],
                                   [place["initial_temperature"] for place in told])
        np.testing.assert_allclose(file["absorbed_power"], 81)
    assert {path.name for path in out.iterdir()} == {
        "samples.h5", "part.png", "places.json", "place_1.vtkhdf", "place_2.vtkhdf"}
    with pytest.raises(UserError, match="at 0.1,0.1,0.1 mm, layer 2: condition 900 W.* outside"):
        execute([*(word.replace("120 W", "900 W") for word in words), "--at",
                 "0.1 mm,0.1 mm,0.1 mm"])
    with pytest.raises(UserError, match="one of --at .* and --section .* is needed"):
        execute(words)
    with pytest.raises(UserError, match="--count 2 is for --at"):
        execute([*words, "--section", "0.2 mm"])
    execute([*words[:-2], "--section", "0.2 mm"])
    assert {path.name for path in out.iterdir()} == {
        "samples.h5", "part.png", "places.json", "section.png", "section.vtkhdf"}
    assert len(json.loads((out / "places.json").read_text())) == h5py.File(out / "samples.h5")[
        "images"].shape[0] > 1
    assert (imread(out / "section.png")[..., :3] != GREY / 255).any(axis=2).all()
    # two layers so warm that only the others are known
    lines = re.sub(",3[34]5", ",900", (run / "arrivals.csv").read_text())
    (run / "arrivals.csv").write_text(lines)
    execute([*words[:-2], "--section", "0.05 mm"])
    told = json.loads((out / "places.json").read_text())
    known = [place["refused"] is None for place in told]
    assert known == [place["layer"] < 3 for place in told] and any(known) and not all(known)
    assert h5py.File(out / "samples.h5")["images"].shape[0] == sum(known)
    assert "is outside the hull" in told[0]["refused"]
    (run / "arrivals.csv").write_text(re.sub(r",3(\d\d\.)", r",9\1", lines))
    with pytest.raises(UserError, match="layer 4: condition .* is outside the hull"):
        execute([*words[:-2], "--section", "0.05 mm"])
