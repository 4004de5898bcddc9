"""The verb `gensim import`: from a measured map to a crops file of unknown condition."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensim.data.crystals import mean_orientations, segmented
from gensim.maps.ebsd import Map, read_map
from gensim.maps.frame import upright
from gensim.maps.grains import figures, filled
from gensim.maps.windows import Windows, parts_of, raster, windows
from partsim.crops.colours import draw
from partsim.crops.cropfile import SECTIONS, Crops, write
from partsim.crops.pixels import image_of
from partsim.crops.sheet import draw_sheet
from partsim.schema import require


class Choices(NamedTuple):
    """How a map is read and cut.

    build       direction in the map, x to the right and y down, along which the part was built
    section     "cross": the map is normal to the scan; "longitudinal": along it
    quality     property of the points that is positive where they are indexed, see ebsd.read_map
    tolerance   degrees of disorientation from which neighbours are two grains
    split       share of the width, right of it held out; None: nothing is
    validation  share of the width, left of there, that validates; what is left of that trains
    spacing     m between windows
    case        number of the map among those that are used together
    """

    build: str
    section: str = "cross"
    quality: str | None = None
    tolerance: float = 5.0
    split: float | None = 0.5
    validation: float = 0.0
    spacing: float = 1e-5
    image: str = "default"
    colours: str = "ipf"
    domain: str = "ebsd"
    case: int = 1

    @property
    def parts(self) -> dict[str, float]:
        """The splits from left to right, and where each ends."""
        return parts_of(self.split, self.validation)


def import_map(path: Path, choices: Choices) -> tuple[Crops, dict[str, Any]]:
    """The crops of a map, and what was seen on the way; UserError where an input is wrong."""
    _check(choices)
    stored = read_map(path, choices.quality)
    raw = segmented(stored.orientations, stored.pairs, choices.tolerance)
    map_ = upright(stored, choices.build, choices.section)
    orientations = filled(map_)
    labels = segmented(orientations, map_.pairs, choices.tolerance)
    image = image_of(choices.image, map_.step)
    picture = raster(map_.points, labels, map_.step, image.side / image.sampled)
    found, cut = windows(picture, image, choices.spacing, choices.parts)
    crops = _crops(found, mean_orientations(orientations, labels), path, choices)
    return crops, _told(stored, raw, labels) | {
        "grains_cut_by_the_line": cut,
        "windows": {name: int((found.part == number).sum())
                    for number, name in enumerate(choices.parts)},
    }


def fulfil(
    path: Path, choices: Choices, output: Path, sheet: Path | None = None
) -> dict[str, Any]:
    """Writes crops file and sheet; a nested table of what was seen."""
    crops, told = import_map(path, choices)
    write(output, crops)
    if sheet is not None:
        draw_sheet(crops, sheet)
    return {"file": str(output), "crops": len(crops), "bytes": output.stat().st_size, **told}


def _check(choices: Choices) -> None:
    require(choices.section in SECTIONS, "--section", choices.section, " or ".join(SECTIONS))
    require(0 < choices.tolerance < 60, "--tolerance", f"{choices.tolerance:g} degrees",
            "between 0 and 60 degrees: no two cubic crystals are more than 62.8 apart")
    split = choices.split
    require(split is None or 0 < split < 1, "--split", f"{split}", "between 0 and 1")
    most = 1.0 if split is None else split
    require(0 <= choices.validation < most, "--validation", f"{choices.validation}",
            f"from 0 to less than {most:g}, the share that is not held out")
    require(choices.case > 0, "--case", f"{choices.case}", "a positive number")
    require(choices.spacing > 0, "--spacing", f"{choices.spacing:g} m", "positive")


def _told(stored: Map, raw: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Figures as stored, x to the right, and with the not-indexed points filled."""
    return {
        "points": len(stored.points),
        "step": stored.step,
        "not_indexed": int((~stored.indexed).sum()),
        "as_stored": figures(stored, raw),
        "filled": figures(stored, labels),
    }


def _crops(found: Windows, means: np.ndarray, path: Path, choices: Choices) -> Crops:
    seen, grains = np.unique(found.labels, return_inverse=True)
    grains = grains.reshape(found.labels.shape).astype(np.int32)
    each = np.ones(len(grains), np.int64)
    unknown = np.full(len(grains), np.nan)
    columns = {
        "power": unknown, "absorbed_power": unknown, "speed": unknown,
        "initial_temperature": unknown, "position": found.positions, "case": choices.case * each,
        "run": found.part + 1, "seed": -each, "domain": np.full(len(each), choices.domain),
        "split": np.array(list(choices.parts))[found.part],
    }
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    job = json.dumps({"map": path.name, "sha256": sha256, **choices._asdict()}, indent=2)
    pixel_size = image_of(choices.image, 0.0).pixel_size
    return Crops(choices.section, pixel_size, choices.colours, job, grains, means[seen],
                 draw(grains, means[seen], choices.colours), columns)
