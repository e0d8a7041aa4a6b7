"""What a statement writes rows into: existing relations and new ones, in its WITH queries too. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast

from omnisql_server.model.statement import Statement, Written

_INSERT_LIKE = ("insert_stmt", "update_stmt", "merge_stmt")


def written_by(statement: Statement) -> tuple[Written, ...]:
    """List the relations that get rows or values by a statement; DELETE gives none."""
    node = postgast.parse(statement.text).stmts[0].stmt
    return tuple(_written(node))


def _written(statement: Any) -> Iterator[Written]:
    kind = statement.WhichOneof("node")
    node = getattr(statement, kind)
    if kind in ("explain_stmt", "copy_stmt") and node.HasField("query"):
        yield from _written(node.query)
        return
    if kind in _INSERT_LIKE:
        plain = kind == "insert_stmt" and node.HasField("select_stmt") and not node.HasField("on_conflict_clause")
        targets = [column.res_target for column in node.cols] if plain else []
        relation = node.relation
        yield Written(
            schema=relation.schemaname or None,
            name=relation.relname,
            columns=tuple(target.name for target in targets),
            by_place=plain and not any(len(target.indirection) for target in targets),
        )
    into = None
    if kind == "create_table_as_stmt":
        into = node.into
    elif kind == "select_stmt" and node.HasField("into_clause"):
        into = node.into_clause
    if into is not None:
        yield Written(
            schema=into.rel.schemaname or None,
            name=into.rel.relname,
            made=True,
            temporary=into.rel.relpersistence == "t" or into.rel.schemaname == "pg_temp",
            by_place=True,
        )
    if kind != "create_table_as_stmt" and "with_clause" in node.DESCRIPTOR.fields_by_name:
        for query in (cte.common_table_expr.ctequery for cte in node.with_clause.ctes):
            yield from _written(query)
