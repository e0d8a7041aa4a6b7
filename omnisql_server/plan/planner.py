"""Plan an authorized query: one `ScanPlan` for every API table it reads. Pure.

A row filter of policy joins the query's own conditions, so that it saves calls; it is applied again after the fetch. A
predicate on a masked column is never sent, or the API would answer for the value that is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from connectors.sdk.scan import Disjunction, Predicate, Scan, SortKey
from connectors.sdk.table import Grade, Table
from omnisql_server.errors import (
    InternalError,
    KeyColumnRequired,
    LimitExceeded,
)
from omnisql_server.model.plan import DeferredKey, QueryPlan, Reduction, ScanPlan, Streaming
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, derive
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.statistics import NO_STATISTICS, TableStatistics
from omnisql_server.plan.advice import advised
from omnisql_server.plan.drafts import Draft, ReadTree, ScanSource, draft_scan, known_to, read_tree
from omnisql_server.plan.hydration import await_columns
from omnisql_server.plan.joins import Choice
from omnisql_server.plan.kept import kept_with, key_of, ordered
from omnisql_server.plan.limit import TopRows
from omnisql_server.plan.links import Link
from omnisql_server.plan.owner_scans import owner_scans
from omnisql_server.plan.paths import ChosenPath, calls_expected, cheapest, usable_paths
from omnisql_server.plan.reductions import Judge
from omnisql_server.plan.streaming import streaming_of

Evaluable = Callable[[exp.Expr], bool]
"""Says whether an expression over one scan's rows can be computed here with PostgreSQL's meaning."""

TEXT_OIDS = frozenset({25, 1043})


def plan(
    authorized: AuthorizedQuery,
    table_of: Callable[[Relation], Table],
    combinations_max: int,
    statistics_of: Callable[[Relation], TableStatistics] = lambda _: NO_STATISTICS,
    evaluable: Evaluable = lambda _: False,
    executable: Callable[[BoundQuery], bool] = lambda _: False,
) -> QueryPlan:
    """Choose access paths, pushed predicates, who gives keys to whom, order and limit for every scan.

    Keys may come from an expression over another scan's rows where that is `evaluable`. Columns that cost calls for
    each row may wait for a smaller query that says which rows need them, where that is `executable`.

    Raises:
        KeyColumnRequired: a table cannot be read without a value for some columns.
        LimitExceeded: too many key combinations.
    """
    query = authorized.query
    sources = tuple(
        ScanSource(occurrence=o, table=table_of(o.relation), known=statistics_of(o.relation))
        for o in query.occurrences
        if o.relation.kind is RelationKind.API
    )
    # Everything that a plan depends on beside the tree; a kept plan keeps its sources, so that no id is used twice.
    ids = [(id(source.table), id(source.known)) for source in sources]
    # Under another search_path, a function of that name may be a user's own.
    settings = query.settings
    plain, zone = settings.catalog_first and settings.plain_input and settings.plain_output, settings.time_zone
    name = f"plan {authorized.filters!r} {authorized.masks!r} {ids} {combinations_max} {plain} {zone}"

    def planned_anew() -> _Planned:
        judge = Judge(expression=evaluable if plain else _never, query=executable if plain else _never)
        scans = _plan_scans(authorized, sources, combinations_max, judge.expression)
        scans, reductions = await_columns(query, scans, judge)
        streaming = None if reductions else streaming_of(query, scans)
        return _Planned(scans=scans, reductions=reductions, streaming=streaming, of=sources)

    planned = derive(query, _Planned, planned_anew, name)
    return QueryPlan(
        authorized=authorized,
        scans=planned.scans,
        reductions=planned.reductions,
        streaming=planned.streaming,
        owner_scans=owner_scans(query, _read(query).found) if query.as_owners.reads else (),
    )


def _read(query: BoundQuery) -> ReadTree:
    name = f"tree {query.settings.time_zone} {query.settings.catalog_first}"
    return derive(query, ReadTree, lambda: read_tree(query), name)


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """The scans of a plan, kept for statements that share a tree, filters, masks, tables and statistics."""

    scans: tuple[ScanPlan, ...]
    reductions: tuple[Reduction, ...]
    streaming: Streaming | None
    of: tuple[ScanSource, ...]


def _plan_scans(
    authorized: AuthorizedQuery, sources: tuple[ScanSource, ...], combinations_max: int, evaluable: Evaluable
) -> tuple[ScanPlan, ...]:
    settings, meaning = authorized.query.settings, authorized.query.meaning
    read = _read(authorized.query)
    kept = kept_with(meaning)
    plain = settings.catalog_first and settings.plain_input
    # All that drafts depend on beside the conditions; ids of what a kept draft keeps alive.
    under = (repr((authorized.filters, authorized.masks)), combinations_max, plain, tuple(map(_identity, sources)))
    links = kept.find(("links", under), lambda: _links(authorized, read.links, evaluable), sources)
    drafts = []
    for source in sources:
        name = source.occurrence.scan_name
        key = ("draft", under, name, key_of(read.found[name]))

        def drafted(source: ScanSource = source) -> Draft:
            given = links.get(source.occurrence.scan_name, {})
            draft = draft_scan(authorized, source, read, combinations_max, given)
            return replace(draft, survival=tuple(filter(evaluable, draft.survival)))

        try:
            drafts.append(kept.find(key, drafted, (source, read.found)))
        except KeyColumnRequired as error:
            if authorized.query.tree is None:
                raise _unread_conditions(error, authorized.query.reason) from error
            raise
    choices = ordered([draft.join for draft in drafts], kept, ("order", under), (sources, links))
    for draft in drafts:
        if draft.join.scan_name not in choices:
            # It could take its keys from scans that cannot be read themselves.
            raise _lacking(draft, combinations_max)
    plans = []
    for draft, source in zip(drafts, sources, strict=True):
        choice, top = choices[draft.join.scan_name], read.top.get(draft.join.scan_name)

        def planned(
            draft: Draft = draft, source: ScanSource = source, choice: Choice = choice, top: TopRows | None = top
        ) -> ScanPlan:
            return advised(_scan_plan(draft, choice, top), draft, known_to(source, draft.filters), combinations_max)

        chosen = (id(draft), id(choice.chosen), tuple(map(id, choice.keys.values())), choice.calls, top)
        plans.append(kept.find(("plan", chosen), planned, (draft, choice)))
    return tuple(plans)


def _identity(source: ScanSource) -> tuple[int, int, int]:
    return id(source.table), id(source.known), id(source.occurrence.relation)


def _links(
    authorized: AuthorizedQuery, found: Iterable[Link], evaluable: Evaluable
) -> dict[str, dict[str, tuple[DeferredKey, ...]]]:
    """Return by scan and API column which attributes of other scans have the values of a key.

    A masked column is compared as it is shown: the API knows nothing of that.
    """
    occurrences = {o.scan_name: o for o in authorized.query.occurrences if o.relation.kind is RelationKind.API}
    links: dict[str, dict[str, tuple[DeferredKey, ...]]] = {}
    for link in found:
        driven_scan, driver_scan = occurrences.get(link.driven_scan), occurrences.get(link.driver_scan)
        if driven_scan is None or driver_scan is None:
            continue
        driven = driven_scan.relation.attribute(link.driven_column)
        if driven is None or not driven.api_column or not _gives(link, driver_scan.relation, driven, evaluable):
            continue
        if driven.api_column in authorized.masks.get(link.driven_scan, {}):
            continue
        key = DeferredKey(
            column=driven.api_column,
            scan_name=link.driver_scan,
            attribute=link.driver_column,
            relation_name=driver_scan.relation.qualified_name,
            expression=link.expression,
        )
        columns = links.setdefault(link.driven_scan, {})
        columns[driven.api_column] = (*columns.get(driven.api_column, ()), key)
    return links


def _gives(link: Link, driver: Relation, driven: Attribute, evaluable: Evaluable) -> bool:
    """Say whether a driver has the values of a key, of the very type that the key has."""
    if link.expression is None:
        found = driver.attribute(link.driver_column)
        return found is not None and found.type_oid == driven.type_oid
    names = {column.name for column in link.expression.find_all(exp.Column)}
    known = [found for name in names if (found := driver.attribute(name)) is not None]
    are_texts = all(attribute.type_oid in TEXT_OIDS for attribute in (*known, driven))
    return are_texts and len(known) == len(names) and evaluable(link.expression)


def _lacking(draft: Draft, combinations_max: int) -> Exception:
    """Return the error of a scan that got its keys from nobody."""
    try:
        usable_paths(
            draft.table, draft.relation.qualified_name, draft.wanted, frozenset(draft.columns), combinations_max
        )
    except KeyColumnRequired as error:
        return error
    return InternalError(message=f"{draft.relation.qualified_name} has a path that was not taken")


def _unread_conditions(error: KeyColumnRequired, reason: str) -> KeyColumnRequired:
    """Say that the value may well be there, in a statement whose conditions cannot be taken from it."""
    return KeyColumnRequired(
        message=error.message,
        detail=f"no condition of this statement can be used: {reason}",
        hint="read the rows into a table first: CREATE TEMPORARY TABLE .. AS SELECT .. WHERE ..",
    )


def calls_max(query_plan: QueryPlan, allowed_max: int) -> int:
    """Return how many API calls a plan may take: what the session wants, within what the server allows."""
    wanted = query_plan.authorized.query.settings.max_api_calls
    return allowed_max if wanted is None else min(allowed_max, wanted)


def check_calls(query_plan: QueryPlan, bound: int, answered: int = 0) -> None:
    """Refuse a plan that is expected to need more API calls than it may take, beside those that are `answered` already.

    Raises:
        LimitExceeded: it is (54000).
    """
    firm = query_plan.calls_expected - sum(scan.calls_guessed for scan in query_plan.scans) - answered
    if firm > bound:
        raise LimitExceeded(
            message=f"the statement is expected to need {firm} API calls, more than {bound}",
            hint="EXPLAIN shows which; add conditions, or raise omnisql.max_api_calls within fetch.api_calls_max",
        )


def _scan_plan(draft: Draft, choice: Choice, top: TopRows | None) -> ScanPlan:
    """Write a choice as a plan; one that waits for keys has another to fall back on, if there is any."""
    chosen = choice.chosen
    if chosen is None:
        return _empty_scan(draft)
    if top is not None and chosen.path.requests_fixed:
        # The first rows are had without what long readings begin with.
        plain = [each for each in draft.join.candidates if not each.deferred and not each.path.requests_fixed]
        chosen = cheapest(plain) if plain else chosen
    # Keys come from other rows than those that the statement would cut away.
    planned = _plan_chosen(draft, chosen, choice.keys, top if not chosen.deferred else None)
    if not chosen.deferred:
        return planned
    alone = [candidate for candidate in draft.join.candidates if not candidate.deferred]
    return replace(
        planned,
        calls_expected=choice.calls,
        calls_guessed=max(0, choice.calls - len(chosen.keys)),
        otherwise=_plan_chosen(draft, cheapest(alone), {}, None) if alone else None,
    )


def _plan_chosen(draft: Draft, chosen: ChosenPath, keys: Mapping[str, DeferredKey], top: TopRows | None) -> ScanPlan:
    said = {entry.condition for entry in chosen.not_pushed}
    kept = (*chosen.not_pushed, *(entry for entry in draft.kept if entry.condition not in said))
    order, limit, limit_reason = _limit(chosen, draft.relation, top, bool(kept), draft.filtered, frozenset(draft.masks))
    expected = _limited_calls(chosen, limit)
    hydrated = expected - _limited_calls(replace(chosen, calls_per_row=0), limit)
    sent = [pushed.predicate for pushed in chosen.pushed]
    return ScanPlan(
        scan_name=draft.join.scan_name,
        relation=draft.relation,
        table=draft.table,
        path=chosen.path,
        columns=draft.columns,
        scans=tuple(
            Scan(
                table=draft.table.name,
                access_path=chosen.path.name,
                columns=draft.columns,
                keys=given,
                predicates=tuple(each for each in sent if isinstance(each, Predicate)),
                disjunctions=tuple(each for each in sent if isinstance(each, Disjunction)),
                order=order,
                limit=limit,
            )
            for given in chosen.keys
        ),
        pushed=chosen.pushed,
        not_pushed=(*kept, *draft.beyond),
        filters=draft.filters,
        masks=draft.masks,
        limit=limit,
        limit_reason=limit_reason,
        empty=chosen.empty,
        deferred=tuple(keys[column] for column in chosen.deferred),
        calls_min=chosen.calls_min,
        calls_expected=expected,
        calls_max=chosen.calls_max if limit is None or chosen.calls_max == 0 else expected,
        calls_guessed=hydrated if chosen.statistic is None and limit is None else 0,
        rows_expected=chosen.rows_expected,
        calls_per_row=chosen.calls_per_row,
        statistic=chosen.statistic,
        survival=draft.survival if chosen.calls_per_row else (),
        hydrates_late=limit is None and bool(chosen.calls_per_row) and _has_survivors(draft),
    )


def _has_survivors(draft: Draft) -> bool:
    """Say whether rows can be told apart before they are hydrated; policy's filters come first, and need no call."""
    hydrated = {column.name for column in draft.table.columns if column.hydrate is not None}
    told = all(hydrated.isdisjoint(rule.columns) for rule in draft.filters)
    return told and bool(draft.survival or draft.filters)


def _empty_scan(draft: Draft) -> ScanPlan:
    return ScanPlan(
        scan_name=draft.join.scan_name,
        relation=draft.relation,
        table=draft.table,
        path=draft.table.access_paths[0],
        columns=draft.columns,
        scans=(),
        filters=draft.filters,
        masks=draft.masks,
        empty=draft.empty,
        calls_min=0,
        calls_expected=0,
        calls_max=0,
    )


def _limit(
    chosen: ChosenPath,
    relation: Relation,
    top: TopRows | None,
    local: bool,
    filtered: bool,
    masked: frozenset[str],
) -> tuple[tuple[SortKey, ...], int | None, str]:
    """Prove that the first rows by the API are the first rows of the answer, or say why that is not so."""
    if top is None:
        return (), None, ""
    if local:
        return (), None, "a condition has to be evaluated after the fetch"
    if any(pushed.grade is not Grade.EXACT for pushed in chosen.pushed):
        return (), None, "the API may return rows that do not meet a pushed condition"
    if not filtered:
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
    return 0 if chosen.empty else calls_expected(chosen, limit)
