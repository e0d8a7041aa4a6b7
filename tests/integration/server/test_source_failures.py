"""Everything a source can do wrong: the documented error, nothing secret in it, and a session that goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from demo_server import ISSUES, DemoServer
from sessions import WEB, WEB_COUNT, asked, refused, value_of

FAULTS_FOR_EVERY_ATTEMPT = 20
JIRA = "SELECT count(*) FROM jira.issues WHERE updated >= '2001-01-01 00:00:00+00'"


def github(minute: int) -> str:
    """Return a statement whose request is like no other test's, so that no kept answer is confirmed by a 304."""
    return f"SELECT count(*) FROM github.issues WHERE {WEB} AND updated_at >= '2002-01-01 00:{minute:02}:00+00'"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Faults of GitHub, and what has to be said about them."""

    faults: list[dict[str, Any]]
    sqlstate: str
    message: str
    said: str = ""
    requests: int = 1
    headers: dict[str, str] = field(default_factory=dict)


FAILURES = {
    "unauthorized": Failure(
        faults=[{"status": 401}],
        sqlstate="28000",
        message='CREDENTIALS_REJECTED: server "github" does not accept its credentials',
        said="Renew the credentials in the user mapping of this server.",
    ),
    "forbidden": Failure(
        faults=[{"status": 403}],
        sqlstate="42501",
        message='server "github" denies access to /repos/{owner}/{repo}/issues',
    ),
    "unprocessable": Failure(
        faults=[{"status": 422}],
        sqlstate="HV000",
        message='server "github" refused a request',
        said="was answered 422",
    ),
    "throttled for long": Failure(
        faults=[{"status": 429, "headers": {"retry-after": "90"}}],
        sqlstate="53400",
        message='RATE_LIMIT_EXHAUSTED: server "github" refuses further requests for now',
        said="allows the next request in 90 seconds",
    ),
    "unavailable, and says until when": Failure(
        faults=[{"status": 503, "headers": {"retry-after": "77"}}],
        sqlstate="53400",
        message='RATE_LIMIT_EXHAUSTED: server "github" refuses further requests for now',
        said="allows the next request in 77 seconds",
    ),
    "broken": Failure(
        faults=[{"status": 500}] * FAULTS_FOR_EVERY_ATTEMPT,
        sqlstate="08006",
        message='SOURCE_UNAVAILABLE: server "github" cannot be read at the moment',
        said="it answered 500",
        requests=4,
    ),
    "unavailable": Failure(
        faults=[{"status": 503}] * FAULTS_FOR_EVERY_ATTEMPT,
        sqlstate="08006",
        message='SOURCE_UNAVAILABLE: server "github" cannot be read at the moment',
        said="it answered 503",
        requests=4,
    ),
    "cut off": Failure(
        faults=[{"truncate_json": True}] * FAULTS_FOR_EVERY_ATTEMPT,
        sqlstate="08006",
        message='SOURCE_UNAVAILABLE: server "github" cannot be read at the moment',
        said="its answer is not complete JSON",
        requests=4,
    ),
    "silent": Failure(
        faults=[{"hang": True}],
        sqlstate="08006",
        message="SOURCE_TIMEOUT: source github did not finish in 4 s",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_and_the_session_goes_on(demo: DemoServer, ana: psycopg.Connection, name: str) -> None:
    failure, sql = FAILURES[name], github(list(FAILURES).index(name))
    demo.github.configure(next=failure.faults)
    error = refused(ana, sql)
    told = f"{error.diag.message_detail} {error.diag.message_hint}"
    assert (error.sqlstate, error.diag.message_primary) == (failure.sqlstate, failure.message)
    assert failure.said in told
    assert "simulated-token" not in f"{error} {told}"
    assert len(asked(demo.github)) == failure.requests
    demo.reset()
    assert value_of(ana, "SELECT 1") == 1
    assert value_of(ana, sql) == WEB_COUNT


@pytest.mark.parametrize("fault", [{"status": 500}, {"truncate_json": True}, {"disconnect": True}], ids=str)
def test_a_passing_failure_is_not_noticed(demo: DemoServer, ana: psycopg.Connection, fault: dict[str, Any]) -> None:
    minute = 30 + ["status", "truncate_json", "disconnect"].index(next(iter(fault)))
    demo.github.configure(next=[fault])
    assert value_of(ana, github(minute)) == WEB_COUNT
    assert [request["status"] for request in demo.github.requests()][-1] == 200
    assert len(asked(demo.github)) == 2


def test_a_broken_connection_is_told(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.github.configure(next=[{"disconnect": True}] * FAULTS_FOR_EVERY_ATTEMPT)
    error = refused(ana, github(40))
    assert error.sqlstate == "08006"
    assert error.diag.message_detail == "GET /repos/{owner}/{repo}/issues: it broke the connection."
    demo.reset()
    assert value_of(ana, github(40)) == WEB_COUNT


def test_what_does_not_exist_has_no_rows(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.github.configure(next=[{"status": 404}])
    assert value_of(ana, github(41)) == 0
    assert value_of(ana, github(41)) == WEB_COUNT


def test_a_missing_resource_of_jira_is_refused(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.jira.configure(next=[{"status": 404}])
    error = refused(ana, JIRA)
    assert error.sqlstate == "HV000"
    assert error.diag.message_detail == "GET /rest/api/3/search/jql was answered 404."
    assert value_of(ana, JIRA) == ISSUES


def test_a_repeated_page_is_refused(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = "SELECT count(summary) FROM jira.issues"
    # The first page has nothing before it that could be repeated; the second one is the first again.
    demo.jira.configure(page_rows_max=50, next=[{"repeat_page": True}] * 3)
    error = refused(ana, sql)
    assert error.sqlstate == "HV000"
    assert error.diag.message_primary == "the listing of issues repeats a page"
    demo.reset()
    assert value_of(ana, sql) == ISSUES


def test_a_short_refusal_is_waited_out(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.github.configure(next=[{"status": 429, "headers": {"retry-after": "1"}}])
    assert value_of(ana, github(42)) == WEB_COUNT
    assert [request["status"] for request in demo.github.requests()] == [429, 200]


def test_an_exhausted_limit_is_kept_for_every_session(
    demo: DemoServer, ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    demo.github.configure(rate_limit={"limit": 0, "window_s": 600})
    first = refused(ana, github(43))
    assert first.sqlstate == "53400"
    assert first.diag.message_detail is not None
    assert "seconds" in first.diag.message_detail
    assert first.diag.message_hint is not None
    count = len(asked(demo.github))
    second = refused(eve, github(44))
    assert second.sqlstate == "53400"
    assert second.diag.message_primary == 'RATE_LIMIT_EXHAUSTED: the rate limit of server "github" is used up'
    assert second.diag.message_hint is not None
    assert "Run the statement again in" in second.diag.message_hint
    # The second one is refused by the limit that the first one taught the server, without a request.
    assert len(asked(demo.github)) == count
    demo.reset()
    assert value_of(eve, github(44)) == WEB_COUNT


def test_a_partial_answer_is_marked(demo: DemoServer, ana: psycopg.Connection) -> None:
    notices: list[tuple[str | None, str | None]] = []
    details: list[str] = []
    ana.add_notice_handler(lambda notice: notices.append((notice.severity, notice.sqlstate)))
    ana.add_notice_handler(lambda notice: details.append(notice.message_detail or ""))
    ana.execute("SET omnisql.on_source_error = 'partial'")
    demo.github.configure(next=[{"status": 401}])
    assert value_of(ana, github(45)) == 0
    assert notices == [("WARNING", "01000")]
    assert details[0].endswith("(0 pages with 0 rows had come)")
    complete, reason = (
        ana.execute("SELECT complete, incomplete_reason FROM omnisql.last_query_sources").fetchone() or ()
    )
    assert complete is False
    assert "CREDENTIALS_REJECTED" in reason
