"""CALL omnisql.refresh('table', 'condition'): the SELECT of those rows, asked of the source, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from demo_server import DATABASE, DemoServer

from catalog.clusters.embedded import SOCKET_RECORD
from catalog.clusters.template import check_data_directory

OF_WEB = "owner = 'acme' AND repo = 'web'"
SELECT = "SELECT * FROM github.issues WHERE "


@pytest.fixture
def server(demo: DemoServer) -> Iterator[DemoServer]:
    """Give the demo with nothing kept."""
    demo.reset()
    yield demo
    demo.reset()


@pytest.fixture
def ana(server: DemoServer) -> Iterator[psycopg.Connection]:
    with connect(server, "ana") as connection:
        yield connection


def connect(server: DemoServer, user: str) -> psycopg.Connection:
    return psycopg.connect(**server.arguments(user), dbname=DATABASE, autocommit=True)


def refresh(connection: psycopg.Connection, condition: str, table: str = "github.issues") -> None:
    # Literals of our own: a CALL is carried out by its text.
    quoted = condition.replace("'", "''")
    connection.execute(f"CALL omnisql.refresh('{table}', '{quoted}')")


def asked(server: DemoServer, ask: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the requests that something makes of a source of which nothing is kept."""
    server.reset()
    ask()
    return [(each["path"], str(each["query"])) for each in server.github.requests()]


@pytest.mark.parametrize("condition", [OF_WEB, f"{OF_WEB} AND state = 'open'", f"{OF_WEB} AND title LIKE '%a%'"])
def test_it_asks_for_what_a_select_asks_for_and_that_is_kept(
    server: DemoServer, ana: psycopg.Connection, condition: str
) -> None:
    selected = asked(server, lambda: ana.execute(SELECT + condition))
    notices: list[str] = []
    ana.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    assert asked(server, lambda: refresh(ana, condition)) == selected != []
    (rows,) = ana.execute("SELECT rows_returned FROM omnisql.last_query_sources").fetchone() or (0,)
    assert rows > 0
    assert notices[-1].endswith(f" rows of github.issues were read again with {len(selected)} requests")
    ana.execute("SET omnisql.max_staleness = '5 min'")
    before = len(server.github.requests())
    found = ana.execute(SELECT + condition).fetchall()
    assert (len(found) > 0, len(server.github.requests())) == (True, before)


def test_it_asks_whatever_is_kept_and_another_part_stays(server: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_staleness = '5 min'")
    ana.execute(SELECT + OF_WEB)
    ana.execute(SELECT + "owner = 'acme' AND repo = 'api'")
    before = len(server.github.requests())
    refresh(ana, OF_WEB)
    again = server.github.requests()[before:]
    assert {each["path"] for each in again} == {"/repos/acme/web/issues"}
    ages = ana.execute("SELECT age_ms FROM omnisql.cache WHERE table_name = 'issues' ORDER BY 1").fetchall()
    assert len(ages) == 2
    assert ages[0][0] < ages[1][0]


@pytest.mark.parametrize("condition", ["state = 'open'", "labels = 7", "nothing = 1", "title", f"{OF_WEB} AND 1/0 = 1"])
def test_its_errors_are_those_of_the_select(ana: psycopg.Connection, condition: str) -> None:
    with pytest.raises(psycopg.Error) as selected:
        ana.execute(SELECT + condition)
    with pytest.raises(psycopg.Error) as refused:
        refresh(ana, condition)
    told = [
        (one.sqlstate, one.diag.message_primary, one.diag.message_detail) for one in (refused.value, selected.value)
    ]
    assert told[0] == told[1]
    assert refused.value.diag.statement_position is None


@pytest.mark.parametrize(
    ("condition", "sqlstate"),
    [
        ("true; DROP TABLE x", "42601"),
        ("true) UNION SELECT (1", "42601"),
        ("true /*+ max_staleness(1h) */", "42601"),
        (f"{OF_WEB} AND number IN (SELECT 1)", "0A000"),
        ("owner = $1", "42P02"),
        ("", "42601"),
    ],
)
def test_what_is_no_condition_is_refused_and_asks_nothing(
    server: DemoServer, ana: psycopg.Connection, condition: str, sqlstate: str
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        refresh(ana, condition)
    assert refused.value.sqlstate == sqlstate
    assert server.github.requests() == []


def test_arguments_are_written_out(ana: psycopg.Connection) -> None:
    for call in ("refresh('github.issues', NULL)", "refresh('github.issues', 'a' || 'b')"):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="the condition must be written as a string"):
            ana.execute(f"CALL omnisql.{call}")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        ana.execute("CALL omnisql.refresh('github.issues', 'true', 'more')")
    with pytest.raises(psycopg.Error) as unknown:
        refresh(ana, "true", "github.nothing")
    assert unknown.value.sqlstate == "HV00R"


def test_policy_narrows_it_and_the_budget_bounds_it(server: DemoServer, ana: psycopg.Connection) -> None:
    both = "owner = 'acme' AND repo IN ('web', 'api')"
    with connect(server, "eve") as eve:
        selected = asked(server, lambda: eve.execute(SELECT + both))
        assert asked(server, lambda: refresh(eve, both)) == selected
        assert not any("/api/" in path for path, _ in selected)
    ana.execute("SET omnisql.max_api_calls = 1")
    told = []
    for ask in (lambda: ana.execute(SELECT + both), lambda: refresh(ana, both)):
        with pytest.raises(psycopg.Error) as refused:
            ask()
        told.append((refused.value.sqlstate, refused.value.diag.message_primary))
    assert told[0] == told[1]


def test_a_source_that_fails_is_an_error_even_where_older_rows_may_stand_in(
    server: DemoServer, ana: psycopg.Connection
) -> None:
    ana.execute("SET omnisql.stale_if_error = '1 h'")
    ana.execute("SET omnisql.on_source_error = 'partial'")
    ana.execute(SELECT + OF_WEB)
    server.github.configure(next=[{"status": 503}] * 100)
    with pytest.raises(psycopg.OperationalError, match="SOURCE_UNAVAILABLE"):
        refresh(ana, OF_WEB)


def test_it_is_on_record_with_what_it_read(server: DemoServer, ana: psycopg.Connection) -> None:
    refresh(ana, OF_WEB)
    with connect(server, "admin") as admin:
        ((tables, calls, text),) = admin.execute(
            "SELECT tables, calls, text FROM omnisql.audit"
            " WHERE phase = 'finish' AND principal = 'ana' AND text LIKE 'CALL%' ORDER BY number DESC LIMIT 1"
        ).fetchall()
    assert tables == ["github.issues"]
    assert calls > 0
    assert "acme" not in text


def test_only_readers_of_a_table_have_a_part_of_it_read_again(server: DemoServer) -> None:
    with connect(server, "admin") as admin, connect(server, "eve") as eve:
        admin.execute("REVOKE SELECT ON github.labels FROM eve")
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                refresh(eve, OF_WEB, "github.labels")
        finally:
            admin.execute("GRANT SELECT ON github.labels TO eve")


def test_who_may_not_have_all_read_again_may_not_have_a_part(server: DemoServer, ana: psycopg.Connection) -> None:
    with superuser(server) as owner:
        for signature in ("refresh(text)", "refresh(text, text)"):
            owner.execute(f"REVOKE EXECUTE ON PROCEDURE omnisql.{signature} FROM PUBLIC")
            try:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    refresh(ana, OF_WEB)
            finally:
                owner.execute(f"GRANT EXECUTE ON PROCEDURE omnisql.{signature} TO PUBLIC")
    assert server.github.requests() == []


def superuser(server: DemoServer) -> psycopg.Connection:
    """Open a session of the tenant's superuser on its cluster, past the server."""
    socket = (server.cluster / SOCKET_RECORD).read_text(encoding="utf-8")
    name = check_data_directory(server.cluster)
    return psycopg.connect(host=socket, user=name, dbname=DATABASE, autocommit=True)
