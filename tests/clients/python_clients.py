"""Runs the script through psycopg 3 and asyncpg."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg
import psycopg
from answers import Parameters, Row, StatementFailed, as_row
from demo_server import DATABASE, DemoServer

T = TypeVar("T")


class PsycopgClient:
    """A connection of psycopg 3, with parameters and results in the formats it chooses itself."""

    def __init__(self, demo: DemoServer, user: str) -> None:
        self._connection = psycopg.connect(
            **demo.arguments(user),
            dbname=DATABASE,
            sslmode="require",
            channel_binding="require",
            require_auth="scram-sha-256",
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            options="-c timezone=UTC",
        )

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows."""
        with _psycopg_errors():
            cursor = self._connection.execute(sql.encode(), parameters or None)
            return [as_row(row) for row in cursor.fetchall()] if cursor.description else []

    def prepared(self, sql: str, parameter_sets: Sequence[Parameters]) -> list[list[Row]]:
        """Run a statement that is prepared at its first use."""
        results = []
        for parameters in parameter_sets:
            cursor = self._connection.execute(sql.encode(), parameters, prepare=True)
            results.append([as_row(row) for row in cursor.fetchall()])
        return results

    def copied(self, sql: str) -> list[str]:
        """Run COPY."""
        with self._connection.cursor().copy(sql.encode()) as copy:
            return b"".join(copy).decode().splitlines()

    def paged(self, sql: str, page_rows: int) -> list[Row]:
        """Stream the rows."""
        return [as_row(row) for row in self._connection.cursor().stream(sql.encode(), size=page_rows)]

    def canceled(self, sql: str, started: Callable[[], bool]) -> str | None:
        """Cancel from another thread."""

        def cancel() -> None:
            while not started():
                continue
            self._connection.cancel_safe(timeout=10)

        canceling = threading.Thread(target=cancel)
        canceling.start()
        try:
            self._connection.execute(sql.encode())
        except psycopg.Error as error:
            return error.sqlstate
        finally:
            canceling.join()
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class AsyncpgClient:
    """A connection of asyncpg, which prepares every statement and reads and writes binary values."""

    def __init__(self, demo: DemoServer, user: str) -> None:
        encrypted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        encrypted.check_hostname, encrypted.verify_mode = False, ssl.CERT_NONE
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(
            asyncpg.connect(**demo.arguments(user), database=DATABASE, ssl=encrypted, timeout=20)
        )

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows."""
        return [as_row(tuple(row)) for row in self._wait(self._connection.fetch(sql, *parameters))]

    def prepared(self, sql: str, parameter_sets: Sequence[Parameters]) -> list[list[Row]]:
        """Run one prepared statement."""

        async def run() -> list[list[Row]]:
            statement = await self._connection.prepare(sql)
            return [[as_row(tuple(row)) for row in await statement.fetch(*given)] for given in parameter_sets]

        return self._wait(run())

    def copied(self, sql: str) -> list[str]:
        """Run COPY; asyncpg writes the statement around the query itself."""
        received: list[bytes] = []

        async def take(data: bytes) -> None:
            received.append(data)

        query = sql.removeprefix("COPY (").removesuffix(") TO STDOUT")
        self._wait(self._connection.copy_from_query(query, output=take))
        return b"".join(received).decode().splitlines()

    def paged(self, sql: str, page_rows: int) -> list[Row]:
        """Read through a portal that is suspended after each page."""

        async def run() -> list[Row]:
            async with self._connection.transaction():
                return [as_row(tuple(row)) async for row in self._connection.cursor(sql, prefetch=page_rows)]

        return self._wait(run())

    def canceled(self, sql: str, started: Callable[[], bool]) -> str | None:
        """Cancel the waiting task; asyncpg sends the request for it and keeps the server's error to itself."""

        async def run() -> None:
            task = asyncio.ensure_future(self._connection.fetch(sql))
            while not await asyncio.to_thread(started):
                continue
            task.cancel()
            await asyncio.wait([task], timeout=10)
            assert task.cancelled()

        self._wait(run())
        return None

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._connection.close())
        self._runner.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
        except asyncpg.PostgresError as error:
            raise StatementFailed(error.sqlstate, str(error)) from error


@contextmanager
def _psycopg_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StatementFailed(error.sqlstate, str(error)) from error
