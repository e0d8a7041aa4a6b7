"""A bound tree as DuckDB's SQL. Pure; only for trees that `allowed.refusal` lets through."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from omnisql_server.execute.allowed_functions import TEXTS
from omnisql_server.execute.output_types import INTEGERS, alike, output_type, sort_key
from omnisql_server.model.trees import copied

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def duckdb_text(tree: exp.Expr) -> str:
    """Render a tree for DuckDB.

    Raises:
        sqlglot.errors.UnsupportedError: a construct has no counterpart.
    """
    tree = copied(tree)
    # The innermost first, so that what a rule wraps around a node is not rewritten again.
    for node in reversed(list(tree.walk())):
        for rule in RULES:
            rule(node)
    return tree.sql("duckdb", copy=False, unsupported_level=ErrorLevel.RAISE)


def _sum_of_integers(node: exp.Expr) -> None:
    """Give sum(int2 | int4) PostgreSQL's type bigint, and sum(int8) numeric; DuckDB's own is a 128-bit integer."""
    if not isinstance(node, exp.Sum) or output_type(node) is exp.DType.DOUBLE:
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


def _division(node: exp.Expr) -> None:
    """Divide integers as integers, and never by zero: DuckDB would say null where PostgreSQL raises an error."""
    if not isinstance(node, exp.Div | exp.Mod) or output_type(node.this) not in INTEGERS:
        return
    if output_type(node.expression) not in INTEGERS:
        return
    divisor = node.expression.unnest()
    if isinstance(divisor, exp.Literal) and divisor.name.strip("0"):
        if isinstance(node, exp.Div):
            node.replace(exp.IntDiv(this=node.this, expression=node.expression))
        return
    name = "omnisql_div" if isinstance(node, exp.Div) else "omnisql_mod"
    node.replace(exp.Anonymous(this=name, expressions=[node.this, node.expression]))


_FLOAT_MACROS: dict[type[exp.Expr], str] = {
    exp.Add: "omnisql_add",
    exp.Sub: "omnisql_sub",
    exp.Mul: "omnisql_mul",
    exp.Div: "omnisql_quotient",
}


def _float_arithmetic(node: exp.Expr) -> None:
    """Have float8 arithmetic fail where PostgreSQL reports overflow, underflow or a division by zero."""
    name = _FLOAT_MACROS.get(type(node))
    if name is None:
        return
    sides = [node.this, node.expression]
    if exp.DType.DOUBLE in map(output_type, sides) and alike(sides) is None:
        to = exp.DataType.build("DOUBLE", dialect="duckdb")
        sides = [exp.Cast(this=side.copy(), to=to.copy()) for side in (node.this, node.expression)]
        node.replace(exp.Anonymous(this=name, expressions=sides))


def _case_of_letters(node: exp.Expr) -> None:
    """Map letters as PostgreSQL's Unicode 16 does."""
    if isinstance(node, exp.Lower | exp.Upper):
        node.replace(exp.Anonymous(this=f"omnisql_{node.key}", expressions=[node.this]))


def _pattern(node: exp.Expr) -> None:
    """Give LIKE PostgreSQL's escape sign, and have ILIKE compare what both sides are in lower case, as it does."""
    if not isinstance(node, exp.Like | exp.ILike):
        return
    sides = [node.this, node.expression]
    if isinstance(node, exp.ILike):
        sides = [exp.Anonymous(this="omnisql_lower", expressions=[side]) for side in sides]
    elif isinstance(node.parent, exp.Escape) or (node.expression.is_string and "\\" not in node.expression.name):
        return
    like = exp.Like(this=sides[0].copy(), expression=sides[1].copy(), negate=node.args.get("negate"))
    node.replace(exp.Paren(this=exp.Escape(this=like, expression=exp.Literal.string("\\"))))


def _trimmed(node: exp.Expr) -> None:
    """Trim blanks alone unless told otherwise; DuckDB's default is any white space."""
    if isinstance(node, exp.Trim) and node.args.get("expression") is None:
        node.set("expression", exp.Literal.string(" "))


def _joined_number(node: exp.Expr) -> None:
    if isinstance(node, exp.DPipe):
        for key in ("this", "expression"):
            if output_type(node.args[key]) not in TEXTS:
                to = exp.DataType.build("VARCHAR", dialect="duckdb")
                node.set(key, exp.Cast(this=node.args[key].copy(), to=to))


def _bytes(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous) and node.name.upper() == "OCTET_LENGTH":
        node.set("this", "strlen")


def _extracted(node: exp.Expr) -> None:
    if isinstance(node, exp.Extract) and not isinstance(node.parent, exp.Cast):
        cast = exp.Cast(to=exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb"))
        node.replace(cast)
        cast.set("this", node)


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


RULES = (
    _sum_of_integers,
    _division,
    _float_arithmetic,
    _case_of_letters,
    _pattern,
    _trimmed,
    _joined_number,
    _bytes,
    _extracted,
    _any_of_null,
    _order_by_float,
)
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
