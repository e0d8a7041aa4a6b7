"""What every cluster offers, embedded or external."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catalog.connection import OwnConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAddress:
    """Where a client of the raw protocol connects: a Unix socket if `socket_path` is set, else host and port.

    With `tls` the client asks for it (SSLRequest) and goes no further where the server has none.
    """

    socket_path: Path | None
    host: str | None
    port: int
    tls: ssl.SSLContext | None = None


class Cluster(Protocol):
    """One PostgreSQL cluster; `start` and `stop` may be called again at any time and do nothing where nothing is to
    do.
    """

    @property
    def superuser(self) -> str:
        """Name the role that control connections use."""

    @property
    def socket_directory(self) -> Path | None:
        """Name the directory of the Unix socket; None when the cluster is reached by TCP or does not run."""

    @property
    def port(self) -> int:
        """Give the port number, which is part of the socket's name."""

    @property
    def died(self) -> asyncio.Event:
        """Give the event of the present run, set when the cluster ended without being asked to."""

    async def start(self) -> None:
        """Start the cluster and return when it accepts connections."""

    async def stop(self) -> None:
        """Stop the cluster and return when it is gone."""

    async def connect(self, role: str, database: str) -> OwnConnection:
        """Open a control connection with a pinned search_path."""

    def address(self) -> ClusterAddress:
        """Say where clients of the raw protocol connect."""
