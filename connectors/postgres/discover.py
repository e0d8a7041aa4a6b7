"""What tables a source has that its user may read, out of its catalog: columns, keys, indexes, sizes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from catalog.connection import Connection
from connectors.postgres.kinds import Kind, RemoteType, kind_of
from connectors.postgres.queries import COUNT, RemoteTable
from connectors.sdk.scan import Direction
from connectors.sdk.table import AccessPath, Column, Disjunctions, Table

PAGE_ROWS = 10_000
KEYS_MAX = 10_000
ORDER_KEYS_MAX = 8
KINDS_MAX = 100
"""How many different values a column may have for its rows to be counted by them."""

ROWS_EXPECTED = 10_000
_COUNTED = frozenset({"bool", "text", "varchar", "int2", "int4", "int8"})
_BOTH = frozenset({Direction.ASC, Direction.DESC})

COLUMNS_SQL = """
WITH RECURSIVE base (oid, typ) AS (
    SELECT t.oid, t.oid FROM pg_type t WHERE t.typtype <> 'd'
    UNION ALL
    SELECT t.oid, b.typ FROM pg_type t JOIN base b ON t.typbasetype = b.oid WHERE t.typtype = 'd'
)
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.reltuples::float8 AS rows,
       obj_description(c.oid, 'pg_class') AS comment,
       json_agg(json_build_object(
         'name', a.attname, 'number', a.attnum, 'type', t.oid::int8, 'category', t.typtype,
         'deterministic', coalesce(l.collisdeterministic, true), 'required', a.attnotnull,
         'comment', col_description(c.oid, a.attnum), 'distinct', s.n_distinct) ORDER BY a.attnum)::text AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN base b ON b.oid = a.atttypid JOIN pg_type t ON t.oid = b.typ
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
             AND NOT s.inherited
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
   AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
 GROUP BY c.oid, n.nspname, c.relname, c.reltuples
 ORDER BY n.nspname, c.relname
"""

INDEXES_SQL = """
SELECT i.indrelid AS oid, i.indisprimary AS is_primary,
       i.indisunique AND i.indimmediate AS is_unique,
       (SELECT array_agg(i.indkey[k]::int4 ORDER BY k) FROM generate_series(0, i.indnkeyatts - 1) AS k) AS numbers
  FROM pg_index i
 WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND i.indpred IS NULL
 ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""

ENCODING_SQL = "SELECT current_setting('server_encoding')"


async def discover(connection: Connection) -> dict[str, RemoteTable]:
    """Ask the catalog for every table that may be read, by the name it has here; three queries.

    Raises:
        asyncpg.PostgresError, OSError: as the driver does.
    """
    is_utf8 = await connection.fetchval(ENCODING_SQL) == "UTF8"
    found = await connection.fetch(COLUMNS_SQL)
    indexes: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for index in await connection.fetch(INDEXES_SQL, [row["oid"] for row in found]):
        indexes[index["oid"]].append(index)
    made = (_remote(row, indexes[row["oid"]], is_utf8=is_utf8) for row in found)
    return {remote.table.name: remote for remote in made}


def table_name(schema: str, name: str) -> str:
    """Return the name of a table among those of all schemas; a part with a dot is quoted."""
    return ".".join(f'"{part}"' if "." in part or '"' in part else part for part in (schema, name))


def _remote(row: asyncpg.Record, indexes: Sequence[asyncpg.Record], *, is_utf8: bool) -> RemoteTable:
    described: list[dict[str, Any]] = json.loads(row["columns"])
    kinds = {
        each["name"]: kind_of(
            RemoteType(oid=each["type"], category=each["category"], is_deterministic=each["deterministic"]),
            is_utf8=is_utf8,
        )
        for each in described
    }
    names = {each["number"]: each["name"] for each in described}
    keyed = [
        (tuple(names.get(number, "") for number in index["numbers"]), index["is_unique"], index["is_primary"])
        for index in indexes
    ]
    usable = [(columns, unique) for columns, unique, _ in keyed if all(columns)]
    primary = next((columns for columns, _, is_primary in keyed if is_primary and all(columns)), ())
    shown = f"{row['schema']}.{row['name']}"
    table = Table(
        name=table_name(row["schema"], row["name"]),
        schema=row["schema"],
        own_name=row["name"],
        description=row["comment"] or f"Table {shown} of the source.",
        columns=tuple(
            Column(
                name=each["name"],
                type_name=kinds[each["name"]].type_name,
                path=each["name"],
                nullable=not each["required"],
                description=each["comment"] or "",
            )
            for each in described
        ),
        primary_key=primary,
        rows_expected=int(row["rows"]) if row["rows"] > 0 else ROWS_EXPECTED,
        takes_statements=True,
        size_request=f"SELECT count(*) FROM {shown}",
        access_paths=_paths(shown, kinds, usable, _counted(described, kinds)),
    )
    return RemoteTable(schema=row["schema"], name=row["name"], table=table, kinds=kinds)


def _paths(
    shown: str,
    kinds: Mapping[str, Kind],
    indexes: Iterable[tuple[tuple[str, ...], bool]],
    counted: frozenset[str],
) -> tuple[AccessPath, ...]:
    operators = {name: kind.operators for name, kind in kinds.items()}
    order = {name: _BOTH for name, kind in kinds.items() if kind.sorted_as is not None}
    everything = AccessPath(
        name="scan",
        request=f"SELECT .. FROM {shown}",
        operators=operators,
        disjunctions=Disjunctions(columns=frozenset(operators)),
        order=order,
        order_keys_max=ORDER_KEYS_MAX,
        page_rows_max=PAGE_ROWS,
    )
    count = AccessPath(name=COUNT, request=f"SELECT count(*) FROM {shown}", columns=counted, counts=True)
    leading: dict[str, bool] = {}
    for columns, unique in indexes:
        if kinds[columns[0]].is_key:
            leading[columns[0]] = leading.get(columns[0], False) or (unique and len(columns) == 1)
    by_key = (
        AccessPath(
            name=f"by_{column}",
            request=f"SELECT .. FROM {shown} WHERE {column} = ANY (..)",
            keys=(column,),
            operators={name: taken for name, taken in operators.items() if name != column},
            disjunctions=Disjunctions(columns=frozenset(operators) - {column}),
            order=order,
            order_keys_max=ORDER_KEYS_MAX,
            batch=column,
            batch_keys_max=KEYS_MAX,
            page_rows_max=PAGE_ROWS,
            single=is_single,
        )
        for column, is_single in leading.items()
    )
    return (everything, count, *by_key)


def _counted(described: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> frozenset[str]:
    """Return the columns with few values, by which the source counts rows."""
    return frozenset(
        each["name"]
        for each in described
        if kinds[each["name"]].type_name in _COUNTED
        and each["distinct"] is not None
        and 0 < each["distinct"] <= KINDS_MAX
    )
