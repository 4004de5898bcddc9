"""The crops file (HDF5, "partsim crops 1"): what it holds, reading with checks, writing.

    attributes    format, section ("cross" or "longitudinal"), pixel_size (m)
    images        (n, h, h, 3)  uint8, RGB
    grains        (n, h, h)     int32, row of `orientations`; -1 where it is not known
    orientations  (m, 4)        float64, quaternions
    power, speed, initial_temperature   (n,)  nominal W, m/s, K; NaN where unknown
    absorbed_power, position            (n,)  W, m; NaN where unknown
    case, run, seed                     (n,)  int; see partsim/crops/__init__.py
    domain, split                       (n,)  text; split is train, validation or held_out
"""

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from gensim.data import harmonics
from partsim.crops.cropfile import FORMAT, SECTIONS, UNIT_LENGTH
from partsim.crops.ipf import ipf
from partsim.crops.splits import SPLITS
from partsim.errors import UserError

CONDITIONS = ("power", "speed", "initial_temperature")
NUMBERS = (*CONDITIONS, "absorbed_power", "position")
COUNTS = ("case", "run", "seed")
TEXTS = ("domain", "split")
CHUNK_CACHE = 64 * 2**20  # bytes; batches read rows from all over the file
FEW = 20  # orientations at most for colours to be exchangeable
DIGITS = 9  # of quaternions that are told apart


class Palette(NamedTuple):
    """The few orientations of a file, of which many grains may have each.

    number   (m,)    of the orientation of each row of `orientations`
    colours  (k, 3)  uint8, of the orientations
    """

    number: np.ndarray
    colours: np.ndarray


class CropFile:
    """One crops file, open for reading; its columns in memory, its maps read row by row.

    known  (n,) share of the pixels of each crop whose grain is known

    Raises UserError where the file is cut short, no crops file, or holds what no crop can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = self._opened()
        self._check_attributes()
        self._check_maps()
        self.columns = {name: self._column(name) for name in (*NUMBERS, *COUNTS)}
        self.columns |= {name: self._column(name).astype(str) for name in TEXTS}
        self._check_columns()
        self._check_orientations()
        self.palette = self._palette()

    def _opened(self) -> h5py.File:
        if not self.path.is_file():
            raise UserError(f"{self.path} does not exist")
        try:
            return h5py.File(self.path, "r", rdcc_nbytes=CHUNK_CACHE)
        except OSError as problem:
            raise UserError(f"{self.path} is cut short or no HDF5 file") from problem

    def _check_attributes(self) -> None:
        attributes = self._file.attrs
        self._require(attributes.get("format") == FORMAT, f'has no attribute format = "{FORMAT}"')
        self.section = attributes.get("section")
        self._require(self.section in SECTIONS, f"has section = {self.section!r}, but it must be"
                      f" {' or '.join(SECTIONS)}")
        self.pixel_size = float(attributes.get("pixel_size", np.nan))
        self._require(self.pixel_size > 0, f"has pixel_size = {self.pixel_size}, but it must be"
                      " a length in m")
        missing = {"images", "grains", "orientations", *NUMBERS, *COUNTS, *TEXTS} - set(self._file)
        self._require(not missing, f"lacks {', '.join(sorted(missing))}")

    def _check_maps(self) -> None:
        shape = self._file["images"].shape
        channels = shape[-1] if len(shape) == 4 else 1
        self._require(channels == 3, f"has images with {channels} channels, but a crop has 3: RGB")
        self._require(self._file["images"].dtype == np.uint8,
                      f"has images of {self._file['images'].dtype}, but they must be uint8")
        self._require(shape[1] == shape[2], f"has crops of {shape[1]} x {shape[2]} pixels, but"
                      " they must be square")
        self._require(self._file["grains"].shape == shape[:3],
                      f"has grains {self._file['grains'].shape} beside images {shape}")
        self.count, self.size = shape[0], shape[1]

    def _check_columns(self) -> None:
        for name, values in self.columns.items():
            self._require(len(values) == self.count,
                          f"has {len(values)} values of {name} for {self.count} crops")
        for name in CONDITIONS:
            bad = self.columns[name][self.columns[name] <= 0]
            self._require(len(bad) == 0, f"has {name} = {bad[:1]}, but it must be positive, or NaN"
                          " if unknown")
        odd = set(self.columns["split"]) - set(SPLITS)
        self._require(not odd, f"has split = {sorted(odd)}, but it must be {', '.join(SPLITS)}")

    def _check_orientations(self) -> None:
        orientations, most = self._read("orientations", ()), -1
        shape = orientations.shape
        self._require(len(shape) == 2 and shape[1] == 4, f"has orientations {shape}, but they must "
                      "be quaternions (m, 4)")
        lengths = np.linalg.norm(orientations, axis=1)
        self.known = np.empty(self.count)
        self._require(bool(np.allclose(lengths, 1, rtol=0, atol=UNIT_LENGTH)), "has orientations "
                      "that are no unit quaternions")
        for row in range(self.count):
            grains = self._read("grains", row)
            most = max(most, int(grains.max(initial=-1)))
            self.known[row] = (grains >= 0).mean()
        self._require(most < len(orientations), f"has grains up to {most}, but orientations for "
                      f"{len(orientations)}")

    def _require(self, condition: bool, what: str) -> None:
        if not condition:
            raise UserError(f"{self.path} {what}")

    def _read(self, name: str, rows: Any) -> np.ndarray:
        try:
            return self._file[name][rows]
        except OSError as problem:
            raise UserError(f"{self.path} is damaged in {name}") from problem

    def _column(self, name: str) -> np.ndarray:
        found, wanted = self._file[name].dtype, "text" if name in TEXTS else "numbers"
        self._require(found.kind in ("OS" if name in TEXTS else "ifu"),
                      f"has {name} of {found}, but it must be {wanted}")
        return self._read(name, ())

    def _palette(self) -> Palette | None:
        """The orientations, where no more than FEW differ; None otherwise.

        The first crop that shows an orientation tells its colour; black where none does.
        """
        rows = np.round(self._read("orientations", ()), DIGITS)
        number = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        few = number.max(initial=-1) + 1
        if not 0 < few <= FEW:
            return None
        colours, unseen = np.zeros((few, 3), np.uint8), set(range(few))
        for row in range(self.count):
            grains, image = self._read("grains", row), self._read("images", row)
            shown = np.where(grains >= 0, number[grains], -1)
            for index in unseen & set(np.unique(shown).tolist()):
                colours[index] = image[shown == index][0]
                unseen.discard(index)
            if not unseen:
                break
        return Palette(number, colours)

    @cached_property
    def ipf(self) -> np.ndarray:
        """(m, 3) uint8, the colours of the orientations in an inverse pole figure of the build."""
        return ipf(self._read("orientations", ()))

    @cached_property
    def harmonics(self) -> np.ndarray:
        """(m, 9) uint8, the orientations as pixels of harmonics.py."""
        return harmonics.pixels(harmonics.embedded(self._read("orientations", ())))

    def rows(self, name: str, which: np.ndarray) -> np.ndarray:
        """The maps `images` or `grains` of the rows `which`, in any order, doubles included."""
        unique, back = np.unique(which, return_inverse=True)
        return self._read(name, unique)[back]


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(path: Path) -> list[Path]:
    """The crops files of a folder, or the one file; UserError where there is none."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.h5"))
    if not found:
        raise UserError(f"{path} has no crops file (.h5)")
    return found


def write_crops(path: Path, data: dict[str, np.ndarray], attributes: dict[str, Any]) -> None:
    """Writes one crops file of all the datasets above, whole or absent.

    attributes  section and pixel_size, and whatever else tells how it was made
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs.update({"format": FORMAT, **attributes})
            for name, values in data.items():
                if name in TEXTS:
                    texts = list(map(str, values))
                    file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
                elif name in ("images", "grains"):
                    chunk = (1, *values.shape[1:])
                    file.create_dataset(name, data=values, chunks=chunk, compression="gzip")
                else:
                    file[name] = values
        os.replace(partial, path)
    except OSError as problem:
        raise UserError(f"cannot write {path}: {problem.strerror or problem}") from problem
