"""Freshness as a client meets it: bounds by setting, option and hint, what is told, over the demo's simulators."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from served import until

COUNT = "SELECT count(title) FROM github.issues WHERE owner = 'acme' AND repo = 'web'"
SOURCES = "SELECT requests, cache_hits, calls_saved, stale, cache_note FROM omnisql.last_query_sources"


@pytest.fixture
def server(demo: DemoServer) -> Iterator[DemoServer]:
    """Give the demo with nothing kept."""
    demo.reset()
    yield demo
    demo.reset()


def connect(server: DemoServer, user: str = "ana") -> psycopg.Connection:
    return psycopg.connect(**server.arguments(user), dbname=DATABASE, autocommit=True)


@pytest.fixture
def ana(server: DemoServer) -> Iterator[psycopg.Connection]:
    with connect(server) as connection:
        yield connection


def told(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    """Collect the notices from now on: severity, SQLSTATE, message."""
    notices: list[tuple[str, str, str]] = []
    connection.add_notice_handler(
        lambda notice: notices.append((notice.severity or "", notice.sqlstate or "", notice.message_primary or ""))
    )
    return notices


def requests(connection: psycopg.Connection, sql: str) -> int:
    """Run a statement and return how many requests it made."""
    connection.execute(sql)
    return sum(row[0] for row in connection.execute(SOURCES).fetchall())


def test_by_default_every_statement_asks(ana: psycopg.Connection) -> None:
    assert ana.execute("SHOW omnisql.max_staleness").fetchone() == ("",)
    assert [requests(ana, COUNT) > 0 for _ in range(2)] == [True, True]


def test_a_setting_bounds_the_session(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    fresh = ana.execute(COUNT).fetchall()
    assert requests(ana, COUNT) == 0
    assert ana.execute(COUNT).fetchall() == fresh
    (row,) = ana.execute(SOURCES).fetchall()
    assert (row[1] >= 1, row[2] >= 1, row[3]) == (True, True, None)
    ana.execute("SET omnisql.max_staleness = '0'")
    assert requests(ana, COUNT) > 0


def test_a_hint_bounds_the_statement(ana: psycopg.Connection) -> None:
    hinted = COUNT.replace("SELECT", "SELECT /*+ max_staleness(5 min) */")
    assert requests(ana, hinted) > 0
    assert requests(ana, hinted) == 0
    assert requests(ana, f"/*+ max_staleness(1h) */ {COUNT}") == 0
    assert requests(ana, f"/*+ max_staleness_ms(300000) */ {COUNT}") == 0
    assert requests(ana, f"/*+ max_staleness_ms(0) */ {COUNT}") > 0
    assert requests(ana, COUNT) > 0
    ana.execute("SET omnisql.max_staleness = '5 min'")
    assert requests(ana, COUNT.replace("SELECT", "SELECT /*+ max_staleness(0) */")) > 0
    for hint in ("max_staleness(soon)", "max_staleness_ms(5 s)", "max_staleness_ms()"):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            ana.execute(COUNT.replace("SELECT", f"SELECT /*+ {hint} */"))


def test_options_bound_a_table_and_a_server(server: DemoServer, ana: psycopg.Connection) -> None:
    with connect(server, "admin") as admin:
        try:
            admin.execute("ALTER SERVER github OPTIONS (ADD max_staleness '10 min')")
            assert [requests(ana, COUNT) > 0 for _ in range(2)] == [True, False]
            admin.execute("ALTER FOREIGN TABLE github.issues OPTIONS (ADD max_staleness '0')")
            assert requests(ana, COUNT) > 0
            with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="not a duration"):
                admin.execute("ALTER FOREIGN TABLE github.issues OPTIONS (SET max_staleness 'soon')")
            with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="not a duration"):
                admin.execute("ALTER SERVER github OPTIONS (SET max_staleness '-1')")
        finally:
            admin.execute("ALTER SERVER github OPTIONS (DROP max_staleness)")
            admin.execute("ALTER FOREIGN TABLE github.issues OPTIONS (DROP max_staleness)")
    assert requests(ana, COUNT) > 0


def test_an_option_lets_older_rows_answer_meanwhile(server: DemoServer, ana: psycopg.Connection) -> None:
    notices = told(ana)
    with connect(server, "admin") as admin:

        def on_record() -> list[tuple[Any, ...]]:
            return admin.execute(
                "SELECT phase, principal, calls > 0 FROM omnisql.audit WHERE kind = 'refresh'"
            ).fetchall()

        try:
            admin.execute("ALTER SERVER github OPTIONS (ADD max_staleness '1', ADD stale_while_revalidate '1 h')")
            fresh = ana.execute(COUNT).fetchall()
            assert (notices, on_record()) == ([], [])
            assert ana.execute(COUNT).fetchall() == fresh
            assert ana.execute(SOURCES).fetchall()[0][4] == "older than max_staleness, being read again"
            ((severity, code, message),) = notices
            assert (severity, code) == ("NOTICE", "00000")
            assert re.fullmatch(r"rows of github.issues are \d+\.\d s old and are being read again", message)
            until(lambda: len(on_record()) == 2)
            assert sorted(on_record()) == [("finish", "", True), ("start", "", False)]
            assert requests(ana, COUNT.replace("SELECT", "SELECT /*+ max_staleness(0) */")) > 0
        finally:
            admin.execute("ALTER SERVER github OPTIONS (DROP max_staleness, DROP stale_while_revalidate)")


def test_a_webhook_of_the_vendor_makes_what_is_kept_too_old(server: DemoServer, ana: psycopg.Connection) -> None:
    secret = "told by nobody"
    body = json.dumps({"action": "opened", "repository": {"name": "web", "owner": {"login": "acme"}}}).encode()

    def send(key: str, place: str = f"{DATABASE}/github") -> int:
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Event": "issues"}
        request = urllib.request.Request(f"{server.webhooks}/{place}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    with connect(server, "admin") as admin:
        try:
            admin.execute(f"ALTER USER MAPPING FOR PUBLIC SERVER github OPTIONS (ADD webhook_secret '{secret}')")
            shown = admin.execute("SELECT array_to_string(umoptions, ',') FROM pg_user_mappings").fetchall()
            assert "webhook_secret=secret:" in str(shown)
            assert secret not in str(shown)
            ana.execute("SET omnisql.max_staleness = '5 min'")
            assert [requests(ana, COUNT) > 0 for _ in range(2)] == [True, False]
            assert (send("guessed"), send(secret, f"{DATABASE}/jira")) == (401, 401)
            assert requests(ana, COUNT) == 0
            assert send(secret) == 204
            assert [requests(ana, COUNT) > 0 for _ in range(2)] == [True, False]
        finally:
            admin.execute("ALTER USER MAPPING FOR PUBLIC SERVER github OPTIONS (DROP webhook_secret)")


def test_an_option_lets_changes_be_merged(server: DemoServer, ana: psycopg.Connection) -> None:
    counted = "SELECT /*+ max_staleness(5 min) */ count(*), max(summary) FROM jira.issues WHERE project_key = 'WEB'"
    at_once = counted.replace("5 min", "1 us")
    with connect(server, "admin") as admin:
        try:
            admin.execute("ALTER SERVER jira OPTIONS (ADD full_read '1 h')")
            fresh = ana.execute(counted).fetchall()
            before = len(server.jira.requests())
            assert before > 1
            assert ana.execute(at_once).fetchall() == fresh
            (asked,) = server.jira.requests()[before:]
            assert asked["query"]["jql"][0].startswith('project = "WEB" AND updated >= ')
            (report,) = ana.execute("SELECT cache_hits, cache_note FROM omnisql.last_query_sources").fetchall()
            assert (report[0], report[1].startswith("what has changed was merged into")) == (1, True)
            with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="not a duration"):
                admin.execute("ALTER FOREIGN TABLE jira.issues OPTIONS (ADD full_read 'often')")
        finally:
            admin.execute("ALTER SERVER jira OPTIONS (DROP full_read)")
    before = len(server.jira.requests())
    ana.execute(at_once)
    assert len(server.jira.requests()) > before + 1


def test_users_of_one_credential_share_what_policy_lets_each_see(server: DemoServer, ana: psycopg.Connection) -> None:
    all_of_them = "SELECT DISTINCT repo FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api') ORDER BY 1"
    ana.execute("SET omnisql.max_staleness = '5 min'")
    assert ana.execute(all_of_them).fetchall() == [("api",), ("web",)]
    with connect(server, "eve") as eve:
        eve.execute("SET omnisql.max_staleness = '5 min'")
        assert eve.execute(all_of_them).fetchall() == [("web",)]
        assert requests(eve, all_of_them) == 0


def test_explain_tells_what_would_be_answered(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    before = "\n".join(row[0] for row in ana.execute(f"EXPLAIN {COUNT}").fetchall())
    assert "Cache: answers nothing within max_staleness 300 s" in before
    ana.execute(COUNT)
    after = "\n".join(row[0] for row in ana.execute(f"EXPLAIN {COUNT}").fetchall())
    assert "Cache: answers 1 of 1 requests within max_staleness 300 s, age" in after
    (document,) = ana.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {COUNT}").fetchone() or (None,)
    plan: Any = json.loads(document) if isinstance(document, str) else document
    assert plan[0]["Plan"]["Plans"][0]["Actual Cache Hits"] == 1


def test_zero_asks_whether_what_is_kept_has_changed(server: DemoServer, ana: psycopg.Connection) -> None:
    fresh = ana.execute(COUNT.replace("SELECT", "SELECT /*+ max_staleness(5 min) */")).fetchall()
    pages = len(server.github.requests())
    explained = "\n".join(row[0] for row in ana.execute(f"EXPLAIN {COUNT}").fetchall())
    assert "Cache: the source is asked whether what is kept of 1 of 1 requests has changed" in explained
    assert ana.execute(COUNT).fetchall() == fresh
    asked = server.github.requests()[pages:]
    assert [each["status"] for each in asked] == [304] * pages
    (report,) = ana.execute("SELECT requests, revalidated, cache_note, age_ms FROM omnisql.last_query_sources")
    assert report == (pages, pages, "1 of 1 earlier answers confirmed by the source", 0)
    analyzed = "\n".join(row[0] for row in ana.execute(f"EXPLAIN ANALYZE {COUNT}").fetchall())
    assert f"Requests: {pages} made, {pages} of them answered by 304" in analyzed
    assert "1 of 1 earlier answers confirmed by the source" in analyzed


def test_older_rows_stand_in_with_a_warning(server: DemoServer, ana: psycopg.Connection) -> None:
    notices = told(ana)
    ana.execute("SET omnisql.stale_if_error = '1 h'")
    rows = ana.execute(COUNT).fetchall()
    assert notices == []
    server.github.configure(next=[{"status": 503}] * 100)
    assert ana.execute(COUNT).fetchall() == rows
    (notice,) = notices
    assert notice[:2] == ("WARNING", "01000")
    assert notice[2].startswith("STALE_DATA: rows of github.issues are ")
    assert ana.execute(SOURCES).fetchall()[0][3].startswith("SOURCE_UNAVAILABLE")
    ana.execute("SET omnisql.stale_if_error = '0'")
    with pytest.raises(psycopg.OperationalError, match="SOURCE_UNAVAILABLE"):
        ana.execute(COUNT)


def test_a_replaced_credential_finds_nothing(server: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    assert requests(ana, COUNT) > 0
    with connect(server, "admin") as admin:
        admin.execute("ALTER USER MAPPING FOR PUBLIC SERVER github OPTIONS (SET token 'simulated-token')")
    assert requests(ana, COUNT) > 0


KEPT = "SELECT table_name, domain, rows, hits, calls_saved FROM omnisql.cache ORDER BY 1, 2"


def test_what_is_kept_is_shown_without_values(server: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    assert ana.execute(KEPT).fetchall() == []
    (count,) = ana.execute(COUNT).fetchone() or (0,)
    for _ in range(3):
        ana.execute(COUNT)
    ((table, domain, rows, hits, saved),) = ana.execute(KEPT).fetchall()
    assert (table, domain, rows) == ("issues", ["owner =", "repo ="], count)
    assert hits == 3
    assert saved == hits * len(server.github.requests())
    shown = "SELECT source, schema_name, bytes, age_ms FROM omnisql.cache"
    ((source, schema, size_bytes, age_ms),) = ana.execute(shown).fetchall()
    assert (source, schema, size_bytes > 10 * count, 0 < age_ms < 120_000) == ("github", "github", True, True)
    with connect(server, "admin") as admin:
        admin.execute("REVOKE SELECT ON github.issues FROM ana")
        try:
            assert ana.execute(KEPT).fetchall() == []
        finally:
            admin.execute("GRANT SELECT ON github.issues TO ana")


def test_what_is_kept_is_shown_with_its_path_its_columns_and_its_limit(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    (titles,) = ana.execute(COUNT).fetchone() or (0,)
    ana.execute(COUNT.replace("count(title)", "number") + " ORDER BY updated_at DESC LIMIT 3")
    shown = "SELECT access_path, domain, columns, row_limit, rows FROM omnisql.cache ORDER BY row_limit NULLS FIRST"
    web = ["owner =", "repo ="]
    assert ana.execute(shown).fetchall() == [
        ("by_repository", web, ["owner", "repo", "title"], None, titles),
        ("by_repository", web, ["owner", "repo", "number", "updated_at"], 3, 3),
    ]


def test_what_is_kept_is_forgotten_when_its_reader_says_so(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    ana.execute(COUNT)
    ana.execute("CALL omnisql.invalidate('github.issues')")
    assert ana.execute(KEPT).fetchall() == []
    assert requests(ana, COUNT) > 0


def test_what_is_kept_is_read_again(server: DemoServer, ana: psycopg.Connection) -> None:
    notices = told(ana)
    ana.execute("SET omnisql.max_staleness = '5 min'")
    ana.execute(COUNT)
    asked = len(server.github.requests())
    ana.execute("CALL omnisql.refresh('github.issues')")
    assert len(server.github.requests()) > asked
    assert notices[-1][2].startswith("1 answers of github.issues were read again with ")
    assert requests(ana, COUNT) == 0
    assert len(ana.execute(KEPT).fetchall()) == 1


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SELECT omnisql.refresh('github.issues')", "42809"),
        ("DO $$ BEGIN CALL omnisql.refresh('github.issues'); END $$", "0A000"),
        ("CALL omnisql.refresh('github.' || 'issues')", "0A000"),
        ("CALL omnisql.invalidate('github.nothing')", "HV00R"),
        ("CALL omnisql.invalidate()", "42883"),
    ],
)
def test_calls_that_are_refused(ana: psycopg.Connection, sql: str, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        ana.execute(sql)
    assert refused.value.sqlstate == sqlstate


def test_only_readers_of_a_table_steer_what_is_kept_of_it(server: DemoServer) -> None:
    with connect(server, "admin") as admin, connect(server, "eve") as eve:
        admin.execute("REVOKE SELECT ON github.labels FROM eve")
        try:
            for name in ("refresh", "invalidate"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    eve.execute(f"CALL omnisql.{name}('github.labels')")
        finally:
            admin.execute("GRANT SELECT ON github.labels TO eve")
