"""Messages a server sends (PostgreSQL 18, chapter 54.7), encoded; constant ones stand ready as module constants."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wire.errors import MessageTooLarge, ProtocolViolation
from wire.payload import cstring, message

AUTHENTICATION_OK = b"R\0\0\0\x08\0\0\0\0"
AUTHENTICATION_CLEARTEXT = b"R\0\0\0\x08\0\0\0\x03"
PARSE_COMPLETE = b"1\0\0\0\x04"
BIND_COMPLETE = b"2\0\0\0\x04"
CLOSE_COMPLETE = b"3\0\0\0\x04"
NO_DATA = b"n\0\0\0\x04"
PORTAL_SUSPENDED = b"s\0\0\0\x04"
EMPTY_QUERY_RESPONSE = b"I\0\0\0\x04"
COPY_DONE = b"c\0\0\0\x04"
READY_IDLE = b"Z\0\0\0\x05I"
READY_IN_TRANSACTION = b"Z\0\0\0\x05T"
READY_IN_FAILED_TRANSACTION = b"Z\0\0\0\x05E"

MESSAGE_BYTES_MAX = (1 << 30) - 1
"""The longest message PostgreSQL itself builds (1 GB less one byte)."""

_READY = {"I": READY_IDLE, "T": READY_IN_TRANSACTION, "E": READY_IN_FAILED_TRANSACTION}
_COLUMNS_MAX = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of a RowDescription; bytes of the name that are not UTF-8 stand in it as surrogate escapes."""

    name: str
    type_oid: int
    table_oid: int = 0
    attribute_number: int = 0
    type_length: int = -1
    type_modifier: int = -1
    format: int = 0


def authentication_ok() -> bytes:
    """Encode AuthenticationOk."""
    return AUTHENTICATION_OK


def authentication_cleartext() -> bytes:
    """Encode AuthenticationCleartextPassword."""
    return AUTHENTICATION_CLEARTEXT


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    """Encode AuthenticationSASL, the mechanisms in order of preference."""
    names = b"".join(cstring(name.encode()) for name in mechanisms)
    return message(b"R", struct.pack(">i", 10) + names + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    """Encode AuthenticationSASLContinue."""
    return message(b"R", struct.pack(">i", 11) + data)


def authentication_sasl_final(data: bytes) -> bytes:
    """Encode AuthenticationSASLFinal."""
    return message(b"R", struct.pack(">i", 12) + data)


def parameter_status(name: str, value: str) -> bytes:
    """Encode ParameterStatus."""
    return message(b"S", cstring(encode_text(name)) + cstring(encode_text(value)))


def backend_key_data(process_id: int, secret_key: bytes) -> bytes:
    """Encode BackendKeyData; protocol 3.0 allows a key of 4 bytes only, 3.2 up to 256."""
    if not 4 <= len(secret_key) <= 256:
        raise ProtocolViolation(message="a cancel key has 4 to 256 bytes")
    return message(b"K", struct.pack(">I", process_id) + secret_key)


def ready_for_query(status: str) -> bytes:
    """Encode ReadyForQuery; `status` is I (idle), T (in a transaction block) or E (in a failed one)."""
    return _READY[status]


def row_description(fields: Sequence[Field]) -> bytes:
    """Encode RowDescription."""
    parts = [_column_count(len(fields))]
    for field in fields:
        parts.append(cstring(encode_text(field.name)))
        parts.append(
            struct.pack(
                ">IhIhih",
                field.table_oid,
                field.attribute_number,
                field.type_oid,
                field.type_length,
                field.type_modifier,
                field.format,
            )
        )
    return message(b"T", b"".join(parts))


def parameter_description(type_oids: Sequence[int]) -> bytes:
    """Encode ParameterDescription."""
    return message(b"t", _column_count(len(type_oids)) + struct.pack(f">{len(type_oids)}I", *type_oids))


def no_data() -> bytes:
    """Encode NoData."""
    return NO_DATA


def parse_complete() -> bytes:
    """Encode ParseComplete."""
    return PARSE_COMPLETE


def bind_complete() -> bytes:
    """Encode BindComplete."""
    return BIND_COMPLETE


def close_complete() -> bytes:
    """Encode CloseComplete."""
    return CLOSE_COMPLETE


def portal_suspended() -> bytes:
    """Encode PortalSuspended."""
    return PORTAL_SUSPENDED


def empty_query_response() -> bytes:
    """Encode EmptyQueryResponse."""
    return EMPTY_QUERY_RESPONSE


def command_complete(tag: str) -> bytes:
    """Encode CommandComplete."""
    return message(b"C", cstring(encode_text(tag)))


def error_response(fields: Mapping[str, str]) -> bytes:
    """Encode ErrorResponse from one-letter field codes (PostgreSQL 18, chapter 54.8)."""
    return message(b"E", _encode_report(fields))


def notice_response(fields: Mapping[str, str]) -> bytes:
    """Encode NoticeResponse from one-letter field codes."""
    return message(b"N", _encode_report(fields))


def copy_out_response(column_formats: Sequence[int], *, binary: bool = False) -> bytes:
    """Encode CopyOutResponse with the format of each column."""
    count = len(column_formats)
    return message(b"H", bytes([binary]) + struct.pack(f">H{count}h", count, *column_formats))


def copy_data(data: bytes | memoryview) -> bytes:
    """Encode CopyData."""
    return message(b"d", data)


def copy_done() -> bytes:
    """Encode CopyDone."""
    return COPY_DONE


def data_row(values: Sequence[bytes | None]) -> bytes:
    """Encode DataRow, None as NULL.

    Raises:
        MessageTooLarge: 08P01, the row is longer than PostgreSQL would send.
    """
    parts = [_column_count(len(values))]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts.append(len(value).to_bytes(4, "big"))
            parts.append(value)
    payload = b"".join(parts)
    if len(payload) > MESSAGE_BYTES_MAX - 5:
        raise row_too_large(len(payload))
    return message(b"D", payload)


def row_too_large(row_bytes: int) -> MessageTooLarge:
    """Build the error for a row that no message may hold."""
    return MessageTooLarge(
        message="result row is too large", detail=f"The row needs {row_bytes} bytes; the limit is {MESSAGE_BYTES_MAX}."
    )


def encode_text(text: str) -> bytes:
    """Encode text as it is to stand on the wire; surrogate escapes become the bytes they came from."""
    return text.encode("utf-8", "surrogateescape")


def _encode_report(fields: Mapping[str, str]) -> bytes:
    parts = []
    for code, text in fields.items():
        if len(code) != 1 or not code.isascii() or code == "\0":
            raise ProtocolViolation(message="a report's field code is one ASCII letter")
        parts.append(code.encode() + cstring(encode_text(text)))
    return b"".join(parts) + b"\0"


def _column_count(count: int) -> bytes:
    if count > _COLUMNS_MAX:
        raise ProtocolViolation(message="too many columns for one message")
    return struct.pack(">H", count)
