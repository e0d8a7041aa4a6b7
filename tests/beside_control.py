"""The control database of a running server, reached beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from catalog.clusters.attached import attach
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE

Answer = TypeVar("Answer")


def with_control(data: Path, work: Callable[[OwnConnection], Awaitable[Answer]]) -> Answer:
    """Do something with the control database of the server that runs on a data directory."""

    async def connected() -> Answer:
        connection = await attach(data / "postgres" / "clusters" / "omnisql-control", CONTROL_DATABASE)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())
