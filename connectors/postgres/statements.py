"""Statements that are carried out whole: their tables as WITH queries whose columns have the types known here. Pure.

Such a WITH query is part of the statement for PostgreSQL's planner, which uses indexes through it. What the statement
sees of a column is what a scan would give: an enum is a text, and texts compare by their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.quoting import identifier
from catalog.types import BY_SQL_NAME
from connectors.postgres.queries import Query, RemoteTable
from connectors.sdk.errors import StatementRefused
from connectors.sdk.whole import WholeRelation, WholeStatement

SHOWN = "WITH .. SELECT .."
_TEXTS = frozenset({"text", "varchar"})


def statement_query(whole: WholeStatement, remotes: Mapping[str, RemoteTable]) -> Query:
    """Write a statement with what its relations are at the source; `remotes` are by the names of tables.

    Raises:
        StatementRefused: a column has another type by now.
    """
    relations = [_relation(each, remotes[each.table]) for each in whole.relations]
    sql = f"WITH {', '.join([*relations, *whole.queries])} {whole.sql}"
    return Query(sql=sql, parameters=whole.parameters, shown=SHOWN)


def _relation(relation: WholeRelation, remote: RemoteTable) -> str:
    columns = ", ".join(f"{_read(remote, own, kind)} AS {identifier(name)}" for name, own, kind in relation.columns)
    return f"{identifier(relation.name)} AS NOT MATERIALIZED (SELECT {columns} FROM {remote.shown})"


def _read(remote: RemoteTable, column: str, type_name: str) -> str:
    kind = remote.kinds[column]
    if kind.type_name != type_name:
        raise StatementRefused(
            message=f"column {column} of {remote.table.name} has another type than its foreign table",
            hint="Import the foreign schema again.",
        )
    # What is read as a text because nothing here holds it is a text first; numbers keep the type they have there.
    plain = f"r.{identifier(column)}"
    written = kind.read.format(plain) if type_name in _TEXTS else plain
    cast = f"{written}::{BY_SQL_NAME[type_name].sql_name}"
    return f'({cast}) COLLATE pg_catalog."C"' if type_name in _TEXTS else cast
