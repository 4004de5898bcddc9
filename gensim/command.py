"""The command line of gensim: one verb per stage of the work, in the order of their use."""

from pathlib import Path
from typing import Annotated

import typer

from partsim.errors import UserError

app = typer.Typer(
    help="Images of grain structure from process conditions: train on crops, refine, sample.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def execute(words: list[str]) -> int:
    """Runs the verb and options in `words`; the exit status.

    Raises UserError for a mistake in the words or in the files that they name.
    """
    try:
        return app(words or ["--help"], prog_name="gensim", standalone_mode=False) or 0
    except typer.TyperException as problem:
        raise UserError(problem.format_message()) from problem


@app.callback()
def program() -> None:
    """Images of grain structure from process conditions."""


@app.command("import")
def import_verb(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="EBSD map: .ang, .ctf or .h5.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Crops file to write (.h5).")],
    build: Annotated[
        str, typer.Option(metavar="D", help="x, -x, y or -y of the map, y down: build direction.")
    ],
    section: Annotated[
        str, typer.Option(metavar="S", help="cross (normal to the scan) or longitudinal.")
    ] = "cross",
    quality: Annotated[
        str | None, typer.Option(metavar="NAME", help="Property above 0 where indexed, like ci.")
    ] = None,
    tolerance: Annotated[
        str, typer.Option(metavar="ANGLE", help="Disorientation of two grains.")
    ] = "5 deg",
    split: Annotated[
        float, typer.Option(metavar="X", help="Share of the width that teaches; 1: all of it.")
    ] = 0.5,
    spacing: Annotated[str, typer.Option(metavar="LENGTH", help="Between windows.")] = "10 um",
    image: Annotated[
        str, typer.Option(metavar="I", help="default: 64 pixels, 200 um; see partsim.crops.pixels.")
    ] = "default",
    colours: Annotated[
        str, typer.Option(metavar="C", help="ipf, palette or palette-plain.")
    ] = "ipf",
    domain: Annotated[str, typer.Option(metavar="NAME", help="Where from.")] = "ebsd",
    sheet: Annotated[Path | None, typer.Option(metavar="PNG", help="Crops to look at.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Report as JSON.")
    ] = None,
) -> None:
    """Find the grains of a measured map and write crops of it, their condition unknown."""
    from gensim.maps.importer import Choices, fulfil
    from gensim.maps.options import angle_of, length_of, report

    choices = Choices(
        build, section, quality, angle_of("--tolerance", tolerance),
        None if split == 1 else split, length_of("--spacing", spacing), image, colours, domain,
    )
    report(fulfil(map_file, choices, output, sheet), json_file)
