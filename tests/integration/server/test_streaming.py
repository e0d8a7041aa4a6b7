"""Rows that reach the client before the last page was read, and requests that end with whoever wanted their rows."""

from __future__ import annotations

import asyncio
from itertools import islice

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from sessions import WEB, WEB_COUNT, ConnectAsync, asked, eventually, refused, rows_of, value_of

ROWS = f"SELECT number, upper(title) AS title FROM github.issues WHERE {WEB} AND number > 0"
PAGE = 20
PAGES = -(-WEB_COUNT // PAGE)
LAST = "SELECT requests, rows_fetched, rows_returned, complete FROM omnisql.last_query_sources"
NONE, HOLD = {"none": True}, {"hold": True}
REFUSED = {"status": 403, "body": {"message": "no"}}


@pytest.fixture(autouse=True)
def _small_pages(demo: DemoServer, _clean_sources: None) -> None:
    demo.github.configure(page_rows_max=PAGE)


def test_the_first_rows_come_before_the_other_pages(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.github.configure(next=[NONE, HOLD])
    with ana.cursor() as cursor:
        rows = cursor.stream(ROWS.encode())
        first = list(islice(rows, PAGE - 1))
        answered = [request["status"] for request in demo.github.requests()].count(200)
        demo.github.release()
        rest = list(rows)
    assert answered < PAGES
    assert len({number for number, _ in first + rest}) == WEB_COUNT
    assert rows_of(ana, LAST) == [(PAGES, WEB_COUNT, WEB_COUNT, True)]


async def test_a_cancel_between_pages_stops_the_requests(demo: DemoServer, connect_async: ConnectAsync) -> None:
    session = await connect_async()
    demo.github.configure(page_rows_max=4, next=[NONE, NONE, HOLD])

    async def cancel_after(rows_max: int) -> None:
        async with session.cursor() as cursor:
            seen = 0
            async for _ in cursor.stream(ROWS.encode()):
                seen += 1
                if seen == rows_max:
                    await session.cancel_safe()

    with pytest.raises(psycopg.errors.QueryCanceled):
        await cancel_after(3)
    assert await (await session.execute("SELECT count(*) FROM jira.projects")).fetchone() == (4,)
    assert len(asked(demo.github)) < WEB_COUNT // 4


def test_enough_rows_stop_the_requests(demo: DemoServer, ana: psycopg.Connection) -> None:
    rows = rows_of(ana, f"{ROWS} AND length(title) > 0 LIMIT {PAGE + 2}")
    assert len({number for number, _ in rows}) == PAGE + 2
    assert len(asked(demo.github)) == 2
    assert rows_of(ana, LAST) == [(2, 2 * PAGE, 2 * PAGE, True)]
    explained = "\n".join(line for (line,) in rows_of(ana, f"EXPLAIN (ANALYZE) {ROWS} AND length(title) > 0 LIMIT 3"))
    assert "Requests: 1 made" in explained
    assert "Streamed: " in explained


@pytest.mark.parametrize(
    ("skipped", "wanted", "requests"),
    [
        (3, 5, 1),
        (PAGE - 5, 5, 1),
        (PAGE, 5, 2),
        (PAGE, PAGE + 1, 3),
        (WEB_COUNT - 2, 5, PAGES),
        (WEB_COUNT + 1, 5, PAGES),
    ],
)
def test_rows_that_are_skipped_are_read_and_none_behind_the_wanted_ones(
    demo: DemoServer, ana: psycopg.Connection, skipped: int, wanted: int, requests: int
) -> None:
    text = f"{ROWS} AND length(title) > 0"
    rows = rows_of(ana, f"{text} LIMIT {wanted} OFFSET {skipped}")
    assert len(asked(demo.github)) == requests
    ((_, read, complete),) = rows_of(ana, "SELECT requests, rows_fetched, complete FROM omnisql.last_query_sources")
    assert (read, complete) == (min(requests * PAGE, WEB_COUNT), True)
    assert rows == rows_of(ana, text)[skipped : skipped + wanted]


def test_rows_that_conditions_leave_out_are_not_skipped_ones(demo: DemoServer, ana: psycopg.Connection) -> None:
    text = f"{ROWS} AND number % 3 = 0"
    whole = rows_of(ana, text)
    for skipped in range(0, len(whole), 7):
        assert rows_of(ana, f"{text} LIMIT 4 OFFSET {skipped}") == whole[skipped : skipped + 4]
    with ana.cursor().copy(f"COPY ({text} LIMIT 4 OFFSET 7) TO STDOUT".encode()) as copy:
        assert [int(row[0]) for row in copy.rows()] == [number for number, _ in whole[7:11]]


@pytest.mark.parametrize("block", [False, True])
def test_a_failure_on_a_later_page_comes_after_rows(demo: DemoServer, ana: psycopg.Connection, block: bool) -> None:
    if block:
        ana.execute("BEGIN")
    demo.github.configure(next=[NONE, NONE, REFUSED])
    seen: list[tuple[object, ...]] = []
    with ana.cursor() as cursor, pytest.raises(psycopg.Error) as caught:
        seen.extend(cursor.stream(ROWS.encode()))
    assert caught.value.sqlstate == "42501"
    assert len(seen) >= PAGE - 1
    assert ana.info.transaction_status.name == ("INERROR" if block else "IDLE")
    ana.execute("ROLLBACK")
    assert value_of(ana, "SELECT count(*) FROM jira.projects") == 4


def test_a_page_on_which_duckdb_fails_is_postgresqls(demo: DemoServer, ana: psycopg.Connection) -> None:
    last = value_of(ana, f"SELECT max(number) FROM github.issues WHERE {WEB}")
    demo.github.configure(page_rows_max=PAGE, next=[NONE, HOLD])
    seen: list[tuple[object, ...]] = []
    divided = f"SELECT number / (number - {last}) AS share FROM github.issues WHERE {WEB}"

    def read() -> None:
        for row in ana.cursor().stream(divided.encode()):
            seen.append(row)
            if len(seen) == PAGE - 1:
                demo.github.release()

    with pytest.raises(psycopg.errors.DivisionByZero) as caught:
        read()
    assert caught.value.diag.message_primary == "division by zero"
    assert len(seen) >= PAGE - 1


@pytest.mark.parametrize("options", ["", " (FORMAT binary)", " (FORMAT csv, HEADER)"])
def test_copy_streams(demo: DemoServer, ana: psycopg.Connection, options: str) -> None:
    demo.github.configure(next=[NONE, HOLD])
    with ana.cursor().copy(f"COPY ({ROWS}) TO STDOUT{options}".encode()) as copy:
        pieces = list(islice(copy, PAGE // 2))
        demo.github.release()
        pieces += list(copy)
    with ana.cursor().copy(f"COPY (SELECT * FROM ({ROWS}) AS r ORDER BY number) TO STDOUT{options}".encode()) as copy:
        sorted_pieces = list(copy)
    assert sorted(b"".join(bytes(piece) for piece in pieces)) == sorted(b"".join(map(bytes, sorted_pieces)))


async def test_a_portal_that_is_gone_on_with_is_seen_and_closed(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.github.configure(page_rows_max=4, next=[NONE, NONE, HOLD])
    session = await asyncpg.connect(**demo.arguments("ana"), database=DATABASE)
    try:
        backend = session.get_server_pid()
        async with session.transaction():
            cursor = await session.cursor(ROWS)
            first = await cursor.fetch(3)
            following = asyncio.ensure_future(cursor.fetch(45))
            shown = f"FROM pg_catalog.pg_stat_activity WHERE pid = {backend} AND wait_event = 'PgSleep'"
            await eventually(lambda: value_of(ana, f"SELECT count(*) {shown}") == 1)
            # Rows are read ahead, but not the page after those that are fetched.
            demo.github.release(*[NONE] * 9, HOLD)
            rows = [*first, *await following]
            assert len({row["number"] for row in rows}) == 48
        # The portal went with its transaction.
        told = await session.fetchrow("SELECT complete, incomplete_reason FROM omnisql.last_query_sources")
        assert tuple(told) == (False, "it was not read to its end")
        assert await session.fetchval("SELECT count(*) FROM jira.projects") == 4
    finally:
        await session.close()


def test_a_partial_answer_ends_with_a_warning(demo: DemoServer, ana: psycopg.Connection) -> None:
    told: list[str] = []
    ana.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    ana.execute("SET omnisql.on_source_error = 'partial'")
    demo.github.configure(next=[NONE, NONE, REFUSED])
    rows = rows_of(ana, ROWS)
    assert PAGE <= len(rows) < WEB_COUNT
    assert told == ["the answer is incomplete: source github gave only a part of github.issues"]
    ((_, _, returned, complete),) = rows_of(ana, LAST)
    assert (returned, complete) == (len(rows), False)


PROJECTS = 4
BESIDE = f"SELECT i.number, p.key FROM github.issues AS i CROSS JOIN jira.projects AS p WHERE {WEB}"
APPENDED = f"SELECT number::text FROM github.issues WHERE {WEB} AND number > 0 UNION ALL SELECT key FROM jira.projects"


def test_a_join_streams_beside_what_is_whole(demo: DemoServer, ana: psycopg.Connection) -> None:
    explained = [line for (line,) in rows_of(ana, f"EXPLAIN {BESIDE}")]
    assert "  Streamed: rows are sent as pages of i come" in explained
    demo.github.configure(next=[NONE, HOLD])
    with ana.cursor() as cursor:
        rows = cursor.stream(BESIDE.encode())
        first = list(islice(rows, PAGE * PROJECTS - 1))
        demo.github.release()
        rest = list(rows)
    assert len({*first, *rest}) == len(first) + len(rest) == WEB_COUNT * PROJECTS
    told = [(PAGES, WEB_COUNT, WEB_COUNT, True), (1, PROJECTS, PROJECTS, True)]
    assert sorted(rows_of(ana, LAST)) == sorted(told)


def test_queries_that_are_appended_stream_and_what_is_not_needed_is_not_asked(
    demo: DemoServer, ana: psycopg.Connection
) -> None:
    demo.github.configure(next=[NONE, HOLD])
    with ana.cursor() as cursor:
        rows = cursor.stream(APPENDED.encode())
        first = list(islice(rows, PAGE - 1))
        demo.github.release()
        assert len({*first, *rows}) == WEB_COUNT + PROJECTS
    before = len(asked(demo.github)), len(asked(demo.jira))
    assert len(rows_of(ana, f"{APPENDED} LIMIT {PAGE + 1}")) == PAGE + 1
    assert (len(asked(demo.github)) - before[0], len(asked(demo.jira)) - before[1]) == (2, 0)
    assert len(rows_of(ana, f"{APPENDED} LIMIT {WEB_COUNT + 1}")) == WEB_COUNT + 1
    assert len(asked(demo.jira)) - before[1] == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_failure_stops_what_is_read_beside_it(demo: DemoServer, ana: psycopg.Connection, streamed: bool) -> None:
    fails, waits = (demo.github, demo.jira) if streamed else (demo.jira, demo.github)
    fails.configure(next=[REFUSED])
    waits.configure(next=[HOLD])
    error = refused(ana, BESIDE)
    assert error.sqlstate == "42501"
    waits.reset()
    assert value_of(ana, "SELECT count(*) FROM jira.projects") == PROJECTS
