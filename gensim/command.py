"""The command line of gensim: one verb per stage of the work, in the order of their use.

What needs torch is imported by the verb that needs it: `inspect` works without the extra `learn`.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args

import numpy as np
import typer

from partsim.errors import UserError
from partsim.lines import as_lines
from partsim.schema import require
from partsim.writable import check_report, make_writable

app = typer.Typer(
    help="Images of grain structure from process conditions: train on crops, refine, sample.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="See gensim info.")
]
Stop = Annotated[
    int | None, typer.Option(metavar="IMAGES", help="Stop there, the state written; then resume.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Give up the training that the folder has.")
]
CropFiles = Annotated[list[Path], typer.Argument(metavar="FILES", help="Crops files.")]
Output = Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write.")]
CropOutput = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="Crops file to write (.h5).")
]
Tolerance = Annotated[str, typer.Option(metavar="ANGLE", help="Disorientation of two grains.")]
Domain = Annotated[
    str, typer.Option(metavar="NAME", help="Where the crops say that they come from.")
]
Sheet = Annotated[Path | None, typer.Option(metavar="PNG", help="Crops to look at.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Report as JSON.")]


def execute(words: list[str]) -> int:
    """Runs the verb and options in `words`; the exit status.

    Raises UserError for a mistake in the words or in the files that they name.
    """
    try:
        return app(words or ["--help"], prog_name="gensim", standalone_mode=False) or 0
    except typer.TyperException as problem:
        raise UserError(problem.format_message()) from problem


@app.command("import")
def import_verb(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="EBSD map: .ang, .ctf or .h5.")],
    output: CropOutput,
    build: Annotated[
        str, typer.Option(metavar="D", help="x, -x, y or -y of the map, y down: build direction.")
    ],
    section: Annotated[
        str, typer.Option(metavar="S", help="cross (normal to the scan) or longitudinal.")
    ] = "cross",
    quality: Annotated[
        str | None, typer.Option(metavar="NAME", help="Property above 0 where indexed, like ci.")
    ] = None,
    tolerance: Tolerance = "5 deg",
    split: Annotated[
        float, typer.Option(metavar="X", help="Share of the width that is not held out; 1: all.")
    ] = 0.5,
    validation: Annotated[
        float, typer.Option(metavar="X", help="Share of the width that validates, left of there.")
    ] = 0.0,
    case: Annotated[
        int, typer.Option(metavar="N", help="Number of the map, of several used together.")
    ] = 1,
    spacing: Annotated[str, typer.Option(metavar="LENGTH", help="Between windows.")] = "10 um",
    image: Annotated[
        str, typer.Option(metavar="I", help="default: 64 pixels, 200 um; see partsim.crops.pixels.")
    ] = "default",
    colours: Annotated[
        str, typer.Option(metavar="C", help="ipf, palette or palette-plain.")
    ] = "ipf",
    domain: Domain = "ebsd",
    sheet: Sheet = None,
    json_file: JsonFile = None,
) -> None:
    """Find the grains of a measured map and write crops of it, their condition unknown."""
    from gensim.maps.importer import Choices, fulfil
    from gensim.maps.options import angle_of, length_of

    choices = Choices(
        build, section, quality, angle_of("--tolerance", tolerance),
        None if split == 1 else split, validation, length_of("--spacing", spacing), image, colours,
        domain, case,
    )
    report(fulfil(map_file, choices, output, sheet), json_file)


@app.command("ebsd")
def ebsd_verb(
    files: CropFiles,
    output: CropOutput,
    not_indexed: Annotated[float, typer.Option(metavar="X", help="Share of the points.")] = 0.06,
    spread: Annotated[
        str, typer.Option(metavar="ANGLE", help="Standard deviation of the error about each axis.")
    ] = "0.5 deg",
    tolerance: Tolerance = "5 deg",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    domain: Domain = "experiment-like",
    sheet: Sheet = None,
    json_file: JsonFile = None,
) -> None:
    """Show simulated crops as an EBSD scan would: points that err or are not indexed."""
    from gensim.maps.options import angle_of
    from gensim.maps.scan import Scan, fulfil

    scan = Scan(not_indexed, angle_of("--spread", spread), angle_of("--tolerance", tolerance),
                seed, domain)
    report(fulfil(files, scan, output, sheet), json_file)


def learning(module: str) -> ModuleType:
    """A module of gensim that needs torch; UserError where the extra is not installed."""
    try:
        return importlib.import_module(f"gensim.{module}")
    except ModuleNotFoundError as problem:
        if str(problem.name).startswith("gensim"):
            raise
        raise UserError(f"{problem.name} is missing: pip install -e '.[learn]'") from problem


@app.command()
def inspect(
    files: CropFiles,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Default: first FILE in .out.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Check crops files, tell what they hold and draw sheet.png, a row of crops per condition."""
    from gensim.data.sets import CropSet
    from gensim.data.sheet import draw_sheet, statistics

    check_report(json_file)
    crops = CropSet(files)
    folder = output or files[0].with_suffix(".out")
    make_writable(folder)
    draw_sheet(crops, folder / "sheet.png")
    report(statistics(crops), json_file)


@app.command()
def info(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL", help="Folder of one.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Tell the networks with their parameters and the settings of a training, or about a model."""
    check_report(json_file)
    describe = learning("model.describe")
    if model is not None:
        report(describe.model(model), json_file)
        return
    from gensim.train.plan import Settings

    report(describe.networks() | {"settings": Settings().model_dump()}, json_file)


@app.command()
def pretrain(
    files: CropFiles,
    output: Output,
    network: Annotated[str | None, typer.Option(help="demo, small or paper.")] = None,
    base: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Start from its weights, all trained.")
    ] = None,
    settings: Sets = None,
    stop: Stop = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a network from random weights, or go on from those of --base; alone, under torchrun or
    under mpirun.

    With measured crops alone this is the paper's baseline. Exit status: 0 finished; 2 a mistake; 3
    stopped by --stop or a signal: go on with gensim resume.
    """
    if network is not None and base is not None:
        raise UserError("--network beside --base: a model has its own network")
    begin("pretrain", files, output, settings, (stop, overwrite), network=network, base=base)


@app.command()
def finetune(
    model: Model, files: CropFiles, output: Output, settings: Sets = None, stop: Stop = None,
    overwrite: Overwrite = False,
) -> None:
    """Train the up blocks of MODEL on other crops, the rest frozen (setting up_blocks)."""
    begin("finetune", files, output, settings, (stop, overwrite), base=model)


@app.command()
def distill(
    model: Model, files: CropFiles, output: Output, settings: Sets = None, stop: Stop = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a copy of MODEL on other crops, held near to what MODEL predicts (setting truth)."""
    begin("distill", files, output, settings, (stop, overwrite), base=model)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    stop: Stop = None,
) -> None:
    """Go on with a training run from its last state."""
    learning("train.run").resume(run, stop)


@app.command()
def sample(
    model: Model,
    output: Output,
    condition: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help='"150 W, 0.8 m/s, 400 K", or "unknown"; repeat.'),
    ] = None,
    job: Annotated[
        Path | None, typer.Option(metavar="JOB", help="Speed and temperature from a job; --power.")
    ] = None,
    power: Annotated[str | None, typer.Option(metavar="X", help="Nominal, with --job.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Images of each condition.")] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    sampler: Annotated[str, typer.Option(help="ddpm, ddim, dpm or paper.")] = "ddpm",
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Of the sampler.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time on a rank.")] = 16,
) -> None:
    """Draw images of MODEL for conditions: samples.h5, a crops file, and sheet.png."""
    run = learning("sample.run")
    from gensim.sample.ask import condition as read, condition_of_job
    from gensim.sample.draw import Order

    asked = [read(text) for text in condition or []]
    if job is not None:
        asked.append(condition_of_job(job, power))
    if not asked:
        raise UserError('--condition "150 W, 0.8 m/s" is missing, or --job JOB')
    make_writable(output)
    run.sample(model, Order(np.stack(asked), count, seed, sampler, steps, batch), output)


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Crops file or folder of them.")],
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="What is judged by it.")],
    output: Output,
    train: Annotated[
        Path | None, typer.Option(metavar="FILES", help="Crops trained with: are there copies?")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="S", help="Only these crops of TRUTH: held_out.")
    ] = None,
    features: Annotated[
        str, typer.Option(metavar="NAME", help="efficientnet-lite0, inception or none.")
    ] = "efficientnet-lite0",
    dimensions: Annotated[
        int, typer.Option(min=1, help="Principal axes of the features that are compared.")
    ] = 16,
    pairs: Annotated[
        int, typer.Option(min=20, help="Of crops whose histograms are compared.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Compare the grains of two domains: report.md, report.json and pictures in DIR."""
    from gensim.data.crops import SPLITS, files_in
    from gensim.evaluate.compare import Choices
    from gensim.evaluate.run import NO_FEATURES, Features, Order, fulfil

    require(split in (None, *SPLITS), "--split", f"{split}", ", ".join(SPLITS))
    known = get_args(Features)
    require(features in known, "--features", features, ", ".join(known))
    if features != NO_FEATURES:
        learning("evaluate.features")
    make_writable(output)
    order = Order(files_in(truth), files_in(other), files_in(train) if train else [], features,
                  dimensions, Choices(pairs, seed), split)
    fulfil(order, output)
    print(f"wrote {output / 'report.md'}")


@app.command()
def study(
    plan: Annotated[
        Path, typer.Argument(metavar="STUDY.toml", help="Such as jobs/studies/learning.toml.")
    ],
    output: Output,
) -> None:
    """Train, sample and judge every method of a study on held-out conditions; goes on if stopped.

    Exit status: 0 finished, report.md and study.json written; 2 a mistake; 3 stopped by a signal,
    the state written: the same command goes on.
    """
    run = learning("study.run")
    make_writable(output)
    run.fulfil(plan, output)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Of partsim, with [arrivals].")],
    model: Annotated[Path, typer.Option(metavar="MODEL", help="Folder of a model.")],
    power: Annotated[str, typer.Option(metavar="X", help="Nominal power; a job: absorbed.")],
    output: Output,
    at: Annotated[
        list[str] | None, typer.Option(metavar="X,Y,Z", help='"1 mm,1 mm,0.5 mm"; repeat.')
    ] = None,
    section: Annotated[
        str | None, typer.Option(metavar="X", help="x of a cross section to fill; lines along x.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Images of each place: 3. Of a section there is one.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    sampler: Annotated[str, typer.Option(help="ddpm, ddim, dpm or paper.")] = "ddpm",
) -> None:
    """Draw the grains at places of a part that was simulated, or in a plane across the scan's
    lines: samples.h5, part.png and, for ParaView, place_N.vtkhdf or section.vtkhdf."""
    predicting = learning("predict.run")
    from gensim.sample.ask import point, read
    from gensim.sample.draw import Order
    from partsim.units import Length, Power

    if (section is None) == (not at):
        raise UserError('one of --at "1 mm,1 mm,0.5 mm" and --section "1 mm" is needed')
    if section and count is not None:
        raise UserError(f"--count {count} is for --at: a section has one image of each place")
    plane = read("--section", section, Length) if section else None
    asked = predicting.Asked([point(text) for text in at or []], plane,
                             read("--power", power, Power))
    # places have the same noise, so that they differ by their conditions; tiles must not look alike
    order = Order(np.empty((0, 3)), (count or 3) if at else 1, seed, sampler, alike=bool(at))
    make_writable(output)
    predicting.predict(run, model, asked, order, output)


def begin(
    verb: str, files: list[Path], output: Path, words: list[str] | None,
    how: tuple[int | None, bool], **origin: Any,
) -> None:
    """Begins a training; `how` is (stop, overwrite), `origin` a network's name or the folder of a
    base model."""
    run = learning("train.run")
    from gensim.train.plan import Plan, settings_of

    if origin.get("base") is not None:
        origin["base"] = origin["base"].resolve()
    settings = settings_of(words or [])
    paths = tuple(path.resolve() for path in files)
    make_writable(output)
    run.begin(Plan(verb=verb, files=paths, settings=settings, **origin), output, *how)


def report(tree: dict[str, Any], json_file: Path | None) -> None:
    """Prints a nested table and writes it as JSON."""
    from partsim.wholefile import replace_json

    print("\n".join(as_lines(tree)))
    if json_file is not None:
        replace_json(json_file, tree)
