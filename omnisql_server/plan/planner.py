"""Plan an authorized query: one `ScanPlan` for every API table it reads. Pure.

A row filter of policy joins the query's own conditions, so that it saves calls; it is applied again after the fetch. A
predicate on a masked column is never sent, or the API would answer for the value that is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from catalog.types import BY_OID
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey
from connectors.sdk.table import Grade, Table
from omnisql_server.errors import ConfigurationInvalid, KeyColumnRequired, LimitExceeded, NotSupported
from omnisql_server.model.plan import DeferredKey, NotPushed, QueryPlan, ScanPlan
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Mask, Occurrence, RowFilter, derive
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.plan.conditions import ConditionCollector, ScanConditions
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.limit import TopRows, top_rows
from omnisql_server.plan.links import Link, find_links
from omnisql_server.plan.paths import ChosenPath, choose_path

MASKED_TO_NOTHING = "null"


def plan(authorized: AuthorizedQuery, table_of: Callable[[Relation], Table], combinations_max: int) -> QueryPlan:
    """Choose access paths, pushed predicates, order and limit for every scan.

    Raises:
        KeyColumnRequired: a table cannot be read without a value for some columns.
        LimitExceeded: too many key combinations.
    """
    query = authorized.query
    occurrences = [o for o in query.occurrences if o.relation.kind is RelationKind.API]
    tables = [id(table_of(occurrence.relation)) for occurrence in occurrences]
    # Everything that a plan depends on beside the tree; a kept plan keeps its tables, so that no id is used twice.
    name = f"plan {authorized.filters!r} {authorized.masks!r} {tables} {combinations_max}"
    planned = derive(
        query, _Planned, lambda: _Planned(scans=_plan_scans(authorized, occurrences, table_of, combinations_max)), name
    )
    return QueryPlan(authorized=authorized, scans=planned.scans)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """The scans of a plan, kept for statements that share a tree, filters and masks."""

    scans: tuple[ScanPlan, ...]


def _plan_scans(
    authorized: AuthorizedQuery,
    occurrences: list[Occurrence],
    table_of: Callable[[Relation], Table],
    combinations_max: int,
) -> tuple[ScanPlan, ...]:
    read = derive(authorized.query, _ReadTree, lambda: _read_tree(authorized.query), "tree")
    planner = _Planner(authorized=authorized, read=read, table_of=table_of, combinations_max=combinations_max)
    planned, waiting = planner.first(occurrences)
    while waiting:
        known = frozenset(planned)
        planned |= planner.joined(waiting, known)
        left = [occurrence for occurrence in waiting if occurrence.scan_name not in planned]
        if len(left) == len(waiting):
            planner.scan(left[0], frozenset())
        waiting = left
    return tuple(planned[occurrence.scan_name] for occurrence in occurrences)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planner:
    """Plans scan by scan; a scan that lacks keys may take them from one that was planned before it."""

    authorized: AuthorizedQuery
    read: _ReadTree
    table_of: Callable[[Relation], Table]
    combinations_max: int

    def first(self, occurrences: list[Occurrence]) -> tuple[dict[str, ScanPlan], list[Occurrence]]:
        """Plan the scans whose keys are known, and return those that are left."""
        planned: dict[str, ScanPlan] = {}
        waiting: list[Occurrence] = []
        for occurrence in occurrences:
            try:
                planned[occurrence.scan_name] = self.scan(occurrence, frozenset())
            except KeyColumnRequired as error:
                if self.authorized.query.tree is None:
                    raise _unread_conditions(error, self.authorized.query.reason) from error
                if not self._links(occurrence, frozenset(o.scan_name for o in occurrences)):
                    raise
                waiting.append(occurrence)
        return planned, waiting

    def joined(self, waiting: list[Occurrence], known: frozenset[str]) -> dict[str, ScanPlan]:
        """Plan the scans that can take their missing keys from scans that are planned."""
        planned: dict[str, ScanPlan] = {}
        for occurrence in waiting:
            with suppress(KeyColumnRequired):
                planned[occurrence.scan_name] = self.scan(occurrence, known)
        return planned

    def scan(self, occurrence: Occurrence, known: frozenset[str]) -> ScanPlan:
        """Plan one scan, with keys from the scans of `known` names where it lacks them."""
        return _plan_scan(
            self.authorized,
            occurrence,
            self.read.found[occurrence.scan_name],
            self.table_of,
            self.read.top,
            self.combinations_max,
            self._links(occurrence, known),
        )

    def _links(self, occurrence: Occurrence, known: frozenset[str]) -> dict[str, DeferredKey]:
        """Return by API column which attribute of a known scan has the values of a key."""
        found: dict[str, DeferredKey] = {}
        relations = {o.scan_name: o.relation for o in self.authorized.query.occurrences}
        for link in self.read.links:
            if link.driven_scan != occurrence.scan_name or link.driver_scan not in known:
                continue
            driven = occurrence.relation.attribute(link.driven_column)
            driver = relations[link.driver_scan].attribute(link.driver_column)
            if driven is not None and driver is not None and driven.api_column and driven.type_oid == driver.type_oid:
                key = DeferredKey(
                    column=driven.api_column,
                    scan_name=link.driver_scan,
                    attribute=driver.name,
                    relation_name=relations[link.driver_scan].qualified_name,
                )
                found.setdefault(driven.api_column, key)
        return found


def _unread_conditions(error: KeyColumnRequired, reason: str) -> KeyColumnRequired:
    """Say that the value may well be there, in a statement whose conditions cannot be taken from it."""
    return KeyColumnRequired(
        message=error.message,
        detail=f"no condition of this statement can be used: {reason}",
        hint="read the rows into a table first: CREATE TEMPORARY TABLE .. AS SELECT .. WHERE ..",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadTree:
    """What planning takes from a tree: conditions of every scan, whose first rows are the answer, who keys whom."""

    found: dict[str, ScanConditions]
    top: TopRows | None
    links: tuple[Link, ...] = ()


def _read_tree(query: BoundQuery) -> _ReadTree:
    collector = ConditionCollector(query.occurrences)
    if query.tree is None:
        return _ReadTree(found=collector.found, top=None)
    return _ReadTree(found=collector.collect(query.tree), top=top_rows(query.tree), links=find_links(query.tree))


def check_calls(query_plan: QueryPlan, wanted_max: int | None, allowed_max: int) -> None:
    """Refuse a plan that is expected to need more API calls than the session or the server allows.

    Raises:
        LimitExceeded: it is (54000).
    """
    bound = min(allowed_max, wanted_max if wanted_max is not None else allowed_max)
    if query_plan.calls_expected > bound:
        raise LimitExceeded(
            message=f"the statement is expected to need {query_plan.calls_expected} API calls, more than {bound}",
            hint="EXPLAIN shows which; add conditions, or raise omnisql.max_api_calls within fetch.api_calls_max",
        )


def _plan_scan(
    authorized: AuthorizedQuery,
    occurrence: Occurrence,
    found: ScanConditions,
    table_of: Callable[[Relation], Table],
    top: TopRows | None,
    combinations_max: int,
    links: Mapping[str, DeferredKey],
) -> ScanPlan:
    relation, name = occurrence.relation, occurrence.scan_name
    table = table_of(relation)
    filters, masks = authorized.filters.get(name, ()), authorized.masks.get(name, {})
    _check_policy(table, filters, masks)
    _check_columns(table, occurrence)
    columns = _columns(occurrence, filters, frozenset(c for c, m in masks.items() if m.kind == MASKED_TO_NOTHING))
    wanted, kept_back = _wanted(relation, found, filters, frozenset(masks))
    try:
        reduced = reduce_conditions(wanted)
        empty = next((f"policy {rule.policy} shows no row" for rule in filters if not rule.values), None)
    except NoRowCanMatch as proof:
        reduced, empty = (), str(proof)
    if empty is not None:
        return _empty_scan(occurrence, table, columns, filters, authorized, empty)
    linked = frozenset(links)
    chosen = choose_path(table, relation.qualified_name, reduced, frozenset(columns), combinations_max, linked)
    mine = top if top is not None and top.scan_name == name else None
    local = bool(found.residuals or chosen.not_pushed or kept_back)
    order, limit, limit_reason = _limit(chosen, relation, mine, local, filters, frozenset(masks))
    residuals = tuple(NotPushed(condition=sql, reason=reason) for sql, reason in found.residuals)
    return ScanPlan(
        scan_name=name,
        relation=relation,
        table=table,
        path=chosen.path,
        columns=columns,
        scans=tuple(
            Scan(
                table=table.name,
                access_path=chosen.path.name,
                columns=columns,
                keys=keys,
                predicates=tuple(pushed.predicate for pushed in chosen.pushed),
                order=order,
                limit=limit,
            )
            for keys in chosen.keys
        ),
        pushed=chosen.pushed,
        not_pushed=(*chosen.not_pushed, *kept_back, *residuals),
        filters=filters,
        masks=masks,
        limit=limit,
        limit_reason=limit_reason,
        empty=chosen.empty,
        deferred=tuple(links[column] for column in chosen.deferred),
        calls_min=chosen.calls_min,
        calls_expected=_limited_calls(chosen, limit),
        calls_max=chosen.calls_max if limit is None or chosen.calls_max == 0 else _limited_calls(chosen, limit),
    )


def _check_policy(table: Table, filters: Iterable[RowFilter], masks: Mapping[str, Mask]) -> None:
    """Refuse to read a table of which policy names a column that it has not: what should be hidden is not known.

    Raises:
        ConfigurationInvalid: it does.
    """
    known = {column.name for column in table.columns}
    named = [(rule.policy, rule.column) for rule in filters] + [(mask.policy, name) for name, mask in masks.items()]
    for policy, column in named:
        if column not in known:
            raise ConfigurationInvalid(message=f"policy {policy} names column {column}, which {table.name} has not")


def _check_columns(table: Table, occurrence: Occurrence) -> None:
    """Refuse a foreign table whose columns are not the API's: PostgreSQL lets its owner declare any.

    Raises:
        NotSupported: a column has no counterpart, or one of another type.
    """
    relation = occurrence.relation
    for name in occurrence.columns:
        attribute = relation.attribute(name)
        declared = next((c for c in table.columns if attribute is not None and c.name == attribute.api_column), None)
        if attribute is None or declared is None:
            raise NotSupported(message=f"column {relation.qualified_name}.{name} has no counterpart in the API's table")
        wanted = BY_OID.get(attribute.type_oid)
        if wanted is not None and wanted != declared.type and {wanted.name, declared.type.name} != {"text", "varchar"}:
            raise NotSupported(
                message=f"column {relation.qualified_name}.{name} is declared as {attribute.type_sql}, "
                f"but has type {declared.type_name} in the API's table",
                hint="ALTER FOREIGN TABLE .. ALTER COLUMN .. TYPE gives it that type",
            )


def _empty_scan(
    occurrence: Occurrence,
    table: Table,
    columns: tuple[str, ...],
    filters: tuple[RowFilter, ...],
    authorized: AuthorizedQuery,
    reason: str,
) -> ScanPlan:
    return ScanPlan(
        scan_name=occurrence.scan_name,
        relation=occurrence.relation,
        table=table,
        path=table.access_paths[0],
        columns=columns,
        scans=(),
        filters=filters,
        masks=authorized.masks.get(occurrence.scan_name, {}),
        empty=reason,
        calls_min=0,
        calls_expected=0,
        calls_max=0,
    )


def _columns(occurrence: Occurrence, filters: Iterable[RowFilter], hidden: frozenset[str]) -> tuple[str, ...]:
    """Return the API columns to fetch: those used and those that policy looks at, less those masked to null."""
    attributes = (occurrence.relation.attribute(name) for name in occurrence.columns)
    used = [a.api_column for a in attributes if a is not None and a.api_column and a.api_column not in hidden]
    return tuple(dict.fromkeys([*used, *(rule.column for rule in filters)]))


def _wanted(
    relation: Relation, found: ScanConditions, filters: Iterable[RowFilter], masked: frozenset[str]
) -> tuple[list[Wanted], list[NotPushed]]:
    wanted: list[Wanted] = []
    kept_back: list[NotPushed] = []
    for condition in found.conditions:
        attribute = relation.attribute(condition.column)
        if attribute is None or attribute.api_column is None:
            continue
        if attribute.api_column in masked:
            kept_back.append(NotPushed(condition=condition.sql, reason="the column is masked by policy"))
            continue
        predicate = Predicate(column=attribute.api_column, operator=condition.operator, value=condition.value)
        wanted.append(Wanted(predicate=predicate, sql=condition.sql))
    for rule in filters:
        if rule.values and (predicate_or_none := _filter_predicate(rule)) is not None:
            wanted.append(Wanted(predicate=predicate_or_none, sql=f"policy {rule.policy}", policy=rule.policy))
    return wanted, kept_back


def _filter_predicate(rule: RowFilter) -> Predicate | None:
    if not rule.prefix:
        return Predicate(column=rule.column, operator=Operator.IN, value=rule.values)
    if len(rule.values) > 1:
        return None
    escaped = rule.values[0].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Predicate(column=rule.column, operator=Operator.LIKE, value=escaped + "%")


def _limit(
    chosen: ChosenPath,
    relation: Relation,
    top: TopRows | None,
    local: bool,
    filters: tuple[RowFilter, ...],
    masked: frozenset[str],
) -> tuple[tuple[SortKey, ...], int | None, str]:
    """Prove that the first rows by the API are the first rows of the answer, or say why that is not so."""
    if top is None:
        return (), None, ""
    if local:
        return (), None, "a condition has to be evaluated after the fetch"
    if any(pushed.grade is not Grade.EXACT for pushed in chosen.pushed):
        return (), None, "the API may return rows that do not meet a pushed condition"
    if any(rule.prefix and len(rule.values) > 1 for rule in filters):
        return (), None, "a row filter of policy is applied after the fetch"
    order: list[SortKey] = []
    for name, direction in top.order:
        attribute = relation.attribute(name)
        column = attribute.api_column if attribute is not None else None
        if column is None or column in masked or direction not in chosen.path.order.get(column, frozenset()):
            return (), None, f"the API cannot sort by {name} as PostgreSQL does"
        order.append(SortKey(column=column, direction=direction))
    if len(order) > chosen.path.order_keys_max:
        return (), None, f"the API sorts by {chosen.path.order_keys_max} columns at most"
    return tuple(order), top.rows, ""


def _limited_calls(chosen: ChosenPath, limit: int | None) -> int:
    if limit is None or chosen.empty:
        return chosen.calls_expected
    pages = max(1, -(-limit // chosen.path.page_rows_max))
    return min(chosen.calls_expected, len(chosen.keys) * pages)
