"""PostgreSQL's text form of values as JSON, as to_json has it: booleans, numbers and JSON as such, others as texts.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from omnisql_server.errors import OmniSQLError
from wire import oids

_NUMBERS = frozenset({oids.INT2, oids.INT4, oids.INT8, oids.OID, oids.FLOAT4, oids.FLOAT8, oids.NUMERIC})
_NO_NUMBERS = frozenset({b"NaN", b"Infinity", b"-Infinity"})
TYPE_NAMES = {
    oids.BOOL: "boolean",
    oids.BYTEA: "bytea",
    oids.INT2: "smallint",
    oids.INT4: "integer",
    oids.INT8: "bigint",
    oids.TEXT: "text",
    oids.JSON: "json",
    oids.JSONB: "jsonb",
    oids.FLOAT4: "real",
    oids.FLOAT8: "double precision",
    oids.DATE: "date",
    oids.TIMESTAMP: "timestamp without time zone",
    oids.TIMESTAMPTZ: "timestamp with time zone",
    oids.NUMERIC: "numeric",
    oids.UUID: "uuid",
    1009: "text[]",
}
"""What format_type says of the types that most columns have."""

Write = Callable[[bytes], bytes]


class TextUnreadable(OmniSQLError):
    """A value is not in UTF-8, because the statement changed the session's encoding."""

    sqlstate = "22021"


def writer_of(type_oid: int) -> Write:
    """Return what writes the values of a type."""
    if type_oid in _NUMBERS:
        return _number
    if type_oid == oids.BOOL:
        return _bool
    if type_oid in {oids.JSON, oids.JSONB}:
        return _same
    return _string


def json_row(values: Sequence[bytes | None], writers: Sequence[Write]) -> bytes:
    """Write a row as a JSON array.

    Raises:
        TextUnreadable: 22021.
    """
    texts = [b"null" if value is None else write(value) for value, write in zip(values, writers, strict=True)]
    return b"[" + b",".join(texts) + b"]"


def _number(value: bytes) -> bytes:
    return b'"' + value + b'"' if value in _NO_NUMBERS else value


def _bool(value: bytes) -> bytes:
    return b"true" if value == b"t" else b"false"


def _same(value: bytes) -> bytes:
    return value


def _string(value: bytes) -> bytes:
    try:
        return msgspec.json.encode(value.decode())
    except UnicodeDecodeError as error:
        raise TextUnreadable(message="a value of the answer is not in UTF-8") from error
