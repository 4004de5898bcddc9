"""The verbs of the track scale: melt pools, grains, crops of them."""

from pathlib import Path
from typing import Annotated

import typer

from partsim import parallel
from partsim.errors import UserError
from partsim.verbs import (
    JobFile, JsonFile, Output, agreed, on_first_rank, quantity_of, report, write_report,
)
from partsim.writable import check_report, make_writable

verbs = typer.Typer()

Place = Annotated[str | None, typer.Option(metavar="LENGTH", help="Default: the middle.")]


@verbs.command()
def melt(job: JobFile, output: Output = None) -> None:
    """Heat and flow of one track's melt pool. Default of --output: JOB ending in .out/melt."""
    from partsim import trackjob

    inputs = agreed(trackjob.load, job)
    folder = output or job.with_suffix(".out") / "melt"
    agreed(make_writable, folder)
    from partsim.meltpool.melt import melt as melt_track

    melt_track(parallel.world(), inputs, folder)


@verbs.command()
def calibrate(
    pools: Annotated[Path, typer.Argument(metavar="POOLS.csv", help="Measured pools.")],
    json_file: JsonFile = None,
    alloy: Annotated[
        str, typer.Option("--material", metavar="NAME|FILE", help="Alloy of the track scale.")
    ] = "316L",
    temperature: Annotated[str, typer.Option(metavar="T", help="Of the cold metal.")] = "300 K",
    edge: Annotated[
        str | None, typer.Option(metavar="T", help="Of the pools' edge. Default: the liquidus.")
    ] = None,
) -> None:
    """Fit absorptivity and depth of a track's source to measured pools."""
    from partsim.meltpool import calibrate as calibration

    tracks = agreed(calibration.read_tracks, pools)
    initial = agreed(quantity_of, "--temperature", temperature, "K")
    end = agreed(quantity_of, "--edge", edge, "K")
    model = agreed(calibration.model_of, alloy, initial, end)
    agreed(check_report, json_file)
    report(calibration.calibrate(tracks, model), json_file)


@verbs.command()
def grow(
    job: JobFile,
    temperature: Annotated[
        Path, typer.Option("--temperature", metavar="FILE", help="What partsim melt has written.")
    ],
    output: Output = None,
) -> None:
    """Grow the grains of tracks and layers. Default of --output: JOB ending in .out/grow.

    A run that was killed goes on from its last track when it is started again.
    """
    from partsim import trackjob

    inputs = agreed(trackjob.load, job)
    folder = output or job.with_suffix(".out") / "grow"
    agreed(make_writable, folder)
    from partsim.grains.grow import grow as grow_grains

    grow_grains(parallel.world(), inputs, temperature, folder)


@verbs.command()
def track(
    job: Annotated[
        Path, typer.Argument(metavar="JOB|STUDY", help="Job file, or a study with a job (.toml).")
    ],
    output: Output = None,
    case: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Only this case of a study, by number; may be repeated."),
    ] = None,
) -> None:
    """Melt one track, grow the grains of all, crop images. Default of --output: JOB ending in .out.

    Of a study: all cases with all seeds, one case per rank at a time. Jobs of an array on a cluster
    take one --case each.

    What is in the folder from the same job is not computed again.
    """
    from partsim import study, trackjob

    of_study = agreed(study.is_study, job)
    if case and not of_study:
        raise UserError(f"--case {case[0]}: {job} is no study, only studies have cases")
    inputs = agreed(study.load if of_study else trackjob.load, job)
    folder = output or job.with_suffix(".out")
    agreed(make_writable, folder)
    if of_study:
        from partsim.grains.manytracks import run_study

        run_study(parallel.world(), inputs, job, folder, case or None)
    else:
        from partsim.grains.onetrack import melt_and_grow

        melt_and_grow(parallel.world(), inputs, folder)


@verbs.command("crop")
def crop_verb(
    grains: Annotated[list[Path], typer.Argument(metavar="GRAINS...", help="Of partsim grow.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Crops file to write (.h5).")],
    section: Annotated[
        str, typer.Option(metavar="S", help="cross (normal to x) or longitudinal (normal to y).")
    ] = "cross",
    image: Annotated[
        str, typer.Option(metavar="I", help="default: 64 pixels, 200 um; see partsim.crops.pixels.")
    ] = "default",
    colours: Annotated[
        str, typer.Option(metavar="C", help="ipf, palette or palette-plain.")
    ] = "ipf",
    domain: Annotated[str, typer.Option(metavar="NAME", help="Where from.")] = "simulation",
    study: Annotated[
        Path | None, typer.Option(metavar="STUDY", help="Numbers the cases and splits them.")
    ] = None,
    first: Place = None,
    last: Place = None,
    spacing: Annotated[str, typer.Option(metavar="LENGTH", help="Between planes.")] = "8 um",
    centre: Place = None,
    depth: Annotated[str, typer.Option(metavar="LENGTH", help="Below the top.")] = "0 um",
    sheet: Annotated[Path | None, typer.Option(metavar="PNG", help="Crops to look at.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Cut sections out of grains, draw them, and write them with their conditions as one file.

    Planes: every --spacing from --first to --last. In them: a square whose top edge is --depth
    below the surface, --centre in its middle; by default all in the middle of the block.
    """
    places = {"--first": first, "--last": last, "--centre": centre}
    first_m, last_m, centre_m = (agreed(quantity_of, name, places[name], "m") for name in places)
    spacing_m = agreed(quantity_of, "--spacing", spacing, "m")
    depth_m = agreed(quantity_of, "--depth", depth, "m")
    agreed(check_report, json_file)
    from partsim.crops.crop import View
    from partsim.crops.request import Request, fulfil
    from partsim.crops.sections import Cut

    view = View(Cut(section, first_m, last_m, spacing_m, centre_m, depth_m), image, colours, domain)
    request = Request(tuple(grains), view, study, output, sheet)
    on_first_rank(lambda: write_report(fulfil(request), json_file))
