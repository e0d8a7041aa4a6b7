"""OR between columns over the wire: what Jira is asked, what EXPLAIN and `omnisql` say, what is kept, and policy."""

from __future__ import annotations

import psycopg
import pytest
from demo_server import DemoServer
from sessions import WEB, asked, rows_of, value_of

from connectors.simulators.jira.jql import parse

MINE = "(priority = 'High' OR (status = 'Done' AND labels @> '{bug}'))"


def jql(demo: DemoServer) -> list[str]:
    """Return the distinct queries that Jira was sent since they were last taken, each of them one to its parser."""
    queries = list(dict.fromkeys(parameters["jql"] for _, parameters in asked(demo.jira) if "jql" in parameters))
    demo.jira.reset()
    assert all(parse(text).where is not None for text in queries)
    return queries


def test_either_of_two_people_is_one_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    people = rows_of(
        ana, "SELECT assignee_account_id, reporter_account_id FROM jira.issues WHERE assignee_account_id IS NOT NULL"
    )
    one, other = people[0][0], people[-1][1]
    every = rows_of(ana, "SELECT key, assignee_account_id, reporter_account_id FROM jira.issues")
    jql(demo)
    sql = "SELECT key FROM jira.issues WHERE assignee_account_id = $1 OR reporter_account_id = $2"
    found = rows_of(ana, sql, (one, other))
    assert jql(demo) == [f'(assignee = "{one}" OR reporter = "{other}")']
    assert sorted(found) == sorted((key,) for key, assignee, reporter in every if one == assignee or other == reporter)


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (MINE, '(priority = "High" OR (status = "Done" AND labels = "bug"))'),
        (f"project_key = 'WEB' AND {MINE}", 'project = "WEB" AND (priority = "High" OR (status = "Done" AND'
                                            ' labels = "bug"))'),
        ("priority <> 'High' OR resolution IS NULL", '(priority != "High" OR resolution is EMPTY)'),
        ("priority = 'High' OR priority = 'Low' OR votes IS NULL", None),
        ("priority = 'High' OR status = 'Done' OR priority = 'Low'",
         '(priority in ("High", "Low") OR status = "Done")'),
        ("status = 'no such status' OR status = 'Done' OR priority = 'no such'", None),
        ("key = 'WEB-2' OR parent_key = 'WEB-1' OR priority = 'High'",
         '(key in ("WEB-2") OR parent = "WEB-1" OR priority = "High")'),
        ("key = 'WEB-2' OR key = 'NOSUCH-77' OR priority = 'High'", None),
        ("NOT (priority <> 'High' AND status <> 'Done')", '(priority = "High" OR status = "Done")'),
        ("(priority = 'High' AND votes >= 0) OR (status = 'Done' AND length(summary) > 3)",
         '(priority = "High" OR status = "Done")'),
        ("(priority = 'High' AND votes >= 0) OR (priority = 'Low' AND length(summary) > 3)",
         'priority in ("High", "Low")'),
        ("priority = 'High' OR NOT (status = 'Done' OR upper(status) = 'X')",
         '(priority = "High" OR status != "Done")'),
    ],
)  # fmt: skip
def test_the_answer_is_that_of_every_row(
    demo: DemoServer, ana: psycopg.Connection, where: str, query: str | None
) -> None:
    ana.execute("CREATE TEMPORARY TABLE every AS SELECT * FROM jira.issues")
    jql(demo)
    found = rows_of(ana, f"SELECT key FROM jira.issues WHERE {where}")
    sent = jql(demo)
    assert query is None or sent == [query]
    assert sorted(found) == sorted(rows_of(ana, f"SELECT key FROM every WHERE {where}"))
    assert found


def test_explain_shows_an_or_with_its_grade_and_names_the_part_that_is_not_sent(ana: psycopg.Connection) -> None:
    def plan(where: str, tail: str = "") -> str:
        return "\n".join(line for (line,) in rows_of(ana, f"EXPLAIN SELECT key FROM jira.issues WHERE {where} {tail}"))

    sent = plan("assignee_account_id IS NULL OR reporter_account_id = 'a1b2c3d4e5f6'", "LIMIT 3")
    assert "Pushed: assignee_account_id IS NULL OR reporter_account_id = 'a1b2c3d4e5f6' (exact)" in sent
    assert "Limit: 3 (pushed)" in sent
    assert "Pushed: priority = 'High' OR (status = 'Done' AND labels @> ARRAY['bug']) (superset)" in plan(MINE)
    kept = plan("priority = 'High' OR votes > 3")
    assert (
        'its part "issues"."votes" > 3 cannot be sent: GET /rest/api/3/search/jql has no parameter for votes >' in kept
    )
    assert "Pushed" not in kept.replace("Not Pushed", "")
    assert "has a form that no API evaluates" in plan("priority = 'High' OR lower(status) = 'done'")


def test_a_side_that_is_a_day_is_sent_as_the_range_of_it(demo: DemoServer, ana: psycopg.Connection) -> None:
    day = value_of(ana, "SELECT min(created)::date + 3 FROM jira.issues")
    where = f"priority = 'High' OR created::date <= '{day}'"
    expected = rows_of(ana, "SELECT key, priority, created::date FROM jira.issues")
    jql(demo)
    found = rows_of(ana, f"SELECT key FROM jira.issues WHERE {where}")
    (sent,) = jql(demo)
    assert sent.startswith('(priority = "High" OR created <= ')
    assert sorted(found) == sorted(
        (key,) for key, priority, created in expected if priority == "High" or created <= day
    )
    shown = "\n".join(line for (line,) in rows_of(ana, f"EXPLAIN SELECT key FROM jira.issues WHERE {where} LIMIT 2"))
    assert "what is sent is the range that follows from it" in shown
    assert "Limit: not pushed" in shown


def test_what_all_sides_say_of_keys_is_all_that_is_read(demo: DemoServer, ana: psycopg.Connection) -> None:
    where = "owner = 'acme' AND ((repo = 'web' AND state = 'open') OR (repo = 'api' AND state = 'closed'))"
    demo.github.reset()
    found = rows_of(ana, f"SELECT repo, state, count(*) FROM github.issues WHERE {where} GROUP BY 1, 2")
    assert {path for path, _ in asked(demo.github)} <= {
        "/repos/acme/web/issues",
        "/repos/acme/api/issues",
        "/graphql",
    }
    assert {(repo, state) for repo, state, _ in found} == {("web", "open"), ("api", "closed")}


def test_an_or_of_two_sources_has_the_answer_of_every_row(ana: psycopg.Connection) -> None:
    sides = "(j.priority = 'High' AND p.draft) OR (j.priority = 'Low' AND NOT p.draft)"
    sql = f"""SELECT p.number, j.key FROM github.pull_requests p
        JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)
        WHERE p.{WEB.replace(" AND ", " AND p.")} AND ({sides})"""
    ana.execute("CREATE TEMPORARY TABLE pulls AS SELECT * FROM github.pull_requests WHERE " + WEB)
    ana.execute("CREATE TEMPORARY TABLE tickets AS SELECT * FROM jira.issues")
    found = rows_of(ana, sql)
    expected = rows_of(ana, sql.replace("github.pull_requests", "pulls").replace("jira.issues", "tickets"))
    assert sorted(found) == sorted(expected)
    assert found


def test_a_path_without_or_says_so(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT number FROM github.issues WHERE {WEB} AND (state = 'open' OR user_login = 'x')"
    lines = "\n".join(line for (line,) in rows_of(ana, f"EXPLAIN {sql}"))
    assert "GET /repos/{owner}/{repo}/issues has no OR between conditions" in lines


def test_introspection_tells_which_paths_have_or(ana: psycopg.Connection) -> None:
    told = rows_of(
        ana,
        "SELECT access_path, below_or @> '{assignee_account_id,reporter_account_id}', or_bounds::text"
        " FROM omnisql.access_paths WHERE schema_name = 'jira' AND table_name = 'issues' ORDER BY 1",
    )
    assert told == [("by_key", None, "{}"), ("search", True, "{}")]
    columns = (
        "SELECT column_name FROM omnisql.columns WHERE schema_name = 'jira' AND table_name = 'issues' AND below_or"
    )
    names = {name for (name,) in rows_of(ana, columns)}
    assert {"assignee_account_id", "status"} <= names
    assert "votes" not in names
    github = "SELECT count(*) FROM omnisql.access_paths WHERE schema_name = 'github' AND below_or IS NOT NULL"
    assert value_of(ana, github) == 0


def test_what_was_sent_is_named_without_its_values(demo: DemoServer, ana: psycopg.Connection) -> None:
    rows_of(ana, f"SELECT key FROM jira.issues WHERE {MINE}")
    pushed = value_of(ana, "SELECT pushed::text FROM omnisql.last_query_sources")
    assert pushed == '{"priority = or status = and labels @> (superset)"}'


def test_what_is_kept_answers_a_side_of_it_and_nothing_wider(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5min'")
    columns = "key, priority, status, labels"
    either = rows_of(ana, f"SELECT {columns} FROM jira.issues WHERE {MINE}")
    assert len(jql(demo)) >= 1
    again = rows_of(ana, f"SELECT {columns} FROM jira.issues WHERE {MINE}")
    side = rows_of(ana, f"SELECT {columns} FROM jira.issues WHERE priority = 'High'")
    assert jql(demo) == []
    assert sorted(again) == sorted(either)
    assert sorted(side) == sorted(row for row in either if row[1] == "High")
    done = rows_of(ana, f"SELECT {columns} FROM jira.issues WHERE status = 'Done'")
    assert jql(demo) == ['status = "Done"']
    assert len(done) > len([row for row in either if row[2] == "Done"])
    ana.execute("RESET omnisql.max_staleness")


def test_another_or_over_the_same_columns_is_asked_for(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5min'")
    first = rows_of(
        ana, "SELECT key, priority, resolution FROM jira.issues WHERE priority = 'Low' OR resolution IS NULL"
    )
    jql(demo)
    second = rows_of(
        ana, "SELECT key, priority, resolution FROM jira.issues WHERE priority = 'High' OR resolution IS NULL"
    )
    assert len(jql(demo)) >= 1
    assert {row[1] for row in second} - {row[1] for row in first if row[2] is not None} >= {"High"}
    ana.execute("RESET omnisql.max_staleness")
