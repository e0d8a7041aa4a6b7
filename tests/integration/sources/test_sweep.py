"""Secrets that no user mapping refers to are deleted once they are old enough, and no others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, DemoServer, demo_directory, start_demo
from source_world import (
    CONTROL,
    GOOD_TOKEN,
    TENANT,
    options_of,
    refusal,
    socket_directory,
    superuser,
    superuser_name,
    value,
)

from catalog.credentials import handle_id
from omnisql_server.manage.sweep import sweep

SECRETS = (("github", "token"), ("jira", "api_token"))


async def swept(demo: DemoServer, age_s: float = 0.0) -> tuple[UUID, ...]:
    """Sweep the demo's tenant as the server does."""
    with superuser(demo, CONTROL) as control:
        tenant = value(control, f"SELECT id FROM control.tenants WHERE name = '{DATABASE}'")

    def connecting(where: tuple[str, str]) -> Callable[[], object]:
        cluster, database = where

        @asynccontextmanager
        async def connect() -> AsyncIterator[asyncpg.Connection]:
            connection = await asyncpg.connect(
                host=socket_directory(demo, cluster), user=superuser_name(demo, cluster), database=database
            )
            try:
                yield connection
            finally:
                await connection.close()

        return connect

    return await sweep(
        tenant_id=tenant,
        tenant_connection=connecting(TENANT),  # type: ignore[arg-type]
        control_connection=connecting(CONTROL),  # type: ignore[arg-type]
        age_s=age_s,
    )


@pytest.fixture(autouse=True)
async def _nothing_left(demo: DemoServer) -> None:
    await swept(demo)


async def test_what_is_referred_to_or_young_is_kept(demo: DemoServer, owner: psycopg.Connection, source: str) -> None:
    first = options_of(owner, "gh")["token"]
    owner.execute(f"ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token '{GOOD_TOKEN}')".encode())
    assert await swept(demo, age_s=3600) == ()
    assert await swept(demo) == (handle_id(first),)
    assert await swept(demo) == ()
    owner.execute("CALL omnisql.check_source('gh')")


async def test_what_a_rolled_back_transaction_gave_is_deleted(
    demo: DemoServer, owner: psycopg.Connection, server: str
) -> None:
    owner.execute("BEGIN")
    owner.execute(f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{GOOD_TOKEN}')".encode())
    given = options_of(owner, "gh")["token"]
    assert await swept(demo) == ()
    owner.execute("ROLLBACK")
    assert await swept(demo) == (handle_id(given),)


async def test_dropped_servers_take_their_secrets_along(
    demo: DemoServer, owner: psycopg.Connection, source: str
) -> None:
    given = options_of(owner, "gh")["token"]
    owner.execute("DROP SERVER gh CASCADE")
    assert await swept(demo) == (handle_id(given),)


async def test_what_postgresql_refuses_is_never_sealed(
    demo: DemoServer, owner: psycopg.Connection, server: str
) -> None:
    owner.execute(f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{GOOD_TOKEN}')".encode())
    give = "CREATE USER MAPPING{} FOR admin SERVER gh OPTIONS (token 'ghp_other')"
    assert refusal(owner, give.format("")).sqlstate == "42710"
    owner.execute(give.format(" IF NOT EXISTS").encode())
    assert await swept(demo) == ()


def test_the_server_sweeps_by_itself() -> None:
    settings = {"OMNISQL_CREDENTIALS_SWEEP_INTERVAL_S": "0.2", "OMNISQL_CREDENTIALS_SWEEP_AGE_S": "0"}
    with demo_directory() as directory:
        demo = start_demo(directory, settings=settings)
        try:
            known: dict[str, Any] = {**demo.arguments("admin"), "dbname": DATABASE, "autocommit": True}
            with psycopg.connect(**known) as owner, superuser(demo, CONTROL) as control:
                owner.execute(
                    f"ALTER USER MAPPING FOR PUBLIC SERVER github OPTIONS (SET token '{GOOD_TOKEN}')".encode()
                )
                kept = {handle_id(options_of(owner, name, "public")[key]) for name, key in SECRETS}
                give_up_s = time.monotonic() + 20
                while time.monotonic() < give_up_s:
                    if {handle for (handle,) in control.execute("SELECT handle FROM control.secrets")} == kept:
                        break
                assert {handle for (handle,) in control.execute("SELECT handle FROM control.secrets")} == kept
                owner.execute("CALL omnisql.check_source('github')")
        finally:
            assert demo.stop() == 0
