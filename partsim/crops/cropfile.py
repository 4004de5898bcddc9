"""Crops files: written whole, and checked when they are read. The format: partsim.crops."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from partsim.crops.splits import SPLITS, check_splits
from partsim.errors import UserError
from partsim.wholefile import write_whole

FORMAT = "partsim crops 1"
SECTIONS = ("cross", "longitudinal")
# one value for each crop
NUMBERS = ("power", "absorbed_power", "speed", "initial_temperature", "position")
COUNTS = ("case", "run", "seed")
TEXTS = ("domain", "split")
COLUMNS = (*NUMBERS, *COUNTS, *TEXTS)
UNIT_LENGTH = 1e-6  # how far the length of a quaternion may be from 1


@dataclass(frozen=True)
class Crops:
    """What a crops file holds; `columns` has one array (n,) for each name in COLUMNS."""

    section: str
    pixel_size: float
    colours: str
    job: str
    grains: np.ndarray
    orientations: np.ndarray
    images: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.grains)

    def at(self, which: np.ndarray) -> "Crops":
        """The crops with these numbers, or where a mask (n,) is true; all orientations stay."""
        columns = {name: values[which] for name, values in self.columns.items()}
        return replace(
            self, grains=self.grains[which], images=self.images[which], columns=columns
        )


def write(path: Path, crops: Crops) -> None:
    """Writes a crops file, whole or not at all; gzip, one crop a chunk.

    Raises UserError where the crops contradict each other, or the file cannot be written.
    """
    check(crops, str(path))

    def fill(file: h5py.File) -> None:
        file.attrs["format"] = FORMAT
        for name in ("section", "pixel_size", "colours", "job"):
            file.attrs[name] = getattr(crops, name)
        for name in ("grains", "images"):
            values = getattr(crops, name)
            chunk = (1, *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunk, compression="gzip")
        file["orientations"] = crops.orientations
        for name, values in crops.columns.items():
            kind = h5py.string_dtype() if name in TEXTS else values.dtype
            file.create_dataset(name, data=values.astype(object if name in TEXTS else kind),
                                dtype=kind)

    write_whole(path, fill)


def read(path: Path) -> Crops:
    """The crops in a file; UserError in one line where it is damaged, foreign or wrong."""
    try:
        with h5py.File(path, "r") as file:
            found = _read(file, path)
    except FileNotFoundError:
        raise UserError(f"crops file {path} does not exist") from None
    except (OSError, RuntimeError) as problem:
        raise UserError(f"crops file {path} is cut short, damaged or not HDF5") from problem
    check(found, str(path))
    return found


def _read(file: h5py.File, path: Path) -> Crops:
    told = file.attrs.get("format")
    if told != FORMAT:
        raise UserError(f'crops file {path}: format = {told!r}, but it must be "{FORMAT}"')
    try:
        columns = {name: _column(file[name], name) for name in COLUMNS}
        return Crops(
            section=str(file.attrs["section"]), pixel_size=float(file.attrs["pixel_size"]),
            colours=str(file.attrs["colours"]), job=str(file.attrs["job"]),
            grains=file["grains"][()], orientations=file["orientations"][()],
            images=file["images"][()], columns=columns,
        )
    except (KeyError, AttributeError, TypeError, ValueError) as problem:
        raise UserError(f"crops file {path} is incomplete: {problem}") from problem


def _column(dataset: h5py.Dataset, name: str) -> np.ndarray:
    if name in TEXTS:
        return dataset.asstr()[()].astype(str)
    return dataset[()].astype(np.int64 if name in COUNTS else np.float64)


def join(parts: Sequence[Crops], names: Sequence[Any] = ()) -> Crops:
    """Crops of several files as one; grains are renumbered, every different job is kept.

    Raises UserError where section, pixel size or shape differ, or a run is in two splits.
    """
    names = names or range(len(parts))
    first = parts[0]
    for part, name in zip(parts, names, strict=True):
        for entry in ("section", "pixel_size", "colours"):
            here, there = getattr(part, entry), getattr(first, entry)
            if here != there:
                raise UserError(f"crops {name}: {entry} = {here}, but crops {names[0]} have "
                                f"{there}; they cannot be mixed")
        if part.grains.shape[1:] != first.grains.shape[1:]:
            raise UserError(f"crops {name} have {part.grains.shape[1:]} pixels, but crops "
                            f"{names[0]} have {first.grains.shape[1:]}; they cannot be mixed")
    offsets = np.cumsum([0] + [len(part.orientations) for part in parts[:-1]])
    joined = replace(
        first, job="\n".join(dict.fromkeys(part.job for part in parts)),
        grains=np.concatenate([p.grains + np.int32(n) for p, n in zip(parts, offsets)]),
        orientations=np.concatenate([part.orientations for part in parts]),
        images=np.concatenate([part.images for part in parts]),
        columns={name: np.concatenate([p.columns[name] for p in parts]) for name in COLUMNS},
    )
    check_splits(joined.columns, ", ".join(map(str, names)))
    return joined


def read_all(paths: Sequence[Path]) -> Crops:
    """The crops of several files as one; UserError where they do not fit together."""
    return join([read(path) for path in paths], paths)


def check(crops: Crops, where: str) -> None:
    """Raises UserError "crops file where: ..." for the first thing that is wrong in the crops."""
    for wrong in (_wrong_head(crops), _wrong_shape(crops), _wrong_values(crops)):
        if wrong:
            raise UserError(f"crops file {where}: {wrong}")
    check_splits(crops.columns, where)


def _wrong_head(crops: Crops) -> str | None:
    if crops.section not in SECTIONS:
        return f'section = "{crops.section}", but it must be {" or ".join(SECTIONS)}'
    if not crops.pixel_size > 0:
        return f"pixel_size = {crops.pixel_size}, but it must be a positive length in m"
    return None


def _wrong_shape(crops: Crops) -> str | None:
    shape = crops.grains.shape
    if len(shape) != 3 or 0 in shape:
        return f"grains has the shape {shape}, but it must be (crops, rows, columns)"
    wanted = {"images": (*shape, 3), "orientations": (len(crops.orientations), 4)}
    for name, form in wanted.items():
        if getattr(crops, name).shape != form:
            return f"{name} has the shape {getattr(crops, name).shape}, but it must be {form}"
    for name, values in crops.columns.items():
        if values.shape != shape[:1]:
            return f"{name} has the shape {values.shape}, but it must be {shape[:1]}"
    return None


def _wrong_values(crops: Crops) -> str | None:
    if crops.grains.min() < 0 or crops.grains.max() >= len(crops.orientations):
        return (f"grains = {crops.grains.min()} to {crops.grains.max()}, but they must be rows of "
                f"orientations, 0 to {len(crops.orientations) - 1}")
    lengths = np.linalg.norm(crops.orientations, axis=1)
    if not (np.abs(lengths - 1) < UNIT_LENGTH).all():
        return f"orientations of length {lengths[np.argmax(np.abs(lengths - 1))]:g}, not 1"
    if crops.images.dtype != np.uint8:
        return f"images are {crops.images.dtype}, but they must be uint8"
    unknown = set(crops.columns["split"]) - set(SPLITS)
    if unknown:
        return f'split = "{min(unknown)}", but it must be {", ".join(SPLITS)}'
    return None
