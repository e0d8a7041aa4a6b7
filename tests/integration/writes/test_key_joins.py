"""Joins in which the rows of one API table say which requests another needs."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from demo_server import DemoServer
from writing import WEB, paths, refused, rows

BOARDS = "/rest/agile/1.0/board"
SPRINTS = [f"{BOARDS}/{board}/sprint" for board in (1, 2, 3, 4)]
SCRUM = [f"{BOARDS}/{board}/sprint" for board in (1, 2, 4)]
"""The third board is a kanban board, which has no sprints."""


@pytest.mark.parametrize(
    ("sql", "count", "asked"),
    [
        ("SELECT b.id, s.id FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id", 60, SPRINTS),
        ("SELECT b.id, s.id FROM jira.boards b, jira.sprints s WHERE b.id = s.board_id", 60, SPRINTS),
        ("SELECT b.id, s.id FROM jira.boards b LEFT JOIN jira.sprints s ON s.board_id = b.id", 61, SPRINTS),
        (
            "SELECT b.id, s.id FROM jira.boards b LEFT JOIN jira.sprints s ON s.board_id = b.id AND s.state = 'active'",
            4,
            SPRINTS,
        ),
        (
            "SELECT b.id, s.id FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id WHERE b.type = 'scrum'",
            60,
            SCRUM,
        ),
        (
            "SELECT s.id FROM jira.sprints s WHERE s.board_id IN (SELECT id FROM jira.boards WHERE type = 'scrum')",
            60,
            SCRUM,
        ),
        (
            "SELECT d.n, s.id FROM (SELECT DISTINCT id AS n FROM jira.boards WHERE type = 'scrum') d "
            "JOIN jira.sprints s ON s.board_id = d.n",
            60,
            SCRUM,
        ),
        (
            "WITH d AS (SELECT id FROM jira.boards WHERE type = 'scrum') "
            "SELECT s.id FROM d JOIN jira.sprints s ON s.board_id = d.id",
            60,
            SCRUM,
        ),
        (
            "SELECT s.id FROM jira.sprints s WHERE s.board_id IN (SELECT id FROM jira.boards) ORDER BY s.id LIMIT 1",
            1,
            SPRINTS,
        ),
        (
            "SELECT b.id FROM jira.boards b WHERE EXISTS (SELECT 1 FROM jira.sprints s WHERE s.board_id = b.id)",
            3,
            SPRINTS,
        ),
        ("SELECT (SELECT count(*) FROM jira.sprints s WHERE s.board_id = b.id) FROM jira.boards b", 4, SPRINTS),
    ],
)
def test_only_the_sprints_of_the_boards_are_asked_for(
    demo: DemoServer, ana: psycopg.Connection, sql: str, count: int, asked: list[str]
) -> None:
    answer = rows(ana, sql)
    assert paths(demo.jira) == sorted([BOARDS, *asked])
    assert len(answer) == count
    copied = sql.replace("jira.boards", "pg_temp.boards").replace("jira.sprints", "pg_temp.sprints")
    ana.execute("CREATE TEMP TABLE boards AS SELECT * FROM jira.boards")
    ana.execute("""
        CREATE TEMP TABLE sprints AS
        SELECT s.* FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id""")
    assert answer == rows(ana, copied)


def test_rows_without_children_stay_in_a_left_join(ana: psycopg.Connection) -> None:
    sql = "SELECT b.name, s.id FROM jira.boards b LEFT JOIN jira.sprints s ON s.board_id = b.id"
    assert [row for row in rows(ana, sql) if row[1] is None] == [("DATA board", None)]


def test_keys_are_asked_for_once_and_nulls_never(demo: DemoServer, ana: psycopg.Connection) -> None:
    parents = {key for (key,) in rows(ana, "SELECT parent_key FROM jira.issues WHERE project_key = 'WEB'")}
    demo.reset()
    sql = """
        SELECT i.key, w.id FROM jira.issues i JOIN jira.issue_worklogs w ON w.issue_key = i.parent_key
         WHERE i.project_key = 'WEB'"""
    answer = rows(ana, sql)
    asked = [path for path in paths(demo.jira) if path.endswith("/worklog")]
    assert None in parents
    assert asked == sorted(f"/rest/api/3/issue/{key}/worklog" for key in parents if key is not None)
    assert len(answer) > 0


def test_a_chain_of_three_reads_one_after_the_other(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = """
        SELECT r.name, i.number, c.id
          FROM github.repositories r
          JOIN github.issues i ON i.owner = r.owner AND i.repo = r.name
          JOIN github.issue_comments c ON c.owner = i.owner AND c.repo = i.repo AND c.issue_number = i.number
         WHERE r.full_name = 'acme/web' AND i.state = 'open'"""
    answer = rows(ana, sql)
    first, second, *third = [request["path"] for request in demo.github.requests()]
    assert (first, second) == ("/repos/acme/web", "/repos/acme/web/issues")
    open_issues = rows(ana, f"SELECT number FROM {WEB} AND state = 'open'")
    by_issue = {f"/repos/acme/web/issues/{number}/comments" for (number,) in open_issues}
    # What earlier fetches told of sizes decides which of the two is the cheaper way.
    assert set(third) == by_issue or all(path.endswith("/issues/comments") for path in third)
    plain = f"""
        SELECT c.repo, c.issue_number, c.id FROM github.issue_comments c
         WHERE c.owner = 'acme' AND c.repo = 'web'
           AND c.issue_number IN ({", ".join(str(number) for (number,) in open_issues)})"""
    assert answer == rows(ana, plain)
    assert len(answer) > 3


def test_pairs_of_keys_stay_pairs(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = """
        SELECT r.name, l.name FROM github.repositories r
          JOIN github.labels l ON l.owner = r.owner AND l.repo = r.name
         WHERE r.owner = 'acme'"""
    answer = rows(ana, sql)
    repositories = rows(ana, "SELECT name FROM github.repositories WHERE owner = 'acme'")
    asked = [path for path in paths(demo.github) if path.endswith("/labels")]
    assert asked == sorted(f"/repos/acme/{name}/labels" for (name,) in repositories)
    assert {name for name, _ in answer} <= {name for (name,) in repositories}


def test_no_key_means_no_request_and_no_row(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = "SELECT s.id FROM jira.sprints s JOIN jira.boards b ON b.id = s.board_id WHERE b.type = 'simple'"
    assert rows(ana, sql) == []
    assert paths(demo.jira) == [BOARDS]


def test_more_keys_than_calls_allowed_are_refused_with_their_number(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_api_calls = 20")
    sql = "SELECT c.id FROM jira.issues i JOIN jira.issue_comments c ON c.issue_key = i.key WHERE i.project_key = 'WEB'"
    said = refused(ana, sql)
    assert said.sqlstate == "54000"
    assert said.message_primary == "jira.issue_comments would need 120 API calls for the keys that were found"
    assert str(said.message_detail).endswith(" more are allowed")
    assert [path for path in paths(demo.jira) if path.endswith("/comment")] == []


def test_a_name_of_a_common_table_expression_is_not_an_outer_alias(ana: psycopg.Connection) -> None:
    sql = """
        WITH b AS (SELECT id FROM jira.boards WHERE type = 'kanban')
        SELECT b.id FROM jira.boards AS b WHERE EXISTS (SELECT 1 FROM jira.sprints s WHERE s.board_id = b.id)"""
    assert rows(ana, sql) == [(1,), (2,), (4,)]


def test_keys_from_rows_that_are_hidden_are_never_asked_for(
    demo: DemoServer, connect: Callable[..., psycopg.Connection]
) -> None:
    eve = connect("eve")
    sql = "SELECT i.key, c.id FROM jira.issues i JOIN jira.issue_comments c ON c.issue_key = i.key"
    assert all(key.startswith("WEB-") for key, _ in rows(eve, sql))
    asked = [path for path in paths(demo.jira) if path.endswith("/comment")]
    assert set(asked) == {f"/rest/api/3/issue/WEB-{number}/comment" for number in range(1, 121)}


def test_an_insert_takes_its_keys_from_a_join_too(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("""
        INSERT INTO copied SELECT s.id, b.name FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id
         WHERE b.type = 'scrum'""")
    assert rows(ana, "SELECT count(*) FROM copied") == [(60,)]
    assert paths(demo.jira) == sorted([BOARDS, *SCRUM])


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_both_engines_answer_a_key_join_alike(ana: psycopg.Connection, engine: str) -> None:
    ana.execute(f"SET omnisql.engine = {engine}".encode())
    sql = "SELECT b.name, count(s.id) FROM jira.boards b LEFT JOIN jira.sprints s ON s.board_id = b.id GROUP BY b.name"
    assert rows(ana, sql) == [("API board", 20), ("DATA board", 0), ("MOB board", 20), ("WEB board", 20)]


def test_explain_says_where_keys_come_from(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = "SELECT s.id FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id"
    lines = [line.strip() for (line,) in ana.execute(f"EXPLAIN {sql}".encode()).fetchall()]
    assert "Keys: board_id from jira.boards.id, once that is read" in lines
    assert lines[2] == "Streamed: rows are sent as pages of s come"
    assert lines[3].startswith("API Calls: minimum 1, expected ")
    assert paths(demo.jira) == []
    measured = [line.strip() for (line,) in ana.execute(f"EXPLAIN (ANALYZE) {sql}".encode()).fetchall()]
    assert "Requests: 4 made, 0 of them answered by 304" in measured
    assert "Rows: 60 fetched, 60 returned" in measured
