"""Whether a statement's LIMIT may reach the API: found here, proved with the chosen path. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from connectors.sdk.scan import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRows:
    """The statement wants the first `rows` rows of one scan, in an order by attribute names."""

    scan_name: str
    rows: int
    order: tuple[tuple[str, Direction], ...]


def top_rows(
    root: Scope | None, scopes: Sequence[Scope], filled: Callable[[exp.Expr], exp.Expr] = lambda node: node
) -> dict[str, TopRows]:
    """Return by name the scans of which first rows are enough: they answer the statement, or a subquery of it.

    Joins and groups must not stand between. A subquery that depends on the query around it has other first rows for
    each of that one's rows. Counts may be blanks, which are `filled`.
    """
    found = [
        top
        for scope in scopes
        if scope is root or not scope.external_columns
        if (top := _top_of(scope, filled, whole=scope is root)) is not None
    ]
    return {top.scan_name: top for top in found}


def _top_of(scope: Scope, filled: Callable[[exp.Expr], exp.Expr], *, whole: bool) -> TopRows | None:
    if not isinstance(scope.expression, exp.Select):
        return None
    limit_clause = scope.expression.args.get("limit")
    limit = count_of(filled(limit_clause)) if limit_clause is not None else None
    if limit is None:
        return None
    offset_clause = scope.expression.args.get("offset")
    offset = count_of(filled(offset_clause)) if offset_clause is not None else 0
    order = _order(scope.expression)
    if offset is None or order is None:
        return None
    sources = [source for _, source in scope.selected_sources.values()]
    if not whole and not all(isinstance(source, exp.Table) for source in sources):
        # What is read below may be a WITH query that others read as well.
        return None
    return _descend(scope, limit + offset, order)


def _descend(scope: Scope, rows: int, order: list[tuple[exp.Column, Direction]]) -> TopRows | None:
    while True:
        select = scope.expression
        if not _is_plain(select) or len(scope.selected_sources) != 1:
            return None
        source = next(iter(scope.selected_sources.values()))[1]
        if isinstance(source, exp.Table):
            names = tuple((column.name, direction) for column, direction in order)
            return TopRows(scan_name=source.name, rows=rows, order=names)
        inner = source.expression
        if not isinstance(inner, exp.Select) or inner.args.get("order") or is_cut(inner):
            return None
        mapped = []
        for column, direction in order:
            projection = next((p.unalias() for p in inner.selects if p.alias_or_name == column.name), None)
            if not isinstance(projection, exp.Column):
                return None
            mapped.append((projection, direction))
        scope, order = source, mapped


def _is_plain(select: exp.Expr) -> bool:
    if not isinstance(select, exp.Select):
        return False
    blocked = ("joins", "laterals", "group", "having", "distinct", "windows", "qualify")
    if any(select.args.get(key) for key in blocked):
        return False
    return all(isinstance(node, ROW_BY_ROW) for projection in select.selects for node in projection.walk())


ROW_BY_ROW = (
    exp.Alias,
    exp.Identifier,
    exp.Column,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Cast,
    exp.DataType,
    exp.DataTypeParam,
    exp.Paren,
    exp.Binary,
    exp.Not,
    exp.Neg,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Lower,
    exp.Upper,
    exp.Length,
    exp.Substring,
    exp.SplitPart,
    exp.Extract,
    exp.TimestampTrunc,
    exp.Interval,
    exp.Var,
)
"""What makes one row of one row; an aggregate, a set-returning function or a subquery does not, and may be unknown."""


def is_cut(select: exp.Expr) -> bool:
    """Say whether LIMIT or OFFSET takes rows away from a query, in its own text or in parentheses around it."""
    node: exp.Expr | None = select
    while node is select or isinstance(node, exp.Subquery):
        if node.args.get("limit") or node.args.get("offset"):
            return True
        node = node.parent
    return False


def count_of(clause: exp.Expr | None) -> int | None:
    """Return the number in a LIMIT or OFFSET clause, None where it is none that is known."""
    if clause is None:
        return None
    value = clause.expression
    if isinstance(value, exp.Cast):
        value = value.this
    return int(value.name) if isinstance(value, exp.Literal) and value.name.isdigit() else None


def _order(select: exp.Select) -> list[tuple[exp.Column, Direction]] | None:
    """Return the order by columns with PostgreSQL's default null placement, None where it is anything else."""
    clause = select.args.get("order")
    keys: list[tuple[exp.Column, Direction]] = []
    for ordered in clause.expressions if clause is not None else ():
        column = order_output(select, ordered.this)
        descending = bool(ordered.args.get("desc"))
        if not isinstance(column, exp.Column) or bool(ordered.args.get("nulls_first")) != descending:
            return None
        keys.append((column, Direction.DESC if descending else Direction.ASC))
    return keys


def order_output(select: exp.Select, node: exp.Expr) -> exp.Expr | None:
    """Resolve an ORDER BY item that names or counts an output column."""
    if isinstance(node, exp.Literal) and node.name.isdigit() and int(node.name) <= len(select.selects):
        return select.selects[int(node.name) - 1].unalias()
    if isinstance(node, exp.Column) and not node.table:
        return next((p.unalias() for p in select.selects if p.alias_or_name == node.name), None)
    return node
