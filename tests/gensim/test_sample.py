"""Sampling: exact for a network that knows the answer, repeatable, the same in plain diffusers."""
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra learn is not installed")
pytest.importorskip("diffusers", reason="the extra learn is not installed")

import torch  # noqa: E402
from PIL import Image  # noqa: E402

from gensim.command import execute  # noqa: E402
from gensim.data.sets import CropSet  # noqa: E402
from gensim.model.folder import save  # noqa: E402
from gensim.ranks import Ranks  # noqa: E402
from gensim.sample.ask import condition, condition_of_job  # noqa: E402
from gensim.sample.draw import Order, drawn, noises_of  # noqa: E402
from gensim.sample.samplers import SAMPLERS, denoised  # noqa: E402
from partsim.errors import UserError  # noqa: E402
from tests.crops_files import write_small  # noqa: E402
from tests.gensim_runs import SHORT, TINY, training  # noqa: E402
from tests.small_job import job_text  # noqa: E402

pytestmark = pytest.mark.serial
ASKED = np.array([[110.0, 0.52, 300.0], [np.nan] * 3])
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    return training(write_small(folder / "a.h5"), folder, seed=3).model


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    save(model, path)
    return path


class Oracle:
    """A network that predicts noise or velocity exactly: it knows the only image there is."""

    def __init__(self, clean, prediction):
        self.clean, self.prediction, self.calls = clean, prediction, []

    def __call__(self, x, t, class_labels, return_dict):
        self.calls.append(int(t))
        abar = float(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[int(t)])
        noise = (x - abar**0.5 * self.clean) / (1 - abar) ** 0.5
        velocity = abar**0.5 * noise - (1 - abar) ** 0.5 * self.clean
        return [noise if self.prediction == "epsilon" else velocity]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers with NumPy 2
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_network_that_knows_the_image_gives_it(model, name, prediction):
    clean = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (1, 3, 16, 16)))
    card = model.card.model_copy(update={"prediction": prediction})
    known = type(model)(Oracle(clean, prediction), card)
    sampler, noises = SAMPLERS[name], noises_of(model, 0, [0], torch.device("cpu"))
    got = denoised(known, lambda: noises().double(), ASKED[:1], sampler, sampler.steps)
    tolerance = 5e-3 if name == "dpm" else 1e-4  # dpm ends at the least noise, not at none
    torch.testing.assert_close(got, clean, rtol=0, atol=tolerance)
    if name == "paper":
        assert known.unet.calls == [*range(957, -1, -33), 0, 0]


@pytest.mark.parametrize("name, eta", [("ddim", 0.0), ("ddpm", 1.0)])
def test_steps_equal_the_equation(model, name, eta):
    """Equation (30) with the real network, four steps, no scheduler; x_0 cut at -1 and 1, and the
    noise that goes with it, of which eta = 1 draws a part anew."""
    abar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    noises, same = (noises_of(model, 7, [0], torch.device("cpu")) for _ in range(2))
    x = noises()
    got = denoised(model, same, ASKED[:1], SAMPLERS[name], 4)
    vector = torch.from_numpy(model.card.embedding(ASKED[:1])).float()
    for t, before in ((750, 500), (500, 250), (250, 0), (0, None)):
        with torch.no_grad():
            velocity = model.unet(x, t, class_labels=vector).sample
        clean = (abar[t] ** 0.5 * x - (1 - abar[t]) ** 0.5 * velocity).clamp(-1, 1)
        noise = (x - abar[t] ** 0.5 * clean) / (1 - abar[t]) ** 0.5
        after = 1.0 if before is None else abar[before]
        fresh = eta * ((1 - after) / (1 - abar[t]) * (1 - abar[t] / after)) ** 0.5
        x = after**0.5 * clean + (1 - after - fresh**2) ** 0.5 * noise
        x = x + fresh * noises() if eta else x
    torch.testing.assert_close(got, x.float(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["ddim", "ddpm"])
def test_samples_do_not_depend_on_the_batch(model, name):
    images = [drawn(model, Order(ASKED, count=3, sampler=name, steps=4, batch=batch), Ranks())
              for batch in (1, 4, 6)]
    for other in images[1:]:
        assert np.abs(images[0].astype(int) - other).max() <= 2
    assert (images[0][0] != images[0][1]).any()


def test_sampling_by_the_command(folder, tmp_path):
    words = ["sample", folder, "--condition", "110 W, 520 mm/s, 300 K", "--condition", "unknown",
             "--count", 2, "--steps", 3, "--output", tmp_path, "--seed", 5]
    execute([str(word) for word in words])
    crops = CropSet([tmp_path / "samples.h5"])
    np.testing.assert_allclose(crops.conditions, np.repeat(ASKED, 2, axis=0), rtol=1e-12)
    assert crops.columns["domain"].tolist() == 4 * ["sampled"] and crops.pixel_size == 2e-6
    assert (crops.grains(np.arange(4)) == -1).all()
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_model_of_orientations_draws_grains_of_crystals(tmp_path):
    """From training by the command to samples with grains; the card tells what its channels are."""
    crops, run, out = write_small(tmp_path / "a.h5"), tmp_path / "run", tmp_path / "out"
    settings = [f"--set={name}={value}" for name, value in SHORT.items()]
    execute(["pretrain", str(crops), "--network", TINY, "--set=drawn=orientations", *settings,
             "--output", str(run)])
    assert "in nine channels" in (run / "README.md").read_text()
    execute(["sample", str(run), "--condition", "unknown", "--count", "2", "--steps", "3",
             "--output", str(out)])
    found = CropSet([out / "samples.h5"], drawn="orientations")
    grains = found.grains(np.arange(2))
    assert grains.min() == 0 and (np.unique(grains) == np.arange(grains.max() + 1)).all()
    assert set(grains[0].ravel()).isdisjoint(grains[1].ravel())
    assert found.images(np.arange(2)).shape == (2, 16, 16, 9)
    with pytest.raises(UserError, match="drawn = corners, but it must be orientations, as the "):
        execute(["finetune", str(run), str(crops), "--output", str(tmp_path / "fine"), *settings,
                 "--set=drawn=corners"])


def test_snippet_of_the_readme_draws_the_same_image(model, folder, tmp_path, monkeypatch):
    """At most 20 lines of plain diffusers, without gensim; the image to 2 grey levels."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 20 and "gensim" not in code.replace("gensim.json", "")
    for name, value in (('"pre"', repr(str(folder))), ("150.0, 0.8, 400.0", "110.0, 0.52, 300.0")):
        assert name in code
        code = code.replace(name, value)
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "snippet"})
    expected = drawn(model, Order(ASKED[:1], count=1, sampler="ddim"), Ranks())[0].astype(int)
    assert np.abs(np.asarray(Image.open("sample.png")) - expected).max() <= 2


def test_conditions_from_words_and_jobs(tmp_path):
    np.testing.assert_allclose(condition("150 W, 800 mm/s"), [150, 0.8, np.nan])
    np.testing.assert_allclose(condition("0.15 kW, 0.8, 100 degC"), [150, 0.8, 373.15])
    job = tmp_path / "job.toml"
    job.write_text(job_text({"laser.speed": "700 mm/s", "layers.temperature": "420 K"}))
    np.testing.assert_allclose(condition_of_job(job, "190 W"), [190, 0.7, 420])
    with pytest.raises(UserError, match="needs --power"):
        condition_of_job(job, None)


@pytest.mark.parametrize("words, said", [
    (["--condition", "150"], '--condition "150" must be such as'),
    (["--condition", "150 W, fast"], '--condition "150 W, fast": fast must be a speed above 0'),
    (["--condition", "-150 W, 0.8 m/s"], "-150 W must be a power above 0"),
    (["--condition", "999 W, 0.5 m/s"], "condition 999 W, 0.5 m/s is outside the hull"),
    (["--condition", "110 W, 0.52 m/s, 900 K"], "900 K is outside the hull"),
    (["--condition", "unknown", "--sampler", "euler"], "--sampler euler, but it must be ddpm"),
    ([], "--condition"),
])
def test_wrong_orders_are_refused_in_one_line(folder, tmp_path, words, said):
    with pytest.raises(UserError) as told:
        execute(["sample", str(folder), "--output", str(tmp_path), *words])
    assert said in str(told.value) and "\n" not in str(told.value)


def test_info_of_a_model(folder, model, tmp_path, capsys):
    execute(["info", str(folder), "--json", str(tmp_path / "i.json")])
    told = json.loads((tmp_path / "i.json").read_text())
    assert told["network"] == "tiny" and told["stages"][0]["verb"] == "pretrain"
    assert told["parameters"] == sum(p.numel() for p in model.unet.parameters())
    assert "network: tiny" in capsys.readouterr().out


def test_many_steps_begin_with_noise(model):
    for sampler, steps in (("ddim", 50), ("ddim", 250), ("ddim", 1000), ("paper", 30), ("ddim", 4),
                           ("dpm", 600)):
        Order(ASKED, sampler=sampler, steps=steps).check(model)
    with pytest.raises(UserError, match="--steps 600, but .* begins near t = 1000, .* be 599"):
        Order(ASKED, steps=600).check(model)
