"""From a manifest that has the right shape to tables that can be read: names resolved, defaults filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from connectors.declarative.account import always_given
from connectors.declarative.checks import (
    check_arguments,
    check_filter,
    check_members,
    checked_operator,
    checked_pages,
    checked_pattern,
    checked_window,
    hook_named,
    listed,
    placeholders,
)
from connectors.declarative.columns import ColumnFound, column_found
from connectors.declarative.counting import check_count
from connectors.declarative.dialects import DIALECTS, check_comparator
from connectors.declarative.disjunctions import disjunctions_of
from connectors.declarative.document import Path
from connectors.declarative.filters import Filter
from connectors.declarative.hooks import Dialect, Hooks
from connectors.declarative.hydrations import hydrate_inputs, hydrations_of, places_of_call
from connectors.declarative.limits import complexity_of
from connectors.declarative.manifest import (
    DeltaDeclared,
    Direction,
    HydrateDeclared,
    Manifest,
    Operators,
    PathDeclared,
    TableDeclared,
)
from connectors.declarative.pages import Pagination
from connectors.declarative.pushdown import Sents, check_exactness, sent_apart, sents_of
from connectors.declarative.readable import Query, ReadablePath, ReadableTable, access_path, counted_paths, query_of
from connectors.declarative.requests import bucket_of
from connectors.declarative.selections import read_selection
from connectors.declarative.totals import CountDeclared
from connectors.sdk import scan as sdk
from connectors.sdk.complexity import Complexity
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import path
from connectors.sdk.table import Delta, Disjunctions, Table

Refuse = Callable[[Path, str, str | None], ManifestInvalid]
Result = TypeVar("Result")
_ORDERED_TYPES = frozenset({"int2", "int4", "int8", "float8", "date", "timestamptz", "bool"})


def compiled(manifest: Manifest, hooks: Hooks, refuse: Refuse) -> dict[str, ReadableTable]:
    """Return the tables of a manifest by name.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, names or rules contradict each other; `refuse` tells where.
    """
    return {name: _Compiler(manifest, name, hooks, refuse).table() for name in manifest.tables}


class _Compiler:
    def __init__(self, manifest: Manifest, name: str, hooks: Hooks, refuse: Refuse) -> None:
        self._manifest = manifest
        self._name = name
        self._declared: TableDeclared = manifest.tables[name]
        self._hooks = hooks
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
            size_request=declared.size_request,
            revalidates=self._manifest.revalidates,
            misfits_are_null=declared.misfits == "warn",
            hydrations=hydrations_of(hydrate, self._columns),
            pays=bucket_of(self._manifest),
            access_paths=tuple(access_path(each, declared, self._columns) for each in paths.values()),
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
            known = always_given(self._manifest.options)
            self._known(("hydrate", name), tuple(sorted({*places_of_call(each).values()} - known)))
            together = each.together
            self._hook(("hydrate", name, "together", "hook"), self._hooks.together, together.hook if together else None)
            for used in hydrate_inputs(each, self._columns):
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
        self._known_names(at, declared)
        method, _, template = (declared.request or f"POST {self._manifest.graphql_path}").partition(" ")
        inputs = {**self._manifest.inputs, **self._declared.inputs, **declared.inputs}
        filled = self._filled(at, template, inputs, declared)
        as_json = method == "POST"
        is_graphql = graphql is not None
        self._told((*at, "filter"), partial(check_filter, posted=as_json, is_graphql=is_graphql), declared.filter)
        every = self._all_sents(at, declared, graphql, as_json=as_json)
        sents = {} if declared.single or declared.counts else self._sents(at, declared, graphql, every)
        sent_keys = [key for key in declared.keys if key not in filled]
        self._check_sent_keys(at, declared, sent_keys, every)
        pagination = self._pagination(at, declared, graphql)
        order = {} if declared.single else self._chosen((*at, "order"), self._declared.order, declared.order)
        if graphql is not None:
            self._told(at, check_arguments, graphql.arguments, graphql.filter, inputs, order, pagination)
        self._check_bounds(at, declared, order, sents)
        found = ReadablePath(
            name=name,
            method=method,
            template=template,
            graphql=graphql,
            inputs=inputs,
            keys=declared.keys,
            filled_keys=frozenset(filled),
            fills=declared.fills,
            note=declared.note,
            echo=declared.echo,
            spelled=declared.spelled,
            asked=declared.asked,
            batch=declared.batch.key if declared.batch else None,
            single=declared.single,
            rows=self._told((*at, "rows"), path, self._rows_at(declared, graphql)),
            wrap=declared.wrap,
            empty=frozenset(self._manifest.empty) | frozenset(declared.empty),
            sents={**sents, **{key: every[key] for key in sent_keys}},
            order=order,
            pagination=pagination,
            rows_max=declared.rows_max or getattr(pagination, "cap", None),
            window=self._told((*at, "window"), partial(checked_window, posted=as_json), declared.window, sents),
            filter=declared.filter,
            projection=declared.projection,
            dialect=self._dialect(at, declared.filter),
            expands=declared.expands,
            elements=declared.elements,
            bare=declared.bare,
            order_keys_max=declared.order_keys_max,
            posts_beyond=declared.posts_beyond,
            boundary=declared.boundary,
            holds=declared.holds,
            delta=self._delta(at, declared.delta, sents, declared.boundary),
            count=self._count(at, declared, sents),
        )
        return self._with_hooks(at, found, declared)

    def _with_hooks(self, at: Path, found: ReadablePath, declared: PathDeclared) -> ReadablePath:
        counts = declared.counts
        sents = sent_apart(found.sents, declared.filter) if found.graphql is None else {}
        self._told(at, check_members, found.method, found.inputs, found.pagination, declared, found.order, sents)
        return replace(
            found,
            accept=declared.accept,
            pays=declared.pays,
            cost=declared.cost,
            needs=declared.needs,
            disjunctions=self._disjunctions(at, declared, found),
            counting=self._hook((*at, "counts", "hook"), self._hooks.counts, counts.hook if counts else None),
            kinds=counts.columns if counts else (),
            keys_from=self._hook((*at, "keys_from"), self._hooks.keys_from, declared.keys_from),
            narrow=self._hook((*at, "narrow"), self._hooks.narrow, declared.narrow),
            complexity=self._complexity(at, found),
            instead=self._hook((*at, "instead"), self._hooks.instead, declared.instead),
        )

    def _complexity(self, at: Path, found: ReadablePath) -> Complexity | None:
        for name, column in self._columns.items() if found.graphql is not None else ():
            self._told(("columns", name), read_selection, column.select)
        always = [name for name in self._declared.primary_key if name not in found.untold]
        sized = getattr(found.pagination, "size", None) is not None
        return self._told(at, partial(complexity_of, self._manifest, found.graphql, self._columns, always, sized=sized))

    def _rows_at(self, declared: PathDeclared, graphql: Query | None) -> str:
        given = (declared.rows, self._declared.rows, self._manifest.rows)
        rows = next((text for text in given if text is not None), "")
        return rows if graphql is None else rows.replace("{field}", graphql.field)

    def _known_names(self, at: Path, declared: PathDeclared) -> None:
        self._known((*at, "keys"), declared.keys)
        self._known((*at, "echo"), declared.echo)
        self._known((*at, "fills"), tuple(declared.fills.values()))
        self._known((*at, "bare"), declared.bare.columns if declared.bare else ())
        self._known((*at, "filter", "beside"), declared.filter.beside if declared.filter else ())
        for columns in declared.expands.names.values() if declared.expands else ():
            self._known((*at, "expands"), columns)
        if unknown := [name for name in declared.spelled if name not in declared.keys]:
            raise self._at((*at, "spelled"), f"{unknown[0]} is no key here", f"Allowed: {listed(declared.keys)}.")
        for name, spelling in declared.spelled.items():
            self._told((*at, "spelled", name), path, spelling.at)
            self._filled((*at, "spelled", name), spelling.request, {}, declared)
        if declared.counts is not None:
            self._known((*at, "counts"), declared.counts.columns)
        if unknown := [name for name in declared.holds if name not in self._declared.hydrate]:
            allowed = listed(self._declared.hydrate)
            raise self._at((*at, "holds"), f"there is no hydrate {unknown[0]}", f"Allowed: {allowed}.")

    def _check_sent_keys(self, at: Path, declared: PathDeclared, sent_keys: list[str], every: Sents) -> None:
        if declared.counts is not None:
            return
        if declared.batch is not None and declared.batch.key not in sent_keys:
            raise self._at((*at, "batch"), "a batched key is sent as its pushdown says, not in request or inputs")
        for key in sent_keys:
            if sdk.Operator.EQ not in every.get(key, {}):
                raise self._at((*at, "keys"), f"key {key} is neither in request or inputs, nor has it a pushdown of =")
        if declared.batch is not None and sdk.Operator.IN not in every[declared.batch.key]:
            raise self._at((*at, "batch"), f"key {declared.batch.key} has no pushdown of in")
        asked = declared.asked
        if asked is not None and not any(sent.push.values for sent in every.get(asked, {}).get(sdk.Operator.EQ, ())):
            raise self._at((*at, "asked"), f"= on {asked} has no values: all that there are must be asked for")

    def _check_bounds(self, at: Path, declared: PathDeclared, order: Mapping[str, Direction], sents: Sents) -> None:
        if unsent := [name for name in declared.needs if name not in sents]:
            raise self._at((*at, "needs"), f"{unsent[0]} has no pushdown here")
        name = declared.boundary
        if name is None:
            return
        if name not in order or order[name].desc is None or self._columns[name].column.type_name != "timestamptz":
            raise self._at((*at, "boundary"), f"{name} is no time by which this is listed newest first")

    def _delta(self, at: Path, declared: DeltaDeclared | None, sents: Sents, boundary: str | None) -> Delta | None:
        if declared is None:
            return None
        self._known((*at, "delta"), (declared.column, *declared.keeps))
        if declared.column != boundary and sdk.Operator.GE not in sents.get(declared.column, {}):
            raise self._at((*at, "delta"), f"{declared.column} has no pushdown of >=")
        return Delta(column=declared.column, overlap_s=declared.overlap_s, keeps=declared.keeps)

    def _hook(self, at: Path, known: Mapping[str, Result], name: str | None) -> Result | None:
        return None if name is None else hook_named(known, name, partial(self._at, at))

    def _count(self, at: Path, declared: PathDeclared, sents: Sents) -> CountDeclared | None:
        if declared.count is None:
            return None
        kinds = {key: self._columns[key].column.type_name for key in declared.keys if key not in declared.echo}
        self._told((*at, "count"), check_count, declared, sents, kinds)
        return declared.count

    def _query(self, at: Path, declared: PathDeclared) -> Query | None:
        return self._told(at, query_of, (self._manifest.graphql, self._declared.graphql, declared.graphql))

    def _sents(self, at: Path, declared: PathDeclared, graphql: Query | None, every: Sents) -> Sents:
        names = declared.pushdown if isinstance(declared.pushdown, tuple) else None
        sents = self._chosen((*at, "pushdown"), every, names)
        if graphql is None:
            self._told(at, check_exactness, sent_apart(sents, declared.filter))
        return sents

    def _all_sents(self, at: Path, declared: PathDeclared, graphql: Query | None, *, as_json: bool) -> Sents:
        if graphql is not None and graphql.filter is None:
            return {}
        is_own = isinstance(declared.pushdown, dict)
        place = (*at, "pushdown") if is_own else ("pushdown",)
        pushdown = declared.pushdown if isinstance(declared.pushdown, dict) else self._declared.pushdown
        self._known(place, tuple(pushdown))
        found = {}
        for name, used in pushdown.items():
            operators, where = self._operators((*place, name), used)
            self._check_operators((*place, name), name, operators)
            taking = None if declared.filter is None or name in declared.filter.beside else declared.filter
            # Most languages quote: no parameter takes the spaces of a text away.
            is_quoted = as_json or (taking is not None and taking.dialect != "zendesk")
            dialect = self._dialect(at, taking)
            is_chosen = not isinstance(declared.pushdown, tuple) or name in declared.pushdown
            language = taking.dialect if taking is not None and is_chosen else None
            for operator, push in operators.items():
                self._told((*place, name, operator), check_comparator, language, push.send)
            found[name] = sents_of(operators, where, as_json=is_quoted, dialect=dialect, checks=self._hooks.takes)
        return found

    def _dialect(self, at: Path, taking: Filter | None) -> Dialect | None:
        if taking is None:
            return None
        known = self._hooks.dialects if taking.hook is not None else DIALECTS
        return self._hook((*at, "filter"), known, taking.hook or taking.dialect)

    def _disjunctions(self, at: Path, declared: PathDeclared, found: ReadablePath) -> Disjunctions | None:
        by_graphql = found.graphql is not None and found.graphql.filter is not None
        # A boundary ends a listing; what is asked is asked one value after the other.
        beside = declared.filter.beside if declared.filter else ()
        unsent = frozenset({*declared.keys, *beside, *(each for each in (declared.boundary, declared.asked) if each)})
        below_or = partial(disjunctions_of, by_graphql=by_graphql, unsent=unsent)
        return self._told((*at, "disjunctions"), below_or, declared.disjunctions, found.sents, found.dialect)

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
            self._hook((*at, name, "takes"), self._hooks.takes, push.takes)

    def _pagination(self, at: Path, declared: PathDeclared, graphql: Query | None) -> Pagination:
        found = declared.pagination or self._declared.pagination or self._manifest.pagination
        place = at if found is None else (*at, "pagination")
        field = graphql.field if graphql else None
        posted = (declared.request or "").startswith("POST")
        is_single = (declared.single and declared.pagination is None) or declared.counts is not None
        single_max = (declared.batch.max if declared.batch else 1) if is_single else 0
        return self._told(place, partial(checked_pages, single_max=single_max, posted=posted), found, field)

    def _filled(self, at: Path, template: str, inputs: Mapping[str, Any], declared: PathDeclared) -> set[str]:
        """Return the keys that are put into the request or the inputs, or that a hook makes what is put there of."""
        used = placeholders(" ".join([template, *(each for each in inputs.values() if isinstance(each, str))]))
        if declared.keys_from is not None or declared.counts is not None:
            return set(declared.keys)
        known = {*declared.keys, *declared.fills, *always_given(self._manifest.options)}
        if unknown := sorted(used - known):
            plain = f"placeholder {unknown[0]} is neither a key nor an option that is required or has a default"
            raise self._at(at, plain, f"Allowed: {listed(known)}.")
        return {declared.fills.get(name, name) for name in used} & set(declared.keys)

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
