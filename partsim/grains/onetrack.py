"""`partsim track`: melt, grow and crop in one go."""

import json
from pathlib import Path
from time import perf_counter

import h5py

from partsim.crops.crop import View
from partsim.crops.pixels import IMAGES, ROUND_OFF
from partsim.crops.request import Request, fulfil
from partsim.crops.sections import Cut
from partsim.grains.check import check_layers, check_step
from partsim.grains.grow import GRAINS, SUMMARY, finished, grow
from partsim.grains.layers import plan
from partsim.meltpool import alloy as alloys
from partsim.meltpool.melt import TEMPERATURE, melt
from partsim.parallel import first_rank_only, rank_print, together
from partsim.schema import require
from partsim.trackjob import TrackInputs, TrackJob, parse
from partsim.wholefile import replace_json

MELT, GROW, CROPS, SHEET = "melt", "grow", "crops.h5", "crops.png"
# of a job, what a track's temperature follows from
SECTIONS = ("material", "laser", "source", "track", "domain", "losses", "melt")
OF_MELT = ("pool_metres", "absorbed_fraction", "source_depth_metres")


def melt_and_grow(comm, job: TrackJob, folder: Path) -> None:
    """The track in folder/melt, unless it is there already, the grains in folder/grow, crops of
    them where the job wants some, and a summary; collective. Raises UserError as melt and grow do.
    """
    together(comm, lambda: check_growth(job))
    first_rank_only(comm, lambda: clear(folder, job))
    begin = perf_counter()
    source = folder / MELT / TEMPERATURE
    if together(comm, lambda: same_track(job, source)):
        rank_print(comm, f"{source} is of this track: not computed again")
    else:
        melt(comm, job, folder / MELT)
    if together(comm, lambda: finished(job, source, folder / GROW)):
        rank_print(comm, f"{folder / GROW} has the grains of this job: not grown again")
        result = together(comm, lambda: json.loads((folder / GROW / SUMMARY).read_text()))
    else:
        result = grow(comm, job, source, folder / GROW)

    def summarise() -> None:
        former = json.loads((folder / MELT / SUMMARY).read_text())
        whole = result | {name: former[name] for name in OF_MELT}
        if job.crops:
            told = fulfil(cropping(job, folder))
            run = told["runs"][0]
            whole |= {"crops": told["crops"], "correlation_length": run["correlation_length"]}
        whole |= {"melt_seconds": former["wall_seconds"], "wall_seconds": perf_counter() - begin}
        replace_json(folder / SUMMARY, whole)

    first_rank_only(comm, summarise)


def clear(folder: Path, job: TrackJob) -> None:
    """Takes away the summary, and crops that the job does not want: another one's may lie there."""
    for name in (SUMMARY, *(() if job.crops else (CROPS, SHEET))):
        (folder / name).unlink(missing_ok=True)


def cropping(job: TrackJob, folder: Path) -> Request:
    """What is cut out of the grains in a folder, and where it goes."""
    return Request((folder / GROW / GRAINS,), view_of(job), None, folder / CROPS, folder / SHEET)


def view_of(job: TrackJob) -> View:
    """What [crops] of a job cuts out of its grains."""
    wanted, first, last = job.crops, None, None
    if wanted.section == "cross" and wanted.extent is not None:
        middle = plan(job, job.track.length).cells[2] * job.grains.cell / 2
        first, last = middle - wanted.extent / 2, middle + wanted.extent / 2
    cut = Cut(wanted.section, first, last, wanted.spacing, depth=wanted.depth)
    return View(cut, wanted.image, wanted.colours, wanted.domain)


def check_growth(job: TrackJob) -> None:
    """UserError for what grow or crop would refuse, as far as it can be known before the pool."""
    check_step(job, alloys.load(job.material, job.path.parent).liquidus)
    check_layers(job)
    check_crops(job)


def check_crops(job: TrackJob) -> None:
    """The crops will lie in the metal; UserError in one line if not."""
    if job.crops is None:
        return
    wanted, grains, image = job.crops, job.grains, IMAGES[job.crops.image]
    side, h, cells = image.side, grains.cell, plan(job, job.track.length).cells
    height, width, length = (count * h * (1 + ROUND_OFF) for count in cells)
    least = wanted.depth + side - (job.scan.layers - 1) * job.scan.thickness
    require(wanted.depth + side <= height, "grains.depth", f"{grains.depth:g} m",
            f"at least {least:g} m, so that the images of [crops], {side:g} m, lie in the metal")
    if wanted.section == "cross":
        entry, extent = "grains.width", width
    else:
        entry, extent = "track.length + 2 grains.margin", length
    require(side <= extent, entry, f"{extent:g} m",
            f"at least {side:g} m, so that the images of [crops] lie in the metal")
    planes = wanted.extent or 0.0
    require(planes <= length, "crops.extent", f"{planes:g} m",
            f"at most {length:.3g} m, the length of the metal")
    finest = side / image.sampled
    require(h <= finest * (1 + ROUND_OFF), "grains.cell", f"{h:g} m",
            f"at most {finest:g} m, the points of the images of [crops]")
    require(wanted.spacing >= h * (1 - ROUND_OFF), "crops.spacing", f"{wanted.spacing:g} m",
            f"at least grains.cell = {h:g} m")


def same_track(job: TrackInputs, source: Path) -> bool:
    """Whether a temperature file, all of its run being there, was computed from the same inputs."""
    if not (source.parent / SUMMARY).exists():  # the last file that melt writes
        return False
    try:
        with h5py.File(source, "r") as file:
            former, alloy = parse(str(file.attrs["job"]), source), file.attrs["alloy"]
        same = alloy == alloys.load(job.material, job.path.parent).model_dump_json()
    except (OSError, KeyError, ValueError):
        return False
    return same and all(getattr(job, name) == getattr(former, name) for name in SECTIONS)
