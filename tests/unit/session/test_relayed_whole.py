"""Bytes that come whole have the outcome of the same bytes that come one by one, whatever they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from omnisql_server.session.replies import QueryReply, Reply, SyncReply
from omnisql_server.session.session import Session
from omnisql_server.settings import Settings
from wire.backend import (
    Field,
    command_complete,
    data_row,
    error_response,
    notice_response,
    parameter_status,
    row_description,
)
from wire.frontend import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync

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
        self.plain = PlainTexts(lambda _text: False)
        self.roles: list[bytes] = []

    def route(self, text: bytes, _overlay: frozenset[str]) -> None:
        if may_change_roles(text):
            self.roles.append(text)

    async def refresh_snapshot(self) -> None: ...

    def defined(self) -> None: ...


class Served:
    """A session between two transports."""

    def __init__(self) -> None:
        live = LiveSettings(Settings())
        self.runner = Runner()
        self.to_client, self.to_backend = Transport(), Transport()
        self.client = ClientConnection(message_bytes_max=5_000, buffer_bytes_max=50_000)
        self.client.connection_made(self.to_client)
        self.client.allow_long_messages()
        self.link = BackendLink(self.client)
        backend = BackendConnection(ADDRESS)
        backend.connection_made(self.to_backend)
        backend.parameters = {b"client_encoding": parameter_status("client_encoding", "UTF8")}
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
            (extended.journal.is_begun, extended.journal.since_bind(refused, [refused, ExecuteReply(lambda *_: True)])),
        ]


READ = Execute(portal=b"").encode() + Sync().encode()
DESCRIBED = Describe(kind="P", name=b"").encode() + READ
TEXTS = st.sampled_from(
    [
        b"SELECT 1",
        b"SELECT 2",
        b"BEGIN",
        b"SET a.b TO 1",
        b"SELECT mine(1)",
        b"SELECT * FROM pg_stat_activity",
        b"PREPARE a AS SELECT * FROM pg_stat_activity",
        b"GRANT a TO b",
        b"",
    ]
)
NAMES = st.sampled_from([b"", b"", b"named"])
VALUES = st.sampled_from([(), (b"17",), (Describe(kind="P", name=b"").encode(),), (None,)])


@st.composite
def units(draw: st.DrawFn) -> bytes:
    name = draw(NAMES)
    parse = Parse(statement=name, text=draw(TEXTS), type_oids=draw(st.sampled_from([(), (23,)]))).encode()
    bind = Bind(portal=draw(NAMES), statement=name, parameters=draw(VALUES)).encode()
    return draw(st.sampled_from([parse, b""])) + bind + draw(st.sampled_from([READ, DESCRIBED]))


QUERIES = st.builds(lambda text: Query(text=text).encode(), TEXTS)
SINGLE = st.sampled_from(
    [
        Sync().encode(),
        Flush().encode(),
        Execute(portal=b"", rows_max=1).encode(),
        Close(kind="S", name=b"").encode(),
        Parse(statement=b"", text=b"SELECT 1").encode(),
        b"Q\0\0\0\x04",
        b"P\0\0\0\x04" + READ,
        b"B\0\0\0\x04" + READ,
        b"P\0\0\0\x05\0B\0\0\0\x04" + READ,
        b"B\xff\xff\xff\xf0" + READ,
        b"P\x7f\xff\xff\xff\0SELECT 1\0\0\0" + Bind(portal=b"", statement=b"").encode() + READ,
    ]
)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """Make a message that is right but for some bytes."""
    data = bytearray(draw(st.one_of(units(), QUERIES)))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(data) - 1))
        data[place : place + draw(st.integers(0, 2))] = draw(
            st.sampled_from([b"", b"\0", b"S", b"\x05", b"\xff", b"Q"])
        )
    return bytes(data)


SENT = st.one_of(QUERIES, units(), SINGLE, changed(), st.builds(bytes.__add__, units(), st.one_of(units(), QUERIES)))
ANSWERS = st.sampled_from(["rows", "rows", "no rows", "notice", "setting", "error", "refusal", "begun", "half"])
ROWS = row_description([Field(name="a", type_oid=23)])
SELECTED = data_row([b"1"]) + command_complete("SELECT 1")
SAID = {
    "notice": notice_response({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": "said"}),
    "setting": parameter_status("client_encoding", "LATIN1"),
    "error": error_response({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "division by zero"}),
    "refusal": error_response({"S": "ERROR", "V": "ERROR", "C": "55000", "M": 'wrapper "x" has no handler'}),
}


def answer(pending: Sequence[Reply], how: str, status: str) -> bytes:
    """Return what PostgreSQL could answer."""
    found = SAID.get(how, b"")
    failed = how in ("error", "refusal")
    executed = command_complete("BEGIN") if how == "begun" else b"" if how == "no rows" else SELECTED
    ready = b"Z\0\0\0\x05" + status.encode()
    for reply in pending:
        if isinstance(reply, QueryReply):
            found += ready if failed else (b"" if how == "begun" else ROWS) + executed + ready
        elif isinstance(reply, SyncReply):
            found += ready
            failed = False
        elif not failed:
            by_end = {b"1": b"1\0\0\0\x04", b"2": b"2\0\0\0\x04", b"3": b"3\0\0\0\x04", b"Tn": ROWS}
            found += by_end.get(reply.ends, executed or command_complete("SELECT 0"))
    return found


Steps = Sequence[tuple[bytes, str, str]]
UNIT = Parse(statement=b"", text=b"SELECT 1").encode() + Bind(portal=b"", statement=b"").encode() + READ
ONE, GRANT = Query(text=b"SELECT 1").encode(), Query(text=b"GRANT a TO b").encode()
LIKE_DESCRIBE = b"B\0\0\0\x0d\0\0" + DESCRIBED


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def compare(steps: Steps) -> None:
    whole, apart = Served(), Served()
    await turns()
    for sent, how, status in steps:
        whole.client.data_received(sent)
        for place in range(len(sent)):
            apart.client.data_received(sent[place : place + 1])
        await turns()
        assert whole.outcome() == apart.outcome()
        if whole.end:
            break
        said = answer(whole.link.pending, how, status)
        for piece in (said[: len(said) // 2], said[len(said) // 2 :]) if how == "half" else (said,):
            whole.link.data_received(piece)
        for place in range(len(said)):
            if not apart.to_backend.aborted:
                apart.link.data_received(said[place : place + 1])
        await turns()
        assert whole.to_backend.aborted == apart.to_backend.aborted
        if whole.to_backend.aborted:
            break
        assert whole.outcome() == apart.outcome()
        if any(reply.is_private for reply in whole.link.pending):
            # A refused statement is looked up in PostgreSQL, which is not here.
            break
    for served in (whole, apart):
        served.task.cancel()
        with suppress(asyncio.CancelledError):
            await served.task


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([(GRANT, "rows", "I")] * 3, id="roles"),
        pytest.param([(UNIT, "rows", "I")] * 3, id="unit"),
        pytest.param([(LIKE_DESCRIBE, "rows", "I")] * 2, id="a Bind that ends as a Describe"),
        pytest.param(
            [(UNIT, "rows", "I"), (ONE, "rows", "T"), (ONE, "error", "E"), (UNIT, "error", "E")], id="failed block"
        ),
        pytest.param(
            [(sent, "rows", "I") for sent in (UNIT, ONE, UNIT[: -len(READ)], ONE, UNIT)],
            id="a unit that a query has cut",
        ),
    ],
)
async def test_the_outcome_is_that_of_single_bytes(steps: Steps) -> None:
    await compare(steps)


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.tuples(SENT, ANSWERS, st.sampled_from("IIIT")), min_size=1, max_size=6))
def test_the_outcome_is_that_of_single_bytes_whatever_they_are(steps: Steps) -> None:
    asyncio.run(compare(steps))
