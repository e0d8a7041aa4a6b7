"""API tokens: made and shown once, bounded in what they may do, and over for open sessions when they are revoked."""

from __future__ import annotations

import subprocess
from typing import Any

import psycopg
import pytest
from beside_control import with_control
from log_in_world import TENANT, LogInWorld
from psycopg.pq import TransactionStatus
from served import PROGRAM, environment, until

from catalog.api_tokens import new_token, token_digest, token_id
from catalog.connection import OwnConnection
from omnisql_server.admin.channel import AdminError

REFUSED = 'password authentication failed for user "ana"'


def made(world: LogInWorld, user: str = "ana", **scope: Any) -> str:
    """Make a token as the command does."""
    token = new_token()
    given = {"description": "a test", "days": 1, **scope}
    digest = token_digest(token).hex()
    world.served.administer("create_token", name=TENANT, user=user, token=token_id(token), digest=digest, **given)
    return token


def run(world: LogInWorld, *arguments: str) -> str:
    """Run the command and return what it prints."""
    command = [PROGRAM, "tenant", "token", *arguments, "--config", str(world.served.directory / "omnisql.yaml")]
    env = {**environment(world.served.directory), "COLUMNS": "200"}
    return subprocess.check_output(command, env=env, text=True, timeout=120)


def test_the_command_makes_lists_and_revokes(world: LogInWorld) -> None:
    token = run(world, "create", TENANT, "ana", "--description", "reports", "--read-only").strip()
    name = token_id(token)
    assert name is not None
    with world.by_token(token) as session:
        assert session.execute("SELECT session_user").fetchone() == ("ana",)
        listed = run(world, "list", TENANT)
        assert name in listed
        assert "reports" in listed
        assert token not in listed
        assert "counts no more" in run(world, "revoke", TENANT, name)
        until(lambda: is_over(session))
    assert world.refusal(token) == REFUSED
    assert "revoked" in run(world, "list", TENANT)


def is_over(session: psycopg.Connection) -> bool:
    """Say whether the server has ended a session."""
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_sessions_end_when_a_token_is_revoked_elsewhere(world: LogInWorld) -> None:
    token = made(world)

    async def revoke(connection: OwnConnection) -> None:
        await connection.execute("UPDATE control.api_tokens SET revoked_at = now() WHERE id = $1", token_id(token))

    with world.by_token(token) as session, world.served.connect(TENANT, "ana") as other:
        with_control(world.served.data, revoke)
        until(lambda: is_over(session), limit_s=20)
        other.execute("SELECT 1")


def test_only_the_digest_is_kept(world: LogInWorld) -> None:
    token = made(world)

    async def read(connection: OwnConnection) -> str:
        return str(await connection.fetch("SELECT t::text FROM control.api_tokens t"))

    kept = with_control(world.served.data, read)
    assert token_digest(token).hex() in kept
    assert token.rpartition("_")[2] not in kept


def test_a_wrong_secret_or_user_and_one_that_has_expired_are_refused(world: LogInWorld) -> None:
    token = made(world)
    other = new_token()
    assert world.refusal(f"omnisql_{token_id(token)}_{other[-43:]}") == REFUSED
    assert world.refusal(other) == REFUSED
    assert world.refusal(token, "bob") == REFUSED.replace("ana", "bob")
    world.by_token(token).close()

    async def expire(connection: OwnConnection) -> None:
        await connection.execute("UPDATE control.api_tokens SET expires_at = now() WHERE id = $1", token_id(token))

    with_control(world.served.data, expire)
    assert world.refusal(token) == REFUSED
    assert world.reasons()[-1] == "there is no such token, or it counts no more"
    world.by_token(made(world)).close()


def test_a_token_dies_with_its_user(world: LogInWorld) -> None:
    with world.served.connect(TENANT) as admin:
        admin.execute("CREATE ROLE passing LOGIN")
        token = made(world, "passing")
        world.by_token(token, "passing").close()
        admin.execute("DROP ROLE passing")
        admin.execute("CREATE ROLE passing LOGIN")
        assert world.refusal(token, "passing") == REFUSED.replace("ana", "passing")
        admin.execute("DROP ROLE passing")


def test_a_token_for_a_role_runs_as_it_while_its_user_is_a_member(world: LogInWorld) -> None:
    with pytest.raises(AdminError, match="no member of that role"):
        made(world, role="svc_reports")
    with world.served.connect(TENANT) as admin:
        admin.execute("GRANT svc_reports TO ana")
        token = made(world, role="svc_reports")
        with world.by_token(token) as session:
            assert session.execute("SELECT session_user").fetchone() == ("svc_reports",)
        admin.execute("REVOKE svc_reports FROM ana")
    assert world.refusal(token) == REFUSED
    world.by_token(made(world)).close()


@pytest.fixture
def reading(world: LogInWorld) -> psycopg.Connection:
    """Open a session of a token for reading, beside a table and functions that it would like to use."""
    with world.served.connect(TENANT) as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS public.notes (id int)")
        admin.execute("GRANT ALL ON public.notes TO ana")
        admin.execute(
            "CREATE OR REPLACE FUNCTION public.loosen() RETURNS text LANGUAGE sql AS"
            " $$SELECT set_config('default_transaction_read_only', 'off', false)$$"
        )
    return world.by_token(made(world, read_only=True))


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO public.notes VALUES (1)",
        "BEGIN READ WRITE; INSERT INTO public.notes VALUES (1); COMMIT",
        "BEGIN; SET TRANSACTION READ WRITE",
        "START TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET default_transaction_read_only = off",
        "SET LOCAL transaction_read_only = off",
        "SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false)",
        "SELECT U&\"set\\005fconfig\"('default_transaction_read_only', 'off', false)",
        "SELECT query_to_xml('SELECT set_' || 'config(''transaction_read_only'', ''off'', true)', true, true, '')",
        "DO $$BEGIN PERFORM public.loosen(); COMMIT; INSERT INTO public.notes VALUES (1); END$$",
        "PREPARE p AS SELECT set_config('default_transaction_read_only', 'off', false)",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'",
        "CREATE TABLE public.mine AS SELECT 1",
    ],
)
def test_a_token_for_reading_writes_nothing(reading: psycopg.Connection, sql: str) -> None:
    with reading:
        for prepare in (False, True):
            if prepare and "; " in sql and not sql.startswith("DO"):
                # Several statements go by the simple protocol alone.
                break
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reading.execute(sql.encode(), prepare=prepare)
            if reading.info.transaction_status != TransactionStatus.IDLE:
                reading.execute("ROLLBACK")
        assert reading.execute("SELECT count(*) FROM public.notes").fetchone() == (0,)


def test_a_session_that_got_out_of_reading_ends(reading: psycopg.Connection) -> None:
    with reading:
        try:
            reading.execute("SELECT public.loosen()")
        except psycopg.OperationalError:
            return
        with pytest.raises(psycopg.OperationalError):
            reading.execute("INSERT INTO public.notes VALUES (1)")


def test_what_a_client_asks_for_at_the_start_does_not_count(world: LogInWorld) -> None:
    options = "-c omnisql.log_in=token -c default_transaction_read_only=off"
    with (
        world.by_token(made(world, read_only=True), options=options) as session,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        session.execute("CREATE TABLE public.mine (id int)")


def test_a_token_reads_its_sources_alone(world: LogInWorld) -> None:
    with world.served.connect(TENANT) as admin:
        for server in ("one", "two"):
            admin.execute(
                f"CREATE SERVER {server} FOREIGN DATA WRAPPER github OPTIONS (base_url '{world.issuer.url}')".encode()
            )
            admin.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS (token 'x')".encode())
            admin.execute(f"CREATE SCHEMA {server}".encode())
            admin.execute(f"IMPORT FOREIGN SCHEMA github FROM SERVER {server} INTO {server}".encode())
            admin.execute(f"GRANT USAGE ON SCHEMA {server} TO ana".encode())
            admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {server} TO ana".encode())
        admin.execute("GRANT CREATE ON SCHEMA two TO ana")
    sql = "SELECT number FROM {}.issues WHERE owner = 'a' AND repo = 'b'"
    with world.by_token(made(world)) as session:
        session.execute(f"CREATE TABLE two.kept AS {sql.format('two')}".encode())
        session.execute("TABLE two.kept")
    with world.by_token(made(world, sources=["one"])) as session:
        assert session.execute(sql.format("one").encode()).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not for this source"):
            session.execute(sql.format("two").encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not for this source"):
            session.execute("TABLE two.kept")
        session.execute("SELECT * FROM omnisql.access_paths")


def test_a_token_has_an_end_that_can_be(world: LogInWorld) -> None:
    for days in (0, 367):
        with pytest.raises(AdminError, match="good for a number of days"):
            made(world, days=days)
