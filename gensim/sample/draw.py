"""Samples of a model for conditions, on all ranks, and the crops file that they are written to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gensim.chance import Purpose, generator
from gensim.data.crops import write_crops
from gensim.model.folder import STEPS, Model, cast
from gensim.model.hull import check_condition
from gensim.model.networks import NETWORKS
from gensim.ranks import Ranks
from gensim.sample.samplers import SAMPLERS, denoised
from gensim.sample.seen import seen
from partsim.errors import UserError

MANY, NOISY = 100, 900  # steps of DDIM, above which they must begin above this t


@dataclass(frozen=True)
class Order:
    """What is to be drawn: `count` images of each of `conditions` (k, 3), NaN where left open.

    steps  evaluations of the network, None: as many as the sampler takes by itself
    batch  images at a time on a rank
    alike  whether image k of every condition begins with the same noise, so that what differs
           between conditions is what they do
    """

    conditions: np.ndarray
    count: int = 16
    seed: int = 0
    sampler: str = "ddpm"
    steps: int | None = None
    batch: int = 16
    alike: bool = False

    def check(self, model: Model) -> None:
        """UserError where the model cannot do it."""
        if self.sampler not in SAMPLERS:
            raise UserError(f"--sampler {self.sampler}, but it must be {', '.join(SAMPLERS)}")
        check_start(self.sampler, self.steps or SAMPLERS[self.sampler].steps)
        network = NETWORKS.get(model.card.network)
        for condition in self.conditions:
            if network is not None and network.paper and not np.isnan(condition[2]):
                raise UserError("the paper's network knows no initial temperature")
            check_condition(condition, model.card.hull, model.card.dropout)

    @property
    def rows(self) -> np.ndarray:
        """(k count, 3) the condition of each image."""
        return np.repeat(self.conditions, self.count, axis=0)


def check_start(sampler: str, steps: int) -> None:
    """UserError where many steps would begin with noise at a t that has less of it.

    diffusers spaces the steps of DDIM by 1000 // steps from 0 up.
    """
    first = (steps - 1) * (STEPS // steps)
    if sampler != "dpm" and steps > MANY and first < NOISY:
        raise UserError(f"--steps {steps}, but it must be a number with which {sampler} begins near"
                        f" t = {STEPS}, such as 50, 100, 200, 250, 500 or 1000; with this one it "
                        f"would be {first}")


def drawn(model: Model, order: Order, ranks: Ranks) -> np.ndarray:
    """(k count, size, size, channels) uint8 on every rank.

    The noise of an image is a function of (seed, number of the image; within its condition if
    `alike`): batches and ranks change an image by rounding only.
    """
    cast(model.unet, ranks.device).eval()
    mine, parts = ranks.share(len(order.rows)), []
    for first in range(mine.start, mine.stop, order.batch):
        numbers = range(first, min(first + order.batch, mine.stop))
        parts.append(some(model, order, numbers, ranks.device))
    empty = np.empty((0, model.size, model.size, model.channels), np.uint8)
    return np.concatenate([empty, *(part for all_ in ranks.gathered(parts) for part in all_)])


def some(model: Model, order: Order, numbers: Sequence[int], device: torch.device) -> np.ndarray:
    """The images with these numbers as one batch."""
    sampler = SAMPLERS[order.sampler]
    own = [i % order.count if order.alike else i for i in numbers]
    conditions = order.rows[numbers.start : numbers.stop]
    return model.images(denoised(model, noises_of(model, order.seed, own, device), conditions,
                                 sampler, order.steps or sampler.steps))


def noises_of(
    model: Model, seed: int, numbers: Sequence[int], device: torch.device
) -> Callable[[], torch.Tensor]:
    """Gives the x_T (n, channels, size, size) float32 of images, then the noise of their steps."""
    chances = [generator(seed, number, Purpose.SAMPLE) for number in numbers]
    return lambda: torch.from_numpy(np.stack(
        [chance.standard_normal(model.shape, np.float32) for chance in chances])).to(device)


def write_samples(
    path: Path, model: Model, order: Order, images: np.ndarray, absorbed: np.ndarray | None = None
) -> np.ndarray:
    """Writes a crops file, a case for each condition; the images as `seen` (k count, h, h, 3).

    absorbed  (k,) W of each condition, if it is known
    """
    count, rows, found = len(images), order.rows, seen(images, model.card.drawn)
    unknown, card = np.full(count, np.nan), model.card
    data = {
        **found._asdict(),
        "power": rows[:, 0],
        "speed": rows[:, 1],
        "initial_temperature": rows[:, 2],
        "absorbed_power": unknown if absorbed is None else np.repeat(absorbed, order.count),
        "position": unknown,
        "case": np.repeat(np.arange(len(order.conditions)), order.count),
        "run": np.full(count, order.seed),
        "seed": np.full(count, order.seed),
        "domain": np.full(count, "sampled"),
        "split": np.full(count, "held_out"),
    }
    attributes = {"section": card.section, "pixel_size": card.pixel_size, "sampler": order.sampler,
                  "steps": order.steps or SAMPLERS[order.sampler].steps,
                  "model": card.model_dump_json()}
    write_crops(path, data, attributes)
    return found.images
