"""Columns that cost a request for each row are fetched for the rows that all other conditions leave, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from sessions import WEB, rows_of

PULLS = f"FROM github.pull_requests p WHERE {WEB}"


@pytest.fixture(autouse=True)
def _clean(demo: DemoServer) -> Iterator[None]:
    demo.reset()
    yield
    demo.reset()


def details(demo: DemoServer) -> set[int]:
    """Return the numbers of the pull requests whose details were asked for, by themselves or many together."""
    found: set[int] = set()
    for record in demo.github.requests():
        path = str(record["path"])
        found |= {int(path.rpartition("/")[2])} if "/pulls/" in path else set()
        asked = record["body"]["query"] if path == "/graphql" else ""
        found |= {int(number) for number in re.findall(r"pullRequest\(number: (\d+)\)", asked)}
    return found


@pytest.mark.parametrize(
    "condition",
    ["upper(p.title) LIKE '%1%'", "p.draft", "p.number > 30 AND p.title IS NOT NULL", "p.merged_at IS NULL"],
)
def test_conditions_come_before_calls(demo: DemoServer, ana: psycopg.Connection, condition: str) -> None:
    wanted = {number for (number,) in rows_of(ana, f"SELECT number {PULLS} AND {condition}")}
    every = rows_of(ana, f"SELECT number {PULLS}")
    assert 0 < len(wanted) < len(every)
    assert details(demo) == set()
    found = rows_of(ana, f"SELECT number, additions {PULLS} AND {condition}")
    assert details(demo) == wanted == {number for number, _ in found}
    assert all(additions is not None for _, additions in found)


def test_details_of_many_rows_are_one_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    found = rows_of(ana, f"SELECT number, additions, mergeable, commits {PULLS} AND number > 30")
    assert len(found) > 10
    asked = [str(record["path"]) for record in demo.github.requests()]
    listed = sum(path.endswith("/pulls") for path in asked)
    assert 1 <= asked.count("/graphql") <= listed + len(found) // 50
    assert not [path for path in asked if "/pulls/" in path]
    alone = rows_of(ana, f"SELECT number, additions, mergeable, commits {PULLS} AND number = {found[0][0]}")
    assert alone == found[:1]


def test_a_condition_that_needs_the_call_is_evaluated_after_it(demo: DemoServer, ana: psycopg.Connection) -> None:
    sizes = rows_of(ana, f"SELECT number, additions {PULLS} AND draft")
    median = sorted(additions for _, additions in sizes)[len(sizes) // 2]
    demo.reset()
    found = rows_of(ana, f"SELECT number {PULLS} AND draft AND additions >= {median}")
    assert {number for (number,) in found} == {number for number, additions in sizes if additions >= median}
    assert details(demo) == {number for number, _ in sizes}


def test_a_row_that_an_outer_join_would_replace_is_not_left_out(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = (
        "SELECT i.number, p.additions FROM github.issues i LEFT JOIN github.pull_requests p"
        " ON p.owner = i.owner AND p.repo = i.repo AND p.number = i.number AND p.owner = 'acme' AND p.repo = 'web'"
        " WHERE i.owner = 'acme' AND i.repo = 'web' AND p.draft IS NOT TRUE"
    )
    drafts = {number for (number,) in rows_of(ana, f"SELECT number {PULLS} AND draft")}
    issues = {number for (number,) in rows_of(ana, f"SELECT number FROM github.issues WHERE {WEB}")}
    assert drafts
    assert {number for number, _ in rows_of(ana, sql)} == issues - drafts
    demo.reset()
    joined = sql.replace("WHERE", "AND NOT p.draft WHERE").replace(" AND p.draft IS NOT TRUE", "")
    assert {number for number, additions in rows_of(ana, joined) if additions is not None}.isdisjoint(drafts)
    assert details(demo).isdisjoint(drafts)


JOINED = (
    "FROM github.pull_requests p JOIN github.issues i ON i.owner = p.owner AND i.repo = p.repo AND i.number = p.number"
)
BOTH = "p.owner = 'acme' AND p.repo = 'web' AND i.owner = 'acme' AND i.repo = 'web'"


@pytest.mark.parametrize(
    ("columns", "rest"),
    [
        ("p.number", f"FROM github.pull_requests p WHERE {WEB} ORDER BY title DESC, id LIMIT 7"),
        ("p.number", f"FROM github.pull_requests p WHERE {WEB} AND draft ORDER BY merged_at, id LIMIT 3"),
        ("p.number", f"{JOINED} WHERE {BOTH} AND i.comments > 3"),
        ("p.number", f"{JOINED} WHERE {BOTH} AND i.comments > 2 ORDER BY i.comments DESC, i.id LIMIT 5"),
        ("p.number", f"FROM github.pull_requests p WHERE {WEB} AND number IN (SELECT number FROM github.issues i WHERE"
         " i.owner = 'acme' AND i.repo = 'web' AND i.comments > 4)"),
        ("p.number", f"FROM github.pull_requests p WHERE {WEB} AND NOT EXISTS (SELECT 1 FROM github.issues i WHERE"
         " i.owner = 'acme' AND i.repo = 'web' AND i.number = p.number AND i.comments < 5)"),
        ("s.number", f"FROM (SELECT * FROM github.pull_requests WHERE {WEB}) s WHERE s.title LIKE '%1%'"
         " ORDER BY s.title LIMIT 4"),
        ("c.number", "FROM c WHERE state = 'open' ORDER BY id LIMIT 4"),
    ],
)  # fmt: skip
def test_what_is_left_of_joins_sorts_and_limits_is_hydrated_alone(
    demo: DemoServer, ana: psycopg.Connection, columns: str, rest: str
) -> None:
    head = f"WITH c AS (SELECT * FROM github.pull_requests WHERE {WEB}) " if " c " in rest else ""
    rows = rows_of(ana, f"{head}SELECT {columns} {rest}")
    wanted = {number for (number,) in rows}
    every = rows_of(ana, f"SELECT number {PULLS}")
    assert 0 < len(wanted) < len(every)
    demo.reset()
    added = columns.replace("number", "additions")
    found = rows_of(ana, f"{head}SELECT {columns}, {added} {rest}")
    assert sorted(row[:1] for row in found) == sorted(rows)
    assert all(row[1] is not None for row in found)
    assert details(demo) == wanted


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT count(*) {PULLS}",
        f"SELECT count(*), max(number) FROM (SELECT * FROM github.pull_requests) AS p WHERE {WEB}",
        f"WITH p AS (SELECT * FROM github.pull_requests) SELECT p.title FROM p WHERE {WEB} AND p.number > 30",
    ],
)
def test_columns_that_are_named_and_not_used_cost_nothing(demo: DemoServer, ana: psycopg.Connection, text: str) -> None:
    assert rows_of(ana, text)
    assert details(demo) == set()
    plain = text.replace("SELECT * FROM", "SELECT owner, repo, number, title FROM")
    assert sorted(rows_of(ana, text)) == sorted(rows_of(ana, plain))


def test_explain_says_so(ana: psycopg.Connection) -> None:
    lines = [line.strip() for (line,) in rows_of(ana, f"EXPLAIN SELECT number, additions, merged {PULLS} AND draft")]
    said = "one more request for every 50 rows that the conditions on other columns leave"
    assert f"Hydrated: additions, merged, {said}" in lines or f"Hydrated: merged, additions, {said}" in lines
    lines = [line.strip() for (line,) in rows_of(ana, f"EXPLAIN SELECT additions {PULLS} ORDER BY created_at LIMIT 3")]
    assert "Hydrated: additions, one more request for every 50 rows" in lines
    statement = f"SELECT additions {PULLS} ORDER BY title LIMIT 3"
    lines = [line.strip() for (line,) in rows_of(ana, f"EXPLAIN (ANALYZE) {statement}")]
    said = "one more request for every 50 rows that the rest of the statement leaves, for the first 3 of them"
    assert f"Hydrated: additions, {said}" in lines
    every = len(rows_of(ana, f"SELECT number {PULLS}"))
    assert f"Rows: {every} fetched, 3 returned, 3 hydrated" in lines
