"""Absorptivity and depth of the source from measured pools, and how well they predict others.

The pool is that of conduction alone (partsim.meltpool.conduction): a flow of every track for every
trial would take hours. With the normalised enthalpy K of the full power
(partsim.meltpool.source) the source is as deep as

    d = r (slope K - offset),    and absorbs    absorptivity + gain d / r

of the power: a deep depression catches reflected light. These four numbers are fitted to the widths
and depths of all tracks, by least squares of their relative deviations. A pool is as deep as its
source: its depth is calibrated, its width and length are predictions. Leaving one track out of the
fit tells how well the others predict it.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.meltpool import alloy as alloys
from partsim.meltpool.alloy import Alloy
from partsim.meltpool.conduction import Pool, mean_metal, pool, pool_depth, pool_width
from partsim.meltpool.source import Beam, normalised_enthalpy
from partsim.schema import read_text, require
from partsim.trackjob import Source, TrackLaser

COLUMNS = ("case", "power_W", "speed_mm_s", "spot_D4sigma_um", "width_um", "depth_um")
LEAST_CASES = 4  # without one of them there are six sizes for four numbers
SIZES = Pool._fields
FIRST, SCALES = (0.35, 0.05), (0.1, 0.1, 0.03, 0.1)  # of absorptivity and gain; of the search
ABSORBED = (0.02, 1.0)  # least and most of the power
SHALLOW = 0.01  # radii, the depth of a source of which the law tells less
MICROMETRE = 1e-6


@dataclass(frozen=True)
class Track:
    """A measured track; length in m is None where it was not told."""

    name: str
    laser: TrackLaser
    width: float
    depth: float
    length: float | None

    @property
    def measured(self) -> tuple[float | None, ...]:
        """Sizes in the order of Pool."""
        return self.width, self.depth, self.length


class Law(NamedTuple):
    """See the head of this file."""

    absorptivity: float
    gain: float
    slope: float
    offset: float


class Model:
    """What a law predicts for tracks on one metal at one initial temperature."""

    def __init__(self, alloy: Alloy, initial: float, edge: float) -> None:
        """initial, edge  K, of the metal, and where the measured pools end"""
        self.alloy, self.initial = alloy, initial
        self.metal = mean_metal(alloy, initial, edge)
        middle = (initial + alloy.solidus) / 2
        capacity = float(alloy.capacity(middle))
        self.source = Source(
            absorptivity=1.0, heat_capacity=capacity / alloy.density,
            diffusivity=float(alloy.conductivity_at(middle)) / capacity,
        )

    def enthalpy(self, track: Track) -> float:
        """K of a track if it absorbed all power."""
        return normalised_enthalpy(self.source, track.laser, self.alloy, self.initial)

    def beam(self, track: Track, law: Law) -> Beam:
        """The beam of a track as the law has it."""
        laser = track.laser
        deep = max(law.slope * self.enthalpy(track) - law.offset, SHALLOW)
        absorbed = min(max(law.absorptivity + law.gain * deep, ABSORBED[0]), ABSORBED[1])
        return Beam(absorbed * laser.power, laser.radius, deep * laser.radius)

    def pool(self, track: Track, law: Law) -> Pool:
        """The pool of a track."""
        return pool(self.beam(track, law), track.laser.speed, self.metal)

    def deviations(self, track: Track, law: Law) -> tuple[float, float]:
        """Relative deviations of width and depth."""
        beam, speed = self.beam(track, law), track.laser.speed
        return (pool_width(beam, speed, self.metal) / track.width - 1,
                pool_depth(beam, speed, self.metal) / track.depth - 1)

    def fit(self, tracks: list[Track]) -> Law:
        """The law whose widths and depths deviate least from those of the tracks."""
        enthalpies = [self.enthalpy(track) for track in tracks]
        depths = [track.depth / track.laser.radius for track in tracks]
        slope, offset = np.polyfit(enthalpies, depths, 1)

        def deviations(x: np.ndarray) -> np.ndarray:
            return np.ravel([self.deviations(track, Law(*x)) for track in tracks])

        found = least_squares(deviations, [*FIRST, slope, -offset], x_scale=SCALES, diff_step=1e-3,
                              xtol=1e-4, ftol=1e-4)
        return Law(*found.x.tolist())


def model_of(alloy: str, initial: float, edge: float | None) -> Model:
    """The model of an alloy by its name, or of a file (.toml); edge None means the liquidus.

    Raises UserError for an unknown alloy and where initial, in K, is not below the edge.
    """
    choice = MaterialChoice(file=alloy) if alloy.endswith(".toml") else MaterialChoice(name=alloy)
    metal = alloys.load(choice)
    end = metal.liquidus if edge is None else edge
    require(0 < initial < metal.solidus, "--temperature", f"{initial:g} K",
            f"above 0 K and below the solidus, {metal.solidus:g} K")
    require(metal.solidus <= end <= metal.liquidus, "--edge", f"{end:g} K",
            f"between solidus and liquidus, {metal.solidus:g} to {metal.liquidus:g} K")
    return Model(metal, initial, end)


def read_tracks(path: Path) -> list[Track]:
    """The tracks of a CSV file with the columns COLUMNS and, if wanted, length_um; lines that
    begin with # are comments.

    Raises UserError for a file that lacks a column, a number or enough tracks.
    """
    lines = read_text(path, "table of pools").splitlines()
    rows = list(csv.DictReader(line for line in lines if line.strip() and line[0] != "#"))
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise UserError(f"table of pools {path} has no column {', '.join(missing)}")
    if len(rows) < LEAST_CASES:
        raise UserError(f"table of pools {path} has {len(rows)} tracks, but it must have at least "
                        f"{LEAST_CASES}")
    return [read_track(row, path) for row in rows]


def read_track(row: dict[str, str], path: Path) -> Track:
    """A track from its row; UserError names an entry that is no positive number."""
    def number(column: str) -> float:
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = 0.0
        if not 0 < value < np.inf:
            raise UserError(f'table of pools {path}, case {row["case"]}: {column} = '
                            f'"{row[column]}", but it must be a positive number')
        return value

    laser = TrackLaser(power=number("power_W"), speed=1e-3 * number("speed_mm_s"),
                       radius=MICROMETRE * number("spot_D4sigma_um") / 2)
    length = MICROMETRE * number("length_um") if row.get("length_um") else None
    return Track(row["case"], laser, MICROMETRE * number("width_um"),
                 MICROMETRE * number("depth_um"), length)


def calibrate(tracks: list[Track], model: Model) -> dict[str, Any]:
    """The fitted source, every pool measured, fitted and predicted by the others, and the mean
    deviations in per cent."""
    law = model.fit(tracks)
    fitted = [model.pool(track, law) for track in tracks]
    others = [model.fit([other for other in tracks if other is not track]) for track in tracks]
    left_out = [model.pool(track, other) for track, other in zip(tracks, others)]
    return {
        "model": "conduction alone in closed form, mean properties, no flow; depths follow the "
        "depth of the source: they are calibrated, widths and lengths are predictions",
        "material": model.alloy.name,
        "law": law._asdict() | {
            "heat_capacity": model.source.heat_capacity, "diffusivity": model.source.diffusivity,
        },
        "sources": [source_of(track, model, law) for track in tracks],
        "pools": [row for entry in zip(tracks, fitted, left_out) for row in rows(*entry)],
        "mean_deviation_percent": mean_deviations(tracks, fitted),
        "leave_one_out_percent": mean_deviations(tracks, left_out),
    }


def source_of(track: Track, model: Model, law: Law) -> dict[str, Any]:
    """What a job of a track has in its section source, with form = "paper"."""
    beam = model.beam(track, law)
    return {
        "case": track.name, "absorptivity": round(beam.power / track.laser.power, 4),
        "depth_um": round(beam.depth / MICROMETRE, 1),
        "enthalpy": round(model.enthalpy(track), 2),
    }


def rows(track: Track, fitted: Pool, left_out: Pool) -> list[dict[str, Any]]:
    """Sizes of a track in um."""
    def shown(value: float | None) -> float | None:
        return None if value is None else round(value / MICROMETRE, 1)

    return [
        {"case": track.name, "size": name, "measured_um": shown(known), "fitted_um": shown(here),
         "left_out_um": shown(there)}
        for name, known, here, there in zip(SIZES, track.measured, fitted, left_out)
    ]


def mean_deviations(tracks: list[Track], pools: list[Pool]) -> dict[str, float | None]:
    """Mean absolute deviation of each size in per cent, None where none was measured."""
    found = {}
    for place, name in enumerate(SIZES):
        off = [abs(size[place] / track.measured[place] - 1)
               for size, track in zip(pools, tracks) if track.measured[place] is not None]
        found[name] = round(100 * float(np.mean(off)), 2) if off else None
    return found
