"""One of the two domains that are compared: some crops, seen through the channel and measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gensim.data.sets import CropSet
from gensim.evaluate import channel
from gensim.evaluate.groups import groups
from gensim.evaluate.growth import turned
from gensim.evaluate.measure import MEASURES, Measured, measured
from partsim.errors import UserError


@dataclass(frozen=True)
class Domain:
    """The crops `which` of a set; k is their number.

    labels      (k, h, w)  numbers of the colours read from their images
    unreadable  (k,)       share of the pixels whose colour is none of the 20
    """

    crops: CropSet
    which: np.ndarray
    labels: np.ndarray
    unreadable: np.ndarray

    @classmethod
    def of(cls, paths: Iterable[Path], split: str | None = None) -> "Domain":
        """The crops of some files that are in a split, None: all of them; UserError where files are
        wrong or do not fit together, or none is in the split."""
        crops = CropSet(paths, drawn="palette")
        which = np.arange(len(crops))
        if split is not None:
            which = np.flatnonzero(crops.columns["split"] == split)
        if len(which) == 0:
            raise UserError(f"{crops.files[0].path} has no crop with split = {split}")
        return cls(crops, which, *channel.read(crops.images(which)))

    def __len__(self) -> int:
        return len(self.which)

    def some(self, part: np.ndarray) -> "Domain":
        """The domain of the crops `part` (numbers from 0 to k - 1) alone."""
        return Domain(self.crops, self.which[part], self.labels[part], self.unreadable[part])

    @cached_property
    def measured(self) -> Measured:
        """The measures of the crops as they are read from images."""
        return measured(self.labels, self.crops.pixel_size, self.crops.section)

    @cached_property
    def conditions(self) -> np.ndarray:
        """(k, 3) power in W, speed in m/s, initial temperature in K; NaN where unknown."""
        return self.crops.conditions[self.which]

    @property
    def images(self) -> np.ndarray:
        """(k, h, h, 3) uint8, what is read, in the 20 colours."""
        return channel.drawn(self.labels)

    def groups(self, part: np.ndarray) -> np.ndarray:
        """Numbers of the independent groups of the crops `part`, see groups."""
        return groups(self.crops, self.which[part])

    def bias(self) -> dict[str, float] | None:
        """What the channel changes: mean of each measure over that of the true grains, minus 1.

        None where the grains of no crop are known.
        """
        grains = self.crops.grains(self.which)
        known = np.flatnonzero((grains >= 0).all(axis=(1, 2)))
        if len(known) == 0:
            return None
        true = measured(grains[known], self.crops.pixel_size, self.crops.section)
        every = np.arange(len(known))
        bias = {name: self.measured.mean(name, known) / true.mean(name, every) - 1
                for name in MEASURES}
        gap = self.measured.inclination(known) - true.inclination(every)
        return bias | {"inclination_degrees": float(turned(gap))}
