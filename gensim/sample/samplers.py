"""How noise becomes an image: samplers of diffusers, by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from gensim.model.folder import Model


@dataclass(frozen=True)
class Sampler:
    """A scheduler of diffusers and how it is used.

    steps    evaluations of the network unless the user says otherwise
    changes  to the model's noise schedule
    repeats  of the last step, at t = 0, as in the paper's released program
    options  of each step; eta is the share of its noise that is drawn anew
    """

    kind: type
    steps: int
    changes: dict[str, Any] = field(default_factory=dict)
    repeats: int = 0
    options: dict[str, Any] = field(default_factory=dict)


# x_0 is cut at -1 and 1 where colours are scaled to that; the rest of x_t then is the noise
FITTING = {"use_clipped_model_output": True}
SAMPLERS = {
    # with 1000 steps equation (28) of Xie et al. (2026): what a step got wrong, a later one mends
    "ddpm": Sampler(DDIMScheduler, 50, options=FITTING | {"eta": 1.0}),
    # equation (30), eta = 0
    "ddim": Sampler(DDIMScheduler, 50, options=FITTING),
    # with predicted images cut at -1 and 1, which takes colours from images scaled otherwise
    "paper": Sampler(DDIMScheduler, 30, {"clip_sample": True}, repeats=2),
    # Lu et al. (2022), second order
    "dpm": Sampler(DPMSolverMultistepScheduler, 20, {"algorithm_type": "dpmsolver++"}),
}


@torch.no_grad()
def denoised(
    model: Model, noises: Callable[[], torch.Tensor], conditions: np.ndarray, sampler: Sampler,
    steps: int,
) -> torch.Tensor:
    """x_0 (n, channels, size, size) for conditions (n, 3); `noises` gives x_T, then the noise of
    each step that needs some."""
    noise = noises()
    scheduler = sampler.kind.from_config({**model.schedule.config, **sampler.changes})
    scheduler.set_timesteps(steps, device=noise.device)
    vector = model.embedded(conditions, noise)
    times = [*scheduler.timesteps, *[scheduler.timesteps[-1]] * sampler.repeats]
    x = noise * scheduler.init_noise_sigma
    for t in times:
        predicted = model.unet(x, t, class_labels=vector, return_dict=False)[0]
        fresh = {"variance_noise": noises()} if "eta" in sampler.options else {}
        x = scheduler.step(predicted, t, x, return_dict=False, **sampler.options, **fresh)[0]
    return x
