"""Which scan's values can be another scan's keys: equalities, followed to the scans behind them. Pure.

A row of the driven scan whose column equals no value of the driver's column cannot change the answer. The driver's
column may have more values than the statement uses; never fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from omnisql_server.plan.conditions import conjuncts, equalities, projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The values of a driver's column hold every key that matters of a driven scan's column; both are attributes."""

    driven_scan: str
    driven_column: str
    driver_scan: str
    driver_column: str


def find_links(tree: exp.Expr) -> tuple[Link, ...]:
    """Return every link of a bound tree."""
    root = build_scope(tree)
    scopes = list(root.traverse()) if root is not None else []
    return tuple(link for scope in scopes if isinstance(scope.expression, exp.Select) for link in _links(scope))


def _links(scope: Scope) -> Iterator[Link]:
    for equality in equalities(scope.expression):
        yield from _link(scope, equality.right, _trace(scope, *equality.left))
        if equality.both_ways:
            yield from _link(scope, equality.left, _trace(scope, *equality.right))
    for conjunct, allowed in conjuncts(scope.expression):
        if not isinstance(conjunct, exp.In) or not isinstance(conjunct.this, exp.Column):
            continue
        column = conjunct.this
        if allowed is None or column.table in allowed:
            yield from _link(scope, (column.table, column.name), _from_subquery(scope, conjunct))


def _link(scope: Scope, driven: tuple[str, str], driver: tuple[str, str] | None) -> Iterator[Link]:
    source = _source(scope, driven[0])
    if driver is not None and isinstance(source, exp.Table) and source.name != driver[0]:
        yield Link(driven_scan=source.name, driven_column=driven[1], driver_scan=driver[0], driver_column=driver[1])


def _from_subquery(scope: Scope, membership: exp.In) -> tuple[str, str] | None:
    """Follow `x IN (SELECT y ..)` to the scan that y comes from."""
    query = membership.args.get("query")
    inner = query.this if isinstance(query, exp.Subquery) else query
    for child in scope.subquery_scopes:
        if child.expression is inner and isinstance(inner, exp.Select) and len(inner.selects) == 1:
            return _trace_column(child, inner.selects[0].unalias())
    return None


def _source(scope: Scope, alias: str) -> exp.Table | Scope | None:
    """Return what a scope's own FROM names: the alias of an outer query may be the name of a CTE as well."""
    _, source = scope.selected_sources.get(alias, (None, None))
    return source


def _trace(scope: Scope, alias: str, column: str) -> tuple[str, str] | None:
    source = _source(scope, alias)
    if isinstance(source, exp.Table):
        return source.name, column
    if isinstance(source, Scope) and not source.set_operation_scopes:
        return _trace_column(source, projection(source, column))
    if source is None and scope.parent is not None:
        # A correlated subquery is evaluated for the rows of the outer query: its keys are among their values.
        return _trace(scope.parent, alias, column)
    return None


def _trace_column(scope: Scope, node: exp.Expr | None) -> tuple[str, str] | None:
    return _trace(scope, node.table, node.name) if isinstance(node, exp.Column) and node.table else None
