"""The operator gives a tenant limits of its own: they hold at once, whoever sets them, and no user changes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest
from beside_control import with_control
from served import Served, until

from catalog.audit import records_of
from catalog.connection import OwnConnection
from catalog.control import tenant_named
from catalog.tenant_limits import change_limits
from omnisql_server.admin.channel import AdminError
from omnisql_server.audit.record import Record, decoded

DELTA = "delta"
MADE_WITH = {"clusters.sessions_max": 3, "clusters.temp_file_limit_mb": 2}
LONG = "SELECT repeat('x', 1000) FROM generate_series(1, 50000)"


@pytest.fixture(scope="module")
def limited(served: Served) -> Iterator[Served]:
    """Give the server with one more tenant, which is made with limits."""
    served.create_tenant(DELTA, "ana", limits=MADE_WITH)
    yield served
    served.administer("destroy", name=DELTA, confirm=DELTA)


@pytest.fixture(autouse=True)
def as_made(limited: Served) -> Iterator[None]:
    """Put away what a test has set."""
    yield
    (state,) = limited.administer("show", name=DELTA)
    limited.administer("alter", name=DELTA, limits={**dict.fromkeys(state.limits), **MADE_WITH})


def alter(server: Served, **limits: float | None) -> Mapping[str, float]:
    """Set limits, written section__name, and return the tenant's own."""
    given = {key.replace("__", "."): value for key, value in limits.items()}
    (state,) = server.administer("alter", name=DELTA, limits=given)
    return state.limits


def refusal_of(session: psycopg.Connection, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql.encode())
    return caught.value


def test_a_tenant_is_made_with_limits_which_its_cluster_starts_with(limited: Served) -> None:
    (state,) = limited.administer("show", name=DELTA)
    assert state.limits == MADE_WITH
    assert (state.holding["clusters.sessions_max"], state.holding["clusters.disk_mb_max"]) == (3, 80)
    with limited.connect(DELTA) as session:
        assert session.execute("SHOW temp_file_limit").fetchone() == ("2MB",)
    assert alter(limited, clusters__temp_file_limit_mb=4)["clusters.temp_file_limit_mb"] == 4
    limited.administer("stop", name=DELTA)
    with limited.connect(DELTA) as session:
        assert session.execute("SHOW temp_file_limit").fetchone() == ("4MB",)
    alter(limited, clusters__temp_file_limit_mb=None)
    limited.administer("stop", name=DELTA)
    with limited.connect(DELTA) as session:
        assert session.execute("SHOW temp_file_limit").fetchone() == ("8MB",)


def test_sessions_of_one_tenant_are_bounded_apart(limited: Served) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(limited.connect(DELTA))
        assert "the tenant has too many sessions" in str(limited.refusal(DELTA))
        stack.enter_context(limited.connect("beta"))
        alter(limited, clusters__sessions_max=4)
        stack.enter_context(limited.connect(DELTA))
        assert "limit 4" in str(limited.refusal(DELTA))
        alter(limited, clusters__sessions_max=1)
        assert "limit 1" in str(limited.refusal(DELTA))


def test_the_bound_of_an_answer_holds_for_open_sessions(limited: Served) -> None:
    with limited.connect(DELTA) as session, limited.connect("beta") as other:
        session.execute(LONG.encode())
        alter(limited, sessions__answer_bytes_max=50_000)
        error = refusal_of(session, LONG)
        assert (error.sqlstate, error.diag.message_detail) == (
            "54000",
            "limit 50000 bytes (sessions.answer_bytes_max)",
        )
        other.execute(LONG.encode())
        alter(limited, sessions__answer_bytes_max=None)
        session.execute(LONG.encode())


def test_the_ceiling_of_time_holds_for_what_runs(limited: Served) -> None:
    with limited.connect(DELTA) as session:
        session.execute("SET statement_timeout = 0")
        alter(limited, listener__statement_timeout_max_s=0.5)
        error = refusal_of(session, "SELECT pg_sleep(20)")
        assert (error.sqlstate, "statement timeout" in str(error)) == ("57014", True)


def test_rows_of_a_scan_are_bounded_apart(limited: Served) -> None:
    with limited.connect(DELTA) as session, limited.connect("acme") as other:
        everything = "SELECT count(*) FROM (SELECT * FROM omnisql.audit OFFSET 0) AS x WHERE number > 0"
        session.execute(everything.encode())
        alter(limited, fetch__scan_rows_max=1)
        error = refusal_of(session, everything)
        assert (error.sqlstate, "more than 1 rows" in str(error)) == ("54000", True)
        other.execute(everything.encode())


def test_a_quota_of_disk_holds_and_ends_without_a_restart(limited: Served) -> None:
    with limited.connect(DELTA) as session, limited.connect("beta") as other:
        session.execute("CREATE TABLE kept AS SELECT 1 AS x")
        alter(limited, clusters__disk_mb_max=5)
        until(lambda: _is_refused(session, "INSERT INTO kept VALUES (2)"), 30.0)
        assert "of 5 MB" in str(refusal_of(session, "INSERT INTO kept VALUES (2)").diag.message_detail)
        other.execute("CREATE TEMP TABLE mine (x int)")
        alter(limited, clusters__disk_mb_max=None)
        until(lambda: not _is_refused(session, "INSERT INTO kept VALUES (3)"), 30.0)
        session.execute("DROP TABLE kept")


def _is_refused(session: psycopg.Connection, sql: str) -> bool:
    try:
        session.execute(sql.encode())
    except psycopg.errors.DiskFull:
        return True
    return False


def test_limits_that_another_server_sets_are_followed(limited: Served) -> None:
    async def set_elsewhere(connection: OwnConnection) -> UUID:
        tenant = (await tenant_named(connection, DELTA)).id
        await change_limits(connection, tenant, {"sessions.answer_bytes_max": 50_000})
        return tenant

    async def set_of_a_later_version(connection: OwnConnection) -> None:
        await change_limits(connection, (await tenant_named(connection, DELTA)).id, {"sessions.of_tomorrow": 1})

    async def put_away(connection: OwnConnection) -> None:
        await change_limits(connection, (await tenant_named(connection, DELTA)).id, {"sessions.of_tomorrow": None})

    with limited.connect(DELTA) as session:
        with_control(limited.data, set_elsewhere)
        until(lambda: _is_bounded(session), 30.0)
        with_control(limited.data, set_of_a_later_version)
        until(lambda: any(event["event"] == "tenant_limits_refused" for event in limited.events()), 30.0)
        assert _is_bounded(session)
        with_control(limited.data, put_away)


def _is_bounded(session: psycopg.Connection) -> bool:
    try:
        session.execute(LONG.encode())
    except psycopg.Error as error:
        return error.sqlstate == "54000"
    return False


def test_no_user_changes_a_limit(limited: Served) -> None:
    alter(limited, sessions__answer_bytes_max=50_000)
    with limited.connect(DELTA, options="-c sessions.answer_bytes_max=0") as owner:
        # To PostgreSQL this is a name like any other, which nobody here asks for.
        owner.execute("SET sessions.answer_bytes_max = 0")
        assert _is_bounded(owner)
        assert refusal_of(owner, "ALTER ROLE admin SET sessions.answer_bytes_max = 0").sqlstate == "42501"
        assert owner.execute("SELECT count(*) FROM pg_class WHERE relname = 'tenants'").fetchone() == (0,)


def test_a_change_is_on_record_and_what_is_no_limit_changes_nothing(limited: Served) -> None:
    alter(limited, clusters__sessions_max=7, fetch__api_calls_max=5)
    alter(limited, fetch__api_calls_max=None)
    for limits in ({"clusters.sessions_max": 0}, {"clusters.idle_stop_s": 9}, {"clusters.idle_stop_s": None}):
        with pytest.raises(AdminError) as caught:
            limited.administer("alter", name=DELTA, limits={"fetch.scan_rows_max": 5, **limits})
        assert caught.value.sqlstate == "F0000"
    (state,) = limited.administer("show", name=DELTA)
    assert state.limits == {**MADE_WITH, "clusters.sessions_max": 7}
    with pytest.raises(AdminError) as caught:
        limited.administer("alter", name="nowhere", limits={})
    assert caught.value.sqlstate == "3D000"

    async def read(connection: OwnConnection) -> list[Record]:
        tenant = (await tenant_named(connection, DELTA)).id
        return [decoded(each.record) async for each in records_of(connection, tenant)]

    acts = [each for each in with_control(limited.data, read) if each.kind in ("tenant alter", "tenant create")]
    told = [(each.phase, each.principal, each.outcome, each.detail) for each in acts]
    assert ("finish", "operator", "00000", "clusters.sessions_max=7 fetch.api_calls_max=5") in told
    assert ("finish", "operator", "00000", "fetch.api_calls_max=server's") in told
    assert ("finish", "operator", "F0000", "fetch.scan_rows_max=5 clusters.sessions_max=0") in told
