"""Jira's requests, discovered columns, refused values and verdicts, as pure values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from connectors.declarative.discovering import extended
from connectors.declarative.judge import judge_of
from connectors.declarative.readings import readings
from connectors.declarative.requests import places_of, with_cursor
from connectors.jira.fields import custom_fields
from connectors.jira.judge import QueryRefused, unknown_values
from connectors.jira.searching import by_column, without_literals
from connectors.registry import manifest_named
from connectors.sdk.errors import ConnectorError, CredentialsRejected, EmptyResult, Fatal, RateLimited, Retryable
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.verdicts import Setting

JIRA = manifest_named("jira")
ISSUES = JIRA.tables["issues"]
PLACES = places_of(ISSUES.paths["search"])
judge = judge_of(JIRA.manifest, JIRA.hooks)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


def where(column: str, operator: Operator, value: Value) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


def first(scan: Scan) -> Request:
    (reading,) = readings(JIRA, scan, {})
    return reading.request


def search(*columns: str, **more: Any) -> dict[str, str]:
    scan = Scan(table="issues", access_path=more.pop("access_path", "search"), columns=columns, **more)
    return dict(first(scan).parameters)


def test_a_search_asks_for_the_fields_that_its_columns_need() -> None:
    assert search("id", "key", "status_category", "status", "due_date", limit=7) == {
        "jql": "created >= 0",
        "fields": "duedate,key,status",
        "maxResults": "7",
    }
    assert search("id") == {"jql": "created >= 0", "fields": "id", "maxResults": "5000"}
    assert search("id", "key")["maxResults"] == "5000"
    assert search("summary", "raw")["fields"] == "*all"
    assert search("summary")["maxResults"] == "100"


def test_keys_are_looked_up_together_and_impossible_ones_left_out() -> None:
    found = search("key", access_path="by_key", keys={"key": ("WEB-1", "web-2", "nonsense", "API-3")})
    assert found["jql"] == 'key in ("WEB-1", "API-3")'
    with pytest.raises(EmptyResult):
        search("key", access_path="by_key", keys={"key": "web-1"})


def test_a_token_is_added_to_the_same_query_whatever_its_form() -> None:
    scan = Scan(table="issues", access_path="search", columns=("id",))
    advance = with_cursor(ISSUES.paths["search"], "nextPageToken")
    short = first(scan)
    following = advance(advance(short, "t1"), "t2")
    assert following.parameters == (*short.parameters, ("nextPageToken", "t2"))
    long = first(replace(scan, predicates=(where("status", Operator.IN, tuple(f"s{n}" for n in range(900))),)))
    assert long.method == "POST"
    body = msgspec.json.decode(advance(long, "t1").body or b"")
    assert (body["nextPageToken"], body["fields"]) == ("t1", ["id"])


@pytest.mark.parametrize(
    ("table", "path", "keys", "more", "written"),
    [
        ("projects", "by_key", {"key": ("A", "B")}, {}, "/project/search?maxResults=100&keys=A&keys=B"),
        ("projects", "all", {}, {"columns": ("lead_name",)}, "/project/search?maxResults=100&expand=lead"),
        ("users", "all", {}, {"limit": 1, "columns": ("account_id",)}, "/users/search?maxResults=1000"),
        (
            "issue_comments",
            "by_issue",
            {"issue_key": "WEB-1"},
            {"order": (SortKey(column="created", direction=Direction.DESC),)},
            "/issue/WEB-1/comment?maxResults=100&orderBy=-created",
        ),
        (
            "issue_worklogs",
            "by_issue",
            {"issue_key": "WEB-1"},
            {"predicates": (where("started", Operator.GE, MOMENT), where("started", Operator.LT, MOMENT))},
            "/issue/WEB-1/worklog?maxResults=5000&startedAfter=1767323044000&startedBefore=1767323047000",
        ),
    ],
)
def test_a_listing_becomes_one_request(
    table: str, path: str, keys: dict[str, Value], more: dict[str, Any], written: str
) -> None:
    scan = Scan(table=table, access_path=path, keys=keys, **{"columns": ("id",), **more})
    request = first(scan)
    path, _, query = written.partition("?")
    assert request.path == f"/rest/api/3{path}"
    assert sorted(f"{name}={text}" for name, text in request.parameters) == sorted(query.split("&"))


def test_values_that_do_not_exist_match_nothing_and_exclude_nothing() -> None:
    gone = {"status": frozenset({"nope"})}

    def left(*predicates: Predicate) -> tuple[Predicate, ...]:
        return without_literals(predicates, by_column({each.column for each in predicates}, PLACES, gone))

    kept = where("priority", Operator.EQ, "Nope")
    assert left(where("status", Operator.IN, ("Nope", "Done")), kept) == (
        where("status", Operator.IN, ("Done",)),
        kept,
    )
    assert left(where("status", Operator.NE, "Nope"), kept) == (kept,)
    assert left(where("status", Operator.NOT_IN, ("nope", "Done"))) == (where("status", Operator.NOT_IN, ("Done",)),)
    for empty in (where("status", Operator.EQ, "Nope"), where("status", Operator.IN, ("Nope",))):
        with pytest.raises(EmptyResult):
            left(empty)
    stray = by_column({"status"}, PLACES, {"qa": frozenset({"x"})})
    assert without_literals((where("status", Operator.NE, "x"),), stray) == ()


def test_only_refusals_over_unknown_values_are_understood() -> None:
    known = "The value 'Nope' does not exist for the field 'status'."
    other = "An issue with key 'WEB-9' does not exist for field 'parent'."
    assert unknown_values({"errorMessages": [known, other]}) == {
        "status": frozenset({"nope"}),
        "parent": frozenset({"web-9"}),
    }
    assert unknown_values({"errorMessages": [known, "Error in the JQL Query: Expecting operator."]}) == {}
    assert unknown_values("html") == {}


def custom(number: int, name: str, kind: str, **schema: str) -> dict[str, object]:
    return {"id": f"customfield_{number}", "name": name, "custom": True, "schema": {"type": kind, **schema}}


def test_custom_fields_become_columns_of_their_type() -> None:
    described = custom_fields(
        [
            custom(1, "Story point estimate", "number"),
            custom(2, "Team", "option"),
            custom(3, "Team", "string"),
            custom(4, "Status", "string"),
            custom(5, "QA — Owner!", "user"),
            custom(6, "2nd date", "date"),
            custom(7, "Tags", "array", items="string"),
            custom(8, "Sprint", "array", items="json"),
            custom(9, "é" * 60, "datetime"),
            {"id": "summary", "name": "Summary", "custom": False, "schema": {"type": "string"}},
        ],
        frozenset(ISSUES.columns),
    )
    model = extended(JIRA, described).tables["issues"]
    found = {column.name: column.type_name for column in model.table.columns[len(ISSUES.columns) :]}
    assert found == {
        "story_points": "float8",
        "team__2": "text",
        "team__3": "text",
        "status__4": "text",
        "qa_owner": "text",
        "field_2nd_date": "date",
        "tags": "text[]",
        "sprint": "jsonb",
        "é" * 31: "timestamptz",
    }
    scan = Scan(table="issues", access_path="search", columns=("team__2",))
    (reading,) = readings(extended(JIRA, described), scan, {})
    assert dict(reading.request.parameters)["fields"] == "customfield_2"
    places = places_of(model.paths["search"])
    assert places["story_points"] == "cf[1]"
    assert "sprint" not in places


def judged(status: int, body: Any = None, headers: dict[str, str] | None = None) -> ConnectorError | None:
    request = Request(template="/rest/api/3/search/jql", path="/rest/api/3/search/jql")
    response = Response(status=status, headers=headers or {}, body=body, url="http://x")
    return judge(request, response, Setting(server="tracker", now_s=0.0))


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, {}, None),
        (200, {"x-seraph-loginreason": "AUTHENTICATED_FAILED"}, CredentialsRejected),
        (400, {}, QueryRefused),
        (401, {}, CredentialsRejected),
        (403, {}, Fatal),
        (429, {"retry-after": "9", "ratelimit-reason": "jira-burst-based"}, RateLimited),
        (503, {"retry-after": "9"}, RateLimited),
        (503, {}, Retryable),
    ],
)
def test_answers_by_status(status: int, headers: dict[str, str], kind: type[ConnectorError] | None) -> None:
    error = judged(status, None, headers)
    assert (type(error) if error is not None else None) is kind
    if isinstance(error, RateLimited):
        assert error.retry_after_s == 9.0


def test_a_board_without_sprints_has_none_but_other_400s_are_errors() -> None:
    request = Request(template="/rest/agile/1.0/board/{boardId}/sprint", path="/rest/agile/1.0/board/1/sprint")
    setting = Setting(server="tracker", now_s=0.0)

    def meant(message: str) -> ConnectorError | None:
        response = Response(status=400, headers={}, body={"errorMessages": [message]}, url="http://x")
        return judge(request, response, setting)

    assert isinstance(meant("The board does not support sprints"), EmptyResult)
    assert type(meant("The state must be one of future, active, closed.")) is Fatal
