"""The types of expressions as `bind` annotated them, and which of them compare alike in both engines. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

_Type = exp.DType
INTEGERS = (_Type.SMALLINT, _Type.INT, _Type.BIGINT)
_FAMILIES = (
    frozenset((*INTEGERS, _Type.DOUBLE, _Type.DECIMAL)),
    frozenset((_Type.TEXT, _Type.VARCHAR)),
    frozenset((_Type.BOOLEAN,)),
    frozenset((_Type.DATE,)),
    frozenset((_Type.TIMESTAMPTZ,)),
    frozenset((_Type.TIMESTAMP,)),
)
"""Types that compare with each other the same way in both engines."""


def output_type(node: exp.Expr) -> exp.DType | None:
    """Return the type of an expression or of a query's only column, None where it is not known."""
    while isinstance(node, exp.Subquery | exp.SetOperation):
        node = node.this
    if isinstance(node, exp.Select):
        return output_type(node.selects[0].unalias()) if len(node.selects) == 1 else None
    found = node.type.this if node.type is not None else None
    return found if isinstance(found, _Type) and found is not _Type.UNKNOWN else None


def alike(nodes: Iterable[exp.Expr | None]) -> str | None:
    """Want all of some expressions, nulls apart, to be of one family; otherwise say why not."""
    types = {output_type(node) for node in nodes if node is not None and not isinstance(node, exp.Null)}
    if None in types:
        return "values whose types are not known"
    return None if any(types <= family for family in _FAMILIES) else "values of different types"


def whole_statement(select: exp.Select) -> bool:
    """Say whether a SELECT is the whole statement: what it gives is shown and used no further."""
    return select.parent is None
