"""From a manifest that has the right shape to tables that can be read: names resolved, defaults filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from connectors.declarative.checks import (
    check_filter,
    checked_operator,
    checked_pages,
    checked_pattern,
    checked_window,
    listed,
    placeholders,
)
from connectors.declarative.columns import ColumnFound, column_found, echoed
from connectors.declarative.counting import Counted, check_count, counted_of
from connectors.declarative.document import Path
from connectors.declarative.hydrations import hydrate_inputs, hydrations_of
from connectors.declarative.manifest import (
    CountDeclared,
    Direction,
    Filter,
    HydrateDeclared,
    Manifest,
    Operators,
    PathDeclared,
    Projection,
    TableDeclared,
    Window,
)
from connectors.declarative.pages import CursorPages, LinkPages, OffsetPages, Pagination
from connectors.declarative.pushdown import Sents, check_exactness, pushdowns_of, sents_of
from connectors.sdk import scan as sdk
from connectors.sdk.decode import RowDecoder
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import Extract, path
from connectors.sdk.table import AccessPath, Table

Refuse = Callable[[Path, str, str | None], ManifestInvalid]
Result = TypeVar("Result")
_ORDERED_TYPES = frozenset({"int2", "int4", "int8", "float8", "date", "timestamptz", "bool"})


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
    echo: tuple[str, ...]
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
    count: CountDeclared | None = None
    counted: Counted | None = None


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
        echo = self.paths[access_path].echo
        extractors = {name: echoed(name) if name in echo else found.extract for name, found in self.columns.items()}
        return RowDecoder(self.table, names, extractors)


def counted_paths(listing: ReadablePath) -> list[ReadablePath]:
    """Return the paths that count a listing, where its API tells how many rows there are."""
    if listing.count is None:
        return []
    inputs = {**listing.inputs, **listing.count.inputs}
    counted = counted_of(listing.name, listing.count, listing.sents)
    return [replace(listing, name=name, inputs=inputs, counted=one) for name, one in counted.items()]


def counted_access_path(found: ReadablePath, counted: Counted) -> AccessPath:
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
    )


def compiled(manifest: Manifest, refuse: Refuse) -> dict[str, ReadableTable]:
    """Return the tables of a manifest by name.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, names or rules contradict each other; `refuse` tells where.
    """
    return {name: _Compiler(manifest, name, refuse).table() for name in manifest.tables}


class _Compiler:
    def __init__(self, manifest: Manifest, name: str, refuse: Refuse) -> None:
        self._manifest = manifest
        self._name = name
        self._declared: TableDeclared = manifest.tables[name]
        self._refuse = refuse
        self._columns: dict[str, ColumnFound] = {}

    def table(self) -> ReadableTable:
        declared = self._declared
        for name, column in declared.columns.items():
            at = ("columns", name)
            self._columns[name] = self._told(at, column_found, name, column)
        self._known(("primary_key",), declared.primary_key)
        self._known(("pushdown",), tuple(declared.pushdown))
        self._known(("order",), tuple(declared.order))
        for name in declared.order:
            column_type = self._columns[name].column.type_name
            if column_type not in _ORDERED_TYPES:
                raise self._at(("order", name), f"an order of {column_type} is not one that APIs share with PostgreSQL")
        paths: dict[str, ReadablePath] = {}
        for name, each in declared.access_paths.items():
            found = self._path(name, each)
            paths |= {counted.name: counted for counted in counted_paths(found)} | {name: found}
        hydrate = self._hydrates()
        table = Table(
            name=self._name,
            description=declared.description,
            columns=tuple(found.column for found in self._columns.values()),
            primary_key=declared.primary_key,
            rows_expected=declared.rows_expected,
            access_paths=tuple(self._access_path(each) for each in paths.values()),
            hydrations=hydrations_of(hydrate, self._columns),
        )
        return ReadableTable(
            table=table,
            columns=self._columns,
            paths=paths,
            hydrate=hydrate,
            references=self._references(),
            formats=self._formats(),
        )

    def _formats(self) -> dict[str, re.Pattern[str]]:
        self._known(("formats",), tuple(self._declared.formats))
        return {
            name: self._told(("formats", name), checked_pattern, text) for name, text in self._declared.formats.items()
        }

    def _hydrates(self) -> Mapping[str, HydrateDeclared]:
        found = self._declared.hydrate
        for name, column in self._columns.items():
            called = column.column.hydrate
            if called is not None and called not in found:
                raise self._at(("columns", name), f"there is no hydrate {called}", f"Allowed: {listed(found)}.")
        for name, each in found.items():
            names = hydrate_inputs(each)
            self._known(("hydrate", name), names)
            for used in names:
                if self._columns[used].column.hydrate is not None:
                    raise self._at(("hydrate", name), f"column {used} needs a call itself")
        return found

    def _references(self) -> dict[str, tuple[str, str]]:
        self._known(("references",), tuple(self._declared.references))
        found = {}
        for name, text in self._declared.references.items():
            table, _, column = text.partition(".")
            if table not in self._manifest.tables or column not in self._manifest.tables[table].columns:
                raise self._at(("references", name), f"there is no column {text}", "Write it like channels.id.")
            found[name] = (table, column)
        return found

    def _path(self, name: str, declared: PathDeclared) -> ReadablePath:
        at = ("access_paths", name)
        graphql = None if declared.request else self._query(at, declared)
        if graphql is None and declared.request is None:
            raise self._at(at, "an access path needs a request, or the table a graphql field")
        if graphql is not None and self._manifest.graphql_path is None:
            raise self._refuse((), "key graphql_path is missing: it says where queries are posted", None)
        self._known((*at, "keys"), declared.keys)
        self._known((*at, "echo"), declared.echo)
        method, _, template = (declared.request or f"POST {self._manifest.graphql_path}").partition(" ")
        inputs = {**self._manifest.inputs, **self._declared.inputs, **declared.inputs}
        filled = self._placeholders(at, template, inputs, declared.keys)
        as_json = method == "POST"
        is_graphql = graphql is not None
        self._told((*at, "filter"), partial(check_filter, posted=as_json, is_graphql=is_graphql), declared.filter)
        sents = {} if declared.single else self._sents(at, declared, graphql, as_json=as_json)
        sent_keys = [key for key in declared.keys if key not in filled]
        if declared.batch is not None and declared.batch.key not in sent_keys:
            raise self._at((*at, "batch"), "a batched key is sent as its pushdown says, not in request or inputs")
        key_sents = self._all_sents(declared, graphql, as_json=as_json)
        for key in sent_keys:
            if sdk.Operator.EQ not in key_sents.get(key, {}):
                raise self._at((*at, "keys"), f"key {key} is neither in request or inputs, nor has it a pushdown of =")
        if declared.batch is not None and sdk.Operator.IN not in key_sents[declared.batch.key]:
            raise self._at((*at, "batch"), f"key {declared.batch.key} has no pushdown of in")
        pagination = self._pagination(at, declared, graphql)
        order = {} if declared.single else self._chosen((*at, "order"), self._declared.order, declared.order)
        if graphql is not None:
            self._check_arguments(at, graphql, inputs, order, pagination)
        rows = next(
            (text for text in (declared.rows, self._declared.rows, self._manifest.rows) if text is not None), ""
        )
        if graphql is not None:
            rows = rows.replace("{field}", graphql.field)
        return ReadablePath(
            name=name,
            method=method,
            template=template,
            graphql=graphql,
            inputs=inputs,
            keys=declared.keys,
            filled_keys=frozenset(filled),
            echo=declared.echo,
            batch=declared.batch.key if declared.batch else None,
            single=declared.single,
            rows=self._told((*at, "rows"), path, rows),
            wrap=declared.wrap,
            empty=frozenset(self._manifest.empty) | frozenset(declared.empty),
            sents={**sents, **{key: key_sents[key] for key in sent_keys}},
            order=order,
            pagination=pagination,
            rows_max=declared.rows_max or getattr(pagination, "cap", None),
            window=self._told((*at, "window"), partial(checked_window, posted=as_json), declared.window, sents),
            filter=declared.filter,
            projection=declared.projection,
            count=self._count(at, declared, sents),
        )

    def _count(self, at: Path, declared: PathDeclared, sents: Sents) -> CountDeclared | None:
        if declared.count is None:
            return None
        kinds = {key: self._columns[key].column.type_name for key in declared.keys if key not in declared.echo}
        self._told((*at, "count"), check_count, declared, sents, kinds)
        return declared.count

    def _query(self, at: Path, declared: PathDeclared) -> Query | None:
        given = [
            each for each in (self._manifest.graphql, self._declared.graphql, declared.graphql) if each is not None
        ]
        field, selects, filter_argument = (
            next((found for each in reversed(given) if (found := getattr(each, name)) is not None), None)
            for name in ("field", "selects", "filter")
        )
        if field is None:
            return None
        if selects is None or "{columns}" not in selects:
            raise self._at(at, "graphql.selects is missing, or has no {columns}")
        arguments = {name: kind for each in given for name, kind in each.arguments.items()}
        return Query(field=field, arguments=arguments, selects=selects, filter=filter_argument)

    def _access_path(self, found: ReadablePath) -> AccessPath:
        if found.counted is not None:
            return counted_access_path(found, found.counted)
        batch = self._declared.access_paths[found.name].batch
        what = f"{found.method} {found.template}" if found.graphql is None else f"query {found.graphql.field}"
        page = found.pagination
        has_key = set(self._declared.primary_key) <= set(found.keys)
        is_found_by_key = has_key and (batch.max if batch else 1) <= page.rows_max
        return AccessPath(
            name=found.name,
            request=what,
            keys=found.keys,
            operators={name: pushdowns_of(each) for name, each in found.sents.items() if name not in found.keys},
            order={name: _directions(each) for name, each in found.order.items()},
            page_rows_max=page.rows_max,
            batch=found.batch,
            batch_keys_max=batch.max if batch else 1,
            single=found.single or is_found_by_key,
            parallel=isinstance(page, LinkPages) or (isinstance(page, OffsetPages) and page.total is not None),
            rows_max=found.rows_max,
            # Whether a listing is cut off is told by its rows, counted from the first page on.
            resumes=isinstance(page, CursorPages) and page.resumes and found.rows_max is None,
        )

    def _sents(self, at: Path, declared: PathDeclared, graphql: Query | None, *, as_json: bool) -> Sents:
        every = self._all_sents(declared, graphql, as_json=as_json)
        sents = self._chosen((*at, "pushdown"), every, declared.pushdown)
        if graphql is None and declared.filter is None:
            self._told(at, check_exactness, sents)
        return sents

    def _all_sents(self, declared: PathDeclared, graphql: Query | None, *, as_json: bool) -> Sents:
        if graphql is not None and graphql.filter is None:
            return {}
        found = {}
        for name, used in self._declared.pushdown.items():
            operators, place = self._operators(("pushdown", name), used)
            self._check_operators(("pushdown", name), name, operators)
            dialect = declared.filter.dialect if declared.filter else None
            found[name] = sents_of(operators, place, as_json=as_json, dialect=dialect)
        return found

    def _operators(self, at: Path, used: str | Operators) -> tuple[Operators, str]:
        if not isinstance(used, str):
            return used, ""
        name, _, place = used.partition(" ")
        if name not in self._manifest.operators:
            known = ", ".join(self._manifest.operators)
            raise self._at(at, f"there is no set of operators {name}", f"Allowed are {known}.")
        return self._manifest.operators[name], place.strip()

    def _check_operators(self, at: Path, column: str, operators: Operators) -> None:
        column_type = self._columns[column].column.type_name
        for name, push in operators.items():
            self._told((*at, name), checked_operator, name, push, column_type)
            self._known((*at, name, "needs"), push.needs)

    def _pagination(self, at: Path, declared: PathDeclared, graphql: Query | None) -> Pagination:
        found = declared.pagination or self._declared.pagination or self._manifest.pagination
        place = at if found is None else (*at, "pagination")
        field = graphql.field if graphql else None
        posted = (declared.request or "").startswith("POST")
        single_max = (declared.batch.max if declared.batch else 1) if declared.single else 0
        return self._told(place, partial(checked_pages, single_max=single_max, posted=posted), found, field)

    def _check_arguments(
        self, at: Path, graphql: Query, inputs: Mapping[str, Any], order: Mapping[str, Direction], pages: Pagination
    ) -> None:
        ordering = {name for each in order.values() for way in (each.asc, each.desc) if way is not None for name in way}
        paging = {name for name in (getattr(pages, "size", None), getattr(pages, "send", None)) if name}
        used = {*inputs, *ordering, *paging, *([graphql.filter] if graphql.filter else [])}
        if unknown := sorted(used - set(graphql.arguments)):
            raise self._at(at, f"the query has no argument {unknown[0]}", f"Allowed: {listed(graphql.arguments)}.")

    def _placeholders(self, at: Path, template: str, inputs: Mapping[str, Any], keys: tuple[str, ...]) -> set[str]:
        used = placeholders(template)
        for value in inputs.values():
            used |= placeholders(value) if isinstance(value, str) else set()
        known = {*keys, *self._manifest.options}
        if unknown := sorted(used - known):
            raise self._at(at, f"placeholder {unknown[0]} is neither a key nor an option", f"Allowed: {listed(known)}.")
        return used & set(keys)

    def _chosen(self, at: Path, found: Mapping[str, Result], names: tuple[str, ...] | None) -> dict[str, Result]:
        if names is None:
            return dict(found)
        if unknown := [name for name in names if name not in found]:
            raise self._at(at, f"the table says nothing for column {unknown[0]}", f"Allowed: {listed(found)}.")
        return {name: found[name] for name in names}

    def _known(self, at: Path, names: tuple[str, ...]) -> None:
        if unknown := [name for name in names if name not in self._columns]:
            raise self._at(at, f"there is no column {unknown[0]}", f"Allowed: {listed(self._columns)}.")

    def _told(self, at: Path, act: Callable[..., Result], *values: object) -> Result:
        try:
            return act(*values)
        except ManifestInvalid as error:
            raise self._at(at, error.message, error.hint) from None

    def _at(self, at: Path, message: str, hint: str | None = None) -> ManifestInvalid:
        return self._refuse(("tables", self._name, *at), message, hint)


def _directions(declared: Direction) -> frozenset[sdk.Direction]:
    given = ((sdk.Direction.ASC, declared.asc), (sdk.Direction.DESC, declared.desc))
    return frozenset(direction for direction, inputs in given if inputs is not None)
