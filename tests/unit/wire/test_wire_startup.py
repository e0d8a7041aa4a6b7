"""Start-up packets: round trips, refusals, and version negotiation as PostgreSQL 18 answers it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import AuthorizationInvalid, ProtocolViolation, UnsupportedProtocol, WireError
from wire.startup import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    encode_cancel_request,
    encode_ssl_request,
    encode_startup,
    negotiate,
    parse_options,
    parse_startup_packet,
)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def body(packet: bytes) -> bytes:
    assert int.from_bytes(packet[:4], "big") == len(packet)
    return packet[4:]


@given(
    st.dictionaries(texts.filter(lambda name: not name.startswith("_pq_.")), texts, max_size=5), st.integers(0, 9999)
)
def test_startup_round_trips(parameters: dict[str, str], minor_version: int) -> None:
    parameters = {"user": "alice", **parameters}
    parsed = parse_startup_packet(body(encode_startup(parameters, minor_version)))
    assert parsed == StartupMessage(minor_version=minor_version, parameters=parameters)


@given(st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=256))
def test_cancel_request_round_trips(process_id: int, secret_key: bytes) -> None:
    parsed = parse_startup_packet(body(encode_cancel_request(process_id, secret_key)))
    assert parsed == CancelRequest(process_id=process_id, secret_key=secret_key)


def test_encryption_requests_are_told_apart() -> None:
    assert parse_startup_packet(body(encode_ssl_request())) == SSLRequest()
    assert parse_startup_packet((80877104).to_bytes(4, "big")) == GSSENCRequest()


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda tail: b"\0\3\0\0" + tail)))
def test_arbitrary_packets_raise_nothing_but_wire_errors(packet: bytes) -> None:
    sqlstate = None
    try:
        parsed = parse_startup_packet(packet)
        assert isinstance(parsed, SSLRequest | GSSENCRequest | CancelRequest | StartupMessage)
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01", "0A000", "28000"}


@pytest.mark.parametrize(
    ("packet", "expected", "sqlstate"),
    [
        (b"\0\2\0\0", UnsupportedProtocol, "0A000"),
        (b"\0\4\0\0", UnsupportedProtocol, "0A000"),
        (b"\0\3\0\0\0", AuthorizationInvalid, "28000"),
        (b"\0\3\0\0database\0x\0\0", AuthorizationInvalid, "28000"),
        (b"\0\3\0\0user\0x\0", ProtocolViolation, "08P01"),
        (b"\0\3\0\0user\0x\0\0extra", ProtocolViolation, "08P01"),
        (b"\0\3\0\0user\0\xff\0\0", ProtocolViolation, "08P01"),
        (b"\0\3\0\0" + b"a" * 10_000, ProtocolViolation, "08P01"),
        (encode_cancel_request(1, b"abc")[4:], ProtocolViolation, "08P01"),
        (encode_cancel_request(1, b"a" * 257)[4:], ProtocolViolation, "08P01"),
        (b"", ProtocolViolation, "08P01"),
    ],
)
def test_bad_packets_are_refused(packet: bytes, expected: type[WireError], sqlstate: str) -> None:
    with pytest.raises(expected) as raised:
        parse_startup_packet(packet)
    assert raised.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("minor_version", "options", "answer"),
    [
        # What PostgreSQL 18.6 sent for the same packets.
        (9999, ("_pq_.foo",), b"v\0\0\0\x15\0\3\0\2\0\0\0\1_pq_.foo\0"),
        (0, ("_pq_.foo",), b"v\0\0\0\x15\0\3\0\0\0\0\0\1_pq_.foo\0"),
        (3, (), b"v\0\0\0\x0c\0\3\0\2\0\0\0\0"),
        (2, (), None),
        (1, (), None),
        (0, (), None),
    ],
)
def test_negotiation_answers_as_postgresql_does(
    minor_version: int, options: tuple[str, ...], answer: bytes | None
) -> None:
    packet = encode_startup({"user": "u", **dict.fromkeys(options, "x")}, minor_version)
    startup = parse_startup_packet(body(packet))
    assert isinstance(startup, StartupMessage)
    assert startup.protocol_options == options
    assert negotiate(startup) == answer


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("-c statement_timeout=30s", {"statement_timeout": "30s"}),
        ("-cgeqo=off --search-path=a,b", {"geqo": "off", "search_path": "a,b"}),
        (r"  -c application_name=my\ app\\x  -c a.b= ", {"application_name": r"my app\x", "a.b": ""}),
        ("-c a=1 -c a=2", {"a": "2"}),
        ("-c a=b=c", {"a": "b=c"}),
    ],
)
def test_options_are_parsed(text: str, settings: dict[str, str]) -> None:
    assert parse_options(text) == settings


@given(st.text(max_size=30))
def test_arbitrary_options_raise_only_syntax_errors(text: str) -> None:
    sqlstate = None
    try:
        settings = parse_options(text)
        assert all(settings)
    except ProtocolViolation as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "42601"}


@pytest.mark.parametrize("text", ["-c", "-c novalue", "--=x", "word", "-B 5"])
def test_unknown_options_are_refused(text: str) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        parse_options(text)
    assert raised.value.sqlstate == "42601"
