"""The types of expressions as `bind` annotated them, and which of them compare alike in both engines. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlglot import exp

_Type = exp.DType
INTEGERS = (_Type.SMALLINT, _Type.INT, _Type.BIGINT)
_FAMILIES = (
    frozenset((*INTEGERS, _Type.DOUBLE, _Type.INT128)),
    frozenset((_Type.TEXT, _Type.VARCHAR)),
    frozenset((_Type.BOOLEAN,)),
    frozenset((_Type.DATE,)),
    frozenset((_Type.TIMESTAMPTZ,)),
    frozenset((_Type.TIMESTAMP,)),
    frozenset((_Type.TIME,)),
    frozenset((_Type.UUID,)),
    frozenset((_Type.ARRAY,)),
)
"""Types that compare with each other the same way in both engines."""


COMPARED = frozenset[exp.DType]().union(*_FAMILIES)
"""Types that are sorted, grouped and compared alike."""


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
    types = {_compared_type(node) for node in nodes if node is not None and not isinstance(node, exp.Null)}
    if None in types:
        return "values whose types are not known"
    return None if any(types <= family for family in _FAMILIES) else "values of different types"


def _compared_type(node: exp.Expr) -> exp.DType | None:
    """Return what a value compares as: a number that is written down compares with any other as the number it is."""
    inner = node.unnest()
    if isinstance(inner, exp.Neg):
        inner = inner.this.unnest()
    return _Type.INT if isinstance(inner, exp.Literal) and not inner.is_string else output_type(node)


def sort_key(node: exp.Expr, grouped: exp.Expr | None = None) -> exp.Expr | None:
    """Return the expression that ORDER BY or a key of GROUP BY means: an output may be given by its name or number."""
    key: Any = node.this if grouped is None else node
    query: Any = node.find_ancestor(exp.Query) if grouped is None else grouped
    outputs = [projection.unalias() for projection in query.selects] if query is not None else []
    if isinstance(key, exp.Literal) and not key.is_string and node.find_ancestor(exp.Window, exp.Query) is query:
        return outputs[int(key.name) - 1] if 0 < int(key.name) <= len(outputs) else None
    if isinstance(key, exp.Column) and not key.table and query is not None:
        return next((p.unalias() for p in query.selects if p.alias_or_name == key.name), None)
    return key if isinstance(key, exp.Expr) else None
