"""`partsim track`: melt and grow in one go, in two folders of one."""

import json
from pathlib import Path
from time import perf_counter

import h5py

from partsim.grains.grow import SUMMARY, grow
from partsim.meltpool.melt import TEMPERATURE, melt
from partsim.parallel import first_rank_only, rank_print, together
from partsim.trackjob import TrackInputs, TrackJob, parse
from partsim.wholefile import replace_text

MELT, GROW = "melt", "grow"
# of a job, what a track's temperature follows from
SECTIONS = ("material", "laser", "source", "track", "domain", "losses", "melt")
OF_MELT = ("pool_metres", "absorbed_fraction", "source_depth_metres")


def melt_and_grow(comm, job: TrackJob, folder: Path) -> None:
    """The track in folder/melt, unless it is there already, the grains in folder/grow, and a
    summary of both; collective. Raises UserError as melt and grow do.
    """
    begin = perf_counter()
    source = folder / MELT / TEMPERATURE
    if together(comm, lambda: same_track(job, source)):
        rank_print(comm, f"{source} is of this track: not computed again")
    else:
        melt(comm, job, folder / MELT)
    result = grow(comm, job, source, folder / GROW)

    def summarise() -> None:
        former = json.loads((folder / MELT / SUMMARY).read_text())
        whole = result | {name: former[name] for name in OF_MELT}
        whole |= {"melt_seconds": former["wall_seconds"], "wall_seconds": perf_counter() - begin}
        replace_text(folder / SUMMARY, json.dumps(whole, indent=2) + "\n")

    first_rank_only(comm, summarise)


def same_track(job: TrackInputs, source: Path) -> bool:
    """Whether a temperature file was computed from the same inputs."""
    try:
        with h5py.File(source, "r") as file:
            former = parse(str(file.attrs["job"]), source)
    except (OSError, KeyError, ValueError):
        return False
    return all(getattr(job, name) == getattr(former, name) for name in SECTIONS)
