"""The noise schedule against equations (20)-(24), (28) and (30) of Xie et al. (2026), float64."""
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra learn is not installed")
pytest.importorskip("diffusers", reason="the extra learn is not installed")

import torch  # noqa: E402
from diffusers import DDIMScheduler, DDPMScheduler  # noqa: E402

from gensim.model.folder import noise_schedule  # noqa: E402

pytestmark = pytest.mark.serial
BETA = np.linspace(1e-4, 0.02, 1000)
ABAR = np.cumprod(1 - BETA)
TIMES = (1, 10, 500, 999)


@pytest.fixture
def drawn():
    """x_0 and epsilon."""
    return torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 4, 4)))


def exact(kind, **changes):
    """A scheduler of our schedule whose tables are float64."""
    ours = noise_schedule(clip=False, prediction="epsilon").config
    scheduler = kind.from_config({**ours, **changes})
    np.testing.assert_allclose(scheduler.alphas_cumprod, ABAR, rtol=2e-5)  # as it comes: float32
    scheduler.alphas = torch.from_numpy(1 - BETA)
    scheduler.betas = torch.from_numpy(BETA)
    scheduler.alphas_cumprod = torch.from_numpy(ABAR)
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


@pytest.mark.parametrize("t", TIMES)
def test_noisy_image(drawn, t):
    """(21), hence mean and variance of (20)."""
    clean, noise = drawn
    noisy = exact(DDIMScheduler).add_noise(clean[None], noise[None], torch.tensor([t]))[0]
    expected = np.sqrt(ABAR[t]) * clean + np.sqrt(1 - ABAR[t]) * noise
    torch.testing.assert_close(noisy, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("t", TIMES)
def test_velocity(drawn, t):
    """v of Salimans and Ho (2022), (A.3): a step from it is that from the noise in it."""
    clean, noise = drawn
    scheduler = exact(DDIMScheduler, prediction_type="v_prediction")
    velocity = scheduler.get_velocity(clean[None], noise[None], torch.tensor([t]))[0]
    expected = np.sqrt(ABAR[t]) * noise - np.sqrt(1 - ABAR[t]) * clean
    torch.testing.assert_close(velocity, expected, rtol=1e-13, atol=1e-13)
    x, steps = scheduler.add_noise(clean, noise, torch.tensor(t)), []
    for prediction, predicted in (("v_prediction", velocity), ("epsilon", noise)):
        scheduler = exact(DDIMScheduler, prediction_type=prediction)
        scheduler.set_timesteps(50)
        steps.append(scheduler.step(predicted, t, x))
    torch.testing.assert_close(steps[0].pred_original_sample, clean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(steps[0].prev_sample, steps[1].prev_sample, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", TIMES)
def test_step_backwards_with_noise(drawn, t):
    """The mean of (28), which is (23) with the predicted x_0; the variance is beta_t.

    (23) holds with the root of alpha_t before x_t; the bar over it in the paper is a misprint.
    """
    x, predicted = drawn
    scheduler = exact(DDPMScheduler, variance_type="fixed_large")
    scheduler.set_timesteps(1000)
    steps = [scheduler.step(predicted, t, x, generator=torch.Generator().manual_seed(s))
             for s in (0, 1)]
    zeta = [torch.randn(x.shape, generator=torch.Generator().manual_seed(s), dtype=x.dtype)
            for s in (0, 1)]
    mean = (x - BETA[t] / np.sqrt(1 - ABAR[t]) * predicted) / np.sqrt(1 - BETA[t])
    for step, random in zip(steps, zeta, strict=True):
        expected = mean + np.sqrt(BETA[t]) * random
        torch.testing.assert_close(step.prev_sample, expected, rtol=1e-11, atol=1e-11)
    clean = (x - np.sqrt(1 - ABAR[t]) * predicted) / np.sqrt(ABAR[t])
    posterior = (np.sqrt(ABAR[t - 1]) * BETA[t] * clean
                 + np.sqrt(1 - BETA[t]) * (1 - ABAR[t - 1]) * x) / (1 - ABAR[t])
    torch.testing.assert_close(posterior, mean, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("t", TIMES)
def test_small_variance(t):
    """(24)."""
    scheduler = exact(DDPMScheduler, variance_type="fixed_small")
    scheduler.set_timesteps(1000)
    expected = (1 - ABAR[t - 1]) / (1 - ABAR[t]) * BETA[t]
    assert float(scheduler._get_variance(t)) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("steps, t, before", [(30, 957, 924), (30, 33, 0), (30, 0, None),
                                              (1000, 500, 499)])
def test_step_backwards_without_noise(drawn, steps, t, before):
    """(30) from t to the next of evenly spaced steps; the last one ends at the predicted x_0."""
    x, predicted = drawn
    scheduler = exact(DDIMScheduler)
    scheduler.set_timesteps(steps)
    assert t in scheduler.timesteps
    after = 1.0 if before is None else ABAR[before]
    scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    clean = (x - np.sqrt(1 - ABAR[t]) * predicted) / np.sqrt(ABAR[t])
    expected = np.sqrt(after) * clean + np.sqrt(1 - after) * predicted
    got = scheduler.step(predicted, t, x).prev_sample
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
