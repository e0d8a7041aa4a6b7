"""The client's end of a session keeps its bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omnisql_server.session.client import HELD_BYTES_MAX, ClientConnection
from omnisql_server.session.ending import SessionEnd
from wire.frontend import Query


class RecordingTransport(asyncio.Transport):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.sent: list[list[bytes]] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Remember it."""
        self.sent.append([bytes(data)])

    def writelines(self, data: Any) -> None:
        """Remember what was sent together."""
        self.sent.append([bytes(piece) for piece in data])

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Remember the bound."""
        self.calls.append(f"limit {high}")

    def pause_reading(self) -> None:
        """Remember it."""
        self.calls.append("pause")

    def resume_reading(self) -> None:
        """Remember it."""
        self.calls.append("resume")

    def is_closing(self) -> bool:
        """Say whether it closes."""
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing."""
        return default


def connected(transport: RecordingTransport, buffer_bytes_max: int = 4096) -> ClientConnection:
    """Make a connection over a transport."""
    client = ClientConnection(message_bytes_max=100_000, buffer_bytes_max=buffer_bytes_max)
    client.connection_made(transport)
    client.allow_long_messages()
    return client


async def test_reading_pauses_above_the_bound_and_goes_on_below() -> None:
    transport = RecordingTransport()
    client = connected(transport)
    query = Query(text=b"x" * 1000).encode()
    for _ in range(6):
        client.data_received(query)
    assert transport.calls == ["limit 4096", "pause"]
    for _ in range(6):
        frame = await client.next_frame()
        assert frame is not None
        assert frame.data == query
    assert transport.calls == ["limit 4096", "pause", "resume"]


async def test_a_long_message_arrives_although_it_is_above_the_bound() -> None:
    client = connected(RecordingTransport())
    query = Query(text=b"x" * 50_000).encode()
    for start in range(0, len(query), 7000):
        client.data_received(query[start : start + 7000])
    frame = await client.next_frame()
    assert frame is not None
    assert frame.data == query


async def test_messages_before_the_end_are_taken_first() -> None:
    client = connected(RecordingTransport())
    gone: list[bool] = []
    client.on_gone = lambda: gone.append(True)
    client.data_received(Query(text=b"a").encode() + b"?????")
    assert gone == [True]
    frame = await client.next_frame()
    assert frame is not None
    with pytest.raises(SessionEnd) as caught:
        await client.next_frame()
    assert caught.value.error is not None
    assert caught.value.error.sqlstate == "08P01"


async def test_a_lost_connection_frees_a_blocked_writer() -> None:
    client = connected(RecordingTransport())
    pressure: list[bool] = []
    client.on_pressure = pressure.append
    client.pause_writing()
    draining = asyncio.create_task(client.drain())
    await asyncio.wait({draining}, timeout=0)
    assert not draining.done()
    client.connection_lost(None)
    with pytest.raises(SessionEnd):
        await draining
    assert pressure == [True, False]


async def test_wake_makes_next_frame_return_nothing_once() -> None:
    client = connected(RecordingTransport())
    client.wake()
    assert await client.next_frame() is None
    waiting = asyncio.create_task(client.next_frame())
    await asyncio.wait({waiting}, timeout=0)
    assert not waiting.done()
    client.wake()
    assert await waiting is None


async def test_what_is_put_in_one_turn_is_sent_together_and_in_order() -> None:
    transport = RecordingTransport()
    client = connected(transport)
    client.put(b"a")
    client.put(b"b")
    assert transport.sent == []
    await asyncio.sleep(0)
    client.put(b"c")
    client.write(b"d")
    client.write(b"e")
    assert transport.sent == [[b"a", b"b"], [b"c", b"d"], [b"e"]]
    client.put(b"f")
    await client.drain()
    await asyncio.sleep(0)
    assert transport.sent[3:] == [[b"f"]]


async def test_not_more_than_a_chunk_is_held() -> None:
    transport = RecordingTransport()
    client = connected(transport)
    client.put(b"a")
    client.put(b"b" * HELD_BYTES_MAX)
    client.put(b"c")
    assert [len(together) for together in transport.sent] == [2]
    client.flush()
    assert transport.sent[1:] == [[b"c"]]
