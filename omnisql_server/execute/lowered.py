"""The nodes that `lower` makes: calls of this server's own functions, and operators known to be right. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

Rule = Callable[[exp.Expr, str], exp.Expr | None]
"""Gives what stands for a node in a session of a time zone, None where the node stays; children are lowered already."""

_PROVED = "proved"


def call(name: str, kind: exp.DType, *arguments: exp.Expr) -> exp.Expr:
    """Call a function of `macros`; its result is of the kind that PostgreSQL gives."""
    return proved(exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments]), kind)


def native(name: str, kind: exp.DType, *arguments: exp.Expr) -> exp.Expr:
    """Call a function of DuckDB's own that is proved to mean the same for these arguments."""
    return call(name, kind, *arguments)


def proved(node: exp.Expr, kind: exp.DType) -> exp.Expr:
    """Mark a node as right whatever its form, and give its type."""
    node.meta[_PROVED] = True
    return typed(node, kind)


def typed(node: exp.Expr, kind: exp.DType) -> exp.Expr:
    """Give a node its type."""
    node.type = exp.DataType(this=kind)
    return node


def is_proved(node: exp.Expr) -> bool:
    """Say whether `lower` made a node and answers for it."""
    return bool(node.meta.get(_PROVED)) if node._meta else False


def cast(node: exp.Expr, duckdb_type: str, kind: exp.DType) -> exp.Expr:
    """Cast as DuckDB does."""
    to = exp.DataType.build(duckdb_type, dialect="duckdb")
    for part in to.walk():
        part.meta[_PROVED] = True
    return proved(exp.Cast(this=node.copy(), to=to), kind)


def text_literal(text: str, kind: exp.DType = exp.DType.TEXT) -> exp.Expr:
    """Write a text constant; a numeric is a text too."""
    return proved(exp.Literal.string(text), kind)


def whole_literal(value: int) -> exp.Expr:
    """Write a whole number."""
    number = typed(exp.Literal.number(abs(value)), exp.DType.INT)
    return number if value >= 0 else typed(exp.Neg(this=number), exp.DType.INT)


def conjunction(parts: list[exp.Expr]) -> exp.Expr:
    """Join conditions by AND; none is true."""
    return _joined(exp.And, parts, True)


def disjunction(parts: list[exp.Expr]) -> exp.Expr:
    """Join conditions by OR; none is false."""
    return _joined(exp.Or, parts, False)


def _joined(kind: type[exp.Connector], parts: list[exp.Expr], empty: bool) -> exp.Expr:
    if not parts:
        return typed(exp.Boolean(this=empty), exp.DType.BOOLEAN)
    whole = parts[0].copy()
    for part in parts[1:]:
        whole = typed(kind(this=whole, expression=part.copy()), exp.DType.BOOLEAN)
    return typed(exp.Paren(this=whole), exp.DType.BOOLEAN)
