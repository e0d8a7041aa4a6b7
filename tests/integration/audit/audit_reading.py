"""What a running demo has put on record, read beside it, and sessions of its users."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from demo_server import DATABASE, DemoServer

from catalog.audit import records_of
from catalog.clusters.attached import attach
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE, tenant_named
from omnisql_server.audit.record import Record, decoded

Recorded = Callable[[], list[Record]]
Answer = TypeVar("Answer")
WEB = "owner = 'acme' AND repo = 'web'"
CACHED = "SET omnisql.max_staleness = '1h'"


def with_control(demo: DemoServer, work: Callable[[OwnConnection], Awaitable[Answer]]) -> Answer:
    """Do something with the running server's control database."""

    async def connected() -> Answer:
        connection = await attach(
            demo.directory / "data" / "postgres" / "clusters" / "omnisql-control", CONTROL_DATABASE
        )
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


async def chain_of(connection: OwnConnection) -> UUID:
    """Return the chain of the demo's tenant."""
    return (await tenant_named(connection, DATABASE)).id


def records(demo: DemoServer, after: int = 0) -> list[Record]:
    """Return the tenant's records after a number, in order."""

    async def read(connection: OwnConnection) -> list[Record]:
        return [decoded(each.record) async for each in records_of(connection, await chain_of(connection), after)]

    return with_control(demo, read)


def texts(demo: DemoServer) -> str:
    """Return everything on record as it is stored."""

    async def read(connection: OwnConnection) -> str:
        return "\n".join([each.record async for each in records_of(connection, await chain_of(connection))])

    return with_control(demo, read)


def session(demo: DemoServer, user: str = "ana", **options: Any) -> psycopg.Connection:
    """Log a user in; statements are transactions of their own."""
    return psycopg.connect(**{**demo.arguments(user), "dbname": DATABASE, "autocommit": True, **options})


def refused(opened: psycopg.Connection, sql: str) -> psycopg.Error:
    """Run a statement that has to fail, and return its error."""
    try:
        opened.execute(sql.encode())
    except psycopg.Error as error:
        return error
    raise AssertionError(f"it was not refused: {sql}")
