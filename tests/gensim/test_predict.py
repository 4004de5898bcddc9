"""From a part to its grains: conditions at places of a run, what is refused, what is written."""
import json

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from gensim.command import execute
from gensim.predict.picture import draw_places, draw_section
from gensim.predict.places import along, place_at, read_arrivals, tiles
from gensim.predict.volume import write_slab
from partsim.errors import UserError
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
    job = read_arrivals(write_run(tmp_path / "run", **{"scan.rotation": "67 deg"})).job
    angles = np.degrees([np.arctan2(*along(job, layer)[::-1]) for layer in (1, 2, 3, 4)])
    np.testing.assert_allclose(angles, [0, 67, 134 - 180, 201 - 180], atol=1e-9)
    with pytest.raises(UserError, match="--section: the lines of layer 2 are not along x"):
        tiles(job, 2e-4, 5e-5)
    job = read_arrivals(write_run(tmp_path / "across", **{"scan.direction": "90 deg"})).job
    np.testing.assert_allclose(along(job, 1), [0, 1])


def test_tiles_cover_a_plane_from_the_top(tmp_path):
    """A part 0.4 x 0.4 x 0.2 mm and images 0.15 mm wide: two beside each other, one in height."""
    job = read_arrivals(write_run(tmp_path / "run")).job
    np.testing.assert_allclose(tiles(job, 2e-4, 1.5e-4),
                               [[2e-4, 1.25e-4, 1.25e-4], [2e-4, 2.75e-4, 1.25e-4]])
    assert len(tiles(job, 2e-4, 5e-5)) == 8 * 4
    for x, width in ((2e-4, 2.5e-4), (1e-5, 5e-5)):
        with pytest.raises(UserError, match="--section .* mm must lie half an image within"):
            tiles(job, x, width)


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
        told = "must lie at least 0.025 mm, half an image, within the part, 0 to 0.4,0.4,0.2 mm"
        assert told in refusal(run, point)
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
        draw_section(path, arrivals, places, images[:, 0], 5e-5)
        to_blue = middle_of(path, blue) - middle_of(path, red)
        np.testing.assert_allclose(to_blue[0] / to_blue[1], 2, rtol=0.05)
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
    execute([*words, "--section", "0.2 mm"])
    assert {path.name for path in out.iterdir()} == {"samples.h5", "part.png", "places.json"}
    assert len(json.loads((out / "places.json").read_text())) == h5py.File(out / "samples.h5")[
        "images"].shape[0] > 1
