"""A bound tree as DuckDB's SQL. Pure; only for trees that `allowed.refusal` lets through."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import ErrorLevel


def duckdb_text(tree: exp.Expr) -> str:
    """Render a tree for DuckDB.

    Raises:
        sqlglot.errors.UnsupportedError: a construct has no counterpart.
    """
    rewritten = tree.transform(_rewrite)
    return rewritten.sql("duckdb", unsupported_level=ErrorLevel.RAISE)


def _rewrite(node: exp.Expr) -> exp.Expr:
    for rule in RULES:
        node = rule(node)
    return node


def _sum_of_integers(node: exp.Expr) -> exp.Expr:
    """Give sum(int2 | int4) PostgreSQL's type bigint; DuckDB's own sum is a 128-bit integer."""
    if isinstance(node, exp.Sum) and not isinstance(node.parent, exp.Cast) and node.this.type is not None:
        if node.this.type.is_type(exp.DataType.Type.SMALLINT, exp.DataType.Type.INT):
            return _after_filter(node, "BIGINT")
        return _after_filter(node, "DECIMAL(38, 0)")
    return node


def _after_filter(node: exp.Expr, type_sql: str) -> exp.Expr:
    """Cast an aggregate; inside `FILTER` the cast must enclose the filter, which is done when that node is visited."""
    if isinstance(node.parent, exp.Filter):
        return node
    return exp.Cast(this=node, to=exp.DataType.build(type_sql, dialect="duckdb"))


def _filtered_sum(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Filter) and isinstance(node.this, exp.Sum) and not isinstance(node.parent, exp.Cast):
        operand = node.this.this
        small = operand.type is not None and operand.type.is_type(exp.DataType.Type.SMALLINT, exp.DataType.Type.INT)
        return exp.Cast(this=node, to=exp.DataType.build("BIGINT" if small else "DECIMAL(38, 0)", dialect="duckdb"))
    return node


RULES = (_sum_of_integers, _filtered_sum)
"""Every rewrite from PostgreSQL's meaning to DuckDB's text, applied to each node in order."""
