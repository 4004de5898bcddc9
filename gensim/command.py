"""The command line of gensim: one verb per stage of the work, in the order of their use.

What needs torch is imported by the verb that needs it: `inspect` works without the extra `learn`.
"""

import importlib
import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from partsim.errors import UserError

app = typer.Typer(
    help="Images of grain structure from process conditions: train on crops, refine, sample.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

CropFiles = Annotated[list[Path], typer.Argument(metavar="FILES", help="Crops files.")]
Output = Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Report as JSON.")]


def execute(words: list[str]) -> int:
    """Runs the verb and options in `words`; the exit status.

    Raises UserError for a mistake in the words or in the files that they name.
    """
    try:
        return app(words or ["--help"], prog_name="gensim", standalone_mode=False) or 0
    except typer.TyperException as problem:
        raise UserError(problem.format_message()) from problem


def learning(module: str) -> ModuleType:
    """A module of gensim that needs torch; UserError where the extra is not installed."""
    try:
        return importlib.import_module(f"gensim.{module}")
    except ModuleNotFoundError as problem:
        if str(problem.name).startswith("gensim"):
            raise
        raise UserError(f"{problem.name} is missing: pip install 'partsim[learn]'") from problem


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

    check_json(json_file)
    crops = CropSet(files)
    folder = output or files[0].with_suffix(".out")
    make_writable(folder)
    draw_sheet(crops, folder / "sheet.png")
    report(statistics(crops), json_file)


def make_writable(folder: Path) -> None:
    """Makes the folder if it is absent; UserError where no file can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise UserError(f"output folder {folder} cannot be written: {problem.strerror}") from None


def check_json(path: Path | None) -> None:
    """UserError where a report could not be written to `path` later on."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UserError(f"--json {path} must be a file in a folder that exists")


def report(tree: dict[str, Any], json_file: Path | None) -> None:
    """Prints a nested table, one value a line, and writes it as JSON."""
    print("\n".join(lines_of(tree)))
    if json_file is not None:
        json_file.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def lines_of(tree: dict[str, Any], indent: str = "") -> list[str]:
    """`name: value` for each entry, those of inner tables further right."""
    lines = []
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *lines_of(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            inner = [", ".join(f"{key} {x}" for key, x in row.items()) for row in value]
            lines += [f"{indent}{name}", *(f"{indent}  {line}" for line in inner)]
        else:
            lines.append(f"{indent}{name}: {value}")
    return lines
