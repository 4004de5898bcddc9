"""Training: what a step sees, objectives, resumption bit for bit, ranks, early stopping."""
import csv
import shutil
import subprocess
import sys
from pathlib import Path
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra learn is not installed")
pytest.importorskip("diffusers", reason="the extra learn is not installed")

import torch  # noqa: E402

from gensim.data.augment import Augmentation  # noqa: E402
from gensim.data.sets import CropSet  # noqa: E402
from gensim.model.folder import load, save  # noqa: E402
from gensim.ranks import Place, Ranks, threads  # noqa: E402
from gensim.train.batches import ahead  # noqa: E402
from gensim.train.loop import Diverged  # noqa: E402
from gensim.train.plan import Settings, read_plan, settings_of, write_plan  # noqa: E402
from gensim.train.run import begin  # noqa: E402
from gensim.train.start import names_of  # noqa: E402
from partsim.errors import Interrupted, UserError  # noqa: E402
from tests.crops_files import crops_data, write_small  # noqa: E402
from tests.gensim_runs import measured, plan, training, weights  # noqa: E402
from tests.processes import environment_outside_mpi  # noqa: E402

pytestmark = pytest.mark.serial
PARTS = ("clean", "noise", "times", "conditions")


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("crops") / "a.h5")


@pytest.fixture(scope="module")
def base(crops, tmp_path_factory):
    """The folder of a model with random weights."""
    folder = tmp_path_factory.mktemp("base")
    save(training(crops, folder, seed=4).model, folder)
    return folder


def test_each_epoch_sees_each_crop_once(crops, tmp_path):
    feed = training(crops, tmp_path).feed
    epochs = [[feed.crop(12 * epoch + i) for i in range(12)] for epoch in range(2)]
    assert [sorted(epoch) for epoch in epochs] == 2 * [sorted(feed.members)]
    assert epochs[0] != epochs[1]


def test_batch_is_a_function_of_the_image_counters(crops, tmp_path):
    """Two halves, made by another feed and in another order, are the whole."""
    whole = training(crops, tmp_path).feed.training(range(8, 16), Augmentation())
    other = training(crops, tmp_path).feed
    late, early = (other.training(half, Augmentation()) for half in (range(12, 16), range(8, 12)))
    for name in PARTS:
        parts = [np.asarray(getattr(batch, name)) for batch in (early, late)]
        np.testing.assert_array_equal(np.concatenate(parts), getattr(whole, name))
    noise = whole.noise.numpy()
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size) and noise.std() == pytest.approx(1, abs=0.05)
    assert len(set(whole.times.tolist())) > 5


def test_validation_is_fixed_and_spread(crops, tmp_path):
    """Whatever the seed of the run; t falls into each tenth of the steps about equally often."""
    one, two = (training(crops, tmp_path, seed=seed).feeds["validation"].fixed(range(100), 100)
                for seed in (0, 1))
    for name in PARTS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    tenths = np.bincount(one.times.numpy() // 100, minlength=10)
    assert tenths.min() >= 8 and tenths.max() <= 12


def test_batches_ahead_are_the_same():
    assert list(ahead(iter([3, 1, 2]))) == [3, 1, 2]
    with pytest.raises(KeyError):
        list(ahead(iter([{}[0]] for _ in range(1))))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_objectives_by_hand(crops, base, tmp_path, prediction):
    """(29) and (31) with l1 = 0.8 for a student that differs from its teacher."""
    run = training(crops, tmp_path, "distill", base, precision="float64")
    run.model.card.prediction = prediction
    run.objective = replace(run.objective)
    with torch.no_grad():
        for parameter in run.unet.parameters():
            parameter += 0.01
    batch = run.feed.training(range(4), run.augmentation)
    abar = torch.from_numpy(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)))[batch.times]
    abar = abar[:, None, None, None]
    noise = batch.noise.double()
    noisy = abar.sqrt() * batch.clean + (1 - abar).sqrt() * noise
    velocity = abar.sqrt() * noise - (1 - abar).sqrt() * batch.clean
    target = noise if prediction == "epsilon" else velocity
    vector = torch.from_numpy(run.model.card.embedding(batch.conditions))
    student, teacher = (net(noisy, batch.times, class_labels=vector).sample.detach()
                        for net in (run.unet, load(base).unet.double()))
    simple = ((student - target) ** 2).mean()
    expected = 0.8 * simple + 0.2 * ((student - teacher) ** 2).mean()
    assert abs(expected - simple) > 0.01 * simple
    got = float(run.objective(run.unet, batch).detach())
    assert got == pytest.approx(float(expected), rel=1e-5)
    run.objective.teacher = None
    got = float(run.objective(run.unet, batch).detach())
    assert got == pytest.approx(float(simple), rel=1e-5)


def trained(crops, folder, stop=None, **settings):
    """A run with state and curve in a folder."""
    folder.mkdir(exist_ok=True)
    run = training(crops, folder, **settings)
    run.run(stop)
    return run


def test_resumed_run_is_the_whole_run_bit_for_bit(crops, tmp_path):
    whole = trained(crops, tmp_path / "whole")
    with pytest.raises(Interrupted, match="stopped after 56 images; go on with: gensim resume"):
        trained(crops, tmp_path / "parts", stop=56)
    rest = training(crops, tmp_path / "parts")
    rest.restore()
    assert rest.counter == 56
    rest.run()
    np.testing.assert_array_equal(weights(rest.unet), weights(whole.unet))
    for one, other in zip(rest.average.shadow_params, whole.average.shadow_params, strict=True):
        assert torch.equal(one, other)
    tables = [list(csv.DictReader((tmp_path / name / "curve.csv").read_text().splitlines()))
              for name in ("whole", "parts")]
    for table in tables:
        assert all(float(row.pop("images_per_second")) > 0 for row in table)
    assert tables[0] == tables[1] and [row["images"] for row in tables[0]] == ["48", "96"]
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000


def test_training_learns_and_the_average_is_kept(crops, tmp_path):
    run = trained(crops, tmp_path, images=960, validate_every=320)
    losses = [row["validation"] for row in run.rows]
    assert losses[-1] < 0.95 * losses[0] and run.best == min(losses)
    kept = load(tmp_path)
    average = np.concatenate([p.double().numpy().ravel() for p in run.average.shadow_params])
    np.testing.assert_array_equal(weights(kept.unet), average)
    stage = kept.card.stages[-1]
    assert stage.images in (320, 640, 960) and stage.losses["validation"] == run.best
    assert stage.losses["held_out_case"] == run.rows[-1]["held_out_case"]
    assert kept.card.trained == [(100, 0.5, 300), (125, 0.6, 300), (150, 0.5, 300)]


def test_early_stopping(crops, tmp_path):
    """With a learning rate that destroys the network the run ends after `patience` validations."""
    run = trained(crops, tmp_path, images=4000, validate_every=8, patience=3, learning_rate=3.0,
                  warmup=0, ema=0.0)
    assert run.counter < 400 and run.worse == 3
    best = min(run.rows, key=lambda row: row["validation"])
    assert run.rows.index(best) == len(run.rows) - 4
    assert load(tmp_path).card.stages[-1].images == best["images"]


def test_fine_tuning_changes_what_it_may(crops, base, tmp_path):
    run = training(crops, tmp_path, "finetune", base, up_blocks=1, warmup=0)
    before = {name: value.clone() for name, value in run.unet.state_dict().items()}
    run.step(next(run._batches()))
    changed = {name.split(".")[0] + ("." + name.split(".")[1]) * name.startswith("up_blocks")
               for name, value in run.unet.state_dict().items() if (value != before[name]).any()}
    assert changed == {"conv_in", "time_embedding", "up_blocks.1", "conv_norm_out", "conv_out"}
    assert [stage.verb for stage in run.model.card.stages] == ["pretrain", "finetune"]


@pytest.mark.parametrize("section, blocks", [("cross", 2), ("longitudinal", 2)])
def test_hull_of_a_refined_model_holds_both_trainings(tmp_path, section, blocks):
    """Here both sections train all up blocks: the tiny network has two."""
    crops = write_small(tmp_path / "a.h5", section=section)
    folder = tmp_path / "base"
    save(training(crops, folder).model, folder)
    other = write_small(tmp_path / "b.h5", section=section, power=crops_data()["power"] + 200)
    run = training(other, tmp_path, "finetune", folder)
    assert {row[0] for row in run.model.card.trained} == {100, 125, 150, 300, 325, 350}
    assert run.model.card.embedding == load(folder).card.embedding
    frozen = {name.split(".")[0] for name, p in run.unet.named_parameters() if not p.requires_grad}
    assert frozen == {"down_blocks", "mid_block"}


def test_pre_training_goes_on_from_a_model(crops, base, tmp_path):
    """With all weights trained, and the scaling of conditions that they were trained with."""
    run = training(crops, tmp_path, "pretrain", base)
    np.testing.assert_array_equal(weights(run.unet), weights(load(base).unet))
    assert all(p.requires_grad for p in run.unet.parameters()) and run.objective.teacher is None
    assert [stage.verb for stage in run.model.card.stages] == ["pretrain", "pretrain"]
    assert run.model.card.embedding == load(base).card.embedding


def test_bfloat16_on_a_cpu(crops, tmp_path):
    """The first loss to the precision of bfloat16, not exactly; weights and their steps float32."""
    whole, half = (training(crops, tmp_path, precision=precision) for precision in
                   ("float32", "bf16"))
    for run in (whole, half):
        run.step(next(run._batches()))
    assert 0 < abs(float(half.last / whole.last) - 1) < 2**-8
    assert {p.dtype for p in half.unet.parameters()} == {torch.float32}
    with pytest.raises(UserError, match="compile = True, but that needs a GPU"):
        training(crops, tmp_path, compile=True)


LAUNCHERS = {
    "mpirun": ["mpirun", "--oversubscribe", "-n", "2", sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"],
}


def on_two_ranks(launcher, *words):
    """A Python module with its words, run to its end."""
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.run([*LAUNCHERS[launcher], "-m", *map(str, words)], capture_output=True,
                          env=environment_outside_mpi(**root), text=True, timeout=300)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_commands_on_two_ranks(crops, tmp_path, launcher):
    """Stopped and resumed under either launcher; a mistake is told in one line, by one rank."""
    run = tmp_path / "run"
    sizes = ["--set", "images=48", "--set", "batch=8", "--set", "validation_images=8"]
    begun = ["pretrain", crops, "--network", "demo", "--output", run, "--stop", 24, *sizes]
    done = on_two_ranks(launcher, "gensim", *begun)
    assert f"gensim: stopped after 24 images; go on with: gensim resume {run}" in done.stderr
    assert not (run / "curve.csv").exists() and (run / "state.pt").exists()
    done = on_two_ranks(launcher, "gensim", "resume", run)
    assert done.returncode == 0 and "48 images, best validation loss" in done.stdout, done.stderr
    assert load(run).card.stages[-1].images == 48
    done = on_two_ranks(launcher, "gensim", "resume", tmp_path / "none")
    assert done.returncode != 0 and done.stderr.count("gensim: ") == 1
    assert "is not the folder of a training run" in done.stderr


def test_threads_are_cores_over_those_who_share_them():
    every = set(range(8))
    assert threads(Place(1, [every] * 4, 4)) == 2  # under torchrun, or unbound
    bound = [{0, 1, 2}, {3, 4, 5}]
    assert [threads(Place(n, bound, 2)) for n in (0, 1)] == [3, 3]
    assert threads(Place(0, [{0}] * 3, 3)) == threads(Place(0, [{5}], 1)) == 1


def test_a_training_is_not_overwritten_by_chance(crops, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    begin(plan(crops), run)
    with pytest.raises(UserError, match="has a training already .* go on with gensim resume"):
        begin(plan(crops), run)
    begin(plan(crops), run, overwrite=True)


def test_one_rank_equals_two(crops, tmp_path):
    """Weights after 50 steps in float64 to 1e-10, the first float32 gradient to 1e-5, samples."""
    done = on_two_ranks("mpirun", "tests.gensim_runs", crops, tmp_path / "two.npz")
    assert done.returncode == 0, done.stderr
    one, two = measured(crops, Ranks()), np.load(tmp_path / "two.npz")
    assert two["ranks"] == 2
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=0, atol=1e-10)
    scale = np.abs(one["gradient"]).max()
    np.testing.assert_allclose(two["gradient"], one["gradient"], rtol=0, atol=1e-5 * scale)
    assert np.abs(two["images"].astype(int) - one["images"]).max() <= 2


@pytest.mark.parametrize("changes, verb, said", [
    ({"split": np.array(["held_out"] * 48)}, "pretrain", "has no crop with split = train"),
    ({"section": "longitudinal"}, "finetune",
     "has section = longitudinal, but the model was trained on cross"),
    ({"pixel_size": 4e-6}, "distill", "crops 64 um wide, but the model was trained on 32 um")])
def test_data_that_do_not_fit_are_refused(base, tmp_path, changes, verb, said):
    path = write_small(tmp_path / "b.h5", **changes)
    with pytest.raises(UserError, match=said):
        training(path, tmp_path, verb, None if verb == "pretrain" else base)


def test_settings_and_plans(crops, tmp_path):
    settings = settings_of(["images=400", "learning_rate=3e-4", "mirror=false", "precision=bf16"])
    assert (settings.images, settings.learning_rate, settings.mirror) == (400, 3e-4, False)
    assert settings_of(["validation=5,12/2"]).validating == [(5, None), (12, 2)]
    assert settings.validating == []
    for word, said in [("validation=5/", "--set validation=5/: string should match"),
                       ("batch=0", "--set batch=0: input should be greater than 0"),
                       ("btach=8", "did you mean batch?"), ("images", "NAME=VALUE"),
                       ("precision=half", "--set precision=half: input should be")]:
        with pytest.raises(UserError) as told:
            settings_of([word])
        assert said in str(told.value)
    made = plan(crops)
    write_plan(made, tmp_path)
    assert read_plan(tmp_path) == made
    moved = made.model_copy(update={"files": tuple(Path("/moved") / path.name
                                                   for path in made.files)})
    assert made.agrees(moved) and made != moved
    assert not made.agrees(moved.model_copy(update={"files": (Path("/moved/other.h5"),)}))
    assert not made.agrees(moved.model_copy(update={"settings": Settings(batch=4)}))
    with pytest.raises(UserError, match="is not the folder of a training run"):
        read_plan(tmp_path / "none")


def test_a_rate_far_too_large_diverges(crops, tmp_path):
    with pytest.raises(Diverged, match="the loss is not finite after .* images; with a smaller"):
        trained(crops, tmp_path, learning_rate=1e30, images=64, validate_every=8)


def test_wrong_state_or_batch_is_refused(crops, tmp_path):
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(UserError, match="state.pt cannot be resumed from"):
        training(crops, tmp_path).restore()
    trained(crops, tmp_path, images=8)
    changed = write_small(tmp_path / "a.h5", power=crops_data()["power"] + 1)
    with pytest.raises(UserError, match="the crops files have changed since"):
        training(changed, tmp_path).restore()
    with pytest.raises(UserError, match="batch = 8, but it must be a multiple of the ranks: 3"):
        training(crops, tmp_path, ranks=Ranks(0, 3), batch=8)


def test_paper_network_needs_conditions(tmp_path):
    path = write_small(tmp_path / "a.h5", power=np.full(48, np.nan))
    made = plan(path).model_copy(update={"network": "paper"})
    from gensim.train.start import started

    with pytest.raises(UserError, match="needs power and speed, but a crop has: 0.5 m/s"):
        started(made, CropSet([path]))


def test_a_model_is_not_trained_over_itself(base, crops):
    kept = (base / "gensim.json").read_bytes()
    with pytest.raises(UserError, match="is the model to begin with, which would be lost"):
        begin(plan(crops, "finetune", base), base, overwrite=True)
    assert (base / "gensim.json").read_bytes() == kept


def test_a_distillation_is_judged_without_its_teacher(base, crops, tmp_path):
    plain, taught = (training(crops, tmp_path, verb, base, truth=0.5).fixed_loss("validation")
                     for verb in ("pretrain", "distill"))
    assert taught == plain > 0


def test_a_run_does_not_go_on_from_another_base(base, crops, tmp_path):
    own = tmp_path / "base"
    shutil.copytree(base, own)
    begun = training(crops, tmp_path, "distill", own)
    begun.save_state()
    begun.restore()
    save(training(crops, tmp_path, seed=9).model, own)
    with pytest.raises(UserError, match="base has other weights now"):
        training(crops, tmp_path, "distill", own).restore()


def test_files_of_one_name_are_told_apart_on_the_card(crops, tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    paths = [write_small(tmp_path / "x" / "a.h5"),
             write_small(tmp_path / "y" / "a.h5", domain=np.array(["other"] * 48))]
    assert names_of(paths) == ["x/a.h5", "y/a.h5"] and names_of(paths[:1]) == ["a.h5"]
