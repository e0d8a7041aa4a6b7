"""What a running demo has put on record, read beside it, and sessions of its users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from beside_control import with_control
from demo_server import DATABASE, DemoServer

from catalog.audit import records_of
from catalog.connection import OwnConnection
from catalog.control import tenant_named
from omnisql_server.audit.record import Record, decoded
from omnisql_server.identity.log_ins import LOG_IN

Recorded = Callable[[], list[Record]]
WEB = "owner = 'acme' AND repo = 'web'"
CACHED = "SET omnisql.max_staleness = '1h'"


async def chain_of(connection: OwnConnection) -> UUID:
    """Return the chain of the demo's tenant."""
    return (await tenant_named(connection, DATABASE)).id


def records(demo: DemoServer, after: int = 0) -> list[Record]:
    """Return the tenant's records after a number, in order, without those of log-ins."""
    return [record for record in all_records(demo, after) if record.kind != LOG_IN]


def all_records(demo: DemoServer, after: int = 0) -> list[Record]:
    """Return the tenant's records after a number, in order."""

    async def read(connection: OwnConnection) -> list[Record]:
        return [decoded(each.record) async for each in records_of(connection, await chain_of(connection), after)]

    return with_control(demo.directory / "data", read)


def texts(demo: DemoServer) -> str:
    """Return everything on record as it is stored."""

    async def read(connection: OwnConnection) -> str:
        return "\n".join([each.record async for each in records_of(connection, await chain_of(connection))])

    return with_control(demo.directory / "data", read)


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
