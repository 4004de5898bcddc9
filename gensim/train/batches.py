"""What a training step sees, as a function of (seed, image counter) alone.

Image number c of a run, counted from 0 over all epochs and ranks, is crop number c mod n of the
epoch's own order. Its changes, its step t and its noise are drawn from a generator of its own.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from gensim.chance import Purpose, generator
from gensim.data.augment import Augmentation
from gensim.data.sets import CropSet
from gensim.model.folder import STEPS, Model

GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Batch:
    """Images of this rank.

    clean       (n, channels, size, size)  x_0
    noise       (n, channels, size, size)  epsilon
    times       (n,)                       t
    conditions  (n, 3)                     NaN where hidden or unknown
    """

    clean: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    conditions: np.ndarray


class Feed:
    """Makes the batches of one part of a set of crops for a model."""

    def __init__(self, crops: CropSet, members: np.ndarray, model: Model, seed: int) -> None:
        self.crops, self.members, self.model, self.seed = crops, members, model, seed
        self._epoch, self._order = -1, members

    def crop(self, counter: int) -> int:
        """The crop that is image number `counter`."""
        epoch, place = divmod(counter, len(self.members))
        if epoch != self._epoch:
            chance = generator(self.seed, epoch, Purpose.ORDER)
            self._epoch, self._order = epoch, chance.permutation(self.members)
        return int(self._order[place])

    def training(self, counters: Iterable[int], augmentation: Augmentation) -> Batch:
        """The batch of these image numbers, augmented."""
        images, conditions, times, noise = [], [], [], []
        for counter in counters:
            crop, chance = self.crop(counter), generator(self.seed, counter, Purpose.TRAINING)
            images.append(augmentation.image(self.crops, crop, chance))
            conditions.append(augmentation.conditions(self.crops.conditions[crop], chance))
            times.append(chance.integers(STEPS))
            noise.append(self._noise(chance))
        return self._batch(np.stack(images), np.stack(conditions), times, noise)

    def fixed(self, numbers: Iterable[int], count: int) -> Batch:
        """Some of `count` fixed triples (crop, t, noise), the same in every run with these crops.

        Multiples of the golden ratio spread t evenly over all steps and over each few crops.
        """
        numbers = list(numbers)
        crops = self.members[np.array(numbers, int) * len(self.members) // count]
        times, noise = [], []
        for number in numbers:
            chance = generator(self.seed, number, Purpose.VALIDATION)
            share = (number * GOLDEN + chance.random() / count) % 1.0
            times.append(int(STEPS * share))
            noise.append(self._noise(chance))
        return self._batch(self.crops.images(crops), self.crops.conditions[crops], times, noise)

    def _noise(self, chance: np.random.Generator) -> np.ndarray:
        return chance.standard_normal(self.model.shape, np.float32)

    def _batch(self, images: np.ndarray, conditions: np.ndarray, times: list, noise: list) -> Batch:
        return Batch(self.model.scaled(images), torch.from_numpy(np.stack(noise)),
                     torch.tensor(times, dtype=torch.long), conditions)


def ahead(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches, each made by a thread while the one before is worked on."""
    source = iter(batches)
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = worker.submit(next, source, None)
            yield batch
