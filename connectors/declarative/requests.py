"""From a scan to the first request of a table that a manifest declares, and from there to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from connectors.declarative.checks import PLACEHOLDER
from connectors.declarative.columns import ColumnFound
from connectors.declarative.hooks import Condition, Either
from connectors.declarative.hydrations import places_filled
from connectors.declarative.manifest import Expansion, HydrateDeclared, Manifest, Projection
from connectors.declarative.pages import CursorPages, OffsetPages
from connectors.declarative.pushdown import (
    Sent,
    any_filters_for,
    conditions_for,
    eithers_for,
    filters_for,
    inputs_for,
    place_of,
)
from connectors.declarative.readable import ReadablePath, ReadableTable
from connectors.declarative.selections import read_selection, written
from connectors.declarative.values import as_texts
from connectors.sdk.decode import Row
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.pagination import with_parameter
from connectors.sdk.request import Charge, Request, filled
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, keys_asked


def bucket_of(manifest: Manifest) -> str:
    """Return the rate limit that requests count against."""
    return "requests" if manifest.rate_limit is None else manifest.rate_limit.pays


def first_request(manifest: Manifest, table: ReadableTable, scan: Scan, options: Mapping[str, str]) -> Request:
    """Return the request of a scan's first page.

    Raises:
        EmptyResult: nothing can match, so that no request is needed.
        Fatal: the scan asks for what was not declared.
    """
    path = table.paths[scan.access_path]
    _check_formats(table, path, scan)
    keys = _keys(path, scan, options)
    inputs: dict[str, Any] = {name: _filled(value, keys) for name, value in path.inputs.items()}
    bounded = [predicate for predicate in scan.predicates if predicate.column != path.boundary]
    predicates = (*_key_predicates(path, scan), *bounded)
    filters: list[dict[str, object]] = []
    if path.graphql is not None:
        filters = [*filters_for(path.sents, predicates), *any_filters_for(path.sents, scan.disjunctions)]
    elif path.filter is not None:
        inputs |= inputs_for(path.sents, (each for each in predicates if each.column in path.filter.beside))
        inputs |= _filter(path, scan, [each for each in predicates if each.column not in path.filter.beside])
    elif scan.disjunctions:
        raise Fatal(message=f"{scan.table}.{path.name} takes parameters, which have no OR between them")
    else:
        inputs |= inputs_for(path.sents, predicates)
    if path.dialect is None or not path.dialect.orders:
        inputs |= _order(path, scan) if boundary_of(path, scan) is None else _newest_first(path)
    size = getattr(path.pagination, "size", None)
    if size is not None:
        inputs[size] = page_rows(table, path, scan)
    if path.projection is not None:
        inputs |= _projected(path.projection, table, scan, path.projection.join)
    if path.expands is not None:
        inputs |= _expanded(path.expands, scan)
    if path.graphql is None:
        request = _rest_request(manifest, path, inputs, keys)
        if path.posts_beyond is None or _characters(request) <= path.posts_beyond:
            return request
        if path.projection is not None:
            inputs |= _projected(path.projection, table, scan, None)
        return _rest_request(manifest, replace(path, method="POST"), inputs, keys)
    if filters and path.graphql.filter is not None:
        inputs[path.graphql.filter] = filters[0] if len(filters) == 1 else {"and": filters}
    request = graphql_request(
        manifest, _document(table, path, scan, inputs), inputs, name=path.graphql.field, empty=path.empty
    )
    also = _complexity(path, scan, page_rows(table, path, scan))
    return replace(request, bucket=path.pays or request.bucket, cost=path.cost, also=also)


def boundary_of(path: ReadablePath, scan: Scan) -> datetime | None:
    """Return the time at which a listing that is read newest first may end, None where it has to be read whole."""
    bounds = [predicate.value for predicate in scan.predicates if predicate.column == path.boundary]
    moments = [bound for bound in bounds if isinstance(bound, datetime)]
    is_newest_first = not scan.order or _order(path, scan) == _newest_first(path)
    return max(moments) if moments and is_newest_first else None


def spelling_request(
    manifest: Manifest, path: ReadablePath, key: str, scan: Scan, options: Mapping[str, str] | None = None
) -> Request:
    """Return the request that tells how the API spells a key."""
    template = path.spelled[key].request.partition(" ")[2]
    return Request(
        template=template,
        path=filled(template, **_keys(path, scan, options or {})),
        accept=manifest.accept,
        bucket=bucket_of(manifest),
        empty_statuses=frozenset(manifest.empty),
    )


def hydrate_request(
    manifest: Manifest,
    table: ReadableTable,
    name: str,
    row: Row,
    *,
    options: Mapping[str, str] | None = None,
    is_decoded: bool = False,
) -> Request:
    """Return the call that a row needs for the columns of one hydrate; a decoded row has columns, not the API's fields.

    Raises:
        EmptyResult: the row has no value to make it with.
    """
    declared: HydrateDeclared = table.hydrate[name]
    template = declared.request.partition(" ")[2]
    filling = places_filled(declared, table.columns).items()
    values = {place: row[used] if is_decoded else table.columns[used].extract(row) for place, used in filling}
    values = {**(options or {}), **values}
    if any(value is None for value in values.values()):
        raise EmptyResult(message="the row has nothing to ask for")
    return Request(
        template=template,
        path=filled(template, **values),
        parameters=tuple(
            (parameter, text)
            for parameter, value in declared.inputs.items()
            for text in as_texts(_filled(value, values))
        ),
        accept=manifest.accept,
        bucket=bucket_of(manifest),
        empty_statuses=frozenset((*manifest.empty, *declared.empty)),
    )


def page_rows(table: ReadableTable, path: ReadablePath, scan: Scan) -> int:
    """Return how many rows a page of a scan is asked to have."""
    is_bare = path.bare is not None and set(path.bare.columns).issuperset(scan.columns)
    bounds = [path.bare.rows_max if path.bare is not None and is_bare else path.pagination.rows_max]
    # A small page of a listing that leaves rows out can be empty before the end.
    hides_rows = isinstance(path.pagination, OffsetPages) and path.pagination.hides_rows
    if scan.limit is not None and not hides_rows:
        bounds.append(max(1, scan.limit))
    bounds += [found for name in scan.columns if (found := table.columns[name].page_rows_max) is not None]
    if path.complexity is not None:
        # A page is paid by the rows that are asked for, not by those that come.
        fitting = path.complexity.rows_max(scan.columns)
        bounds += [] if fitting is None else [fitting]
        bounds += [keys_asked(scan)] if set(table.table.primary_key) <= set(path.keys) else []
    return min(bounds)


def _complexity(path: ReadablePath, scan: Scan, rows: int) -> tuple[Charge, ...]:
    counted = path.complexity
    return () if counted is None else (Charge(limit=counted.limit, points=counted.points(scan.columns, rows)),)


def graphql_request(
    manifest: Manifest,
    document: str,
    variables: Mapping[str, Any],
    *,
    name: str = "",
    empty: frozenset[int] = frozenset(),
) -> Request:
    """Return the request that posts a GraphQL document (GraphQL over HTTP, draft of 2025)."""
    where = manifest.graphql_path or "/graphql"
    return Request(
        # What is read tells more than the one path that all queries are posted to.
        template=f"{where} {name}" if name else where,
        path=where,
        method="POST",
        body=msgspec.json.encode({"query": document, "variables": variables}),
        accept=manifest.accept,
        bucket=bucket_of(manifest),
        empty_statuses=empty,
        conditional=False,
    )


def with_cursor(path: ReadablePath, name: str) -> Any:
    """Return the function that puts a cursor into a request of a path."""

    def advance(request: Request, cursor: str) -> Request:
        if request.body is None:
            return with_parameter(request, name, cursor)
        posted = msgspec.json.decode(request.body)
        if path.graphql is None:
            posted = members_of({name: cursor}, posted)
        else:
            posted["variables"][name] = cursor
        return replace(request, body=msgspec.json.encode(posted))

    return advance


def _rest_request(
    manifest: Manifest, path: ReadablePath, inputs: Mapping[str, Any], keys: Mapping[str, object]
) -> Request:
    is_posted = path.method == "POST"
    parameters = () if is_posted else ((name, text) for name, value in inputs.items() for text in as_texts(value))
    return Request(
        template=path.template,
        path=filled(path.template, **keys),
        method=path.method,
        parameters=tuple(parameters),
        body=msgspec.json.encode(members_of(inputs)) if is_posted else None,
        accept=path.accept or manifest.accept,
        bucket=path.pays or bucket_of(manifest),
        cost=path.cost,
        empty_statuses=path.empty,
        conditional=manifest.conditional and not is_posted,
    )


def members_of(inputs: Mapping[str, Any], within: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of a POST with inputs put into it: page.size is member size of member page."""
    body = dict(within or {})
    for name, value in inputs.items():
        first, _, rest = name.partition(".")
        body[first] = members_of({rest: value}, body.get(first)) if rest else value
    return body


def _characters(request: Request) -> int:
    return sum(len(quote(text)) for _, text in request.parameters)


def _filter(path: ReadablePath, scan: Scan, predicates: Sequence[Predicate]) -> dict[str, object]:
    if path.filter is None or path.dialect is None:
        return {}
    # A language without orders leaves them to the inputs.
    order = _written_order(path, scan) if path.dialect.orders else ()
    conditions: list[Condition | Either] = [
        *conditions_for(path.sents, predicates),
        *eithers_for(path.sents, scan.disjunctions),
    ]
    sent = path.dialect.written(path.filter.always, conditions, order)
    return {} if sent is None else {path.filter.send: sent}


def _written_order(path: ReadablePath, scan: Scan) -> Sequence[tuple[str, Direction]]:
    places = places_of(path)
    if unknown := [key.column for key in scan.order if key.column not in path.order or key.column not in places]:
        raise Fatal(message=f"{scan.table}.{path.name} cannot be read in the order of {unknown[0]}")
    return [(places[key.column], key.direction) for key in scan.order]


def places_of(path: ReadablePath) -> dict[str, str]:
    """Return the place of each column in the language of a path's filter."""
    return {column: place_of(_any_sent(sents), column) for column, sents in path.sents.items()}


def _any_sent(sents: Mapping[Operator, tuple[Sent, ...]]) -> Sent:
    return next(iter(sents.values()))[0]


def _expanded(expansion: Expansion, scan: Scan) -> dict[str, object]:
    named = [name for name, columns in expansion.names.items() if not set(columns).isdisjoint(scan.columns)]
    return {expansion.send: expansion.join.join(named)} if named else {}


def _projected(projection: Projection, table: ReadableTable, scan: Scan, join: str | None) -> dict[str, object]:
    start = f"{projection.within}." if projection.within else ""
    untold = table.paths[scan.access_path].untold
    read = [name for name in dict.fromkeys((*table.table.primary_key, *scan.columns)) if name not in untold]
    if projection.first:
        names = _first_names(projection, start, [table.columns[name] for name in read])
    else:
        paths = [table.columns[name].column.path.replace("[*]", "") for name in read]
        names = list(dict.fromkeys(each.removeprefix(start) for each in paths if each.startswith(start)))
    if join is None:
        return {projection.send: names}
    return {projection.send: join.join(names)} if names else {}


def _first_names(projection: Projection, start: str, columns: Sequence[ColumnFound]) -> list[str]:
    """Return the first names below a place, or what columns select, in order."""
    found = {
        each.selects or each.column.path.removeprefix(start).split(".")[0].split("[")[0]
        for each in columns
        if each.selects or each.column.path.startswith(start)
    }
    if projection.all is not None and projection.all in found:
        return [projection.all]
    return sorted(found) or ([projection.least] if projection.least else [])


def _document(table: ReadableTable, path: ReadablePath, scan: Scan, inputs: Mapping[str, Any]) -> str:
    graphql = path.graphql
    if graphql is None:
        raise Fatal(message=f"{scan.table}.{path.name} is not read by a query")
    names = dict.fromkeys((*table.table.primary_key, *scan.columns))
    # An echoed key is not in the rows.
    asked = " ".join(table.columns[name].select for name in names if name not in path.untold)
    selects = written(read_selection(asked))
    # A variable without a value counts as absent, so that all pages share one document.
    passed_names = [*inputs, *([path.pagination.send] if isinstance(path.pagination, CursorPages) else [])]
    declared = ",".join(f"${name}:{graphql.arguments[name]}" for name in passed_names)
    passed = ",".join(f"{name}:${name}" for name in passed_names)
    head = f"query({declared})" if passed_names else "query"
    field = f"{graphql.field}({passed})" if passed_names else graphql.field
    return f"{head}{{{field}{{{graphql.selects.replace('{columns}', selects)}}}}}"


def _keys(path: ReadablePath, scan: Scan, options: Mapping[str, str]) -> Mapping[str, object]:
    """Return what placeholders stand for."""
    keys = {**options, **scan.keys}
    own = {name: keys[key] for name, key in path.fills.items()}
    return {**keys, **own, **(path.keys_from(scan.keys) if path.keys_from is not None else {})}


def _check_formats(table: ReadableTable, path: ReadablePath, scan: Scan) -> None:
    for name in path.keys:
        value, pattern = scan.keys[name], table.formats.get(name)
        if pattern is not None and isinstance(value, str | int) and pattern.fullmatch(str(value)) is None:
            raise EmptyResult(message=f"no {name} can have that value")


def _key_predicates(path: ReadablePath, scan: Scan) -> list[Predicate]:
    """Return the keys that are sent as their pushdown says."""
    found = []
    for name in path.keys:
        if name in path.filled_keys:
            continue
        value = scan.keys[name]
        if value is None:
            raise EmptyResult(message=f"no row has {name} without a value")
        operator = Operator.IN if isinstance(value, tuple) else Operator.EQ
        sents = path.sents[name].get(operator, ())
        if isinstance(value, tuple):
            # Of many values of a batch, those that no row can have leave the others.
            value = tuple(each for each in value if any(sent.takes((each,)) for sent in sents))
        if value == () or not any(sent.takes(value) for sent in sents):
            raise EmptyResult(message=f"no {name} can have that value")
        found.append(Predicate(column=name, operator=operator, value=value))
    return found


def _order(path: ReadablePath, scan: Scan) -> dict[str, Any]:
    if not scan.order:
        return {}
    key = scan.order[0]
    declared = path.order.get(key.column)
    inputs = None
    if declared is not None and len(scan.order) == 1:
        inputs = declared.asc if key.direction is Direction.ASC else declared.desc
    if inputs is None:
        raise Fatal(message=f"{scan.table}.{path.name} cannot be read in this order")
    return inputs


def _newest_first(path: ReadablePath) -> dict[str, Any]:
    declared = path.order.get(path.boundary or "")
    return {} if declared is None or declared.desc is None else declared.desc


def _filled(value: object, keys: Mapping[str, object]) -> object:
    """Put keys into an input; one that is nothing but a placeholder keeps the key's type."""
    if not isinstance(value, str):
        return value
    whole = PLACEHOLDER.fullmatch(value)
    if whole is not None:
        key = keys[whole.group(1)]
        if (isinstance(key, str) and key.strip() != key) or key == "":
            raise EmptyResult(message="no row has that key")
        return key
    return PLACEHOLDER.sub(lambda match: str(keys[match.group(1)]), value)
