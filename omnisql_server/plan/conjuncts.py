"""The conjuncts of a SELECT, and the equalities between its relations that hold for every row that matters. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """`left = right` between two sources of one scope; `both_ways` unless the right side is null-supplied."""

    left: tuple[str, str]
    right: tuple[str, str]
    both_ways: bool


def _joins(select: exp.Expr) -> list[exp.Join]:
    return list(select.args.get("joins") or [])


def _first_source(select: exp.Expr) -> str:
    from_clause = select.args.get("from_") or select.args.get("from")
    return from_clause.this.alias_or_name if from_clause is not None else ""


def is_flat(select: exp.Expr) -> bool:
    """Say whether the joins stand in one row; inside parentheses they may null-supply what they contain."""
    from_clause = select.args.get("from_") or select.args.get("from")
    items = [from_clause.this] if from_clause is not None else []
    items += [join.this for join in _joins(select)]
    return all(item.alias_or_name and not item.args.get("joins") for item in items)


def may_be_null_supplied(select: exp.Expr, source: str) -> bool:
    """Say whether an outer join may replace a source's rows by nulls."""
    if not is_flat(select):
        return True
    seen = [_first_source(select)]
    nullable: set[str] = set()
    for join in _joins(select):
        alias = join.this.alias_or_name
        if join.side in ("LEFT", "FULL"):
            nullable.add(alias)
        if join.side in ("RIGHT", "FULL"):
            nullable.update(seen)
        seen.append(alias)
    return source in nullable


def conjuncts(select: exp.Expr) -> Iterator[tuple[exp.Expr, set[str] | None]]:
    """Yield each conjunct with the sources it may restrict, None for any."""
    where = select.args.get("where")
    if where is not None:
        for conjunct in flattened(where.this):
            yield conjunct, None
    if not is_flat(select):
        return
    seen = {_first_source(select)}
    for join in _joins(select):
        alias = join.this.alias_or_name
        condition = join.args.get("on")
        if condition is not None and join.side != "FULL":
            allowed = {"LEFT": {alias}, "RIGHT": set(seen)}.get(join.side)
            for conjunct in flattened(condition):
                yield conjunct, allowed
        seen.add(alias)


def flattened(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the parts of a conjunction."""
    expression = expression.unnest()
    if isinstance(expression, exp.And):
        yield from flattened(expression.left)
        yield from flattened(expression.right)
    else:
        yield expression


def equalities(select: exp.Expr) -> Iterator[Equality]:
    """Yield the equalities between columns of a SELECT that hold for every row that matters."""
    where = select.args.get("where")
    for conjunct in flattened(where.this) if where is not None else ():
        yield from _column_pair(conjunct, None)
    for join in _joins(select) if is_flat(select) else ():
        condition = join.args.get("on")
        if condition is None or join.side not in ("", "LEFT"):
            continue
        for conjunct in flattened(condition):
            yield from _column_pair(conjunct, join.this.alias_or_name if join.side == "LEFT" else None)


def _column_pair(conjunct: exp.Expr, null_supplied: str | None) -> Iterator[Equality]:
    if not isinstance(conjunct, exp.EQ):
        return
    left, right = conjunct.left, conjunct.right
    if not (isinstance(left, exp.Column) and isinstance(right, exp.Column)):
        return
    if null_supplied is not None and left.table == null_supplied:
        left, right = right, left
    if null_supplied is None or (right.table == null_supplied and left.table != null_supplied):
        yield Equality(left=(left.table, left.name), right=(right.table, right.name), both_ways=null_supplied is None)
