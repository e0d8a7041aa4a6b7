"""Sessions of the demo's users through psycopg, and what tests ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from demo_server import DATABASE, DemoServer, Simulator, company

from connectors.simulators.company.model import ForgeItem

Connect = Callable[..., psycopg.Connection]
ConnectAsync = Callable[..., Awaitable[psycopg.AsyncConnection]]

WEB = "owner = 'acme' AND repo = 'web'"
SLOW_MS = 30_000
POLL_INTERVAL_S = 0.01


def web_items() -> tuple[ForgeItem, ...]:
    """Return the issues and pull requests of the repository that most tests ask for."""
    forge = company().forge
    return forge.items(next(r for r in forge.repositories if r.full_name == "acme/web"))


WEB_COUNT = len(web_items())


def open_session(demo: DemoServer, user: str, **options: Any) -> psycopg.Connection:
    """Log a user in; statements are transactions of their own."""
    return psycopg.connect(**{**demo.arguments(user), "dbname": DATABASE, "autocommit": True, **options})


async def open_async(demo: DemoServer, user: str) -> psycopg.AsyncConnection:
    """Log a user in, for tests that do something else meanwhile."""
    return await psycopg.AsyncConnection.connect(**demo.arguments(user), dbname=DATABASE, autocommit=True)


def rows_of(session: psycopg.Connection, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Run a query and return its rows; parameters are $1, $2, .."""
    return psycopg.RawCursor(session).execute(sql.encode(), parameters).fetchall()


def value_of(session: psycopg.Connection, sql: str) -> Any:
    """Run a query and return the one value of its one row."""
    ((value,),) = rows_of(session, sql)
    return value


def refused(session: psycopg.Connection, sql: str) -> psycopg.Error:
    """Run a statement that has to fail, and return its error."""
    try:
        session.execute(sql.encode())
    except psycopg.Error as error:
        return error
    raise AssertionError(f"it was not refused: {sql}")


def asked(simulator: Simulator) -> list[tuple[str, dict[str, str]]]:
    """Return path and parameters of the requests that a simulator saw."""
    return [
        (request["path"], {name: ",".join(values) for name, values in request["query"].items()})
        for request in simulator.requests()
    ]


async def eventually(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait until something holds that another process brings about."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110  another process cannot set an event
            await asyncio.sleep(POLL_INTERVAL_S)
