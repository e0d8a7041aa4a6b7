"""What a manifest comes to, names resolved and defaults filled in: tables, and the paths that read them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connectors.declarative.columns import ColumnFound, echoed
from connectors.declarative.counting import Counted, counted_of
from connectors.declarative.filters import Filter
from connectors.declarative.hooks import Counting, Dialect, Instead, KeysFrom, Narrow
from connectors.declarative.manifest import (
    Bare,
    Direction,
    Elements,
    Expansion,
    GraphQl,
    HydrateDeclared,
    Projection,
    Spelling,
    TableDeclared,
    Window,
)
from connectors.declarative.pages import CursorPages, LinkPages, OffsetPages, Pagination
from connectors.declarative.pushdown import Sents, pushdowns_of, sent_apart, shared_inputs
from connectors.declarative.totals import CountDeclared
from connectors.sdk import scan as sdk
from connectors.sdk.complexity import Complexity
from connectors.sdk.decode import RowDecoder
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import Extract
from connectors.sdk.grades import at_least
from connectors.sdk.table import AccessPath, Delta, Disjunctions, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A GraphQL query: the field, its arguments with types, the selection around columns, the filter's argument."""

    field: str
    arguments: Mapping[str, str]
    selects: str
    filter: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadablePath:
    """One way to read a table, all defaults filled in; `template` is None for GraphQL."""

    name: str
    method: str
    template: str
    graphql: Query | None
    inputs: Mapping[str, Any]
    keys: tuple[str, ...]
    filled_keys: frozenset[str]
    fills: Mapping[str, str]
    note: str | None
    echo: tuple[str, ...]
    spelled: Mapping[str, Spelling]
    asked: str | None
    batch: str | None
    single: bool
    rows: Extract
    wrap: str | None
    empty: frozenset[int]
    sents: Sents
    order: Mapping[str, Direction]
    pagination: Pagination
    rows_max: int | None
    window: Window | None
    filter: Filter | None
    projection: Projection | None
    disjunctions: Disjunctions | None = None
    dialect: Dialect | None = None
    narrow: Narrow | None = None
    expands: Expansion | None = None
    elements: Elements | None = None
    bare: Bare | None = None
    order_keys_max: int = 1
    posts_beyond: int | None = None
    boundary: str | None = None
    holds: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    delta: Delta | None = None
    count: CountDeclared | None = None
    counted: Counted | None = None
    counting: Counting | None = None
    kinds: tuple[str, ...] = ()
    keys_from: KeysFrom | None = None
    instead: Instead | None = None
    accept: str | None = None
    pays: str | None = None
    cost: int = 1
    complexity: Complexity | None = None

    @property
    def untold(self) -> frozenset[str]:
        """Return the columns that rows do not tell, and whoever asked for them must note."""
        return frozenset({*self.echo, *self.spelled, *([self.asked] if self.asked else [])})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableTable:
    """A table and how its paths are read."""

    table: Table
    columns: Mapping[str, ColumnFound]
    paths: Mapping[str, ReadablePath]
    hydrate: Mapping[str, HydrateDeclared]
    references: Mapping[str, tuple[str, str]]
    formats: Mapping[str, re.Pattern[str]]

    def decoder(self, names: tuple[str, ...], access_path: str) -> RowDecoder:
        """Return a decoder of some columns, for rows that a path gave."""
        untold = self.paths[access_path].untold
        extractors = {name: echoed(name) if name in untold else found.extract for name, found in self.columns.items()}
        return RowDecoder(self.table, names, extractors)


def query_of(declarations: Iterable[GraphQl | None]) -> Query | None:
    """Return the query of a path out of what the manifest, its table and itself declare; None where no field is named.

    Raises:
        ManifestInvalid: there is no place for columns in it.
    """
    given = [each for each in declarations if each is not None]
    field, selects, filter_argument = (
        next((found for each in reversed(given) if (found := getattr(each, name)) is not None), None)
        for name in ("field", "selects", "filter")
    )
    if field is None:
        return None
    if selects is None or "{columns}" not in selects:
        raise ManifestInvalid(message="graphql.selects is missing, or has no {columns}")
    arguments = {name: kind for each in given for name, kind in each.arguments.items()}
    return Query(field=field, arguments=arguments, selects=selects, filter=filter_argument)


def counted_paths(listing: ReadablePath) -> list[ReadablePath]:
    """Return the paths that count a listing, where its API tells how many rows there are."""
    if listing.count is None:
        return []
    inputs = {**listing.inputs, **listing.count.inputs}
    counted = counted_of(listing.name, listing.count, listing.sents)
    return [replace(listing, name=name, inputs=inputs, counted=one) for name, one in counted.items()]


def access_path(found: ReadablePath, table: TableDeclared, columns: Mapping[str, ColumnFound]) -> AccessPath:
    """Return a path as the planner knows it."""
    if found.counted is not None:
        return _counted_access_path(found, found.counted)
    what = f"{found.method} {found.template}" if found.graphql is None else f"query {found.graphql.field}"
    request = f"{what}, {found.note}" if found.note else what
    batch = table.access_paths[found.name].batch
    keys_max = batch.max if batch else 1
    if found.counting is not None:
        return AccessPath(
            name=found.name,
            request=request,
            keys=found.keys,
            batch=found.batch,
            batch_keys_max=keys_max,
            columns=frozenset({*found.keys, *found.kinds}),
            counts=True,
            cost=found.cost,
            pays=found.pays,
        )
    page = found.pagination
    is_found_by_key = set(table.primary_key) <= set(found.keys) and keys_max <= page.rows_max
    bounded = {found.boundary: at_least()} if found.boundary else {}
    shared = shared_inputs({} if found.graphql is not None else sent_apart(found.sents, found.filter))
    sents = {name: each for name, each in found.sents.items() if name not in found.keys}
    return AccessPath(
        name=found.name,
        request=request,
        keys=found.keys,
        operators={name: pushdowns_of(each, shared) for name, each in sents.items()} | bounded,
        disjunctions=found.disjunctions,
        order={name: _directions(each) for name, each in found.order.items()},
        order_keys_max=found.order_keys_max,
        page_rows_max=page.rows_max,
        bare_columns=frozenset(found.bare.columns) if found.bare else frozenset(),
        bare_page_rows_max=found.bare.rows_max if found.bare else page.rows_max,
        batch=found.batch,
        batch_keys_max=keys_max,
        single=found.single or is_found_by_key,
        parallel=isinstance(page, LinkPages) or (isinstance(page, OffsetPages) and page.total is not None),
        rows_max=found.rows_max,
        # A path whose rows hold what others call for needs no calls: without that, each row takes one.
        columns=frozenset(columns) if found.holds else None,
        delta=found.delta,
        needs=found.needs,
        # Whether a listing is cut off is told by its rows, counted from the first page on.
        resumes=isinstance(page, CursorPages) and page.resumes and found.rows_max is None,
        cost=found.cost,
        pays=found.pays,
        complexity=found.complexity,
    )


def _directions(declared: Direction) -> frozenset[sdk.Direction]:
    given = ((sdk.Direction.ASC, declared.asc), (sdk.Direction.DESC, declared.desc))
    return frozenset(direction for direction, inputs in given if inputs is not None)


def _counted_access_path(found: ReadablePath, counted: Counted) -> AccessPath:
    """Return a path that counts as the planner knows it."""
    told = f"header {found.count.header}" if found.count is not None and found.count.header else "total"
    return AccessPath(
        name=found.name,
        request=f"{found.method} {found.template}, {told}",
        keys=found.keys,
        columns=frozenset({*found.keys, *([counted.by] if counted.by is not None else [])}),
        counts=True,
        count_requests=counted.requests,
        count_may_list=True,
        cost=found.cost,
        pays=found.pays,
    )
