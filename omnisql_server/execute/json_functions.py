"""Functions and operators of jsonb in DuckDB, where a jsonb is a JSON text in any form. Pure.

They are Python over Arrow batches, as those of numerics are; what is shown is written as PostgreSQL writes it. A truth
value is a text, which the caller casts.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from omnisql_server.execute import json_values as values
from omnisql_server.execute.json_values import MISSING, JsonFailure, read, write

_Signature = tuple[Callable[..., str | None], tuple[str, ...]]
_TEXT, _PLACE, _TEXTS = "VARCHAR", "INTEGER", "VARCHAR[]"
SEPARATOR = "\x01"
"""What stands between the elements of an array that is taken apart; no JSON text has it."""


def _shown(found: Any) -> str | None:
    return None if found is MISSING else write(found)


def _told(found: Any) -> str | None:
    return None if found is MISSING else values.as_text(found)


def _alone(text: str) -> str:
    """Show a value, of which equal ones must look alike."""
    value = read(text)
    if not values.is_plain(value):
        raise JsonFailure("a number that may be written in another way")
    return write(value)


def _length(text: str) -> str:
    value = read(text)
    if not isinstance(value, list):
        raise JsonFailure("cannot get array length of another value")
    return str(len(value))


def _truth(found: bool) -> str:
    return "true" if found else "false"


def _path(path: list[str | None]) -> list[str]:
    if None in path:
        raise JsonFailure("a path with a null")
    return [step for step in path if step is not None]


def _elements(text: str, show: Callable[[Any], str | None]) -> str | None:
    """Write the elements of an array one after the other, None where there are none."""
    value = read(text)
    if not isinstance(value, list):
        raise JsonFailure("cannot extract elements from another value")
    shown = [show(element) for element in value]
    if any(part is None or SEPARATOR in part for part in shown):
        raise JsonFailure("an element that cannot be told apart")
    return SEPARATOR.join(part for part in shown if part is not None) if shown else None


def _keys(text: str) -> str | None:
    value = read(text)
    if not isinstance(value, dict) or any(SEPARATOR in name for name in value):
        raise JsonFailure("cannot call jsonb_object_keys on another value")
    return SEPARATOR.join(sorted(value, key=lambda name: (len(name.encode()), name.encode()))) if value else None


def _scalar(text: str, wanted: type) -> Any:
    """Read a value that is cast to another type; null is null then."""
    value = read(text)
    if value is not None and type(value) is not wanted:
        raise JsonFailure("cannot cast another value")
    return value


def _number(text: str) -> str | None:
    value = _scalar(text, Decimal)
    return None if value is None else values.scalar_text(value)


def _boolean(text: str) -> str | None:
    value = _scalar(text, bool)
    return None if value is None else _truth(value)


JSON_FUNCTIONS: dict[str, _Signature] = {
    "omnisql_j_read": (lambda a: write(read(a)), (_TEXT,)),
    "omnisql_j_alone": (_alone, (_TEXT,)),
    "omnisql_j_key": (lambda a: values.order_key(read(a)), (_TEXT,)),
    "omnisql_j_quote": (values.quote, (_TEXT,)),
    "omnisql_j_get": (lambda a, name: _shown(values.at_key(read(a), name)), (_TEXT, _TEXT)),
    "omnisql_j_get_text": (lambda a, name: _told(values.at_key(read(a), name)), (_TEXT, _TEXT)),
    "omnisql_j_at": (lambda a, place: _shown(values.at_place(read(a), place)), (_TEXT, _PLACE)),
    "omnisql_j_at_text": (lambda a, place: _told(values.at_place(read(a), place)), (_TEXT, _PLACE)),
    "omnisql_j_path": (lambda a, path: _shown(values.at_path(read(a), _path(path))), (_TEXT, _TEXTS)),
    "omnisql_j_path_text": (lambda a, path: _told(values.at_path(read(a), _path(path))), (_TEXT, _TEXTS)),
    "omnisql_j_contains": (lambda a, b: _truth(values.contains(read(a), read(b))), (_TEXT, _TEXT)),
    "omnisql_j_has": (lambda a, name: _truth(values.has_key(read(a), name)), (_TEXT, _TEXT)),
    "omnisql_j_has_any": (
        lambda a, names: _truth(any(values.has_key(read(a), name) for name in names if name is not None)),
        (_TEXT, _TEXTS),
    ),
    "omnisql_j_has_all": (
        lambda a, names: _truth(all(values.has_key(read(a), name) for name in names if name is not None)),
        (_TEXT, _TEXTS),
    ),
    "omnisql_j_joined": (lambda a, b: write(values.joined(read(a), read(b))), (_TEXT, _TEXT)),
    "omnisql_j_without": (lambda a, name: write(values.without_key(read(a), name)), (_TEXT, _TEXT)),
    "omnisql_j_without_place": (lambda a, place: write(values.without_place(read(a), place)), (_TEXT, _PLACE)),
    "omnisql_j_without_path": (lambda a, path: write(values.without_path(read(a), _path(path))), (_TEXT, _TEXTS)),
    "omnisql_j_without_nulls": (lambda a: write(values.without_nulls(read(a))), (_TEXT,)),
    "omnisql_j_kind": (lambda a: values.kind(read(a)), (_TEXT,)),
    "omnisql_j_length": (_length, (_TEXT,)),
    "omnisql_j_pretty": (lambda a: values.pretty(read(a)), (_TEXT,)),
    "omnisql_j_elements": (lambda a: _elements(a, write), (_TEXT,)),
    "omnisql_j_element_texts": (lambda a: _elements(a, values.as_text), (_TEXT,)),
    "omnisql_j_keys": (_keys, (_TEXT,)),
    "omnisql_j_number": (_number, (_TEXT,)),
    "omnisql_j_boolean": (_boolean, (_TEXT,)),
}
"""Each function over values that are not null, and the types of its arguments; all give a text or null."""
