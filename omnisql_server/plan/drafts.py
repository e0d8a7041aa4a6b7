"""A scan before it is decided how it is read: columns, conditions and policy brought together, and every usable path.

Pure. A row filter of policy joins the query's own conditions, so that it saves calls; a predicate on a masked column is
never sent, or the API would answer for the value that is hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from catalog.types import BY_OID
from connectors.sdk.scan import Operator, Predicate
from connectors.sdk.table import Table
from omnisql_server.errors import KeyColumnRequired, NotSupported
from omnisql_server.model.mask import Mask
from omnisql_server.model.plan import DeferredKey, NotPushed
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence
from omnisql_server.model.relation import Relation
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.model.statistics import TableStatistics
from omnisql_server.plan.alternatives import JOINING, NARROWED, Alternatives
from omnisql_server.plan.conditions import ConditionCollector
from omnisql_server.plan.disjunctions import WantedAny, memberships, reduced_any, wider
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.hydration import survival
from omnisql_server.plan.joins import JoinScan
from omnisql_server.plan.limit import TopRows, top_rows
from omnisql_server.plan.links import Link, find_links
from omnisql_server.plan.paths import ChosenPath, usable_paths
from omnisql_server.plan.policy_filters import typed_filters, typed_masks, wanted_of
from omnisql_server.plan.readings import readings_of
from omnisql_server.plan.recognize import Condition
from omnisql_server.plan.rewrites import Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSource:
    """An occurrence with its API table and what is known of that."""

    occurrence: Occurrence
    table: Table
    known: TableStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTree:
    """What planning takes from a tree: conditions of every scan, whose first rows are the answer, who keys whom."""

    found: dict[str, ScanConditions]
    top: Mapping[str, TopRows]
    links: tuple[Link, ...] = ()


def read_tree(query: BoundQuery) -> ReadTree:
    """Read what planning needs from a bound tree, or nothing from a statement without one."""
    settings = query.settings
    if query.meaning is None:
        return ReadTree(found={occurrence.scan_name: ScanConditions() for occurrence in query.occurrences}, top={})
    readings, meaning = readings_of(query.meaning)
    zone = settings.time_zone if settings.catalog_first else None
    return ReadTree(
        found=ConditionCollector(query.occurrences, readings, meaning, zone).collect(),
        top=top_rows(readings.root, readings.scopes, meaning.filled),
        links=readings.whole("links", lambda: find_links(readings.scopes)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scan before it is decided how it is read; `empty` says why it need not be.

    Of `alternatives` one side each is wanted beside what is `wanted`. Conditions `beyond` apply to what a LIMIT has
    left, those `kept` before that. `filtered` says that the conditions wanted are all that policy's filters say.
    """

    relation: Relation
    table: Table
    columns: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    alternatives: tuple[WantedAny, ...]
    kept: tuple[NotPushed, ...]
    beyond: tuple[NotPushed, ...]
    filters: tuple[RowFilter, ...]
    filtered: bool
    masks: Mapping[str, Mask]
    join: JoinScan
    advice: Mapping[str, Advice] = field(default_factory=dict)
    empty: str | None = None
    survival: tuple[exp.Expr, ...] = ()


def draft_scan(
    authorized: AuthorizedQuery,
    source: ScanSource,
    read: ReadTree,
    combinations_max: int,
    links: Mapping[str, tuple[DeferredKey, ...]],
) -> Draft:
    """Bring together what is asked of one scan, and every way to read it; keys of `links` may come from other scans.

    Raises:
        KeyColumnRequired: it cannot be read without a value for some columns.
        LimitExceeded: too many key combinations.
        ConfigurationInvalid: policy names a column that the table has not.
        NotSupported: the foreign table's columns are not the API's.
    """
    occurrence, table = source.occurrence, source.table
    relation, name = occurrence.relation, occurrence.scan_name
    filters = typed_filters(table, authorized.filters.get(name, ()))
    masks = typed_masks(table, authorized.masks.get(name, {}))
    _check_columns(table, occurrence)
    found = read.found[name]
    columns = _columns(occurrence, filters, frozenset(c for c, m in masks.items() if not m.needs_value))
    wanted, kept_back, filtered = _wanted(relation, table, found, filters, frozenset(masks))
    reduced, alternatives, empty = _reduced(wanted, found, filters)
    candidates: tuple[ChosenPath, ...] = ()
    if empty is None:
        known, linked = known_to(source, filters), frozenset(links)
        try:
            asked = (reduced, frozenset(columns), combinations_max, linked, known, alternatives)
            candidates = usable_paths(table, relation.qualified_name, *asked)
        except KeyColumnRequired as error:
            raise _with_advice(error, table, found.advice.values()) from None
    join = JoinScan(
        scan_name=name,
        candidates=_without_capped_targets(candidates),
        links=links,
        distinct=_distinct(relation, reduced),
        unique=_unique(relation, table),
    )
    return Draft(
        relation=relation,
        table=table,
        columns=columns,
        wanted=reduced,
        alternatives=alternatives,
        kept=(*kept_back, *_residuals(found)),
        beyond=tuple(NotPushed(condition=sql, reason=reason) for sql, reason in found.beyond),
        filters=filters,
        filtered=filtered,
        masks=masks,
        join=join,
        advice=found.advice,
        empty=empty,
        survival=survival(relation, table, found.local, frozenset(masks)),
    )


def _reduced(
    wanted: list[Wanted | WantedAny], found: ScanConditions, filters: Iterable[RowFilter]
) -> tuple[tuple[Wanted, ...], tuple[WantedAny, ...], str | None]:
    """Bring conditions together; return also why no row can meet them, if none can."""
    plain = [item for item in wanted if isinstance(item, Wanted)]
    alternatives: list[WantedAny] = []
    try:
        for item in wanted:
            if isinstance(item, WantedAny):
                left = reduced_any(item)
                if isinstance(left, WantedAny):
                    alternatives.append(left)
                else:
                    plain += left
        plain += [implied for each in alternatives for implied in memberships(each)]
        reduced = reduce_conditions(plain)
    except NoRowCanMatch as proof:
        return (), (), str(proof)
    empty = next((f"policy {rule.policy} shows no row" for rule in filters if rule.shows_nothing), None)
    if empty is None and found.ruled_out is not None:
        return (), (), f"none of its rows meets {found.ruled_out}"
    return reduced, tuple(alternatives), empty


def _without_capped_targets(candidates: tuple[ChosenPath, ...]) -> tuple[ChosenPath, ...]:
    """Leave out paths that would take keys from a join and cut what they find, where another one cuts nothing."""

    def is_capped(chosen: ChosenPath) -> bool:
        return bool(chosen.deferred) and chosen.path.rows_max is not None and not chosen.path.single

    whole = [set(chosen.deferred) for chosen in candidates if not is_capped(chosen)]
    return tuple(
        chosen
        for chosen in candidates
        if not is_capped(chosen) or not any(keys <= set(chosen.deferred) for keys in whole)
    )


def known_to(source: ScanSource, filters: Collection[RowFilter]) -> TableStatistics:
    """Return what is known of a table, less what a literal gave to somebody else where policy hides rows here."""
    return replace(source.known, literals={}) if filters else source.known


def _residuals(found: ScanConditions) -> Iterator[NotPushed]:
    for sql, reason in found.residuals:
        yield NotPushed(condition=sql, reason=reason, costs=reason not in (JOINING, NARROWED))


def _with_advice(error: KeyColumnRequired, table: Table, advice: Iterable[Advice]) -> KeyColumnRequired:
    """Say which condition of the statement would give a key if it were written in another way."""
    keys = {key for path in table.access_paths for key in path.keys}
    found = [one for one in advice if len(one.branches) == 1 and one.branches[0][0].column in keys]
    if not found:
        return error
    instead = "; ".join(f"{one.text} in the place of {one.condition}" for one in found)
    return KeyColumnRequired(message=error.message, detail=error.detail, hint=f"{error.hint}: write {instead}")


def _distinct(relation: Relation, wanted: Iterable[Wanted]) -> dict[str, int]:
    """Return how many values the statement leaves to attributes."""
    counts: dict[str, int] = {}
    for item in wanted:
        if item.predicate.operator in (Operator.EQ, Operator.IN):
            value = item.predicate.value
            counts[item.predicate.column] = len(value) if isinstance(value, tuple) else 1
    return {a.name: counts[a.api_column] for a in relation.attributes if a.api_column in counts}


def _unique(relation: Relation, table: Table) -> frozenset[str]:
    named = {attribute.api_column: attribute.name for attribute in relation.attributes}
    if not all(column in named for column in table.primary_key):
        return frozenset()
    return frozenset(named[column] for column in table.primary_key)


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


def _columns(occurrence: Occurrence, filters: Iterable[RowFilter], hidden: frozenset[str]) -> tuple[str, ...]:
    """Return the API columns to fetch: those used, less those never shown, and those that policy looks at."""
    attributes = (occurrence.relation.attribute(name) for name in occurrence.columns)
    used = [a.api_column for a in attributes if a is not None and a.api_column and a.api_column not in hidden]
    return tuple(dict.fromkeys([*used, *(column for rule in filters for column in rule.columns)]))


def _wanted(
    relation: Relation, table: Table, found: ScanConditions, filters: Iterable[RowFilter], masked: frozenset[str]
) -> tuple[list[Wanted | WantedAny], list[NotPushed], bool]:
    """Return what the API is asked, what is kept back, and whether nothing of policy's filters is left to do after."""
    wanted: list[Wanted | WantedAny] = []
    kept_back: list[NotPushed] = []
    for condition in found.conditions:
        item = _asked(relation, condition)
        if item is None:
            continue
        if item.predicate.column in masked:
            kept_back.append(NotPushed(condition=condition.sql, reason="the column is masked by policy"))
            continue
        wanted.append(item)
    for each in found.alternatives:
        either, left_out = _asked_any(relation, each, masked)
        if either is not None:
            wanted.append(either)
        if left_out:
            reason = wider(left_out) if either is not None else left_out
            kept_back.append(NotPushed(condition=each.sql, reason=reason))
    complete = True
    for rule in filters:
        if not rule.shows_nothing:
            asked, whole = wanted_of(rule, table)
            wanted += asked
            complete = complete and whole
    return wanted, kept_back, complete


def _asked(relation: Relation, condition: Condition) -> Wanted | None:
    """Say a condition by the API's column, None where it has none."""
    attribute = relation.attribute(condition.column)
    if attribute is None or attribute.api_column is None:
        return None
    predicate = Predicate(column=attribute.api_column, operator=condition.operator, value=condition.value)
    return Wanted(predicate=predicate, sql=condition.sql)


def _asked_any(relation: Relation, given: Alternatives, masked: frozenset[str]) -> tuple[WantedAny | None, str]:
    """Return alternatives by the API's columns, and why a part of them is not asked for, if one is not."""
    branches: list[tuple[Wanted, ...]] = []
    left_out = ""
    for branch in given.branches:
        items = [_asked(relation, condition) for condition in branch]
        known = tuple(item for item in items if item is not None and item.predicate.column not in masked)
        hidden = next((item.sql for item in items if item is not None and item not in known), None)
        if hidden is not None:
            left_out = f"its part {hidden} is on a column masked by policy"
        elif len(known) < len(items):
            left_out = "a part of it is on a column that the API has not"
        if not known:
            return None, left_out
        branches.append(known)
    return WantedAny(branches=tuple(branches), sql=given.sql), left_out
