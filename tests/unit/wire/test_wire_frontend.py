"""Client messages: every noun survives its bytes, and no bytes raise anything but a WireError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import ProtocolViolation, UnsupportedProtocol, WireError
from wire.framing import Frame, FrameBuffer
from wire.frontend import (
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    Parse,
    Password,
    Query,
    Sync,
    Terminate,
    decode_frontend,
)
from wire.payload import message

names = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"_"))
type_oids = st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple)
formats = st.lists(st.sampled_from([0, 1]), max_size=1).map(tuple)
parameters = st.lists(st.none() | st.binary(max_size=12), max_size=4).map(tuple)
targets = st.sampled_from(["S", "P"])

messages: st.SearchStrategy[FrontendMessage] = st.one_of(
    st.builds(Query, text=names),
    st.builds(Parse, statement=names, text=names, type_oids=type_oids),
    st.builds(
        Bind,
        portal=names,
        statement=names,
        parameter_formats=formats,
        parameters=parameters,
        result_formats=st.lists(st.sampled_from([0, 1]), max_size=4).map(tuple),
    ),
    st.builds(Describe, kind=targets, name=names),
    st.builds(Execute, portal=names, rows_max=st.integers(-(2**31), 2**31 - 1)),
    st.builds(Close, kind=targets, name=names),
    st.builds(Sync),
    st.builds(Flush),
    st.builds(Terminate),
    st.builds(CopyData, data=st.binary(max_size=20)),
    st.builds(CopyDone),
    st.builds(CopyFail, message=names),
    st.builds(Password, payload=st.binary(max_size=20)),
)


def decode(data: bytes) -> FrontendMessage:
    buffer = FrameBuffer(1 << 20)
    buffer.feed(data)
    (frame,) = buffer.frames()
    return decode_frontend(frame)


@given(messages)
def test_every_message_survives_its_bytes(sent: FrontendMessage) -> None:
    assert decode(sent.encode()) == sent


@given(st.sampled_from([bytes([kind]) for kind in b"QPBDECSHXdcfpFZ!"]), st.binary(max_size=40))
def test_arbitrary_payloads_raise_nothing_but_wire_errors(kind: bytes, payload: bytes) -> None:
    sqlstate = None
    try:
        decoded = decode_frontend(Frame(kind, message(kind, payload)))
        assert decoded.encode()[:1] == kind
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01", "0A000"}


def test_bind_stands_on_the_wire_as_specified() -> None:
    bind = Bind(portal=b"p", statement=b"s", parameter_formats=(1,), parameters=(b"\0\1", None), result_formats=(0, 1))
    assert bind.encode() == (b"B\0\0\0\x1ep\0s\0\0\1\0\1\0\2\0\0\0\2\0\1\xff\xff\xff\xff\0\2\0\0\0\1")


@pytest.mark.parametrize(
    "data",
    [
        message(b"Q", b"select 1"),
        message(b"Q", b"select 1\0x"),
        message(b"S", b"x"),
        message(b"D", b"X\0"),
        message(b"C", b""),
        message(b"E", b"\0\0\0\0"),
        message(b"P", b"\0select\0\0\2\0\0\0\1"),
        message(b"B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
        message(b"B", b"\0\0\0\1\0\2\0\0\0\0"),
        message(b"B", b"\0\0\0\2\0\1\0\1\0\0\0\0"),
        message(b"B", b"\0\0\0\0\xff\xff"),
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        decode(data)
    assert raised.value.sqlstate == "08P01"


def test_function_calls_are_refused_as_unsupported() -> None:
    with pytest.raises(UnsupportedProtocol) as raised:
        decode(message(b"F", b"\0\0\0\1"))
    assert raised.value.sqlstate == "0A000"


def test_a_zero_byte_in_a_name_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ProtocolViolation):
        Query(text=b"select\0 1").encode()
