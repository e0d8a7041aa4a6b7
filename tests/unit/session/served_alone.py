"""A session between two transports that keep what is written, over a runner that relays everything."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from catalog.clusters import ClusterAddress
from omnisql_server.live_settings import LiveSettings
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.principal import Principal
from omnisql_server.parse.router import may_change_roles
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.connection import BackendConnection
from omnisql_server.session.ending import SessionEnd
from omnisql_server.session.journal import BindReply, ExecuteReply
from omnisql_server.session.link import BackendLink
from omnisql_server.session.parking import Home
from omnisql_server.session.pool import BackendKey, BackendPool
from omnisql_server.session.session import Session
from omnisql_server.settings import Settings
from wire.backend import parameter_status

ADDRESS = ClusterAddress(socket_path=None, host="nowhere", port=0)
CORRELATION = re.compile(rb"(?<=correlation id )[0-9a-f]+")
TURNS = 8
"""Of the event loop, after which a session waits for more."""


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def writelines(self, data: Any) -> None:
        self.sent += b"".join(data)

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Runner:
    """Relays everything."""

    outdated = False

    def __init__(self) -> None:
        self.plain: PlainTexts | None = PlainTexts(lambda _text: False)
        self.roles: list[bytes] = []
        self.routed: list[bytes] = []

    def route(self, text: bytes, _overlay: frozenset[str]) -> None:
        self.routed.append(text)
        if may_change_roles(text):
            self.roles.append(text)

    async def refresh_snapshot(self) -> None: ...

    def defined(self) -> None: ...


class Served:
    """A session between two transports."""

    def __init__(self, runner: Runner | None = None, encoding: str = "UTF8") -> None:
        live = LiveSettings(Settings())
        self.runner = runner or Runner()
        self.to_client, self.to_backend = Transport(), Transport()
        self.client = ClientConnection(message_bytes_max=5_000, buffer_bytes_max=50_000)
        self.client.connection_made(self.to_client)
        self.client.allow_long_messages()
        self.link = BackendLink(self.client)
        backend = BackendConnection(ADDRESS)
        backend.connection_made(self.to_backend)
        backend.parameters = {b"client_encoding": parameter_status("client_encoding", encoding)}
        self.link.attach(backend)
        self.session = Session(
            client=self.client,
            link=self.link,
            home=Home(pool=BackendPool(live), key=BackendKey(address=ADDRESS, parameters=())),
            runner=self.runner,  # type: ignore[arg-type]
            principal=Principal(tenant="acme", name="ana"),
            live=live,
        )
        self.end: list[object] = []
        self.task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            await self.session._handle_all()
        except SessionEnd as end:
            self.end.append(end.error and (end.error.sqlstate, end.error.message))

    def outcome(self) -> list[object]:
        session = self.session
        footprint, running, extended = session._running.footprint, session._running, session._extended
        refused = BindReply(lambda *_: True)
        return [
            self.to_backend.sent,
            # Each internal error has an id of its own; what answers here knows nothing of what is asked privately.
            CORRELATION.sub(b"", self.to_client.sent),
            self.end,
            self.runner.roles,
            (footprint.unnamed, footprint.stateful),
            (self.link.status, self.link.in_block, self.link.skipping, self.link.copying_in),
            [type(reply) for reply in self.link.pending],
            (running.relayed, running.executed, session._simple.may_leave_portal, session._onlooker.has_prepared),
            self.link.busy and extended.journal.since_bind(refused, [refused, ExecuteReply(lambda *_: True)]),
            extended.journal.is_begun,
        ]


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
