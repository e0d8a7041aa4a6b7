"""Conditions as SQL, for people. Pure.

The generator copies a tree before it writes it, lest its rewrites reach the tree itself. For nodes that it writes as
they are that copy is left out: it would take longer than anything else in planning.
"""

from __future__ import annotations

from sqlglot import exp

_INERT = frozenset(
    {
        exp.And,
        exp.Between,
        exp.Boolean,
        exp.Cast,
        exp.Column,
        exp.DataType,
        exp.DataTypeParam,
        exp.EQ,
        exp.GT,
        exp.GTE,
        exp.Identifier,
        exp.In,
        exp.Is,
        exp.LT,
        exp.LTE,
        exp.Like,
        exp.Literal,
        exp.NEQ,
        exp.Not,
        exp.Null,
        exp.Or,
        exp.Paren,
    }
)


def text_of(node: exp.Expr) -> str:
    """Write a condition as SQL of PostgreSQL."""
    return node.sql("postgres", copy=not all(type(part) in _INERT for part in node.walk()))
