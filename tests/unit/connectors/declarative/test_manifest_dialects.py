"""Query languages, windows, projections and formats of manifests, by what is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from connectors.declarative.dialects import can_say, filter_input
from connectors.declarative.hooks import Condition, Either
from connectors.declarative.load import load_text
from connectors.declarative.manifest import Window
from connectors.declarative.requests import first_request, hydrate_request, spelling_request, with_cursor
from connectors.declarative.windows import windowed
from connectors.registry import manifest_named
from connectors.sdk.errors import EmptyResult, Fatal, ManifestInvalid
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import Grade

NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
WINDOW = Window(start="since", end="until", days_max=100, replaces=("date_range",))
DESC = Direction.DESC
FOUND = "is:open firstSeen:>=2026-01-02T00:00:00Z"


def condition(place: str, comparator: str, value: object) -> Condition:
    return Condition(place=place, comparator=comparator, value=value)


def sent(source: str, table: str, path: str, *predicates: Predicate, columns: tuple[str, ...] = ("id",)) -> Request:
    loaded = manifest_named(source)
    scan = Scan(table=table, access_path=path, columns=columns, predicates=predicates)
    return first_request(loaded.manifest, loaded.tables[table], scan, {})


def where(column: str, operator: Operator, value: Value) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


def test_words_of_a_search_repeat_a_keyword_and_quote_what_is_no_word() -> None:
    conditions = [
        condition("status", ":", ["open", "pending"]),
        condition("subject", ":", "two words"),
        condition("created", ">=", "2026-01-01T00:00:00Z"),
        condition("group", ":", 12),
    ]
    expected = 'type:ticket status:open status:pending subject:"two words" created>=2026-01-01T00:00:00Z group:12'
    assert filter_input("zendesk", "type:ticket", conditions) == expected
    assert filter_input("zendesk", "", []) is None


@pytest.mark.parametrize("text", ['a "quote"', "star*", "back\\slash", "-negated", "two\nlines"])
def test_what_a_search_would_read_otherwise_is_not_sent(text: str) -> None:
    assert not can_say("zendesk", text)
    assert not can_say("zendesk", ("open", text))
    loaded = manifest_named("zendesk").tables["tickets"].table
    search = next(path for path in loaded.access_paths if path.name == "search")
    assert grade_of(search, where("subject", Operator.EQ, text)) is Grade.NONE
    assert grade_of(search, where("subject", Operator.EQ, "plain")) is Grade.SUPERSET


def test_filter_groups_carry_texts_only() -> None:
    found: Any = filter_input(
        "hubspot",
        "",
        [
            condition("amount", "GTE", 3.5),
            condition("hs_object_id", "IN", ["1", "2"]),
            condition("email", "NOT_HAS_PROPERTY", True),
        ],
    )
    assert found == [
        {
            "filters": [
                {"propertyName": "amount", "operator": "GTE", "value": "3.5"},
                {"propertyName": "hs_object_id", "operator": "IN", "values": ["1", "2"]},
                {"propertyName": "email", "operator": "NOT_HAS_PROPERTY"},
            ]
        }
    ]
    assert filter_input("hubspot", "", []) is None


def test_a_posted_search_names_the_columns_and_moves_its_cursor_in_the_body() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_700, tzinfo=UTC)
    request = sent(
        "hubspot", "deals", "search", where("created_at", Operator.GE, moment), columns=("id", "name", "amount")
    )
    assert (request.method, request.path, request.parameters) == ("POST", "/crm/v3/objects/0-3/search", ())
    body = msgspec.json.decode(request.body or b"")
    assert body["properties"] == ["dealname", "amount"]
    assert body["limit"] == 200
    # Rounded down to the millisecond, so that no row is lost.
    (only,) = body["filterGroups"][0]["filters"]
    assert only == {"propertyName": "createdate", "operator": "GTE", "value": "1767323045600"}
    advance = with_cursor(manifest_named("hubspot").tables["deals"].paths["search"], "after")
    assert msgspec.json.decode(advance(request, "40").body) == {**body, "after": "40"}


def test_a_listing_without_named_columns_sends_no_empty_projection() -> None:
    assert sent("hubspot", "deals", "all").parameters == (("limit", "100"),)
    assert ("properties", "dealname") in sent("hubspot", "deals", "all", columns=("id", "name")).parameters


def test_a_projection_of_everything_names_the_paths_of_the_columns_but_not_of_echoed_keys() -> None:
    text = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
secrets: {token: {description: A token.}}
auth: [{kind: header, value: "{token}"}]
check: {request: GET /me}
pagination: {kind: none}
tables:
  tasks:
    description: Tasks.
    primary_key: [board, id]
    columns: {board: text!, id: text!, owner: text owner.name, tags: "text[] tags[*].name"}
    access_paths:
      by_board:
        request: GET /boards/{board}
        keys: [board]
        echo: [board]
        projection: {send: fields, join: ","}
"""
    loaded = load_text(text, "tiny.yaml")
    scan = Scan(table="tasks", access_path="by_board", columns=("owner", "tags"), keys={"board": "b"})
    request = first_request(loaded.manifest, loaded.tables["tasks"], scan, {})
    assert request.parameters == (("fields", "id,owner.name,tags.name"),)


def test_a_long_range_is_read_in_pieces_that_leave_no_gap() -> None:
    bounds = (("since", "2025-01-01T00:00:00Z"), ("until", "2025-07-20T12:00:00Z"))
    request = Request(template="/x", path="/x", parameters=(("date_range", "all"), ("limit", "100"), *bounds))
    pieces = [dict(each.parameters) for each in windowed(request, WINDOW, NOW_S, descending=False)]
    assert [(each["since"], each["until"]) for each in pieces] == [
        ("2025-01-01T00:00:00Z", "2025-04-11T00:00:00Z"),
        ("2025-04-11T00:00:00Z", "2025-07-20T00:00:00Z"),
        ("2025-07-20T00:00:00Z", "2025-07-20T12:00:00Z"),
    ]
    assert all("date_range" not in each and each["limit"] == "100" for each in pieces)
    newest_first = windowed(request, WINDOW, NOW_S, descending=True)
    assert [dict(each.parameters) for each in newest_first] == pieces[::-1]


def test_a_range_without_an_end_reaches_beyond_now_and_one_without_a_start_is_not_sent() -> None:
    request = Request(template="/x", path="/x", parameters=(("date_range", "all"), ("since", "2025-12-01T00:00:00Z")))
    (piece,) = windowed(request, WINDOW, NOW_S, descending=False)
    assert dict(piece.parameters) == {"since": "2025-12-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
    request = Request(template="/x", path="/x", parameters=(("date_range", "all"), ("until", "2025-12-01T00:00:00Z")))
    (piece,) = windowed(request, WINDOW, NOW_S, descending=False)
    assert piece.parameters == (("date_range", "all"),)


def test_a_range_that_is_empty_needs_no_request() -> None:
    bounds = (("since", "2025-07-01T00:00:00Z"), ("until", "2025-06-01T00:00:00Z"))
    assert windowed(Request(template="/x", path="/x", parameters=bounds), WINDOW, NOW_S, descending=False) == []


def test_a_key_of_another_format_needs_no_request() -> None:
    loaded = manifest_named("notion")
    scan = Scan(table="pages", access_path="by_id", columns=("id",), keys={"id": "no uuid"})
    with pytest.raises(EmptyResult):
        first_request(loaded.manifest, loaded.tables["pages"], scan, {})


def test_the_call_of_a_row_takes_its_values_encoded() -> None:
    loaded = manifest_named("slack")
    request = hydrate_request(loaded.manifest, loaded.tables["users"], "presence", {"id": "U1&x"})
    assert (request.path, request.parameters) == ("/users.getPresence", (("user", "U1&x"),))
    with pytest.raises(EmptyResult):
        hydrate_request(loaded.manifest, loaded.tables["users"], "presence", {})


def test_a_fixed_value_is_sent_for_the_literals_it_stands_for_only() -> None:
    table = manifest_named("slack").tables["channels"].table
    every = next(path for path in table.access_paths if path.name == "all")
    assert grade_of(every, where("is_archived", Operator.EQ, False)) is Grade.EXACT
    assert grade_of(every, where("is_archived", Operator.EQ, True)) is Grade.NONE


def test_a_hubspot_search_has_no_more_filters_than_it_takes_and_none_is_relied_on() -> None:
    many = [condition(f"p{at}", "EQ", "x") for at in range(9)]
    found = filter_input("hubspot", "", many)
    assert isinstance(found, list)
    assert [[each["propertyName"] for each in group["filters"]] for group in found] == [
        ["p0", "p1", "p2", "p3", "p4", "p5"]
    ]
    searched = [
        path for table in manifest_named("hubspot").tables.values() for path in table.paths.values() if path.dialect
    ]
    assert searched
    sents = [each for path in searched for found in path.sents.values() for many in found.values() for each in many]
    assert {str(each.push.grade) for each in sents} == {"superset"}


SEARCHED = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
options: {team: {description: The team., required: true}}
secrets: {token: {description: A token.}}
auth: [{kind: header, value: "{token}"}]
check: {request: "GET /{team}"}
pagination: {kind: link, more: results}
tables:
  errors:
    description: Errors.
    primary_key: [id]
    columns: {id: text!, state: text!, seen: timestamptz!, made: timestamptz!, note: {type: text, hydrate: whole}}
    pushdown:
      state: {"=": {send: ":", at: is, grade: exact}}
      made: {">=": {send: ":>=", at: firstSeen}}
    order: {seen: {desc: {sort: date}}}
    hydrate: {whole: {request: "GET /{team}/errors/{id}"}}
    access_paths:
      by_state:
        request: "GET /{team}/states/{state}"
        keys: [state]
        echo: [state]
        spelled: {state: {request: "GET /{team}/spelled/{state}", at: name}}
        order: []
      all: {request: "GET /{team}/errors", inputs: {query: ""}, filter: {send: query, dialect: zendesk}}
"""


def test_words_of_a_search_go_with_an_order_that_inputs_send_and_an_empty_default() -> None:
    loaded = load_text(SEARCHED, "tiny.yaml")
    scan = Scan(table="errors", access_path="all", columns=("id",), order=(SortKey(column="seen", direction=DESC),))
    made = where("made", Operator.GE, datetime(2026, 1, 2, tzinfo=UTC))
    for predicates, query in (((), ""), ((where("state", Operator.EQ, "open"), made), FOUND)):
        asked = replace(scan, predicates=predicates)
        request = first_request(loaded.manifest, loaded.tables["errors"], asked, {"team": "a b"})
        assert (request.path, dict(request.parameters)) == ("/a%20b/errors", {"query": query, "sort": "date"})


def test_the_call_of_a_row_may_name_an_option_of_the_server() -> None:
    loaded = load_text(SEARCHED, "tiny.yaml")
    table = loaded.tables["errors"]
    assert table.table.hydrations["whole"].inputs == ("id",)
    request = hydrate_request(loaded.manifest, table, "whole", {"id": "7"}, options={"team": "a b"})
    assert request.path == "/a%20b/errors/7"
    with pytest.raises(ManifestInvalid, match="there is no column time"):
        load_text(SEARCHED.replace("errors/{id}", "{time}/{id}"), "tiny.yaml")


def test_how_a_key_is_spelled_may_be_asked_below_an_option_of_the_server() -> None:
    loaded = load_text(SEARCHED, "tiny.yaml")
    scan = Scan(table="errors", access_path="by_state", columns=("state",), keys={"state": "Open"})
    access = loaded.tables["errors"].paths["by_state"]
    request = spelling_request(loaded.manifest, access, "state", scan, {"team": "a b"})
    assert request.path == "/a%20b/spelled/Open"
    with pytest.raises(ManifestInvalid, match="placeholder stat is neither a key nor an option"):
        load_text(SEARCHED.replace("spelled/{state}", "spelled/{stat}"), "tiny.yaml")


def either(*branches: tuple[Condition, ...]) -> Either:
    return Either(branches=branches)


A, B, C = condition("a", "EQ", "1"), condition("b", "GT", "2"), condition("c", "HAS_PROPERTY", True)


def test_groups_of_filters_repeat_what_stands_beside_an_or() -> None:
    found: Any = filter_input("hubspot", "", [C, either((A,), (A, B))])
    assert [[each["propertyName"] for each in group["filters"]] for group in found] == [["c", "a"], ["c", "a", "b"]]


def test_filters_of_notion_nest_two_levels() -> None:
    early, late = condition("created_time", "before", "x"), condition("last_edited_time", "after", "y")
    timed = [
        {"timestamp": "created_time", "created_time": {"before": "x"}},
        {"timestamp": "last_edited_time", "last_edited_time": {"after": "y"}},
    ]
    assert filter_input("notion", "", [early, either((late,), (early, late))]) == {
        "or": [{"and": timed}, {"and": [timed[0], *timed]}]
    }
    assert filter_input("notion", "", [early]) == {"and": timed[:1]}


def of_linear(*predicates: Predicate, branches: tuple[tuple[Predicate, ...], ...]) -> Any:
    loaded = manifest_named("linear")
    scan = Scan(table="issues", access_path="all", columns=("id",), predicates=predicates)
    scan = replace(scan, disjunctions=(Disjunction(branches=branches),))
    request = first_request(loaded.manifest, loaded.tables["issues"], scan, {})
    return msgspec.json.decode(request.body or b"")["variables"]["filter"]


def test_or_of_a_graphql_filter_stands_beside_other_conditions() -> None:
    urgent, open_ = where("priority", Operator.EQ, 1), where("state_type", Operator.EQ, "started")
    nobody = where("assignee_id", Operator.IS_NULL, None)
    found = of_linear(branches=((urgent,), (open_, nobody)))
    sides = [
        {"priority": {"eq": 1}},
        {"and": [{"state": {"type": {"eq": "started"}}}, {"assignee": {"null": True}}]},
    ]
    assert found == {"or": sides}
    found = of_linear(nobody, branches=((urgent,), (open_, nobody)))
    assert found == {"and": [{"assignee": {"null": True}}, {"or": sides}]}


def test_parameters_have_no_or_between_them() -> None:
    branches = ((where("state", Operator.EQ, "opened"),), (where("author_id", Operator.EQ, 1),))
    scan = Scan(
        table="issues",
        access_path="by_project",
        columns=("id",),
        keys={"project_id": 1},
        disjunctions=(Disjunction(branches=branches),),
    )
    loaded = manifest_named("gitlab")
    with pytest.raises(Fatal, match="takes parameters, which have no OR"):
        first_request(loaded.manifest, loaded.tables["issues"], scan, {})
