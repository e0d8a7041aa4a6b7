"""A hostile literal stays one value in SOQL and in whatever a manifest of this project sends.

SOQL is parsed again by the simulator's parser, a URL by urllib, a body as JSON, a search of Zendesk's by the words
that its manual describes, and a filter of SCIM by the grammar of RFC 7644. A request with a hostile text must be the
request with a harmless one, but for that text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hostile_texts import PATTERNS, TEXTS, hostile, sendable, url_of
from hypothesis import example, given
from profiles import as_profiled

from connectors.declarative.load import Loaded, load_file, load_text
from connectors.declarative.requests import first_request
from connectors.salesforce import soql
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Table
from connectors.simulators.salesforce.soql.syntax import Comparison, Group
from connectors.simulators.salesforce.soql.syntax import parse as parse_soql
from connectors.simulators.salesforce.soql.tokens import Kind, unescaped

MANIFESTS = sorted((Path(__file__).parents[2] / "connectors" / "manifests").glob("*.yaml"))
SCIM = """\
omnisql: 1
name: scim
title: SCIM
documentation: https://www.rfc-editor.org/rfc/rfc7644
base_url: https://scim.example
secrets: {token: {description: A token.}}
auth: [{kind: header, value: "{token}"}]
check: {request: GET /Me}
pagination: {kind: none}
tables:
  users:
    description: Users.
    primary_key: [id]
    columns: {id: text!, name: text, team: text}
    pushdown:
      name: {"=": {send: eq}, in: {send: eq}, not_in: {send: ne}, like_prefix: {send: sw}, like_contains: {send: co}}
      team: {"=": {send: team}}
    access_paths: {all: {request: GET /Users, filter: {send: filter, dialect: scim, always: id pr, beside: [team]}}}
"""
LOADED = {file.stem: load_file(file) for file in MANIFESTS} | {"scim": load_text(SCIM, "scim.yaml")}
FIELD = {
    kind: {"c": soql.SoqlField(name="Name", kind=kind)} for kind in (soql.Kind.TEXT, soql.Kind.CHOICE, soql.Kind.ID)
}
HARMLESS = "harmless0"
SCIM_PART = re.compile(
    r' and | or |[()]|(?P<attribute>[a-z.]+) (?:pr|(?P<operator>[a-z]{2}) (?P<value>"(?:[^"\\]|\\.)*"))'
)
"""A joint, a bracket, or an attribute expression (RFC 7644, section 3.4.2.2), whose value is JSON."""
ZENDESK_SEARCH = "/api/v2/search/export"
WORD = re.compile(r'([a-z_]+)(:|<=|>=|<|>)("[^"\\*]*"|[^\s"*\\()]+)(?:\s|$)')
"""A word of Zendesk's search: a keyword, a comparator, and a value that is quoted or has none of the search's signs."""


@as_profiled
@given(hostile)
@example("' OR Name != '")
@example("\\' OR Id != null --")
@example("\\")
@example("%' LIMIT 1 --")
def test_a_literal_in_soql_is_one_string(text: str) -> None:
    for kind, fields in FIELD.items():
        for operator in (Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN):
            value = (text, HARMLESS) if operator in (Operator.IN, Operator.NOT_IN) else text
            written = soql.query("Account", ["Id"], fields, [Predicate(column="c", operator=operator, value=value)])
            where = parse_soql(written).where
            assert isinstance(where, Comparison), (kind, written)
            assert all(token.kind is Kind.STRING for token in where.values), written
            found = [unescaped(token.text) for token in where.values]
            assert found == (list(value) if isinstance(value, tuple) else [value]), written


@as_profiled
@given(hostile)
@example("%")
@example("_' OR Name LIKE '%")
@example("\\%")
def test_a_pattern_in_soql_is_one_string(text: str) -> None:
    if soql.pattern(text) is None:
        return
    where = Predicate(column="c", operator=Operator.LIKE, value=text)
    other = Predicate(column="c", operator=Operator.EQ, value=HARMLESS)
    found = parse_soql(soql.query("Account", ["Id"], FIELD[soql.Kind.TEXT], [where, other])).where
    assert isinstance(found, Group)
    patterned, compared = found.members
    assert isinstance(patterned, Comparison)
    assert isinstance(compared, Comparison)
    (token,) = patterned.values
    assert (token.kind, patterned.operator, compared.values[0].text) == (Kind.STRING, "LIKE", HARMLESS)
    # A character of the pattern is itself, or makes the pattern match more.
    inside = unescaped(token.text, in_pattern=True)
    assert set(inside) <= set(text) | {"%", "\\"}


@pytest.mark.parametrize("name", LOADED)
@as_profiled
@given(hostile)
@example('"')
@example("..")
@example("a&b=c#d")
@example('x" status:open')
@example("-x")
@example('"}],"filters":[{"')
def test_a_literal_of_a_manifest_changes_nothing_else(name: str, text: str) -> None:
    loaded = LOADED[name]
    for table_name, readable in loaded.tables.items():
        for path in readable.table.access_paths if text else ():
            keys = {key: _key(readable.table, key) for key in path.keys}
            for predicate in sendable(readable.table, path, text):
                plain = _asked(loaded, table_name, path, keys, _with(predicate, text, HARMLESS))
                hostile_request = _asked(loaded, table_name, path, keys, predicate)
                wanted = text.strip("%") if predicate.operator in PATTERNS else text
                _check(plain, hostile_request, wanted)
            for key in path.keys:
                if readable.table.column(key).type.name not in TEXTS:
                    continue
                plain = _asked(loaded, table_name, path, {**keys, key: HARMLESS}, None)
                hostile_request = _asked(loaded, table_name, path, {**keys, key: text}, None)
                _check(plain, hostile_request, text)


def test_every_dialect_is_tried() -> None:
    declared = {
        path.filter.dialect
        for loaded in LOADED.values()
        for table in loaded.tables.values()
        for path in table.paths.values()
        if path.filter is not None
    }
    assert declared == {"hubspot", "notion", "scim", "zendesk"}
    posted = [name for name, loaded in LOADED.items() if any(_posts(table) for table in loaded.tables.values())]
    assert set(posted) >= {"hubspot", "linear", "notion"}


def _posts(readable: Any) -> bool:
    return any(path.method == "POST" or path.graphql is not None for path in readable.paths.values())


def _key(table: Table, key: str) -> object:
    return "key" if table.column(key).type.name in TEXTS else 7


def _with(predicate: Predicate, text: str, other: str) -> Predicate:
    if isinstance(predicate.value, tuple):
        return replace(predicate, value=tuple(other if each == text else each for each in predicate.value))
    return replace(predicate, value=other)


def _asked(
    loaded: Loaded, table: str, path: AccessPath, keys: dict[str, Any], predicate: Predicate | None
) -> Request | None:
    """Return the request of a scan; None where nothing can match, or what is wanted cannot be said."""
    predicates = (predicate,) if predicate is not None else ()
    scan = Scan(table=table, access_path=path.name, columns=(), keys=keys, predicates=predicates)
    try:
        return first_request(loaded.manifest, loaded.tables[table], scan, {})
    except (EmptyResult, Fatal):
        return None


def _check(plain: Request | None, asked: Request | None, text: str) -> None:
    """Want two requests to differ in nothing but that one has the text where the other has the harmless one."""
    if plain is None or asked is None:
        return
    expected, found = list(_parts(plain)), list(_parts(asked))
    assert [place for place, _ in found] == [place for place, _ in expected]
    for (place, before), (_, after) in zip(expected, found, strict=True):
        wanted = before.replace(HARMLESS, text) if isinstance(before, str) else before
        assert after == wanted, place


def _parts(request: Request) -> Iterator[tuple[object, object]]:
    """Take a request apart as its receiver does."""
    url = urlsplit(url_of(request))
    parameters = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    assert tuple(parameters) == request.parameters
    assert url.fragment == ""
    yield "template", request.template
    for number, segment in enumerate(url.path.split("/")):
        yield ("path", number), unquote(segment)
    for number, (name, value) in enumerate(parameters):
        if name == "query" and request.template == ZENDESK_SEARCH:
            yield from ((("query", number, *word[:3]), word[3]) for word in _words(value))
        elif name == "filter" and request.template == "/Users":
            yield from _attributes(value)
        else:
            yield ("parameter", number, name), value
    if request.body is not None:
        yield from _leaves(json.loads(request.body))


def _words(query: str) -> Iterator[tuple[bool, str, str, str]]:
    position = 0
    while position < len(query):
        word = WORD.match(query, position)
        assert word is not None, query
        yield position == 0, word[1], word[2], word[3][1:-1] if word[3].startswith('"') else word[3]
        position = word.end()


def _attributes(text: str) -> Iterator[tuple[object, object]]:
    position = 0
    while position < len(text):
        part = SCIM_PART.match(text, position)
        assert part is not None, text
        value = part["value"]
        yield (position == 0, part["attribute"], part["operator"] or part[0]), value and json.loads(value)
        position = part.end()


def _leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[object, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, str(index)))
    else:
        yield place, value
