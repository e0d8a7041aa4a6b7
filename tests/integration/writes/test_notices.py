"""What functions of a run statement raise below ERROR reaches the client, as from any other statement."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import Diagnostic
from writing import WEB

Said = tuple[str | None, str | None, str | None, str | None]

LOUD = """
CREATE FUNCTION pg_temp.loud(n int) RETURNS int LANGUAGE plpgsql AS
$$BEGIN RAISE NOTICE 'saw %', n USING HINT = 'h', ERRCODE = '01007'; RAISE DEBUG 'quiet'; RETURN n; END$$
"""
QUERY = f"SELECT pg_temp.loud(number) FROM {WEB} AND number IN (1, 2) ORDER BY number"


@pytest.fixture
def heard(ana: psycopg.Connection) -> Iterator[list[Said]]:
    said: list[Said] = []

    def hear(one: Diagnostic) -> None:
        said.append((one.severity, one.message_primary, one.message_hint, one.sqlstate))

    ana.add_notice_handler(hear)
    ana.execute(LOUD.encode())
    yield said
    ana.remove_notice_handler(hear)


@pytest.mark.parametrize("binary", [False, True], ids=["simple", "extended"])
def test_a_notice_reaches_the_client(ana: psycopg.Connection, heard: list[Said], binary: bool) -> None:
    query = QUERY
    if binary:
        found = ana.execute(query.encode(), binary=True, prepare=True).fetchall()
    else:
        result = ana.pgconn.exec_(query.encode())
        found = [(int(result.get_value(row, 0) or b"0"),) for row in range(result.ntuples)]
    assert found == [(1,), (2,)]
    assert heard == [("NOTICE", f"saw {n}", "h", "01007") for n in (1, 2)]


def test_client_min_messages_is_honoured(ana: psycopg.Connection, heard: list[Said]) -> None:
    ana.execute("SET client_min_messages = warning")
    assert ana.execute(QUERY.encode()).fetchall() == [(1,), (2,)]
    assert heard == []
    ana.execute("SET client_min_messages = debug1")
    heard.clear()
    ana.execute(QUERY.encode())
    assert [said[1] for said in heard if said[1] in ("quiet", "saw 1", "saw 2")] == [
        "saw 1",
        "quiet",
        "saw 2",
        "quiet",
    ]
    ana.execute("RESET client_min_messages")
