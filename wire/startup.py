"""The untyped packets that open a connection (PostgreSQL 18, chapters 54.2.1 and 54.7), and protocol negotiation."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from wire import sqlstate
from wire.errors import AuthorizationInvalid, ProtocolViolation, UnsupportedProtocol
from wire.payload import PayloadReader, cstring, message

STARTUP_PACKET_BYTES_MAX = 10_000
NEWEST_MINOR_VERSION = 2

_MAJOR_VERSION = 3
_CANCEL_REQUEST_CODE = 80877102
_SSL_REQUEST_CODE = 80877103
_GSSENC_REQUEST_CODE = 80877104
_CANCEL_KEY_BYTES_MIN = 4
_CANCEL_KEY_BYTES_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SSLRequest:
    """The client asks for TLS; the answer is one byte, S or N."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GSSENCRequest:
    """The client asks for GSSAPI encryption; the answer is one byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """The client wants the running statement of another connection canceled; there is no answer."""

    process_id: int
    secret_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupMessage:
    """The client opens a session in protocol 3; `protocol_options` are the names that begin with `_pq_.`."""

    minor_version: int
    parameters: dict[str, str]
    protocol_options: tuple[str, ...] = ()


StartupPacket = SSLRequest | GSSENCRequest | CancelRequest | StartupMessage


def parse_startup_packet(packet: bytes) -> StartupPacket:
    """Parse a connection's first packet, given without its length word.

    Raises:
        ProtocolViolation: 08P01, malformed or too long.
        UnsupportedProtocol: 0A000, a major version other than 3.
        AuthorizationInvalid: 28000, no user name.
    """
    if len(packet) > STARTUP_PACKET_BYTES_MAX:
        raise ProtocolViolation(message="invalid length of startup packet")
    reader = PayloadReader(packet)
    code = reader.uint32()
    if code == _SSL_REQUEST_CODE:
        reader.finish()
        return SSLRequest()
    if code == _GSSENC_REQUEST_CODE:
        reader.finish()
        return GSSENCRequest()
    if code == _CANCEL_REQUEST_CODE:
        return _parse_cancel_request(reader)
    major_version, minor_version = code >> 16, code & 0xFFFF
    if major_version != _MAJOR_VERSION:
        raise UnsupportedProtocol(
            message=f"unsupported frontend protocol {major_version}.{minor_version}: server supports 3.0 to 3.2"
        )
    return _parse_startup_message(reader, minor_version)


def encode_startup(parameters: Mapping[str, str], minor_version: int = 0) -> bytes:
    """Encode a start-up packet with its length word."""
    body = b"".join(cstring(text.encode()) for pair in parameters.items() for text in pair)
    return _with_length(struct.pack(">HH", _MAJOR_VERSION, minor_version) + body + b"\0")


def encode_cancel_request(process_id: int, secret_key: bytes) -> bytes:
    """Encode a cancel request with its length word."""
    return _with_length(struct.pack(">II", _CANCEL_REQUEST_CODE, process_id) + secret_key)


def encode_ssl_request() -> bytes:
    """Encode a request for TLS with its length word."""
    return _with_length(struct.pack(">I", _SSL_REQUEST_CODE))


def negotiate(startup: StartupMessage) -> bytes | None:
    """Encode NegotiateProtocolVersion if the client wants more than is spoken here; None if nothing needs saying.

    The version is the one to go on with, as PostgreSQL 18 sends it: major and minor in one word.
    """
    if startup.minor_version <= NEWEST_MINOR_VERSION and not startup.protocol_options:
        return None
    minor_version = min(startup.minor_version, NEWEST_MINOR_VERSION)
    names = b"".join(cstring(name.encode()) for name in startup.protocol_options)
    return message(b"v", struct.pack(">HHi", _MAJOR_VERSION, minor_version, len(startup.protocol_options)) + names)


def parse_options(text: str) -> dict[str, str]:
    """Parse the `options` start-up parameter into settings: `-c name=value` and `--name=value`, backslash escapes.

    Raises:
        ProtocolViolation: 42601, anything else.
    """
    words = iter(_split_options(text))
    settings: dict[str, str] = {}
    for word in words:
        if word.startswith("--"):
            assignment = word[2:]
        elif word == "-c":
            assignment = next(words, "")
        elif word.startswith("-c"):
            assignment = word[2:]
        else:
            raise _invalid_option()
        name, separator, value = assignment.partition("=")
        if not separator or not name:
            raise _invalid_option()
        settings[name.replace("-", "_")] = value
    return settings


def _parse_cancel_request(reader: PayloadReader) -> CancelRequest:
    process_id = reader.uint32()
    secret_key = reader.rest()
    if not _CANCEL_KEY_BYTES_MIN <= len(secret_key) <= _CANCEL_KEY_BYTES_MAX:
        raise ProtocolViolation(message="invalid length of cancel request packet")
    return CancelRequest(process_id=process_id, secret_key=secret_key)


def _parse_startup_message(reader: PayloadReader, minor_version: int) -> StartupMessage:
    parameters: dict[str, str] = {}
    protocol_options: list[str] = []
    while name := _text(reader):
        value = _text(reader)
        if name.startswith("_pq_."):
            protocol_options.append(name)
        else:
            parameters[name] = value
    reader.finish()
    if not parameters.get("user"):
        raise AuthorizationInvalid(message="no PostgreSQL user name specified in startup packet")
    return StartupMessage(minor_version=minor_version, parameters=parameters, protocol_options=tuple(protocol_options))


def _text(reader: PayloadReader) -> str:
    try:
        return reader.cstring().decode()
    except UnicodeDecodeError:
        raise ProtocolViolation(message="startup packet is not valid UTF-8") from None


def _split_options(text: str) -> list[str]:
    words: list[str] = []
    word: str | None = None
    characters = iter(text)
    for character in characters:
        if character in " \t\n\r\f\v":
            if word is not None:
                words.append(word)
            word = None
        elif character == "\\":
            word = (word or "") + next(characters, "")
        else:
            word = (word or "") + character
    if word is not None:
        words.append(word)
    return words


def _invalid_option() -> ProtocolViolation:
    return ProtocolViolation(
        message="invalid command-line argument for server process",
        sqlstate=sqlstate.SYNTAX_ERROR,
        hint="Only -c name=value and --name=value are understood in the startup parameter options.",
    )


def _with_length(body: bytes) -> bytes:
    return struct.pack(">i", len(body) + 4) + body
