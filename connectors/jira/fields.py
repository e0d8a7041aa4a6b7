"""Custom fields of a Jira site as columns and pushdowns, from `GET /rest/api/3/field`. Pure.

Names of custom fields need not be unique nor distinct from other columns; those that are not get their number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.declarative.hooks import Found

FIELDS = "/rest/api/3/field"
_NAME_BYTES_MAX = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """The column type of a kind of field, where the value is in it, and the manifest's operators that JQL has on it."""

    type_name: str
    suffix: str = ""
    operators: str | None = None
    is_document: bool = False


_KINDS = {
    "number": _Kind(type_name="float8", operators="number_or_none"),
    # A multi-line text field comes as a document.
    "string": _Kind(type_name="text", is_document=True),
    "date": _Kind(type_name="date", operators="day_or_none"),
    "datetime": _Kind(type_name="timestamptz", operators="instant_or_none"),
    "option": _Kind(type_name="text", suffix=".value", operators="choice_or_none"),
    "user": _Kind(type_name="text", suffix=".accountId", operators="person_or_none"),
    "array of string": _Kind(type_name="text[]", operators="labels"),
}
_OTHER = _Kind(type_name="jsonb")


def custom_fields(described: Iterable[Mapping[str, object]], taken: frozenset[str]) -> Found:
    """Return what the custom fields among those described add to the issues, whose columns are `taken`."""
    custom = [field for field in described if field.get("custom") is True]
    names = {str(field.get("name", "")).strip().lower() for field in custom}
    wanted = [_column_name(str(field.get("name", "")), names) for field in custom]
    shared = Counter(wanted)
    columns: dict[str, object] = {}
    pushdown: dict[str, str] = {}
    for field, name in zip(custom, wanted, strict=True):
        identifier = str(field.get("id", ""))
        digits = identifier.removeprefix("customfield_")
        if not digits.isdecimal() or digits == identifier:
            continue
        is_taken = shared[name] > 1 or name in taken
        own = f"{_cut(name, _NAME_BYTES_MAX - len(digits) - 2)}__{digits}" if is_taken else name
        kind = _kind_of(field)
        columns[own] = {
            "type": kind.type_name,
            "document" if kind.is_document else "path": f"fields.{identifier}{kind.suffix}",
            "description": str(field.get("name", "")),
        }
        if kind.operators is not None and field.get("searchable") is not False:
            pushdown[own] = f"{kind.operators} cf[{digits}]"
    return {"issues": {"columns": columns, "pushdown": pushdown}}


def _kind_of(field: Mapping[str, object]) -> _Kind:
    schema = field.get("schema")
    described = schema if isinstance(schema, dict) else {}
    kind = str(described.get("type"))
    return _KINDS.get(f"array of {described.get('items')}" if kind == "array" else kind, _OTHER)


def _column_name(name: str, all_names: set[str]) -> str:
    lowered = name.strip().lower()
    # What company-managed projects call story points, team-managed ones call an estimate.
    if lowered == "story point estimate" and "story points" not in all_names:
        lowered = "story points"
    snake = re.sub(r"\W+|_+", "_", lowered).strip("_") or "field"
    return _cut(f"field_{snake}" if snake[0].isdecimal() else snake, _NAME_BYTES_MAX)


def _cut(name: str, bytes_max: int) -> str:
    return name.encode()[:bytes_max].decode(errors="ignore").rstrip("_")
