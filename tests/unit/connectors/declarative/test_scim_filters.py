"""Filters of SCIM, inputs beside a filter, and members of a posted body, by what is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.declarative.dialects import filter_input
from connectors.declarative.hooks import Condition, Either
from connectors.declarative.load import load_text
from connectors.declarative.requests import first_request, with_cursor
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate, Scan, Value
from connectors.sdk.table import Grade

START = """\
omnisql: 1
name: people
title: People
documentation: https://people.example/docs
base_url: https://people.example
secrets: {token: {description: A token.}}
auth: [{kind: header, value: "{token}"}]
check: {request: GET /me}
"""
LOGGED = (
    START
    + """\
pagination: {kind: link, size: limit}
tables:
  logs:
    description: Events.
    primary_key: [id]
    columns: {id: text!, published: timestamptz!, kind: text!, name: text, severity: int4}
    pushdown:
      published: {">=": {send: since}, "<": {send: until}}
      kind: {"=": {send: eq, at: eventType}, not_in: {send: ne, at: eventType}}
      name: {like_prefix: {send: sw, at: actor.name}, is_null: {send: pr, at: actor.name, value: true}}
      severity: {">": {send: gt}}
    access_paths:
      all:
        request: GET /logs
        inputs: {since: "1970-01-01T00:00:00Z"}
        filter: {send: filter, dialect: scim, always: id pr, beside: [published]}
        disjunctions: {}
"""
)
SEARCHED = (
    START
    + """\
tables:
  logs:
    description: Events.
    primary_key: [id]
    columns: {id: text!, kind: text!, level: text!, made: timestamptz!}
    pushdown: {kind: {"=": {send: filter.kind}}, level: {"=": {send: filter.level.is}}}
    order: {made: {desc: {sort.by: made}}}
    access_paths:
      all:
        request: POST /search
        inputs: {filter: {indexes: [main]}}
        pagination: {kind: cursor, send: page.cursor, next: after, size: page.limit, rows_max: 50}
"""
)


def where(column: str, operator: Operator, value: Value) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


def asked(text: str, *predicates: Predicate) -> Request:
    loaded = load_text(text, "people.yaml")
    scan = Scan(table="logs", access_path="all", columns=("id",), predicates=predicates)
    return first_request(loaded.manifest, loaded.tables["logs"], scan, {})


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (Operator.EQ, "two words", 'a.b c "two words"'),
        (Operator.EQ, ' "quoted" \\ ', r'a.b c " \"quoted\" \\ "'),
        (Operator.EQ, True, "a.b c true"),
        (Operator.GT, 3, "a.b c 3"),
        (Operator.IN, ["x", "y"], '(a.b c "x" or a.b c "y")'),
        (Operator.NOT_IN, ["x", "y"], '(a.b c "x" and a.b c "y")'),
        (Operator.IS_NOT_NULL, True, "a.b c"),
        (Operator.IS_NULL, True, "not (a.b c)"),
    ],
)
def test_a_condition_is_an_attribute_expression(operator: Operator, value: object, expected: str) -> None:
    condition = Condition(place="a.b", comparator="c", value=value, operator=operator)
    assert filter_input("scim", "", [condition]) == expected


def test_alternatives_stand_in_brackets_beside_what_has_to_hold() -> None:
    a, b, c = (Condition(place=name, comparator="eq", value=1) for name in "abc")
    either = Either(branches=((a, b), (c,)))
    assert filter_input("scim", "id pr", [b, either]) == "id pr and b eq 1 and (a eq 1 and b eq 1 or c eq 1)"


def test_a_column_beside_the_filter_is_sent_by_its_own_input() -> None:
    bounds = [where("published", Operator.GE, datetime(2026, 1, day, tzinfo=UTC)) for day in (2, 3)]
    request = asked(LOGGED, *bounds, where("kind", Operator.EQ, "a b"), where("name", Operator.LIKE, 'O"%'))
    assert dict(request.parameters) == {
        "since": "2026-01-03T00:00:00Z",
        "filter": r'id pr and eventType eq "a b" and actor.name sw "O\""',
        "limit": "100",
    }
    assert dict(asked(LOGGED).parameters)["since"] == "1970-01-01T00:00:00Z"


def test_what_stands_beside_the_filter_is_not_below_or() -> None:
    (path,) = load_text(LOGGED, "people.yaml").tables["logs"].table.access_paths
    assert path.disjunctions is not None
    assert path.disjunctions.columns == {"kind", "name", "severity"}
    assert not path.disjunctions.alone


def test_a_text_with_blanks_at_its_ends_is_sent_within_quotes_and_not_as_a_parameter() -> None:
    text = LOGGED.replace("beside: [published]", "beside: [published, kind]")
    for manifest, grade in ((LOGGED, Grade.SUPERSET), (text, Grade.NONE)):
        (path,) = load_text(manifest, "people.yaml").tables["logs"].table.access_paths
        assert grade_of(path, where("kind", Operator.EQ, " a ")) is grade


@pytest.mark.parametrize(
    ("before", "after", "message", "hint"),
    [
        (", beside: [published]", "", "scim has no comparator since", "named in filter.beside"),
        ("send: sw", "send: startswith", "scim has no comparator startswith", "Allowed: eq, ne, co, sw"),
        ("beside: [published]", "beside: [publish]", "there is no column publish", "published"),
        (", value: true", "", "value says what is sent", "Like value: true"),
        ('">=": {send: since}', '">=": {send: since, grade: exact}', "a bound that is rounded", ""),
    ],
)
def test_a_filter_that_its_language_does_not_have_is_refused(before: str, after: str, message: str, hint: str) -> None:
    assert before in LOGGED
    with pytest.raises(ManifestInvalid, match=message) as refused:
        load_text(LOGGED.replace(before, after), "people.yaml")
    assert hint in (refused.value.hint or "")


def test_inputs_with_dots_are_members_of_members_of_a_posted_body() -> None:
    request = asked(SEARCHED, where("kind", Operator.EQ, "x"), where("level", Operator.EQ, "y"))
    filtered = {"indexes": ["main"], "kind": "x", "level": {"is": "y"}}
    assert posted(request) == {"filter": filtered, "page": {"limit": 50}}
    access = load_text(SEARCHED, "people.yaml").tables["logs"].paths["all"]
    following = with_cursor(access, "page.cursor")(request, "c2")
    assert posted(following) == {"filter": filtered, "page": {"limit": 50, "cursor": "c2"}}


def test_parameters_may_have_dots_as_they_please() -> None:
    dotted = LOGGED.replace("{send: since}", "{send: since.at}").replace("{since: ", "{since: x, since.at: ")
    assert dict(asked(dotted).parameters)["since.at"] == "1970-01-01T00:00:00Z"


def posted(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body or b"")
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [("size: page.limit", "size: page"), ("{filter: {indexes: [main]}}", "{filter: all}"), ("sort.by", "page")],
)
def test_a_member_that_is_a_value_and_an_object_is_refused(before: str, after: str) -> None:
    with pytest.raises(ManifestInvalid, match="is sent as a value, and by"):
        load_text(SEARCHED.replace(before, after), "people.yaml")
