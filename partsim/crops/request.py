"""What the verb `partsim crop` does: reads grains, writes crops and a sheet of them."""

from pathlib import Path
from typing import Any, NamedTuple

from partsim import study as studies
from partsim.crops.colours import KINDS
from partsim.crops.crop import View, crop
from partsim.crops.cropfile import SECTIONS, Crops, write
from partsim.crops.sheet import draw_sheet
from partsim.schema import require


class Request(NamedTuple):
    """Files of grains to read, what to cut out of them, where to write crops and sheet."""

    paths: tuple[Path, ...]
    view: View
    study: Path | None
    output: Path
    sheet: Path | None


def fulfil(request: Request) -> dict[str, Any]:
    """Writes the crops file and the sheet; a nested table of what was written.

    Raises UserError where an input is wrong or a file cannot be written.
    """
    view = request.view
    require(view.cut.section in SECTIONS, "--section", view.cut.section, " or ".join(SECTIONS))
    require(view.colours in KINDS, "--colours", view.colours, ", ".join(KINDS))
    study = studies.load(request.study) if request.study else None
    crops, told = crop(request.paths, view, study)
    write(request.output, crops)
    if request.sheet is not None:
        draw_sheet(crops, request.sheet)
    return {**summary(crops, request.output), "runs": told}


def summary(crops: Crops, path: Path) -> dict[str, Any]:
    """What a crops file holds, in a few lines."""
    splits = crops.columns["split"].tolist()
    return {
        "file": str(path),
        "section": crops.section,
        "crops": len(crops),
        "pixels": list(crops.grains.shape[1:]),
        "pixel_size": {"value": crops.pixel_size, "unit": "m"},
        "grains": len(crops.orientations),
        "splits": {name: splits.count(name) for name in sorted(set(splits))},
        "bytes": path.stat().st_size,
    }
