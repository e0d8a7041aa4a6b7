"""Statements by HTTP over a running server: what is answered, how young it is, how it fails, and who it is held for."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest
from demo_server import DemoServer
from http_caller import HttpCaller, answer_of
from served import until

OPEN = "SELECT number, title FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND state = 'open'"


def asked(demo: DemoServer) -> int:
    """Count what GitHub was asked."""
    return len(demo.github.requests())


def test_rows_come_with_their_columns_and_their_sources(demo: DemoServer, ana_by_http: HttpCaller) -> None:
    answer = ana_by_http.ask(f"{OPEN} ORDER BY number LIMIT 2")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.body
    assert list(body) == ["columns", "rows", "command", "sources", "notices"]
    assert body["columns"] == [{"name": "number", "type": "integer"}, {"name": "title", "type": "text"}]
    assert [[type(value) for value in row] for row in body["rows"]] == [[int, str], [int, str]]
    assert body["command"] == "SELECT 2"
    (source,) = body["sources"]
    assert (source["source"], source["complete"]) == ("github", True)
    assert source["requests"] == asked(demo) > 0


def test_a_bound_in_milliseconds_lets_what_is_kept_answer(demo: DemoServer, ana_by_http: HttpCaller) -> None:
    first = ana_by_http.ask(OPEN, max_staleness_ms=3_600_000).body
    spent = asked(demo)
    again = ana_by_http.ask(OPEN, max_staleness_ms=3_600_000).body
    assert asked(demo) == spent > 0
    assert again["rows"] == first["rows"]
    (source,) = again["sources"]
    assert source["cache_hits"] == 1
    assert source["calls_saved"] == spent
    assert source["age_ms"] >= 0
    # Without a bound, and with one of nothing, GitHub is asked.
    ana_by_http.ask(OPEN)
    assert asked(demo) > spent
    spent = asked(demo)
    ana_by_http.ask(OPEN, max_staleness_ms=0)
    assert asked(demo) > spent


def test_older_rows_stand_in_for_a_source_that_fails_and_say_so(demo: DemoServer, ana_by_http: HttpCaller) -> None:
    rows = ana_by_http.ask(OPEN, max_staleness_ms=3_600_000).body["rows"]
    demo.github.configure(next=[{"status": 503}] * 10)
    answer = ana_by_http.ask(OPEN, max_staleness_ms=0, stale_if_error_ms=3_600_000)
    assert (answer.status, answer.body["rows"]) == (200, rows)
    (notice,) = answer.body["notices"]
    assert (notice["sqlstate"], notice["severity"]) == ("01000", "WARNING")
    assert notice["message"].startswith("STALE_DATA")
    assert answer.body["sources"][0]["stale"].startswith("SOURCE_UNAVAILABLE")


def test_values_are_those_of_to_json(ana_by_http: HttpCaller) -> None:
    sql = (
        "SELECT true AS a, 7::int2 AS b, 1.50::numeric(6,2) AS c, 'NaN'::float8 AS d, "
        "'{\"x\": [1, null]}'::jsonb AS e, 'ä\"\\'::varchar(9) AS f, NULL::date AS g, ARRAY[1,2] AS h, "
        "'2024-02-29'::date AS i, 9007199254740993 AS j"
    )
    answer = ana_by_http.ask(sql)
    assert answer.body["rows"] == [
        [True, 7, 1.5, "NaN", {"x": [1, None]}, 'ä"\\', None, "{1,2}", "2024-02-29", 9007199254740993]
    ]
    assert b"1.50" in answer.content
    names = ["boolean", "smallint", "numeric(6,2)", "double precision", "jsonb", "character varying(9)", "date"]
    assert [column["type"] for column in answer.body["columns"]] == [*names, "integer[]", "date", "bigint"]


def test_parameters_are_values_and_never_text(ana_by_http: HttpCaller) -> None:
    sql = "SELECT $1::text, $2::int + 1, $3::bool, $4::jsonb -> 'a', $5::text IS NULL"
    answer = ana_by_http.ask(sql, parameters=["'; DROP TABLE x; --", 41, False, {"a": [1]}, None])
    assert answer.body["rows"] == [["'; DROP TABLE x; --", 42, False, [1], True]]
    assert ana_by_http.ask("SELECT $1::int", parameters=["many"]).error[:2] == (400, "22P02")
    assert ana_by_http.ask("SELECT $1::int", parameters=[]).error[:2] == (400, "08P01")


def test_settings_hold_for_the_statement(ana_by_http: HttpCaller) -> None:
    sql = "SELECT current_setting('omnisql.on_source_error'), current_setting('TimeZone')"
    settings = {"omnisql.on_source_error": "partial", "TimeZone": "Asia/Tokyo"}
    assert ana_by_http.ask(sql, settings=settings).body["rows"] == [["partial", "Asia/Tokyo"]]
    assert ana_by_http.ask(sql).body["rows"] == [["fail", "UTC"]]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELEC 1", (400, "42601", 'syntax error at or near "SELEC"')),
        ("SELECT 1; SELECT 2", (400, "42601", "cannot insert multiple commands into a prepared statement")),
        ("SELECT nothing FROM github.issues", (400, "42703", 'column "nothing" does not exist')),
        ("SELECT 1/0", (400, "22012", "division by zero")),
        ("SELECT * FROM pg_catalog.pg_authid", (403, "42501", "permission denied for table pg_authid")),
        ("COPY (SELECT 1) TO STDOUT", (400, "0A000", "COPY is not available by HTTP")),
        ("SELECT title FROM github.issues", (400, "HV00L", None)),
        ("SET omnisql.max_staleness = 'soon'", (400, "22023", None)),
        ("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())", (503, "57P01", None)),
    ],
)
def test_an_error_has_a_status_and_postgresqls_words(
    ana_by_http: HttpCaller, sql: str, error: tuple[int, str, str | None]
) -> None:
    answer = ana_by_http.ask(sql)
    status, sqlstate, message = error
    assert answer.error[:2] == (status, sqlstate)
    assert message is None or answer.error[2] == message


def test_an_error_tells_its_position_and_hint(ana_by_http: HttpCaller) -> None:
    error = ana_by_http.ask("SELECT titel FROM github.issues").body["error"]
    assert error["position"] == 8
    assert "title" in error["hint"]


def test_a_long_answer_streams(ana_by_http: HttpCaller) -> None:
    answer = ana_by_http.ask("SELECT g, repeat('x', 20) FROM generate_series(1, 50000) AS g")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    rows = answer.body["rows"]
    assert (len(rows), rows[-1]) == (50_000, [50_000, "x" * 20])
    assert answer.body["command"] == "SELECT 50000"


def test_an_answer_that_fails_late_cannot_be_taken_for_whole(ana_by_http: HttpCaller) -> None:
    sql = "SELECT 1 / (100000 - g) FROM generate_series(1, 200000) AS g"
    with pytest.raises(http.client.IncompleteRead) as broken:
        ana_by_http.ask(sql)
    assert broken.value.partial.startswith(b'{"columns":')
    last = broken.value.partial.rpartition(b"\n")[2]
    assert last == b'{"error":{"sqlstate":"22012","severity":"ERROR","message":"division by zero"}}'


def test_a_caller_who_leaves_ends_the_statement(ana_by_http: HttpCaller) -> None:
    count = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE application_name = 'leaving' AND state = 'active'"
    with closing(ana_by_http.connection()) as connection:
        ana_by_http.send(connection, "SELECT pg_sleep(600)", settings={"application_name": "leaving"})
        until(lambda: ana_by_http.ask(count).body["rows"] == [[1]])
    until(lambda: ana_by_http.ask(count).body["rows"] == [[0]])


def test_a_caller_who_does_not_read_holds_his_own_statement_back(ana_by_http: HttpCaller) -> None:
    sql = "SELECT g, repeat('x', 1000) FROM generate_series(1, 30000) AS g"
    state = "SELECT state, wait_event FROM pg_catalog.pg_stat_activity WHERE application_name = 'held back'"
    with closing(ana_by_http.connection()) as connection:
        ana_by_http.send(connection, sql, settings={"application_name": "held back"})
        until(lambda: ana_by_http.ask(state).body["rows"] == [["active", "ClientWrite"]])
        assert len(answer_of(connection).body["rows"]) == 30_000
