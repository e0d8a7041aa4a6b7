"""Joins in parentheses at the start of FROM, as PostgreSQL writes them in every view's definition, without them. Pure.

Joins are taken from left to right: `FROM (a JOIN b ON ..) JOIN c` is `FROM a JOIN b ON .. JOIN c`, whatever kinds they
are. In one row, the planner sees what each condition restricts. Parentheses further to the right do matter.
"""

from __future__ import annotations

from sqlglot import exp


def flatten_first_joins(tree: exp.Expr) -> None:
    """Take the parentheses around the first joins of every SELECT of a tree away; the tree is changed."""
    for start in list(tree.find_all(exp.From)):
        select = start.parent
        while isinstance(select, exp.Select) and (inner := _inner(start.this)) is not None:
            joins = [*(inner.args.get("joins") or ()), *(select.args.get("joins") or ())]
            inner.set("joins", None)
            start.set("this", inner)
            select.set("joins", joins)


def _inner(item: exp.Expr) -> exp.Expr | None:
    """Return what stands in parentheses that hold joins alone: no query, and no name for their result."""
    if not isinstance(item, exp.Subquery) or any(value for name, value in item.args.items() if name != "this"):
        return None
    inner = item.this
    return inner if isinstance(inner, exp.Table | exp.Subquery) and inner.args.get("joins") else None
