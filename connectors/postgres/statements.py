"""Statements that are carried out whole, and parts of some: their tables are WITH queries of types known here. Pure.

Such a WITH query is part of the statement for PostgreSQL's planner, which uses indexes through it. What the statement
sees of a column is what a scan would give: an enum is a text, and texts compare by their bytes. Where rows are hidden
it is `MATERIALIZED`, through which no condition of the statement gets to a row that is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.quoting import identifier
from catalog.types import BY_OID, BY_SQL_NAME
from connectors.postgres.kinds import RemoteType, kind_of
from connectors.postgres.queries import Parameter, Query, RemoteTable, as_text, conditions_of
from connectors.sdk.errors import StatementRefused
from connectors.sdk.scan import Scan
from connectors.sdk.whole import WholeRelation, WholeStatement

SHOWN = "WITH .. SELECT .."
_TEXTS = frozenset({"text", "varchar"})


def output_types(whole: WholeStatement, scan: Scan) -> dict[str, str]:
    """Return the types of the outputs that a scan wants, in its order."""
    oids = dict(zip(whole.names or scan.columns, whole.type_oids, strict=True))
    return {name: BY_OID[oids[name]].name for name in scan.columns}


def statement_query(whole: WholeStatement, scan: Scan, remotes: Mapping[str, RemoteTable]) -> Query:
    """Write what a scan wants of a statement with what its relations are at the source, `remotes` by names of tables.

    Raises:
        StatementRefused: a column has another type by now.
    """
    parameters: list[Parameter] = list(whole.parameters)
    relations = [_relation(each, remotes[each.table], parameters) for each in whole.relations]
    asked = _part(whole, scan, parameters) if whole.names else whole.sql
    sql = f"WITH {', '.join([*relations, *whole.queries])} {asked}"
    return Query(sql=sql, parameters=tuple(parameters), shown=SHOWN)


def _part(whole: WholeStatement, scan: Scan, parameters: list[Parameter]) -> str:
    """Write which outputs of a part are wanted, and of which keys; conditions on them reach its tables there."""
    types = output_types(whole, scan)
    # Which of the types of texts an expression has does not matter here.
    wanted = [f"r.{identifier(each)}{'::pg_catalog.text' if types[each] == 'text' else ''}" for each in types]
    kinds = {
        name: kind_of(RemoteType(oid=oid), is_utf8=True) for name, oid in zip(whole.names, whole.type_oids, strict=True)
    }
    conditions = conditions_of(kinds, scan, parameters)
    cut = "" if scan.limit is None else f" LIMIT {int(scan.limit)}"
    names = ", ".join(map(identifier, whole.names))
    return f"SELECT {', '.join(wanted)} FROM ({whole.sql}) AS r ({names}){conditions}{cut}"


def _relation(relation: WholeRelation, remote: RemoteTable, parameters: list[Parameter]) -> str:
    columns = ", ".join(
        f"{_read(relation, remote, own, kind, parameters)} AS {identifier(name)}"
        for name, own, kind in relation.columns
    )
    only = Scan(table=relation.table, access_path="", columns=(), predicates=relation.conditions)
    conditions = conditions_of(remote.kinds, only, parameters)
    fence = "MATERIALIZED" if relation.shields else "NOT MATERIALIZED"
    return f"{identifier(relation.name)} AS {fence} (SELECT {columns} FROM {remote.shown}{conditions})"


def _read(
    relation: WholeRelation, remote: RemoteTable, column: str, type_name: str, parameters: list[Parameter]
) -> str:
    kind = remote.kinds[column]
    if kind.type_name != type_name:
        raise StatementRefused(
            message=f"column {column} of {remote.table.name} has another type than its foreign table",
            hint="Import the foreign schema again.",
        )
    plain = f"r.{identifier(column)}"
    if column in relation.instead:
        value = relation.instead[column]
        parameters.append(None if value is None else as_text(value))
        written = f"${len(parameters)}::pg_catalog.text"
    else:
        # What is read as a text because nothing here holds it is a text first; numbers keep the type they have there.
        written = kind.read.format(plain) if type_name in _TEXTS else plain
    cast = f"{written}::{BY_SQL_NAME[type_name].sql_name}"
    return f'({cast}) COLLATE pg_catalog."C"' if type_name in _TEXTS else cast
