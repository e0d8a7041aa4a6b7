"""Cutting a byte stream into messages: any chunking gives the same messages; lengths are bounded before buffering."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import MessageTooLarge, ProtocolViolation, WireError
from wire.framing import Frame, FrameBuffer
from wire.payload import message

LIMIT = 1 << 20


def chunked(stream: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(stream[start : start + size])
        start += size
    return [*chunks, stream[start:]]


@given(
    st.lists(st.tuples(st.sampled_from([b"Q", b"P", b"B", b"d", b"S"]), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(0, 30), max_size=20),
)
def test_any_chunking_gives_the_same_frames(messages: list[tuple[bytes, bytes]], sizes: list[int]) -> None:
    encoded = [message(kind, payload) for kind, payload in messages]
    buffer = FrameBuffer(LIMIT)
    frames: list[Frame] = []
    for chunk in chunked(b"".join(encoded), sizes):
        buffer.feed(chunk)
        frames += buffer.frames()
    assert [frame.data for frame in frames] == encoded
    assert [(frame.kind, frame.payload) for frame in frames] == messages
    assert buffer.pending_bytes == 0


@given(st.lists(st.binary(max_size=64), max_size=10), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_wire_errors(chunks: list[bytes], from_backend: bool) -> None:
    buffer = FrameBuffer(100, from_backend=from_backend)
    handed_out = 0
    sqlstate = None
    try:
        for chunk in chunks:
            buffer.feed(chunk)
            handed_out += sum(len(frame.data) for frame in buffer)
        assert handed_out + buffer.pending_bytes == sum(map(len, chunks))
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01"}


def test_length_over_the_limit_is_refused_from_the_header_alone() -> None:
    buffer = FrameBuffer(1000)
    buffer.feed(b"Q\0\0\x03\xe9")
    with pytest.raises(MessageTooLarge) as raised:
        buffer.frames()
    assert raised.value.sqlstate == "08P01"
    assert raised.value.detail == "The message announces 1001 bytes; the limit is 1000."


def test_names_only_messages_have_a_small_limit_from_clients_and_none_from_servers() -> None:
    long_name = message(b"D", b"S" + b"x" * 20_000 + b"\0")
    from_client, from_server = FrameBuffer(LIMIT), FrameBuffer(LIMIT, from_backend=True)
    from_client.feed(long_name)
    from_server.feed(long_name)
    with pytest.raises(MessageTooLarge):
        from_client.frames()
    assert [frame.data for frame in from_server.frames()] == [long_name]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"Q\0\0\0\x03", "invalid message length"),
        (b"Q\xff\xff\xff\xff", "invalid message length"),
        (b"!\0\0\0\x04", "invalid frontend message type 33"),
    ],
)
def test_bad_header_is_refused_after_the_messages_before_it(header: bytes, reason: str) -> None:
    buffer = FrameBuffer(LIMIT)
    buffer.feed(message(b"S", b"") + header)
    assert [frame.kind for frame in buffer.frames()] == [b"S"]
    with pytest.raises(ProtocolViolation, match=reason):
        buffer.frames()


def test_take_rest_hands_out_the_incomplete_bytes_and_starts_anew() -> None:
    buffer = FrameBuffer(LIMIT)
    buffer.feed(message(b"S", b"") + b"Q\0\0")
    assert len(buffer.frames()) == 1
    assert buffer.take_rest() == b"Q\0\0"
    assert buffer.pending_bytes == 0
    buffer.feed(message(b"H", b""))
    assert [frame.kind for frame in buffer] == [b"H"]
