"""What the verbs of a command line share: ranks that agree, checks of places, reports."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from partsim import parallel
from partsim.errors import UserError
from partsim.units import Length, Power, Speed, Temperature, Time, unit_of

Result = TypeVar("Result")
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="Job file (TOML), see jobs/.")]
Output = Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Where to write.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Report as JSON.")]


def agreed(action: Callable[..., Result], *arguments: Any) -> Result:
    """`action(*arguments)` on every rank; a mistake that one rank finds is raised on all."""
    return parallel.together(parallel.world(), functools.partial(action, *arguments))


def on_first_rank(action: Callable[..., None], *arguments: Any) -> None:
    """`action(*arguments)` on rank 0 only: two ranks must not write the same file."""
    comm, problem = parallel.world(), None
    if comm.rank == 0:
        try:
            action(*arguments)
        except (UserError, OSError) as failure:
            problem = parallel.one_line(failure)
    parallel.raise_together(comm, comm.bcast(problem))


def check_exists(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} does not exist")


def check_folder(path: Path) -> None:
    check_exists(path)
    if not path.is_dir():
        raise UserError(f"{path} is a file, but it must be the folder of a run")


def quantity_of(option: str, text: str | None, symbol: str) -> float | None:
    """The SI value of an option such as --power "200 W"; UserError where it is none."""
    if text is None:
        return None
    kind = {"W": Power, "m/s": Speed, "K": Temperature, "m": Length,
            "s": Time}[symbol]
    unit = unit_of(kind, kind.__metadata__)
    try:
        return unit.read(text if re.search("[A-Za-z]", text) else float(text))
    except ValueError:
        raise UserError(f"{option} {text} must be {unit.kind} such as {unit.example}") from None


def report(tree: dict[str, Any], json_file: Path | None) -> None:
    """Prints a nested table on rank 0, and writes it there as JSON."""
    on_first_rank(write_report, tree, json_file)


def report_scan(tree: dict[str, Any], json_file: Path | None) -> None:
    """Prints facts and one line for each finding, and writes both as JSON; on one rank."""
    lint = tree["lint"]
    write_report(tree, json_file, {name: value for name, value in tree.items() if name != "lint"})
    print("\n".join(f"lint: {line}" for line in lint) or "lint: nothing found")


def write_report(
    tree: dict[str, Any], json_file: Path | None, printed: dict[str, Any] | None = None
) -> None:
    """Prints a nested table, or the part of it that is given, and writes the whole as JSON."""
    from partsim.lines import as_lines
    from partsim.wholefile import replace_json

    print("\n".join(as_lines(printed or tree)))
    if json_file is not None:
        replace_json(json_file, tree)
