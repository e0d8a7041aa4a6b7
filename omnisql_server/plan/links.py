"""Which scan's values can be another scan's keys: equalities, followed to the scans behind them. Pure.

A row of the driven scan whose column equals no value of the driver's column cannot change the answer. The driver's
column may have more values than the statement uses; never fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from omnisql_server.plan.conjuncts import conjuncts, equalities
from omnisql_server.plan.projections import projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The values of a driver's column hold every key that matters of a driven scan's column; both are attributes.

    With an `expression` over the driver's attributes it is the values of that, and `driver_column` is its text.
    """

    driven_scan: str
    driven_column: str
    driver_scan: str
    driver_column: str
    expression: exp.Expr | None = field(default=None, compare=False)


def find_links(scopes: Sequence[Scope]) -> tuple[Link, ...]:
    """Return every link of a bound tree, which all its scopes are given of; whatever its blanks are filled with."""
    return tuple(link for scope in scopes if isinstance(scope.expression, exp.Select) for link in _links(scope))


def _links(scope: Scope) -> Iterator[Link]:
    for equality in equalities(scope.expression):
        yield from _link(scope, equality.right, _trace(scope, *equality.left))
        if equality.both_ways:
            yield from _link(scope, equality.left, _trace(scope, *equality.right))
    for conjunct, allowed in conjuncts(scope.expression):
        column = conjunct.this
        if isinstance(conjunct, exp.EQ):
            for one, other in ((conjunct.left, conjunct.right), (conjunct.right, conjunct.left)):
                if isinstance(one, exp.Column) and (allowed is None or one.table in allowed):
                    yield from _link(scope, (one.table, one.name), _computed(scope, other.unnest()))
        elif not isinstance(conjunct, exp.In) or not isinstance(column, exp.Column):
            continue
        elif allowed is None or column.table in allowed:
            yield from _link(scope, (column.table, column.name), _from_subquery(scope, conjunct))


_Driver = tuple[str, str] | tuple[str, str, exp.Expr]
"""A scan and its column, or a scan and an expression over its columns after that one's text."""


def _link(scope: Scope, driven: tuple[str, str], driver: _Driver | None) -> Iterator[Link]:
    source = _source(scope, driven[0])
    if driver is not None and isinstance(source, exp.Table) and source.name != driver[0]:
        yield Link(
            driven_scan=source.name,
            driven_column=driven[1],
            driver_scan=driver[0],
            driver_column=driver[1],
            expression=driver[2] if len(driver) == 3 else None,
        )


_STRICT = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Paren,
    exp.SplitPart,
    exp.Lower,
    exp.Upper,
    exp.Trim,
    exp.Substring,
    exp.Left,
    exp.Right,
    exp.Replace,
    exp.DPipe,
)
"""Expressions that are null for a null and fail for no value.

It does not matter then that a join puts nulls in the place of a driver's rows, or that a row is looked at which another
condition leaves out.
"""


def _computed(scope: Scope, node: exp.Expr | None) -> tuple[str, str, exp.Expr] | None:
    """Follow an expression to the one scan that all of its columns come from."""
    if node is None or isinstance(node, exp.Column) or not all(isinstance(part, _STRICT) for part in node.walk()):
        return None
    traced = {column: _trace(scope, column.table, column.name) for column in node.find_all(exp.Column)}
    places = list(traced.values())
    if not places or None in places or len({place[0] for place in places if place is not None}) > 1:
        return None

    def placed(part: exp.Expr) -> exp.Expr:
        place = traced.get(part) if isinstance(part, exp.Column) else None
        if place is None:
            return part
        column = exp.column(place[1], table=place[0], quoted=True)
        column.type = part.type
        return column

    expression = node.copy().transform(placed)
    shown = expression.transform(lambda part: exp.column(part.name) if isinstance(part, exp.Column) else part)
    return next(place[0] for place in places if place is not None), shown.sql("postgres"), expression


def _from_subquery(scope: Scope, membership: exp.In) -> _Driver | None:
    """Follow `x IN (SELECT y ..)` to the scan that y comes from."""
    query = membership.args.get("query")
    inner = query.this if isinstance(query, exp.Subquery) else query
    for child in scope.subquery_scopes:
        if child.expression is inner and isinstance(inner, exp.Select) and len(inner.selects) == 1:
            output = inner.selects[0].unalias()
            return _trace_column(child, output) or _computed(child, output)
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
