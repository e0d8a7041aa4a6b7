"""Every request that a manifest can build: each access path alone, with each pushdown, each order and a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache

from connectors.declarative.load import Loaded
from connectors.declarative.proving import whole
from connectors.declarative.readable import ReadableTable
from connectors.declarative.requests import first_request, hydrate_request
from connectors.declarative.windows import windowed
from connectors.registry import manifest_named
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
SAMPLES: dict[str, list[Value]] = {
    "text": ["PABC123", "open", "low", "triggered", "active", "two words%", "%end", "a@b.example", "12", 'q " \\'],
    "text[]": [("PABC123",), ("bug",)],
    "int8[]": [(12,)],
    "bool": [True, False],
    "int4": [3],
    "int8": [3],
    "float8": [3.5],
    "numeric": [],
    "timestamptz": [MOMENT],
    "date": [date(2026, 1, 2)],
    "jsonb": [],
}  # fmt: skip


def scans(table: ReadableTable) -> Iterator[Scan]:
    """Every access path alone, with each pushdown, each order and a limit."""
    for path in table.table.access_paths:
        keys: dict[str, Value] = {
            name: 12 if table.table.column(name).type_name.startswith("int") else sample_of(table, path, name)
            for name in path.keys
        }
        bare = whole(table, path, keys)
        yield from (bare, replace(bare, limit=3))
        if path.batch is not None:
            yield replace(bare, keys={**keys, path.batch: (keys[path.batch], keys[path.batch])})
        yield from (replace(bare, predicates=(each,)) for each in predicates(table, path))
        for column, directions in path.order.items():
            yield from (replace(bare, order=(SortKey(column=column, direction=each),)) for each in directions)


def sample_of(table: ReadableTable, path: AccessPath, key: str) -> str:
    """Return a text that the key's format and its pushdown allow."""
    pattern = table.formats.get(key)
    sents = table.paths[path.name].sents.get(key, {}).get(Operator.EQ, ())
    samples = ("PABC123", "12", "0b1f3c5e-8a8d-4d5c-9d0e-5f3a2b1c0d9e")
    return next(
        text
        for text in samples
        if (pattern is None or pattern.fullmatch(text)) and (not sents or any(sent.takes(text) for sent in sents))
    )


def predicates(table: ReadableTable, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator in operators:
            for sample in SAMPLES[table.table.column(name).type_name]:
                value: Value = (sample,) if operator in {Operator.IN, Operator.NOT_IN} else sample
                value = None if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else value
                predicate = Predicate(column=name, operator=operator, value=value)
                if grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


@lru_cache
def emitted(name: str) -> tuple[Request, ...]:
    """Return the requests of the manifest of a name."""
    loaded = manifest_named(name)
    found: list[Request] = []
    for table in loaded.tables.values():
        for scan in scans(table):
            path = table.paths[scan.access_path]
            request = first_request(loaded.manifest, table, scan, dict.fromkeys(loaded.manifest.options, "given"))
            found += windowed(request, path.window, MOMENT.timestamp(), descending=False) if path.window else [request]
        found += hydrated(loaded, table)
    return tuple(found)


def hydrated(loaded: Loaded, table: ReadableTable) -> list[Request]:
    row: dict[str, object] = {column.path.partition(".")[0]: "12" for column in table.table.columns}
    return [hydrate_request(loaded.manifest, table, name, row) for name in table.hydrate]
