"""The verb `gensim ebsd`: simulated crops as a scan of electron backscatter diffraction shows them.

Every pixel is a point of the scan. Its orientation is that of its grain, turned by a small random
rotation; some points are not indexed, those at boundaries, where two patterns mix, more often. From
there on the points take the way of a measured map: filled, segmented, mean orientations.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from gensim.data.crystals import mean_orientations, segmented
from gensim.maps.ebsd import Map
from gensim.maps.frame import FIRST, LAST
from gensim.maps.grains import filled
from partsim.crops.colours import draw
from partsim.crops.components import boundaries, edges
from partsim.crops.cropfile import Crops, read_all, write
from partsim.crops.sheet import draw_sheet
from partsim.schema import require

AT_BOUNDARIES = 4.0  # times as often a point is not indexed there: an assumption


class Scan(NamedTuple):
    """How a scan errs.

    not_indexed  share of the points
    spread       degrees, standard deviation of the rotation about each axis
    tolerance    degrees of disorientation from which neighbours are two grains
    """

    not_indexed: float = 0.06
    spread: float = 0.5
    tolerance: float = 5.0
    seed: int = 0
    domain: str = "experiment-like"


def fulfil(
    paths: Sequence[Path], scan: Scan, output: Path, sheet: Path | None = None
) -> dict[str, Any]:
    """Writes crops file and sheet; a nested table of what was seen. UserError where an input is
    wrong."""
    _check(scan)
    seen = read_all(paths)
    crops, told = scanned(seen, scan)
    write(output, crops)
    if sheet is not None:
        draw_sheet(crops, sheet)
    return {"file": str(output), "crops": len(crops), "bytes": output.stat().st_size, **told}


def scanned(crops: Crops, scan: Scan) -> tuple[Crops, dict[str, Any]]:
    """The crops as the scan shows them, and what happened to points and grains.

    Errors are a function of the seed, and of case, seed and position of a crop.
    """
    grains, means, lost = [], [], 0
    pairs = np.stack(edges(crops.grains[0]), axis=1)
    for number in range(len(crops)):
        chance = np.random.default_rng([scan.seed, *_identity(crops, number)])
        map_ = _map_of(crops, number, scan, chance, pairs)
        orientations = filled(map_)
        labels = segmented(orientations, map_.pairs, scan.tolerance)
        grains.append(labels.reshape(crops.grains.shape[1:]) + sum(map(len, means)))
        means.append(mean_orientations(orientations, labels))
        lost += int((~map_.indexed).sum())
    found, orientations = np.array(grains, np.int32), np.concatenate(means)
    columns = crops.columns | {"domain": np.full(len(crops), scan.domain)}
    job = json.dumps({"scan": scan._asdict(), "of": crops.job}, indent=2)
    told = {
        "not_indexed": lost / crops.grains.size,
        "grains_a_crop": {"before": _mean_count(crops.grains), "after": _mean_count(found)},
    }
    return replace(crops, job=job, grains=found, orientations=orientations, columns=columns,
                   images=draw(found, orientations, crops.colours)), told


def _check(scan: Scan) -> None:
    require(0 <= scan.not_indexed <= 0.5, "--not-indexed", f"{scan.not_indexed:g}", "0 to 0.5")
    require(0 <= scan.spread < scan.tolerance, "--spread", f"{scan.spread:g} degrees",
            f"0 or more, and below --tolerance, {scan.tolerance:g} degrees")
    require(scan.tolerance < 60, "--tolerance", f"{scan.tolerance:g} degrees", "below 60 degrees")


def _identity(crops: Crops, number: int) -> list[int]:
    """Whole numbers that name a crop in all files."""
    place = round(1e9 * float(crops.columns["position"][number]))
    seed = int(crops.columns["seed"][number]) % 2**32  # that of measured crops is -1
    return [int(crops.columns["case"][number]), seed, place]


def _map_of(
    crops: Crops, number: int, scan: Scan, chance: np.random.Generator, pairs: np.ndarray
) -> Map:
    """The points of one crop as they are measured."""
    grain = crops.grains[number]
    turn = Rotation.from_rotvec(np.radians(scan.spread) * chance.standard_normal((grain.size, 3)))
    true = Rotation.from_quat(crops.orientations[grain.ravel()][:, FIRST])
    measured = (turn * true).as_quat()[:, LAST]
    edge = boundaries(grain[None])[0].ravel()
    weight = np.where(edge, AT_BOUNDARIES, 1.0)
    likely = np.minimum(scan.not_indexed * weight / weight.mean(), 1.0)
    indexed = chance.random(grain.size) >= likely
    points = crops.pixel_size * np.indices(grain.shape)[::-1].reshape(2, -1).T.astype(float)
    return Map(points, measured, indexed, pairs, crops.pixel_size)


def _mean_count(grains: np.ndarray) -> float:
    return float(np.mean([len(np.unique(image)) for image in grains]))
