"""Several crops files as one set, and its parts: what trains, what validates, what is held out."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from gensim.data import corners, harmonics
from gensim.data.crops import CONDITIONS, CropFile
from partsim.crops import palette
from partsim.errors import UserError

LARGEST_SPREAD = 1e-6  # of pixel sizes, relative
Drawn = Literal["corners", "palette", "stored", "orientations"]


class CropSet:
    """Crops of one section, pixel size and shape from one or more files, numbered through.

    columns     name of the column -> (n,)
    validation  (case, run) that validate though their file has them train; run None: all of a case
    drawn       "stored": images are those of the files. "palette": crops whose grains are known
                are drawn anew in the 20 colours of Xie et al., Table 1, "corners": in those of
                corners.py, grains that touch always differing. "orientations": as harmonics.py,
                nine channels

    Raises UserError where the files do not fit together, where orientations are not known that are
    to be drawn, or where one run of a case, or two runs of one seed, are in two splits:
    neighbouring slices of one specimen are nearly equal, and runs of one seed grow from the same
    metal, so that this is a leak.
    """

    def __init__(
        self, paths: Iterable[Path], validation: Sequence[tuple[int, int | None]] = (),
        drawn: Drawn = "stored",
    ) -> None:
        self.drawn = drawn
        self._numbers: dict[int, np.ndarray | None] = {}
        self.files = [CropFile(path) for path in paths]
        check_alike(self.files)
        names = self.files[0].columns
        self.columns = {
            name: np.concatenate([file.columns[name] for file in self.files]) for name in names
        }
        self.starts = np.cumsum([0, *(file.count for file in self.files)])
        for case, run in validation:
            self._validate_with(case, run)
        self._check_leak()
        if drawn in ("orientations", "corners"):
            self._check_known()

    def _validate_with(self, case: int, run: int | None) -> None:
        """Takes a case, or one run of it, from training to validation."""
        chosen = (self.columns["case"] == case) & (self.columns["split"] != "held_out")
        if run is not None:
            chosen &= self.columns["run"] == run
        if not chosen.any():
            which = f"case {case}" if run is None else f"run {run} of case {case}"
            raise UserError(f"{self.files[0].path} has no {which} that could validate")
        self.columns["split"] = np.where(chosen, "validation", self.columns["split"])

    def _check_leak(self) -> None:
        names = ("domain", "case", "run", "seed", "split")
        split_of: dict[tuple, str] = {}
        for domain, case, run, seed, split in zip(*(self.columns[name] for name in names),
                                                  strict=True):
            known = split_of.setdefault((domain, case, run), split)
            if known != split:
                raise UserError(f"run {run} of case {case} is in {known} and in {split}; a run"
                                " must be in one split only")
            known = split_of.setdefault((domain, seed), split) if seed >= 0 else split
            if known != split:
                raise UserError(f"run {run} of case {case} is in {split}, but another from the same"
                                f" metal, seed {seed}, is in {known}")

    def _check_known(self) -> None:
        """UserError where grains are not known that are to be drawn: any as orientations; as
        corners all of a crop, single pixels are grey there."""
        for file in self.files:
            if self.drawn == "orientations" and (file.known < 1).any():
                raise UserError(f"{file.path} has pixels without an orientation: it cannot be drawn"
                                " as orientations")
            if (file.known == 0).any():
                raise UserError(f"{file.path} has crops whose grains are not known: it cannot be "
                                "drawn in corners, but a model may be trained with drawn=stored, "
                                "images as they are")

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def section(self) -> str:
        """cross or longitudinal."""
        return self.files[0].section

    @property
    def size(self) -> int:
        """Pixels along an edge."""
        return self.files[0].size

    @property
    def channels(self) -> int:
        """Of its images."""
        return harmonics.CHANNELS if self.drawn == "orientations" else 3

    @property
    def pixel_size(self) -> float:
        """Edge of a pixel in m."""
        return self.files[0].pixel_size

    @cached_property
    def conditions(self) -> np.ndarray:
        """(n, 3) power in W, speed in m/s, initial temperature in K; NaN where unknown."""
        return np.stack([self.columns[name].astype(float) for name in CONDITIONS], axis=1)

    def images(self, which: np.ndarray) -> np.ndarray:
        """(k, h, h, channels) uint8, the crops `which` as they are, or drawn anew."""
        if self.drawn == "orientations":
            grains = self.grains(which)
            images = np.empty((*grains.shape, self.channels), np.uint8)
            for row, crop in enumerate(which):
                images[row] = self._file(int(crop)).harmonics[grains[row]]
            return images
        images = self._gathered("images", which, (self.size, self.size, 3), np.uint8)
        for row, crop in enumerate(which):
            if (numbers := self.numbers(int(crop))) is not None:
                images[row] = self._colours(numbers)
        return images

    def grains(self, which: np.ndarray) -> np.ndarray:
        """(k, h, h) int32, the grain maps of the crops `which`."""
        return self._gathered("grains", which, (self.size, self.size), np.int32)

    def numbers(self, crop: int) -> np.ndarray | None:
        """(h, h) int8, for each pixel one of the colours in which crops are drawn anew: the nearest
        to that of the orientation such that no two grains that touch are alike; None where the
        image is as stored."""
        if self.drawn not in ("palette", "corners"):
            return None
        if crop not in self._numbers:
            grains, file = self.grains(np.array([crop]))[0], self._file(crop)
            found = None
            if self.drawn == "corners":
                found = corners.numbers(grains, file.ipf)
            elif (grains >= 0).all():
                found = palette.recolour(grains, file.ipf).astype(np.int8)
            self._numbers[crop] = found
        return self._numbers[crop]

    def _colours(self, numbers: np.ndarray) -> np.ndarray:
        """(h, h, 3) uint8 of `numbers`."""
        return corners.drawn(numbers) if self.drawn == "corners" else palette.colours()[numbers]

    def exchangeable(self, crop: int) -> tuple[np.ndarray, np.ndarray] | None:
        """(h, h) numbers of the colours of a crop, -1 for none, and (k, 3) uint8 these colours,
        where none is preferred: those of few orientations, or of `numbers`; None otherwise."""
        if (numbers := self.numbers(crop)) is not None:
            return numbers, corners.COLOURS if self.drawn == "corners" else palette.colours()
        few = self._file(crop).palette
        if few is None or self.drawn == "orientations":
            return None
        grains = self.grains(np.array([crop]))[0]
        return np.where(grains >= 0, few.number[grains], -1), few.colours

    def _file(self, crop: int) -> CropFile:
        return self.files[self._file_of(np.array([crop]))[0]]

    def _file_of(self, which: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, which, side="right") - 1

    def _gathered(self, name: str, which: np.ndarray, shape: tuple, dtype: type) -> np.ndarray:
        which = np.asarray(which)
        out, owner = np.empty((len(which), *shape), dtype), self._file_of(which)
        for number in np.unique(owner):
            here = owner == number
            out[here] = self.files[number].rows(name, which[here] - self.starts[number])
        return out


def check_alike(files: Sequence[CropFile]) -> None:
    """UserError where files are of another section, pixel size or shape than the first."""
    first = files[0]
    for other in files[1:]:
        for name, close in (
            ("section", first.section == other.section),
            ("size", first.size == other.size),
            ("pixel_size", abs(first.pixel_size / other.pixel_size - 1) < LARGEST_SPREAD),
        ):
            if not close:
                raise UserError(
                    f"{other.path} has {name} = {getattr(other, name)}, but {first.path} has"
                    f" {getattr(first, name)}"
                )


def parts(crops: CropSet) -> dict[str, np.ndarray]:
    """The crops of each part: train, validation, held_out_case, held_out_run.

    What is held out of a case that is trained with tests new specimens; what is held out of another
    case tests new conditions. The two say different things and are never added up.
    """
    split, case = crops.columns["split"], crops.columns["case"]
    held, known = split == "held_out", np.isin(case, case[split == "train"])
    return {
        "train": np.flatnonzero(split == "train"),
        "validation": np.flatnonzero(split == "validation"),
        "held_out_case": np.flatnonzero(held & ~known),
        "held_out_run": np.flatnonzero(held & known),
    }


def evenly(n: int, most: int) -> np.ndarray:
    """At most `most` of the numbers 0 ... n - 1, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
