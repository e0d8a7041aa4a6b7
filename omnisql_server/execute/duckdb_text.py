"""A bound tree as DuckDB's SQL. Pure; only for trees that `allowed.refusal` lets through."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from omnisql_server.execute.allowed_conditions import output_type, sort_key

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def duckdb_text(tree: exp.Expr) -> str:
    """Render a tree for DuckDB.

    Raises:
        sqlglot.errors.UnsupportedError: a construct has no counterpart.
    """
    tree = tree.copy()
    # The innermost first, so that what a rule wraps around a node is not rewritten again.
    for node in reversed(list(tree.walk())):
        for rule in RULES:
            rule(node)
    return tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE)


def _sum_of_integers(node: exp.Expr) -> None:
    """Give sum(int2 | int4) PostgreSQL's type bigint, and sum(int8) numeric; DuckDB's own is a 128-bit integer."""
    if not isinstance(node, exp.Sum):
        return
    operand = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    small = output_type(operand) in (exp.DataType.Type.SMALLINT, exp.DataType.Type.INT)
    whole: exp.Expr = node
    # FILTER and OVER belong to the aggregate: the cast encloses them.
    while isinstance(whole.parent, exp.Filter | exp.Window) and whole.arg_key == "this":
        whole = whole.parent
    to = exp.DataType.build("BIGINT" if small else "DECIMAL(38, 0)", dialect="duckdb")
    cast = exp.Cast(to=to)
    whole.replace(cast)
    cast.set("this", whole)


def _integer_division(node: exp.Expr) -> None:
    """Divide integers as integers: sqlglot would write the quotient of two float8, which loses digits."""
    if isinstance(node, exp.Div):
        node.replace(exp.IntDiv(this=node.this, expression=node.expression))


def _any_of_null(node: exp.Expr) -> None:
    """Make `x = ANY (array)` null for a null array, as it is in PostgreSQL; DuckDB finds no element and says false."""
    if isinstance(node, _COMPARISONS) and isinstance(node.expression, exp.Any):
        array = node.expression.this.unnest()
        if isinstance(array, exp.Column):
            known = exp.Not(this=exp.Is(this=array.copy(), expression=exp.Null()))
            choice = exp.If(this=known)
            node.replace(exp.Paren(this=exp.Case(ifs=[choice])))
            choice.set("true", node)


def _order_by_float(node: exp.Expr) -> None:
    """Sort by a float8 plus 0: DuckDB returns the very column it sorts by with its negative zeros made positive."""
    if isinstance(node, exp.Ordered):
        key = sort_key(node)
        if key is not None and output_type(key) is exp.DataType.Type.DOUBLE:
            node.set("this", exp.Add(this=key.copy(), expression=exp.Literal.number("0.0")))


RULES = (_sum_of_integers, _integer_division, _any_of_null, _order_by_float)
"""Every rewrite from PostgreSQL's meaning to DuckDB's text; each changes the node in its tree, or leaves it."""


def compares_floats(tree: exp.Expr) -> bool:
    """Say whether a tree compares floating point numbers.

    DuckDB 1.5.5 pushes such a comparison into a registered Arrow table, where NaN equals and exceeds nothing; over a
    table of its own it means what it means in PostgreSQL.
    """
    comparisons = tree.find_all(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In, exp.Between)
    return any(
        column.type is not None and column.type.is_type(exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT)
        for comparison in comparisons
        for column in comparison.find_all(exp.Column)
    )
