"""TOML files against pydantic models; whatever is wrong in them is told in one line."""

import difflib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from partsim.errors import UserError

SHOWN_LENGTH = 60
# a misspelt entry is both unknown and missing: the first of these says more
ORDER = {"extra_forbidden": 0, "missing": 1}
WANTED = {
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
    "literal_error": "{expected}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "made of letters, digits, blanks, '.', '_' and '-'",
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "model_type": "a table",
    "dict_type": "a table",
}


class Section(BaseModel):
    """A table of a TOML file: frozen, and without room for entries that it does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Kind = TypeVar("Kind", bound=Section)


def require(condition: bool, entry: str, value: str, wanted: str) -> None:
    """Raises the UserError "entry = value, but it must be wanted" unless the condition holds."""
    if not condition:
        raise UserError(f"{entry} = {value}, but it must be {wanted}")


def read_text(path: Path, what: str) -> str:
    """The text of a file; UserError where it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UserError(f"{what} {path} cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise UserError(f"{what} {path} is not a text file in UTF-8") from problem


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; UserError with line and column where it is malformed."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise UserError(f"{where} is not TOML: {problem}") from problem


def validate(kind: type[Kind], entries: dict[str, Any], prefix: str = "") -> Kind:
    """The model `kind` from nested tables; the first mistake becomes a one-line UserError."""
    try:
        return kind.model_validate(entries)
    except ValidationError as problem:
        first = min(problem.errors(), key=lambda error: ORDER.get(error["type"], 2))
        raise UserError(prefix + _line(kind, entries, first)) from None


def shown(value: object) -> str:
    """A value of a TOML file as the user wrote it, shortened where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "..."


def _line(kind: type[Section], entries: dict[str, Any], error: Any) -> str:
    """What one pydantic error means: the entry's path, its value, what is wanted."""
    where = error["loc"]
    if error["type"] == "missing" and isinstance(where[-1], int):
        return f"{_path(where[:-1])} = {shown(error['input'])}, but it must be a longer list"
    if error["type"] == "missing":
        what = "section" if _section_at(kind, where) else "entry"
        return f"missing {what} {_path(where)}"
    if error["type"] == "extra_forbidden":
        return f"unknown entry {_path(where)}" + _suggestion(kind, where)
    value = shown(_at(entries, where, error["input"]))
    return f"{_path(where)} = {value}, but it must be {_wanted(error)}"


def _wanted(error: Any) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "greater_than":
        return "positive" if context["gt"] == 0 else f"more than {context['gt']:g}"
    if error["type"] in WANTED:
        return WANTED[error["type"]].format(**context)
    return error["msg"][0].lower() + error["msg"][1:]


def _path(where: tuple) -> str:
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _at(entries: Any, where: tuple, otherwise: object) -> object:
    """The value as written in the file, where the path leads to one."""
    for step in where:
        if not isinstance(entries, list if isinstance(step, int) else dict):
            return otherwise
        entries = entries[step]
    return entries


def _section_at(kind: type[Section], where: tuple) -> type[Section] | None:
    """The model that a path leads to, None where it leads to a value."""
    found: Any = kind
    for step in where:
        if isinstance(step, str):
            found = found.model_fields[step].annotation
        found = next((part for part in get_args(found) if _is_section(part)), found)
        if not _is_section(found):
            return None
    return found


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _suggestion(kind: type[Section], where: tuple) -> str:
    """The nearest entry of the same section, else the entry of the same name elsewhere."""
    section = _section_at(kind, where[:-1]) or kind
    near = difflib.get_close_matches(str(where[-1]), section.model_fields, n=1)
    if near:
        return f"; did you mean {_path((*where[:-1], near[0]))}?"
    elsewhere = [path for path in _entries(kind) if path[-1] == where[-1]]
    return f"; did you mean {_path(elsewhere[0])}?" if elsewhere else ""


def _entries(kind: type[Section], above: tuple = ()) -> Iterator[tuple]:
    for name in kind.model_fields:
        path = (*above, name)
        section = _section_at(kind, (name,))
        if section is None:
            yield path
        else:
            yield from _entries(section, path)
