"""Columns of a manifest as the SDK's columns, and the function that finds each one's value. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from catalog.types import BY_SQL_NAME
from connectors.declarative.manifest import ColumnDeclared
from connectors.sdk.errors import Fatal, ManifestInvalid
from connectors.sdk.extract import Extract, adf_text, column_path, first_of, joined, matched, number, path, present
from connectors.sdk.table import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_MAX = 8_000_000_000_000 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFound:
    """A column, where its value is, what GraphQL selects for it, and how large a page may be while it is read."""

    column: Column
    extract: Extract
    select: str
    selects: str | None
    page_rows_max: int | None


def column_found(name: str, declared: str | ColumnDeclared) -> ColumnFound:
    """Read the declaration of one column.

    Raises:
        ManifestInvalid: the type is none, or the places of the value contradict each other.
    """
    full = _written_out(declared) if isinstance(declared, str) else declared
    type_name = full.type.removesuffix("!")
    if type_name not in BY_SQL_NAME:
        raise ManifestInvalid(message=f"there is no type {type_name}", hint=f"Allowed are {', '.join(BY_SQL_NAME)}.")
    places = [full.path, next(iter(full.first_of), None), full.joined, full.epoch_s, full.epoch_ms, full.present]
    places.append(full.document)
    if sum(place is not None for place in places) > 1:
        raise ManifestInvalid(message="only one place of the value may be given")
    at = next((place for place in places if place is not None), name)
    extract = _extract(full, at)
    return ColumnFound(
        column=Column(
            name=name,
            type_name=type_name,
            path=at,
            description=full.description,
            nullable=not full.type.endswith("!"),
            hydrate=full.hydrate,
        ),
        extract=extract,
        select=full.select or _selection(at),
        selects=full.select,
        page_rows_max=full.page_rows_max,
    )


def echoed(name: str) -> Extract:
    """Find what a reading noted of its own keys."""
    return lambda row: row.get(f"\0key:{name}") if isinstance(row, dict) else None


def note_keys(row: dict[str, object], keys: Mapping[str, object]) -> None:
    """Note keys in a row for `echoed`; no API has fields of such names."""
    for name, value in keys.items():
        row[f"\0key:{name}"] = value


def _written_out(text: str) -> ColumnDeclared:
    kind, _, place = text.partition(" ")
    return ColumnDeclared(type=kind, path=place.strip() or None)


def _extract(declared: ColumnDeclared, at: str) -> Extract:
    if declared.match is not None:
        try:
            inner = matched(at, declared.match, always=declared.type.endswith("!"))
        except re.error:
            raise ManifestInvalid(message="match is no regular expression") from None
    elif declared.first_of:
        inner = first_of(*declared.first_of)
    elif declared.joined is not None:
        inner = joined(at)
    elif declared.document is not None:
        inner = adf_text(at)
    elif declared.present is not None:
        inner = present(at)
    elif declared.epoch_s is not None:
        inner = _moment(column_path(at), 1_000_000)
    elif declared.epoch_ms is not None:
        inner = _moment(column_path(at), 1_000)
    else:
        inner = column_path(at)
    if declared.empty_is_null:
        inner = _without_empty(inner)
    if declared.cut is not None:
        inner = _whole(inner, path(declared.cut))
    return number(inner) if declared.number else inner


def _whole(inner: Extract, cut: Extract) -> Extract:
    def extract(row: object) -> object:
        if cut(row) is True:
            raise Fatal(
                message="a list within a row is longer than the API gives",
                hint="Leave the column out of the query, or restrict the query to other rows.",
            )
        return inner(row)

    return extract


def _without_empty(inner: Extract) -> Extract:
    def extract(row: object) -> object:
        value = inner(row)
        return None if value == "" else value

    return extract


def _moment(inner: Extract, unit_us: int) -> Extract:
    def extract(row: object) -> object:
        value = inner(row)
        if value is None or isinstance(value, bool):
            return value
        try:
            microseconds = int(Decimal(str(value)) * unit_us)
        except (InvalidOperation, OverflowError, ValueError):
            return value
        if abs(microseconds) > _MICROSECONDS_MAX:
            return value
        try:
            return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
        except OverflowError:
            return value

    return extract


def _selection(at: str) -> str:
    """Select a path in GraphQL: `a.b[*].c` is `a{b{c}}`."""
    steps = at.replace("[*]", "").split(".")
    return "{".join(steps) + "}" * (len(steps) - 1)
