"""Bytes that come whole have the outcome of the same bytes that come one by one, whatever they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_alone import Served, turns

from omnisql_server.session.replies import QueryReply, Reply, SyncReply
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
