"""Nested tables as lines of text, as all programs print them."""

from collections.abc import Iterator
from typing import Any

INDENT = 2


def as_lines(tree: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """A nested table as indented lines; a list of tables becomes rows under one heading, or one
    table after the other where they are nested."""
    blank = " " * INDENT * depth
    for name, value in tree.items():
        if not is_nested(value):
            yield f"{blank}{name}: {as_text(value)}"
        elif isinstance(value, dict):
            yield f"{blank}{name}"
            yield from as_lines(value, depth + 1)
        elif any(is_nested(item) for row in value for item in row.values()):
            for number, row in enumerate(value, start=1):
                yield from as_lines({f"{name}, {number}": row}, depth)
        else:
            yield f"{blank}{name}"
            yield from (f"{blank}  {row}" for row in as_rows(value))


def is_measured(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"value", "unit"}


def is_nested(value: object) -> bool:
    rows = isinstance(value, list | tuple) and value and isinstance(value[0], dict)
    return bool(rows) or (isinstance(value, dict) and bool(value) and not is_measured(value))


def as_rows(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A heading and one line per row, columns aligned."""
    table = [list(rows[0])] + [[as_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=False)]
    for line in table:
        yield "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=False))


def as_text(value: object) -> str:
    """One value in a few characters: six digits, and the unit where there is one."""
    if is_measured(value):
        return f"{as_text(value['value'])} {value['unit']}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    return "none" if value is None else str(value)
