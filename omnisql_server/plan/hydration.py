"""Which rows need the calls that some columns cost: those that meet every condition that needs none of them. Pure.

Conditions on the table's own columns are evaluated while it is read (`survival`); for what else leaves rows out, the
columns wait until everything was read (`await_columns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil

from sqlglot import exp
from sqlglot.optimizer.scope import build_scope

from connectors.sdk.table import Table
from omnisql_server.model.plan import Reduction, ScanPlan
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import Relation
from omnisql_server.plan.points import listing_calls
from omnisql_server.plan.reductions import Judge, find_reductions
from omnisql_server.plan.taint import Taint


def survival(
    relation: Relation, table: Table, conditions: Iterable[exp.Expr], masked: frozenset[str]
) -> tuple[exp.Expr, ...]:
    """Return conditions over one relation with the API's columns in the place of the relation's.

    Those that look at a column that costs a call for each row, or at one that policy masks, are left out.
    """
    hydrated = {column.name for column in table.columns if column.hydrate is not None}
    if not hydrated:
        return ()
    named = {attribute.name: attribute.api_column for attribute in relation.attributes}
    found = []
    for condition in conditions:
        columns = {named.get(column.name) for column in condition.find_all(exp.Column)}
        if None not in columns and not columns & (hydrated | masked):
            found.append(condition.transform(lambda node: _renamed(node, named)))
    return tuple(found)


def _renamed(node: exp.Expr, named: dict[str, str | None]) -> exp.Expr:
    if not isinstance(node, exp.Column):
        return node
    column = exp.column(named[node.name] or "", quoted=True)
    column.type = node.type
    return column


def await_columns(
    query: BoundQuery, scans: tuple[ScanPlan, ...], judge: Judge
) -> tuple[tuple[ScanPlan, ...], tuple[Reduction, ...]]:
    """Have columns that cost calls wait where a reduction tells which rows need them; return those reductions.

    Those that the answer does not depend on, because a view or `SELECT *` names them alone, are not fetched.
    """
    scans = tuple(_without_unused(query, scan) for scan in scans)
    awaitable = {scan.scan_name: _awaitable(scan, scans) for scan in scans}
    if not any(awaitable.values()):
        return scans, ()
    used = {one.scan_name: one.columns for one in query.occurrences}
    attributes = {
        scan.scan_name: frozenset(
            one.name
            for one in scan.relation.attributes
            if one.api_column in awaitable[scan.scan_name] and one.name in used[scan.scan_name]
        )
        for scan in scans
    }
    waiting, reductions = find_reductions(query, attributes, judge)
    bounds = {reduction.scan_name: reduction.rows_max for reduction in reductions}
    made = [
        _waiting(scan, awaitable[scan.scan_name], bounds[scan.scan_name]) if scan.scan_name in waiting else scan
        for scan in scans
    ]
    return tuple(made), reductions


def _without_unused(query: BoundQuery, scan: ScanPlan) -> ScanPlan:
    hydrated = {column.name for column in scan.table.columns if column.hydrate is not None}
    needed = {column for rule in scan.filters for column in rule.columns}
    columns = [name for name in scan.columns if name in hydrated - needed]
    if not columns or not scan.calls_per_row or scan.otherwise is not None or query.tree is None or scan.deferred:
        return scan
    attributes = frozenset(one.name for one in scan.relation.attributes if one.api_column in columns)
    root = None if query.parsed.written else build_scope(query.tree)
    if root is None or Taint(root, {scan.scan_name: attributes}).outputs(root) != frozenset():
        return scan
    left = tuple(name for name in scan.columns if name not in columns)
    return replace(
        scan,
        columns=left,
        unused=tuple(columns),
        scans=tuple(replace(one, columns=left) for one in scan.scans),
        calls_expected=listing_calls(scan),
        calls_per_row=0,
        calls_guessed=0,
        survival=(),
        hydrates_late=False,
    )


def _awaitable(scan: ScanPlan, scans: Iterable[ScanPlan]) -> tuple[str, ...]:
    """Return the columns of a scan that can be fetched later; none where policy, or another scan, needs them before."""
    calling = [one for one in (scan, scan.otherwise) if one is not None and one.calls_per_row and one.limit is None]
    hydrated = {column.name: column.hydrate for column in scan.table.columns if column.hydrate is not None}
    wanted = tuple(name for name in scan.columns if name in hydrated)
    if not calling or any(hydrated[name] not in scan.table.hydrations for name in wanted):
        return ()
    if any(not hydrated.keys().isdisjoint(rule.columns) for rule in scan.filters):
        return ()
    given = {scan.relation.attribute(name) for name in _given(scan.scan_name, scans)}
    return () if any(one is None or one.api_column in hydrated for one in given) else wanted


def _given(scan_name: str, scans: Iterable[ScanPlan]) -> Iterator[str]:
    """Yield the attributes of a scan that give keys to others."""
    for key in (key for scan in scans for key in scan.deferred if key.scan_name == scan_name):
        if key.expression is None:
            yield key.attribute
        else:
            yield from (column.name for column in key.expression.find_all(exp.Column))


def _waiting(scan: ScanPlan, columns: tuple[str, ...], rows_max: int | None) -> ScanPlan:
    otherwise = _waiting(scan.otherwise, columns, rows_max) if scan.otherwise is not None else None
    if not scan.calls_per_row or scan.limit is not None:
        return replace(scan, otherwise=otherwise)
    listing = listing_calls(scan)
    hydrating = max(0, scan.calls_expected - listing)
    if rows_max is not None:
        hydrating = min(hydrating, ceil(scan.calls_per_row * rows_max))
    is_known = not scan.deferred
    return replace(
        scan,
        awaited=columns,
        awaited_rows_max=rows_max,
        survival=(),
        hydrates_late=False,
        calls_expected=listing + hydrating if is_known else scan.calls_expected,
        # How many rows will be left is not known before they are there.
        calls_guessed=hydrating if is_known else scan.calls_guessed,
        otherwise=otherwise,
    )
