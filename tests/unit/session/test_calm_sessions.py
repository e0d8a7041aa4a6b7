"""A session is calm while known messages and whole answers alternate, and is not once anything else has happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import pytest
import pytest_asyncio
from served_alone import Runner, Served, turns

from omnisql_server.session.replies import Reply
from wire.backend import Field, command_complete, data_row, notice_response, parameter_status, row_description
from wire.frontend import Bind, Execute, Parse, Query, Sync

ONE, TWO = Query(text=b"SELECT 1").encode(), Query(text=b"SELECT 2").encode()
UNIT = Parse(statement=b"", text=b"SELECT 1").encode() + Bind(portal=b"", statement=b"").encode()
UNIT += Execute(portal=b"").encode() + Sync().encode()
READY = b"Z\0\0\0\x05I"
ROWS = row_description([Field(name="a", type_oid=23)]) + data_row([b"1"])
SELECTED = command_complete("SELECT 1") + READY


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """Serve a session that has been answered the same twice."""
    async with asyncio.timeout(10):
        served = Served()
        await turns()
        for _ in range(3):
            await say(served, ONE, ROWS + SELECTED)
        yield served
        served.task.cancel()
        with suppress(asyncio.CancelledError):
            await served.task


async def say(served: Served, sent: bytes, answer: bytes) -> None:
    served.client.data_received(sent)
    await turns()
    served.link.data_received(answer)
    await turns()


def whole(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """List what is relayed whole from now on."""
    sent: list[bytes] = []
    send_alone = served.link.send_alone

    def send(data: bytes, replies: Sequence[Reply]) -> None:
        sent.append(data)
        send_alone(data, replies)

    monkeypatch.setattr(served.link, "send_alone", send)
    return sent


async def test_a_calm_session_does_not_ask_what_is_plain(served: Served) -> None:
    served.runner.plain = None
    served.to_client.sent = b""
    await say(served, TWO, ROWS + SELECTED)
    assert served.to_client.sent == ROWS + SELECTED
    assert served.runner.routed == [b"SELECT 1"]
    assert not served.link.busy


async def test_what_is_plain_no_more_is_looked_at(served: Served) -> None:
    assert served.runner.plain is not None
    served.runner.plain.holds = False
    served.runner.plain = None
    await say(served, TWO, ROWS + SELECTED)
    assert served.runner.routed == [b"SELECT 1", b"SELECT 2"]


async def test_an_answer_to_what_is_plain_no_more_is_told_to_the_session(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[str] = []
    monkeypatch.setattr(served.session, "on_ready", ready.append)
    await say(served, TWO, ROWS + SELECTED)
    assert ready == []
    served.client.data_received(TWO)
    assert served.runner.plain is not None
    served.runner.plain.holds = False
    served.link.data_received(ROWS + SELECTED)
    assert ready == ["I"]


async def test_the_first_answer_after_anything_else_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ready: list[str] = []
    monkeypatch.setattr(served.session, "on_ready", ready.append)
    served.client.wake()
    await turns()
    for _ in range(2):
        await say(served, TWO, ROWS + SELECTED)
    assert ready == ["I"]


DISTURBANCES: dict[str, Callable[[Served], object]] = {
    "wake": lambda served: served.client.wake(),
    "notice": lambda served: served.link.data_received(notice_response({"S": "NOTICE", "C": "00000", "M": "said"})),
    "full": lambda served: served.link.pause_writing(),
    "lost": lambda served: served.link.connection_lost(None),
    "private": lambda served: served.link.send_raw(b""),
    "piece": lambda served: served.client.data_received(ONE[:3]),
}


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES.keys())
async def test_whatever_else_happens_disturbs_it(served: Served, disturb: Callable[[Served], object]) -> None:
    assert served.client.calm is not None
    disturb(served)
    await turns()
    assert served.client.calm is None


async def test_an_encoding_that_changes_makes_bytes_mean_something_else(served: Served) -> None:
    served.link.data_received(parameter_status("client_encoding", "LATIN1"))
    await say(served, ONE, ROWS + SELECTED)
    assert served.runner.routed == [b"SELECT 1"] * 2


ACCENT = b"SELECT '\xc3\xa9'"
WAYS = {
    "query": (Query(text=ACCENT).encode(), ROWS + SELECTED),
    "unit": (
        Parse(statement=b"", text=ACCENT).encode() + UNIT[len(Parse(statement=b"", text=b"SELECT 1").encode()) :],
        b"1\0\0\0\x04" + b"2\0\0\0\x04" + data_row([b"1"]) + SELECTED,
    ),
}


@pytest.mark.parametrize(("asked", "answer"), WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("first", ["UTF8", "LATIN1"])
async def test_what_is_known_in_one_encoding_is_not_in_another(first: str, asked: bytes, answer: bytes) -> None:
    runner = Runner()
    for encoding in (first, "UTF8" if first == "LATIN1" else "LATIN1"):
        served = Served(runner, encoding)
        await turns()
        await say(served, asked, answer)
        served.task.cancel()
        with suppress(asyncio.CancelledError):
            await served.task
    assert sorted(runner.routed) == ["SELECT 'Ã©'".encode(), "SELECT 'é'".encode()]


async def test_nothing_is_relayed_while_a_cancel_is_on_its_way(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, over = whole(served, monkeypatch), asyncio.Event()
    monkeypatch.setattr("omnisql_server.session.cancel.send_cancel", lambda *_: over.wait())
    canceling = asyncio.create_task(served.link.cancel())
    await turns()
    served.client.data_received(TWO)
    assert sent == []
    over.set()
    await canceling


async def test_nothing_is_relayed_for_a_session_that_is_stopped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = whole(served, monkeypatch)
    served.task.cancel()
    served.client.data_received(TWO)
    assert sent == []


async def test_what_comes_before_the_answer_waits(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = whole(served, monkeypatch)
    served.client.data_received(ONE)
    served.client.data_received(TWO)
    assert sent == [ONE]


async def test_a_message_longer_than_any_may_be_is_not_relayed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = whole(served, monkeypatch)
    bind = Bind(portal=b"", statement=b"a", parameters=(b"x" * 6_000,)).encode()
    served.client.data_received(bind + Execute(portal=b"").encode() + Sync().encode())
    assert sent == []


async def test_the_bound_of_an_answer_holds_for_the_same_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    long: list[int] = []
    monkeypatch.setattr(served.session, "on_long_answer", lambda: long.append(served.link.answer_bytes))
    answer = ROWS + data_row([b"x" * 20_000]) + SELECTED
    await say(served, TWO, answer)
    assert long == [len(answer)]


async def test_another_status_is_another_answer(served: Served) -> None:
    begun = command_complete("BEGIN") + b"Z\0\0\0\x05T"
    await say(served, Query(text=b"BEGIN").encode(), begun)
    assert served.link.in_block
    await say(served, TWO, ROWS + SELECTED)
    assert not served.link.in_block


async def test_a_unit_may_follow_a_query_and_leaves_the_unnamed_statement(served: Served) -> None:
    await say(served, UNIT, b"1\0\0\0\x042\0\0\0\x04" + data_row([b"1"]) + SELECTED)
    footprint = served.session._running.footprint
    for _ in range(2):
        await say(served, UNIT, b"1\0\0\0\x042\0\0\0\x04" + data_row([b"1"]) + SELECTED)
        assert footprint.unnamed_text == b"SELECT 1"
        assert served.client.calm is not None
    await say(served, ONE, ROWS + SELECTED)
    assert footprint.unnamed is None
