"""Messages a client sends after start-up (PostgreSQL 18, chapter 54.7): frozen nouns, decoded and encoded.

Names and statement text stay bytes: only the session knows the client's encoding.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wire.errors import ProtocolViolation, UnsupportedProtocol
from wire.framing import Frame
from wire.payload import PayloadReader, cstring, message

_TARGETS = (b"S", b"P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Run the statements of one text by the simple protocol."""

    text: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"Q", cstring(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """Make a prepared statement; a type OID of 0 leaves the parameter's type open."""

    statement: bytes
    text: bytes
    type_oids: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Encode the message."""
        count = len(self.type_oids)
        return message(
            b"P", cstring(self.statement) + cstring(self.text) + struct.pack(f">H{count}I", count, *self.type_oids)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Make a portal from a prepared statement and its parameters; formats are 0 (text) or 1 (binary)."""

    portal: bytes
    statement: bytes
    parameter_formats: tuple[int, ...] = ()
    parameters: tuple[bytes | None, ...] = ()
    result_formats: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Encode the message."""
        parts = [cstring(self.portal), cstring(self.statement), _encode_formats(self.parameter_formats)]
        parts.append(struct.pack(">H", len(self.parameters)))
        for parameter in self.parameters:
            if parameter is None:
                parts.append(b"\xff\xff\xff\xff")
            else:
                parts.append(struct.pack(">i", len(parameter)) + parameter)
        parts.append(_encode_formats(self.result_formats))
        return message(b"B", b"".join(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Ask for the shape of a prepared statement (kind S) or a portal (kind P)."""

    kind: str
    name: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"D", self.kind.encode() + cstring(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Run a portal; `rows_max` of 0 means all rows."""

    portal: bytes
    rows_max: int = 0

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"E", cstring(self.portal) + struct.pack(">i", self.rows_max))


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Drop a prepared statement (kind S) or a portal (kind P)."""

    kind: str
    name: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"C", self.kind.encode() + cstring(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """End a pipeline: commit what is implicit, answer ReadyForQuery."""

    def encode(self) -> bytes:
        """Encode the message."""
        return b"S\0\0\0\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """Ask for the answers so far."""

    def encode(self) -> bytes:
        """Encode the message."""
        return b"H\0\0\0\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Close the session."""

    def encode(self) -> bytes:
        """Encode the message."""
        return b"X\0\0\0\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyData:
    """A piece of COPY data, not aligned to rows."""

    data: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"d", self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDone:
    """The COPY data is complete."""

    def encode(self) -> bytes:
        """Encode the message."""
        return b"c\0\0\0\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFail:
    """The client gives up a COPY."""

    message: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"f", cstring(self.message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """An answer to an authentication request: password, SASLInitialResponse or SASLResponse, by the request's kind."""

    payload: bytes

    def encode(self) -> bytes:
        """Encode the message."""
        return message(b"p", self.payload)


FrontendMessage = (
    Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Sync
    | Flush
    | Terminate
    | CopyData
    | CopyDone
    | CopyFail
    | Password
)


def decode_frontend(frame: Frame) -> FrontendMessage:
    """Decode one framed message.

    Raises:
        ProtocolViolation: 08P01, an unknown kind, a field beyond the end, bytes behind the end.
        UnsupportedProtocol: 0A000, FunctionCall.
    """
    decoder = _DECODERS.get(frame.kind)
    if decoder is None:
        if frame.kind == b"F":
            raise UnsupportedProtocol(message="function call messages are not supported")
        raise ProtocolViolation(message=f"invalid frontend message type {frame.kind[0] if frame.kind else 0}")
    reader = PayloadReader(frame.payload)
    decoded = decoder(reader)
    reader.finish()
    return decoded


def _decode_query(reader: PayloadReader) -> Query:
    return Query(text=reader.cstring())


def _decode_parse(reader: PayloadReader) -> Parse:
    statement = reader.cstring()
    text = reader.cstring()
    type_oids = tuple(reader.uint32() for _ in range(reader.uint16()))
    return Parse(statement=statement, text=text, type_oids=type_oids)


def _decode_bind(reader: PayloadReader) -> Bind:
    portal = reader.cstring()
    statement = reader.cstring()
    parameter_formats = _decode_formats(reader)
    parameters = tuple(reader.sized() for _ in range(reader.uint16()))
    if len(parameter_formats) > 1 and len(parameter_formats) != len(parameters):
        raise ProtocolViolation(
            message=f"bind message has {len(parameter_formats)} parameter formats but {len(parameters)} parameters"
        )
    return Bind(
        portal=portal,
        statement=statement,
        parameter_formats=parameter_formats,
        parameters=parameters,
        result_formats=_decode_formats(reader),
    )


def _decode_describe(reader: PayloadReader) -> Describe:
    return Describe(kind=_decode_target(reader, "DESCRIBE"), name=reader.cstring())


def _decode_execute(reader: PayloadReader) -> Execute:
    return Execute(portal=reader.cstring(), rows_max=reader.int32())


def _decode_close(reader: PayloadReader) -> Close:
    return Close(kind=_decode_target(reader, "CLOSE"), name=reader.cstring())


_DECODERS: dict[bytes, Callable[[PayloadReader], FrontendMessage]] = {
    b"Q": _decode_query,
    b"P": _decode_parse,
    b"B": _decode_bind,
    b"D": _decode_describe,
    b"E": _decode_execute,
    b"C": _decode_close,
    b"S": lambda _: Sync(),
    b"H": lambda _: Flush(),
    b"X": lambda _: Terminate(),
    b"d": lambda reader: CopyData(data=reader.rest()),
    b"c": lambda _: CopyDone(),
    b"f": lambda reader: CopyFail(message=reader.cstring()),
    b"p": lambda reader: Password(payload=reader.rest()),
}


def _decode_target(reader: PayloadReader, verb: str) -> str:
    target = reader.take(1)
    if target not in _TARGETS:
        raise ProtocolViolation(message=f"invalid {verb} message subtype {target[0]}")
    return target.decode()


def _decode_formats(reader: PayloadReader) -> tuple[int, ...]:
    formats = tuple(reader.int16() for _ in range(reader.uint16()))
    for code in formats:
        if code not in (0, 1):
            raise ProtocolViolation(message=f"unsupported format code: {code}")
    return formats


def _encode_formats(formats: Sequence[int]) -> bytes:
    return struct.pack(f">H{len(formats)}h", len(formats), *formats)
