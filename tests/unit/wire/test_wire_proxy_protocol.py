"""PROXY protocol v2: what a balancer says of its client, and whatever else may stand in its place."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy_headers import CHECKSUM, LOCAL, PROXY, TCP4, TCP6, UDP4, UNIX, UNSPECIFIED, extension, header, proxied

from wire.errors import ProtocolViolation
from wire.proxy_protocol import HEADER_BYTES_MAX, SIGNATURE, ProxiedClient, crc32c, missing_bytes, parse_proxy_header

EXTENSIONS = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda kind: kind != CHECKSUM), st.binary(max_size=40)), max_size=8
)


def test_a_header_written_by_hand_is_read() -> None:
    data = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c" + bytes(
        [192, 0, 2, 1, 198, 51, 100, 9, 0xDB, 0xA0, 0x15, 0x38]
    )
    assert missing_bytes(data) == 0
    assert parse_proxy_header(data) == ProxiedClient(address="192.0.2.1", port=56_224)


@given(st.ip_addresses(), st.integers(0, 65_535), EXTENSIONS, st.booleans())
def test_what_is_written_is_read(
    address: object, port: int, extensions: list[tuple[int, bytes]], checksum: bool
) -> None:
    encoded = b"".join(extension(kind, value) for kind, value in extensions)
    found = parse_proxy_header(proxied(str(address).partition("%")[0], port, encoded, checksum=checksum))
    assert found is not None
    assert (found.address, found.port) == (str(address).partition("%")[0], port)
    assert found.extensions[: len(extensions)] == tuple(extensions)
    assert len(found.extensions) == len(extensions) + checksum


@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda rest: SIGNATURE + rest))
def test_noise_is_a_violation_and_nothing_else(data: bytes) -> None:
    for read in (missing_bytes, parse_proxy_header):
        try:
            read(data)
        except ProtocolViolation:
            continue


@given(st.binary(max_size=60), st.sampled_from([LOCAL, PROXY, 0x10, 0x22]), st.integers(0, 255))
def test_any_body_is_read_or_refused(body: bytes, command: int, family: int) -> None:
    data = header(command, family, body)
    assert missing_bytes(data) == 0
    try:
        found = parse_proxy_header(data)
    except ProtocolViolation:
        return
    assert (found is None) is (command == LOCAL)


@given(st.ip_addresses(v=4), st.binary(max_size=64))
def test_reading_what_is_missing_never_goes_beyond_the_header(address: object, behind: bytes) -> None:
    whole = proxied(str(address))
    stream, read = whole + behind, b""
    while missing := missing_bytes(read):
        read += stream[len(read) : len(read) + missing]
    assert read == whole
    for end in range(len(whole)):
        assert 0 < missing_bytes(whole[:end]) <= len(whole) - end


@pytest.mark.parametrize("family", [UNSPECIFIED, UDP4, 0x22, UNIX, 0x32, 0x10, 0xFF])
def test_a_client_without_an_address_of_tcp_is_refused(family: int) -> None:
    with pytest.raises(ProtocolViolation, match="no client that came by TCP"):
        parse_proxy_header(header(PROXY, family, bytes(216)))


@pytest.mark.parametrize("body", [b"", b"anything", bytes(216)])
@pytest.mark.parametrize("family", [UNSPECIFIED, TCP4, UNIX])
def test_a_health_check_says_nothing_of_a_client(family: int, body: bytes) -> None:
    assert parse_proxy_header(header(LOCAL, family, body)) is None


@pytest.mark.parametrize("command", [0x00, 0x01, 0x11, 0x22, 0x31, 0xF1])
def test_other_versions_and_commands_are_refused(command: int) -> None:
    with pytest.raises(ProtocolViolation, match="unknown version or command"):
        parse_proxy_header(header(command, TCP4, bytes(12)))


@pytest.mark.parametrize(
    "start",
    [b"P", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"\r\n\r\r", b"\0\0\0\x08", SIGNATURE[:-1] + b"\r", b"\x16\x03"],
)
def test_another_beginning_is_refused_at_its_first_byte_that_differs(start: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="is missing"):
        missing_bytes(start)


def test_a_header_is_bounded_before_it_is_read() -> None:
    longest = HEADER_BYTES_MAX - 16
    assert missing_bytes(SIGNATURE + struct.pack(">BBH", PROXY, TCP4, longest)) == longest
    with pytest.raises(ProtocolViolation, match="too long"):
        missing_bytes(SIGNATURE + struct.pack(">BBH", PROXY, TCP4, longest + 1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIGNATURE,
        proxied("192.0.2.1")[:-1],
        proxied("192.0.2.1") + b"\0",
        header(PROXY, TCP4, bytes(11)),
        header(PROXY, TCP6, bytes(35)),
        header(PROXY, TCP4, bytes(12) + b"\x04"),
        header(PROXY, TCP4, bytes(12) + b"\x04\x00\x02\x00"),
    ],
)
def test_what_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        parse_proxy_header(data)


def test_a_damaged_header_is_refused() -> None:
    whole = bytearray(proxied("192.0.2.1", extensions=extension(0x02, b"db.example"), checksum=True))
    for place in (17, 25, 32, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        with pytest.raises(ProtocolViolation, match="damaged"):
            parse_proxy_header(bytes(damaged))
    with pytest.raises(ProtocolViolation, match="damaged"):
        parse_proxy_header(proxied("192.0.2.1", extensions=extension(CHECKSUM, b"")))


def test_the_checksum_is_the_one_of_the_standard() -> None:
    # RFC 3720, appendix B.4, and the check value every catalog of CRCs gives.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283
