"""Fields of an API's rows that a manifest has no column for. Pure.

A field is known if the path of some column leads to it, through it or above it: a column that is a whole object has
all that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.declarative.manifest import ColumnDeclared, TableDeclared

_NAME = re.compile(r"\['([^']*)'\]|([A-Za-z_][\w-]*)")
Steps = tuple[str, ...]


def new_fields(table: TableDeclared, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the fields with a value in any of the rows that no column of the table takes, in order, like `a.b`."""
    whole = {_steps(path) for path in _paths(table)}
    within = {steps[:length] for steps in whole for length in range(len(steps))}
    return sorted({".".join(steps) for row in rows for steps in _unknown(row, (), whole, within)})


def _unknown(value: object, at: Steps, whole: set[Steps], within: set[Steps]) -> Iterator[Steps]:
    if isinstance(value, list):
        for each in value:
            yield from _unknown(each, at, whole, within)
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = (*at, name)
            # What a reading noted of its own keys is no field of the API's.
            if here in whole or inner is None or name.startswith("\0"):
                continue
            if here in within:
                yield from _unknown(inner, here, whole, within)
            else:
                yield here


def _paths(table: TableDeclared) -> Iterator[str]:
    for name, column in table.columns.items():
        if isinstance(column, str):
            yield column.partition(" ")[2].strip() or name
            continue
        found = [*column.first_of, *(text for text in _places(column) if text)]
        yield from found or [name]


def _places(column: ColumnDeclared) -> tuple[str | None, ...]:
    return (column.path, column.epoch_s, column.epoch_ms, column.joined, column.present, column.cut)


def _steps(path: str) -> Steps:
    return tuple(quoted or plain for quoted, plain in _NAME.findall(path))
