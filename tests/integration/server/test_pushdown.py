"""What reaches the APIs: the requests that the simulators saw, beside what the server says about them."""

from __future__ import annotations

import json
from datetime import datetime

import psycopg
from demo_server import DemoServer, company
from sessions import WEB, WEB_COUNT, asked, refused, rows_of, value_of, web_items

ISSUES_PATH = "/repos/acme/web/issues"
SEARCH_PATH = "/rest/api/3/search/jql"


def test_conditions_become_parameters_of_one_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT number, updated_at FROM github.issues WHERE {WEB} AND state = 'open' AND updated_at > $1"
    since = "2025-12-01 10:20:30.250+00:00"
    found = rows_of(ana, sql, (since,))
    ((path, parameters),) = asked(demo.github)
    assert path == ISSUES_PATH
    assert parameters["state"] == "open"
    # GitHub compares whole seconds, so the bound is rounded down and checked again here.
    assert parameters["since"] == "2025-12-01T10:20:30Z"
    since_s = datetime.fromisoformat(since).timestamp()
    wanted = {item.number for item in web_items() if item.state == "open" and item.updated_s > since_s}
    assert {number for number, _ in found} == wanted


def test_a_range_that_follows_from_a_day_is_sent_and_limits_nothing_else(
    demo: DemoServer, ana: psycopg.Connection
) -> None:
    ana.execute("SET TimeZone = 'Asia/Tokyo'")
    where = f"{WEB} AND updated_at::date >= '2025-12-01'"
    found = rows_of(ana, f"SELECT number FROM github.issues WHERE {where} ORDER BY created_at LIMIT 3")
    ((_, parameters),) = asked(demo.github)
    # Midnight there, less what a change of the clock may be.
    assert (parameters["since"], parameters["per_page"]) == ("2025-11-30T12:00:00Z", "100")
    midnight_s = datetime.fromisoformat("2025-12-01T00:00:00+09:00").timestamp()
    wanted = sorted(item.number for item in web_items() if item.updated_s >= midnight_s)
    assert [number for (number,) in found] == wanted[:3]


def test_a_pushed_order_and_limit_fetch_one_small_page(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT number FROM github.issues WHERE {WEB} ORDER BY created_at DESC LIMIT 5"
    numbers = [number for (number,) in rows_of(ana, sql)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 5
    expected = {"state": "all", "sort": "created", "direction": "desc", "per_page": "5"}
    assert asked(demo.github) == [(ISSUES_PATH, expected)]


def test_a_limit_under_a_local_condition_is_not_pushed(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT number FROM github.issues WHERE {WEB} AND length(title) > 10 ORDER BY created_at LIMIT 2"
    assert len(rows_of(ana, sql)) == 2
    ((_, parameters),) = asked(demo.github)
    assert parameters["per_page"] == "100"


def test_literals_are_encoded_for_jql(demo: DemoServer, ana: psycopg.Connection) -> None:
    label = """a "b" \\ c' OR project = "API"""
    assert rows_of(ana, "SELECT key FROM jira.issues WHERE labels @> ARRAY[$1]", (label,)) == []
    ((path, parameters),) = asked(demo.jira)
    assert path == SEARCH_PATH
    assert parameters["jql"] == r"""labels = "a \"b\" \\ c' OR project = \"API" """.strip()


def test_literals_are_encoded_for_paths(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = "SELECT number FROM github.issues WHERE owner = 'acme' AND repo = $1"
    assert rows_of(ana, sql, ("../../user/repos?x=1#",)) == []
    assert [path for path, _ in asked(demo.github) if not path.startswith("/repos/acme/")] == []


def test_projection_reaches_the_fields_of_jira(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert len(rows_of(ana, "SELECT summary FROM jira.issues WHERE key = 'WEB-1'")) == 1
    ((_, parameters),) = asked(demo.jira)
    assert sorted(parameters["fields"].split(",")) == ["key", "summary"]


def test_a_row_filter_reaches_jql(demo: DemoServer, eve: psycopg.Connection) -> None:
    count = value_of(eve, "SELECT count(*) FROM jira.issues")
    assert count == len(company().tracker.project_issues("WEB"))
    assert {parameters["jql"] for _, parameters in asked(demo.jira)} == {'project = "WEB"'}


def test_a_row_filter_leaves_repositories_out(demo: DemoServer, eve: psycopg.Connection) -> None:
    sql = "SELECT DISTINCT repo FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api') AND number > 0"
    assert rows_of(eve, sql) == [("web",)]
    assert [path for path, _ in asked(demo.github)] == [ISSUES_PATH]


def test_an_unknown_value_of_an_enumeration_needs_no_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert value_of(ana, f"SELECT count(*) FROM github.issues WHERE {WEB} AND state = 'purple'") == 0
    assert asked(demo.github) == []


def test_contradiction_needs_no_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert value_of(ana, f"SELECT count(*) FROM github.issues WHERE {WEB} AND repo = 'api'") == 0
    assert asked(demo.github) == []


def test_a_missing_key_is_named(demo: DemoServer, ana: psycopg.Connection) -> None:
    error = refused(ana, "SELECT count(*) FROM github.issues")
    assert error.sqlstate == "HV00L"
    assert error.diag.message_primary == (
        "KEY_COLUMN_REQUIRED: github.issues cannot be read without a value for owner and repo"
    )
    assert error.diag.message_hint == "add owner = '...' AND repo = '...' to the WHERE clause"
    assert asked(demo.github) == []


def test_last_query_sources_equals_what_the_simulators_saw(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = (
        "SELECT p.number, j.key FROM github.pull_requests p JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)"
        f" WHERE {WEB}"
    )
    rows_of(ana, sql)
    reported = {
        source: (requests, pages, rows_fetched, complete)
        for source, requests, pages, rows_fetched, complete in rows_of(
            ana, "SELECT source, requests, pages, rows_fetched, complete FROM omnisql.last_query_sources"
        )
    }
    pulls = sum(item.pull_request is not None for item in web_items())
    named = {item.title.split(":")[0] for item in web_items() if item.pull_request is not None}
    github, jira = len(asked(demo.github)), len(asked(demo.jira))
    assert (github, jira) == (1, 1)
    # What statements before it have taught of sizes decides whether the tickets are asked for by their keys.
    by_keys = "key in" in asked(demo.jira)[0][1].get("jql", "")
    tickets = sum(not by_keys or ticket.key in named for ticket in company().tracker.issues())
    assert reported == {"github": (github, github, pulls, True), "jira": (jira, jira, tickets, True)}


def test_rows_returned_are_those_left_by_policy(eve: psycopg.Connection) -> None:
    value_of(eve, "SELECT count(*) FROM jira.issue_comments WHERE issue_key IN ('WEB-2', 'API-2')")
    sql = "SELECT rows_fetched, rows_returned FROM omnisql.last_query_sources"
    # How many there were before is not told to whom policy hides some.
    assert rows_of(eve, sql) == [(None, 130)]


def test_explain_makes_no_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    explained = rows_of(ana, f"EXPLAIN SELECT number FROM github.issues WHERE {WEB} AND state = 'open'")
    text = "\n".join(line for (line,) in explained)
    assert "API Scan on github.issues" in text
    assert "Access Path: by_repository, GET /repos/{owner}/{repo}/issues" in text
    assert "Pushed: state = 'open' (exact)" in text
    assert asked(demo.github) == []


def test_explain_analyze_reports_what_happened(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT number FROM github.issues WHERE {WEB} AND number <= 3"
    (written,) = rows_of(ana, sql)[0]
    plan = written if isinstance(written, list) else json.loads(written)
    (scan,) = plan[0]["Plan"]["Plans"]
    assert scan["Actual Requests"] == len(asked(demo.github)) == 1
    assert scan["Actual Pages"] == 1
    assert scan["Actual Rows Fetched"] == scan["Actual Rows Returned"] == WEB_COUNT
    assert scan["Complete"] is True


def test_explain_has_postgresqls_formats_and_options(demo: DemoServer, ana: psycopg.Connection) -> None:
    query = f"SELECT number FROM github.issues WHERE {WEB}"
    begins = {"text": ("Query", 25), "json": ("[", 114), "yaml": ("- Plan:", 25), "xml": ("<explain ", 142)}
    for form, (beginning, type_oid) in begins.items():
        cursor = ana.execute(f"EXPLAIN (FORMAT {form}, VERBOSE, SETTINGS, MEMORY) {query}".encode())
        assert cursor.description is not None
        assert (cursor.description[0].name, cursor.description[0].type_code) == ("QUERY PLAN", type_oid)
        assert cursor.pgresult is not None
        assert (cursor.pgresult.get_value(0, 0) or b"").startswith(beginning.encode())
    assert refused(ana, f"EXPLAIN (ANALYSE_IT) {query}").sqlstate == "42601"
    assert refused(ana, f"EXPLAIN (FORMAT html) {query}").sqlstate == "22023"
    assert asked(demo.github) == []


def test_explain_hides_what_policy_compares_with(eve: psycopg.Connection) -> None:
    text = "\n".join(line for (line,) in rows_of(eve, "EXPLAIN SELECT key FROM jira.issues"))
    assert "Row Filter: policy jira-issues-by-team" in text
    assert "WEB" not in text


def test_a_budget_of_calls_is_kept(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_api_calls = 1")
    error = refused(ana, "SELECT count(title) FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api')")
    assert error.sqlstate == "54000"
    assert asked(demo.github) == []
    assert len(rows_of(ana, f"SELECT number FROM github.issues WHERE {WEB} ORDER BY created_at LIMIT 5")) == 5


def test_no_request_carries_more_than_the_scheme_of_the_credential(demo: DemoServer, ana: psycopg.Connection) -> None:
    value_of(ana, f"SELECT count(*) FROM github.issues WHERE {WEB}")
    value_of(ana, "SELECT count(*) FROM jira.projects")
    seen = [*demo.github.requests(), *demo.jira.requests()]
    assert {request["authorization"] for request in seen} == {"Bearer", "Basic"}
    assert {request["user_agent"].split("/")[0] for request in seen} == {"OmniSQL"}
