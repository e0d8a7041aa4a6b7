"""Log-ins on record with their method, bounded in time, and kept out after failures whatever they show."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from beside_control import with_control
from log_in_world import TENANT, LogInWorld
from served import PASSWORD, Served, served_directory, start_served, until

from catalog.audit import records_of
from catalog.connection import OwnConnection
from catalog.control import tenant_named
from omnisql_server.audit.record import Record, decoded
from omnisql_server.identity.log_ins import LOG_IN
from omnisql_server.session.lockout import USER_AT_ADDRESS


def log_ins(served: Served) -> list[Record]:
    """Return the records of log-ins, in order."""

    async def read(connection: OwnConnection) -> list[Record]:
        chain = (await tenant_named(connection, TENANT)).id
        return [decoded(each.record) async for each in records_of(connection, chain, 0)]

    return [record for record in with_control(served.data, read) if record.kind == LOG_IN]


def told(record: Record) -> tuple[str, str, tuple[str, ...], str]:
    """Return what a record says of a log-in."""
    return record.principal, record.detail, record.roles, record.outcome


def test_log_ins_are_on_record_with_their_method(world: LogInWorld) -> None:
    before = len(log_ins(world.served))
    world.served.connect(TENANT, "bob").close()
    world.by_token(world.issuer.token("eve", groups=["data"]), "eve").close()
    world.refusal("wrong", "bob")
    world.served.connect(TENANT, "bob").close()
    until(lambda: len(log_ins(world.served)) == before + 4)
    found = log_ins(world.served)[before:]
    assert sorted(map(told, found)) == sorted(
        [
            ("bob", "password", ("bob",), "00000"),
            ("eve", "jwt", ("analysts",), "00000"),
            ("bob", "token", (), "28P01"),
            ("bob", "password", ("bob",), "00000"),
        ]
    )
    assert {each.client for each in found} == {"127.0.0.1"}
    with world.served.connect(TENANT) as admin:
        sql = "SELECT count(*) FROM omnisql.audit WHERE kind = 'log-in' AND principal = 'eve'"
        assert admin.execute(sql).fetchone() != (0,)


@pytest.fixture
def hasty(world: LogInWorld) -> Iterator[LogInWorld]:
    """Serve a tenant of the same provider whose sessions by token last for a second."""
    with served_directory() as directory:
        settings: dict[str, dict[str, object]] = {
            "network": {"allowed_networks": "127.0.0.0/8"},
            "log_in": {"session_max_s": 1},
        }
        server = start_served(directory, settings)
        try:
            server.create_tenant(TENANT, "ana")
            hasty = LogInWorld(served=server, issuer=world.issuer)
            hasty.set_rules(hasty.rules())
            yield hasty
        finally:
            assert server.stop() == 0


def test_sessions_by_token_end_and_failures_keep_out(hasty: LogInWorld) -> None:
    with hasty.by_token(hasty.issuer.token()) as session, hasty.served.connect(TENANT, "ana") as by_password:
        session.execute("BEGIN")
        assert session.execute("SELECT 1").fetchone() == (1,)
        session.execute("COMMIT")

        def is_over() -> bool:
            try:
                session.execute("SELECT 1")
            except psycopg.OperationalError:
                return True
            return False

        until(is_over)
        assert by_password.execute("SELECT 1").fetchone() == (1,)
    before = len(log_ins(hasty.served))
    for _ in range(USER_AT_ADDRESS.free + 3):
        hasty.refusal("wrong")
    # The way is closed for what is right, too, by whatever means.
    first = hasty.refusal(hasty.issuer.token())
    assert first in str(hasty.served.refusal(TENANT, "ana", PASSWORD))
    until(lambda: len(log_ins(hasty.served)) == before + USER_AT_ADDRESS.free)
    assert {each.outcome for each in log_ins(hasty.served)[before:]} == {"28P01"}
