"""Rows that reach the client before the last page was read, and requests that end with whoever wanted their rows."""

from __future__ import annotations

from itertools import islice

import psycopg
import pytest
from demo_server import DemoServer
from sessions import WEB, WEB_COUNT, ConnectAsync, asked, rows_of, value_of

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
        held = [request["status"] for request in demo.github.requests()]
        demo.github.release()
        rest = list(rows)
    assert None in held
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
    asked_for = len(asked(demo.github))
    demo.github.release()
    assert await (await session.execute("SELECT count(*) FROM jira.projects")).fetchone() == (4,)
    assert len(asked(demo.github)) == asked_for < WEB_COUNT // 4


def test_enough_rows_stop_the_requests(demo: DemoServer, ana: psycopg.Connection) -> None:
    rows = rows_of(ana, f"{ROWS} AND length(title) > 0 LIMIT {PAGE + 2}")
    assert len({number for number, _ in rows}) == PAGE + 2
    assert len(asked(demo.github)) == 2
    assert rows_of(ana, LAST) == [(2, 2 * PAGE, 2 * PAGE, True)]
    explained = "\n".join(line for (line,) in rows_of(ana, f"EXPLAIN (ANALYZE) {ROWS} AND length(title) > 0 LIMIT 3"))
    assert "Requests: 1 made" in explained
    assert "Streamed: " in explained


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
