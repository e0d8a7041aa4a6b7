"""JQL as written from predicates: golden strings, quoting, rounding, and words that Jira's index can find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.declarative.discovering import extended
from connectors.declarative.readings import readings
from connectors.jira import jql
from connectors.jira.fields import custom_fields
from connectors.registry import manifest_named
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import Grade
from connectors.simulators.jira.jql import parse

CUSTOM = [
    {"id": "customfield_10016", "name": "Points", "custom": True, "schema": {"type": "number"}},
    {"id": "customfield_10001", "name": "Team", "custom": True, "schema": {"type": "option"}},
]
JIRA = extended(manifest_named("jira"), custom_fields(CUSTOM, frozenset()))
SEARCH = next(path for path in JIRA.tables["issues"].table.access_paths if path.name == "search")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FLOOR_MS, CEIL_MS = 1_767_323_040_000, 1_767_323_100_000


Where = tuple[str, Operator, Value]


def predicates_of(*where: Where) -> tuple[Predicate, ...]:
    return tuple(Predicate(column=column, operator=operator, value=value) for column, operator, value in where)


def written(*where: Where, order: tuple[SortKey, ...] = (), either: tuple[tuple[Where, ...], ...] = ()) -> str:
    disjunctions = (Disjunction(branches=tuple(predicates_of(*branch) for branch in either)),) if either else ()
    asked = predicates_of(*where)
    scan = Scan(table="issues", access_path="search", columns=("id",), predicates=asked, order=order)
    scan = replace(scan, disjunctions=disjunctions)
    (reading,) = readings(JIRA, scan, {})
    return dict(reading.request.parameters)["jql"]


GOLDEN: list[tuple[tuple[str, Operator, Value], str]] = [
    (("status", Operator.EQ, "In Progress"), 'status = "In Progress"'),
    (("status", Operator.IN, ("A", "B")), 'status in ("A", "B")'),
    (("priority", Operator.NOT_IN, ("Low",)), 'priority not in ("Low")'),
    (("issue_type", Operator.NE, "Bug"), 'issuetype != "Bug"'),
    (("project_key", Operator.EQ, "WEB"), 'project = "WEB"'),
    (("assignee_account_id", Operator.EQ, "5b10ac8d82e05b22cc7d4ef5"), 'assignee = "5b10ac8d82e05b22cc7d4ef5"'),
    (("assignee_account_id", Operator.IS_NULL, None), "assignee is EMPTY"),
    (("resolution", Operator.IS_NOT_NULL, None), "resolution is not EMPTY"),
    (("labels", Operator.CONTAINS, ("a", "b")), 'labels = "a" AND labels = "b"'),
    (("created", Operator.GE, MOMENT), f"created >= {FLOOR_MS}"),
    (("created", Operator.GT, MOMENT), f"created >= {FLOOR_MS}"),
    (("updated", Operator.LT, MOMENT), f"updated <= {CEIL_MS}"),
    (("due_date", Operator.EQ, date(2026, 1, 2)), 'duedate = "2026-01-02"'),
    (("due_date", Operator.LT, date(2026, 1, 2)), 'duedate < "2026-01-02"'),
    (("parent_key", Operator.EQ, "WEB-1"), 'parent = "WEB-1"'),
    (("points", Operator.GE, 3), "cf[10016] >= 3"),
    (("points", Operator.EQ, 2.5), 'cf[10016] = "2.5"'),
    (("points", Operator.LT, -1e-7), 'cf[10016] < "-0.0000001"'),
    (("team", Operator.EQ, "Core"), 'cf[10001] = "Core"'),
    (("summary", Operator.LIKE, "% login page %"), 'summary ~ "login page"'),
    (("summary", Operator.ILIKE, "Login pa%"), 'summary ~ "Login"'),
    (("summary", Operator.EQ, "login page"), 'summary ~ "\\"login page\\""'),
    (("summary", Operator.EQ, "login: page"), 'summary ~ "page"'),
]


@pytest.mark.parametrize(("predicate", "text"), GOLDEN)
def test_a_predicate_becomes_a_clause(predicate: tuple[str, Operator, Value], text: str) -> None:
    assert written(predicate) == text
    assert parse(text).where is not None


def test_clauses_are_joined_bounded_and_ordered() -> None:
    newest = (SortKey(column="updated", direction=Direction.DESC),)
    assert written() == "created >= 0"
    assert written(order=newest) == "created >= 0 ORDER BY updated DESC, key ASC"
    both = written(("status", Operator.EQ, "A"), ("project_key", Operator.EQ, "B"), order=newest)
    assert both == 'status = "A" AND project = "B" ORDER BY updated DESC, key ASC'


def test_or_is_in_parentheses_and_so_is_and_within_it() -> None:
    one, other = ("status", Operator.EQ, "A"), ("assignee_account_id", Operator.IS_NULL, None)
    newest = (SortKey(column="updated", direction=Direction.DESC),)
    assert written(either=((one,), (other,))) == '(status = "A" OR assignee is EMPTY)'
    both = written(
        ("project_key", Operator.EQ, "B"),
        order=newest,
        either=((one, other), (("labels", Operator.CONTAINS, ("a", "b")),), (("points", Operator.NE, 3),)),
    )
    assert both == (
        'project = "B" AND ((status = "A" AND assignee is EMPTY) OR (labels = "a" AND labels = "b") OR cf[10016] != 3)'
        " ORDER BY updated DESC, key ASC"
    )
    assert parse(both).where is not None


@given(st.text(min_size=1))
def test_any_text_is_one_quoted_string(text: str) -> None:
    clause = parse(f"summary ~ {jql.quoted(text)}").where
    assert clause is not None
    assert clause.operands[0].text == text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("%ord%", []), ("word%", []), ("% word%", []), ("% word %", ["word"]), ("word %", ["word"]),
        ("% word", ["word"]), ("plain words", ["plain", "words"]), ("% the of %", []), ("a_b c d_e", []),
        ("x_ word _y", ["word"]), ("% don't %", []), ("", []), ("100\\% sure %", []),
    ],
)  # fmt: skip
def test_only_whole_words_of_a_pattern_are_searched_for(pattern: str, words: list[str]) -> None:
    assert jql.whole_words(pattern) == words


@pytest.mark.parametrize(
    ("column", "operator", "value", "grade"),
    [
        ("status", Operator.EQ, "Done", Grade.SUPERSET),
        ("status", Operator.EQ, "", Grade.NONE),
        ("assignee_account_id", Operator.EQ, "5b10ac8d82e05b22cc7d4ef5", Grade.EXACT),
        ("assignee_account_id", Operator.EQ, "ada@acme.example", Grade.NONE),
        ("assignee_account_id", Operator.EQ, "unknown", Grade.NONE),
        ("assignee_account_id", Operator.IS_NULL, None, Grade.EXACT),
        ("created", Operator.GE, MOMENT, Grade.SUPERSET),
        ("due_date", Operator.EQ, date(2026, 1, 2), Grade.EXACT),
        ("points", Operator.GE, 3, Grade.EXACT),
        ("points", Operator.EQ, float("nan"), Grade.NONE),
        ("summary", Operator.LIKE, "%ord%", Grade.NONE),
        ("resolution", Operator.EQ, "Unresolved", Grade.NONE),
        ("project_key", Operator.NE, "WEB", Grade.NONE),
        ("status_category", Operator.NE, "Done", Grade.SUPERSET),
        ("status_category", Operator.NE, "done", Grade.NONE),
        ("description", Operator.LIKE, "% word %", Grade.NONE),
    ],
)
def test_grades_depend_on_the_literal(column: str, operator: Operator, value: Value, grade: Grade) -> None:
    assert grade_of(SEARCH, Predicate(column=column, operator=operator, value=value)) is grade
