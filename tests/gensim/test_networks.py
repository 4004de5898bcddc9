"""The paper's network to its last parameter, what freezing leaves, the folder of a model."""
import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra learn is not installed")
pytest.importorskip("diffusers", reason="the extra learn is not installed")

import torch  # noqa: E402

from gensim.command import execute  # noqa: E402
from gensim.model import folder as model_folder  # noqa: E402
from gensim.model.networks import NETWORKS, embedding_for  # noqa: E402
from partsim.errors import UserError  # noqa: E402
from tests.crops_files import write_small  # noqa: E402
from tests.gensim_runs import training, weights  # noqa: E402

pytestmark = pytest.mark.serial


def test_info_counts_parameters_and_what_is_trained(tmp_path):
    """57 335 235; fine-tuning of 5, 3 and 2 up blocks trains 33.9 M, 2.33 M and 0.63 M of them."""
    execute(["info", "--json", str(tmp_path / "info.json")])
    told = json.loads((tmp_path / "info.json").read_text())["networks"]
    assert told["paper"]["parameters"] == 57_335_235
    rules = told["paper"]["trainable_with_last_up_blocks"]
    assert [round(rules[blocks] / 1e6, 2) for blocks in "532"] == [33.92, 2.33, 0.63]
    assert told["paper"]["flops_per_image"] == pytest.approx(50.5e9, rel=2e-3)
    assert told["small"]["parameters"] <= 8_000_000 and told["small"]["pixels"] == 64


def test_info_tells_how_alike_conditions_look(tmp_path):
    """To the paper's network 5 W apart is another world, ours follows exp(-pi^2 x^2/2)."""
    execute(["info", "--json", str(tmp_path / "info.json")])
    told = json.loads((tmp_path / "info.json").read_text())["condition_kernel"]
    assert told["paper"]["5 W"] == pytest.approx(-0.0911, abs=1e-4)
    assert max(map(abs, told["paper"].values())) < 0.2 and "50 K" not in told["paper"]
    for text, share in (("5 W", 0.05), ("20 W", 0.2), ("0.05 m/s", 0.1), ("50 K", 1 / 12)):
        expected = np.exp(-((np.pi * share) ** 2) / 2)
        assert told["small"][text] == pytest.approx(expected, abs=0.02), text


def test_embedding_of_the_paper():
    """Two conditions 5 W apart look unlike each other: -0.09, where ours gives 0.99."""
    paper = embedding_for(NETWORKS["paper"], "cross", np.full((1, 3), np.nan))
    assert (paper.width, len(paper.frequencies)) == (128, 32)
    near = [np.array([power, 0.8, np.nan]) for power in (150, 155)]
    features = paper(np.stack(near))
    assert features[0, :64] @ features[1, :64] / 32 == pytest.approx(-0.0911, abs=5e-5)
    assert paper(np.array([[100.0, 0.5, 0.0]]))[0].tolist() == 2 * (32 * [0.0] + 32 * [1.0])
    longitudinal = embedding_for(NETWORKS["paper"], "longitudinal", np.full((1, 3), np.nan))
    assert longitudinal.offset == (100.0, 0.25) and longitudinal.scale == (100.0, 0.5)


@pytest.fixture
def model(tmp_path):
    return training(write_small(tmp_path / "a.h5"), tmp_path).model


def test_folder_gives_back_the_model(model, tmp_path):
    model_folder.save(model, tmp_path / "m")
    found = model_folder.load(tmp_path / "m")
    assert found.card == model.card
    np.testing.assert_array_equal(weights(found.unet), weights(model.unet))
    model_folder.save(model, tmp_path / "m", half=True)
    half, whole = weights(model_folder.load(tmp_path / "m").unet), weights(model.unet)
    assert 0 < np.abs(half - whole).max() <= np.abs(whole).max() / 256
    assert not (tmp_path / "m" / "partial").exists()
    model_folder.save(found, tmp_path / "again")  # of a network that was read somewhere
    assert str(tmp_path) not in (tmp_path / "again" / "unet" / "config.json").read_text()


def test_card_in_words(tmp_path):
    """Beside the weights: data with its SHA-256, settings, licence; heads that model hubs read."""
    crops = write_small(tmp_path / "a.h5")
    made = training(crops, tmp_path, licence="GPL-3.0-or-later", seed=7).model
    model_folder.save(made, tmp_path / "m")
    words = (tmp_path / "m" / "README.md").read_text()
    assert words.startswith("---\nlibrary_name: diffusers\nlicense: gpl-3.0-or-later\n---\n")
    digits = hashlib.sha256(crops.read_bytes()).hexdigest()
    for said in (f"| a.h5 | `{digits}` |", "## pretrain: 0 images", "seed=7", "- 125 W, 0.6 m/s"):
        assert said in words
    assert made.card.stages[0].files == {"a.h5": digits}


def test_every_colour_survives_scaling(model):
    grey = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), (1, 1, 1, 3))
    scaled = model.scaled(grey)
    assert (scaled.min(), scaled.max()) == (-1, 1)
    np.testing.assert_array_equal(model.images(scaled.float()), grey)


def broken(name, model, folder):
    """A saved model with one thing wrong."""
    model_folder.save(model, folder)
    card, file = folder / "gensim.json", folder / "unet" / "diffusion_pytorch_model.safetensors"
    if name == "no card":
        card.unlink()
    elif name == "other format":
        text = card.read_text().replace("gensim model 2", "gensim model 9")
        card.write_text(text.replace('"drawn"', '"as"'))
    elif name == "unknown entry":
        card.write_text(card.read_text().replace('"section"', '"part"'))
    elif name == "weights cut short":
        file.write_bytes(file.read_bytes()[:5000])
    elif name == "another network":
        card.write_text(card.read_text().replace('"width": 32', '"width": 64'))
    return folder


@pytest.mark.parametrize("name, said", [
    ("no card", "is not the folder of a model: it has no gensim.json"),
    ("other format", 'format = "gensim model 9"'),
    ("unknown entry", "is no card of a model: section"),
    ("weights cut short", "unet cannot be loaded"),
    ("another network", "takes no vector of 64 numbers")])
def test_broken_model_is_refused_in_one_line(model, tmp_path, name, said):
    with pytest.raises(UserError) as told:
        model_folder.load(broken(name, model, tmp_path / "m"))
    assert said in str(told.value) and "\n" not in str(told.value)


def test_random_weights_depend_on_the_seed_alone(tmp_path):
    crops = write_small(tmp_path / "a.h5")
    torch.manual_seed(5)
    first, same = (weights(training(crops, tmp_path, seed=1).unet) for _ in range(2))
    np.testing.assert_array_equal(first, same)
    assert (first != weights(training(crops, tmp_path, seed=2).unet)).any()
