"""A whole server in a thread of this process, over a source whose rows change when a test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from catalog.control import tenant_named
from catalog.shape import ForeignServer, install
from connectors.sdk.connector import Connection, FetchContext, RequestRecord, Source
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server import tenancy
from omnisql_server.app import serve_tenants
from omnisql_server.demo import DATABASE, OWNER, PASSWORD, TENANT, USERS, prepare_demo
from omnisql_server.policy.decide import Policy
from omnisql_server.policy.engines import engine_of, policy_of
from omnisql_server.provision import foreign_tables, wrapper_shape
from omnisql_server.services import start_services
from omnisql_server.settings import DataSettings, ListenerSettings, PolicySettings, Settings

Row = tuple[int, str, datetime]
START_TIMEOUT_S = 90.0
TABLE = Table(
    name="items",
    description="Rows that change.",
    columns=(
        Column(name="id", type_name="int8", path="id"),
        Column(name="team", type_name="text", path="team"),
        Column(name="at", type_name="timestamptz", path="at"),
    ),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="GET /items"),),
    rows_expected=10,
)
_REQUEST = RequestRecord(
    method="GET", template="/items", status=200, duration_ms=1, bytes_received=1, attempt=1, revalidated=False
)


class ChangingConnector:
    """Serves whatever `rows` are at the moment; implements the SDK's connector and its connection."""

    name = "changing"
    options = ()
    tables = (TABLE,)

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()

    async def connect(self, source: Source) -> ChangingConnector:
        return self

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        return (TABLE,)

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        context.meter.request(_REQUEST)
        whole = pa.table(
            {
                name: pa.array([row[place] for row in self.rows], TABLE.column(name).type.arrow)
                for place, name in enumerate(("id", "team", "at"))
            }
        )
        for batch in whole.select(list(scan.columns)).to_batches() or [_none(scan)]:
            yield Page(rows=batch)

    async def check(self) -> str:
        return "nobody"

    async def disconnect(self) -> None:
        return


def _none(scan: Scan) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([], TABLE.column(name).type.arrow) for name in scan.columns], names=list(scan.columns)
    )


class ChangingServer:
    """Where the server is, and what a test may change behind it."""

    def __init__(self, directory: Path) -> None:
        self.source = ChangingConnector()
        self.port = 0
        self._directory = directory
        self._policies: list[Policy] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()

    def connect(self, user: str) -> psycopg.Connection:
        """Log in; statements are transactions of their own and go by the simple protocol."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=DATABASE,
            user=user,
            password=PASSWORD,
            autocommit=True,
            prepare_threshold=None,
        )

    def decide_by(self, file: Path) -> None:
        """Put another policy in place."""
        done = threading.Event()

        def replace() -> None:
            # A machine of the engine stays in the thread that made it.
            self._policies[0].replace(engine_of(PolicySettings(file=file)))
            done.set()

        self._call(replace)
        assert done.wait(START_TIMEOUT_S)

    def stop(self) -> None:
        """Have it end."""
        if self._stop is not None and self._loop is not None and not self._loop.is_closed():
            self._call(self._stop.set)

    async def serve(self) -> None:
        """Serve until told to stop."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        settings = Settings(
            listener=ListenerSettings(port=0, drain_timeout_s=1),
            data=DataSettings(directory=self._directory / "data"),
        )
        async with start_services(settings) as services:
            await prepare_demo(services, ())
            async with services.control_connection() as control:
                tenant = await tenant_named(control, TENANT)
            async with services.clusters.lease(tenant.cluster) as cluster:
                connection = await cluster.connect(cluster.superuser, DATABASE)
                await install(
                    connection,
                    wrappers=[wrapper_shape(self.source)],
                    servers=[ForeignServer(name="changing", wrapper="changing")],
                    tables=foreign_tables("changing", "changing", self.source.tables),
                    grants=list(USERS),
                    owner=OWNER,
                )
                await connection.close()
                connectors = {"changing": self.source}
                await serve_tenants(services, ready=self._note, connectors=connectors, stop=self._stop)

    def note_policy(self, settings: PolicySettings) -> Policy:
        """Make the server's policy as it would itself, and remember it."""
        self._policies.append(policy_of(settings))
        return self._policies[-1]

    def wait(self) -> None:
        """Wait until it accepts clients."""
        assert self._ready.wait(START_TIMEOUT_S)

    def _note(self, port: int) -> None:
        self.port = port
        self._ready.set()

    def _call(self, what: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what)


@contextmanager
def changing_server(directory: Path, patch: pytest.MonkeyPatch) -> Iterator[ChangingServer]:
    """Serve in a thread for the time of the block."""
    server = ChangingServer(directory)
    patch.setattr(tenancy, "policy_of", server.note_policy)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()
        thread.join(START_TIMEOUT_S)
