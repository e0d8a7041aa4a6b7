"""One audit record: its fields, and its JSON form.

No field holds a value that a user wrote in a statement, or one of a row. `salt` makes a record's digest say nothing
about its content, so that the chain stays verifiable without it.
"""

from __future__ import annotations

import secrets
import time

import msgspec

from catalog.audit_groups import moment

VERSION = 1
ID_BYTES = 16
RUNNING = ""
SUCCEEDED = "00000"
RELAYED = "relayed"


class TableRead(msgspec.Struct, frozen=True, kw_only=True):
    """One API table that a statement reads: `table` is connector.table, `columns` are the API's names."""

    server: str
    table: str
    relation: str
    columns: tuple[str, ...] = ()


class FilterApplied(msgspec.Struct, frozen=True, kw_only=True):
    """A row filter on an API table, by the name of its policy."""

    table: str
    policy: str


class MaskApplied(msgspec.Struct, frozen=True, kw_only=True):
    """A mask on a column of an API table that the statement reads, by the name of its policy."""

    table: str
    column: str
    policy: str
    kind: str


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record.

    `phase` is `start`, `finish`, or `whole` for what has one record alone; the two of a statement share its `id`.
    `kind` is what was asked for: a kind of statement, or `tenant create` and the like. `outcome` is the SQLSTATE, 00000
    for success, `relayed` where PostgreSQL carries the statement out, empty at the start. `purpose` is what the session
    said that it reads for. `rows` are those handed to
    the client, `rows_read` those of API tables after policy, `calls` the requests to sources.
    """

    version: int
    id: str
    phase: str
    at: str
    kind: str
    tenant: str
    principal: str
    roles: tuple[str, ...] = ()
    client: str = ""
    query_id: str = ""
    trace_id: str = ""
    fingerprint: str = ""
    text: str = ""
    sources: tuple[str, ...] = ()
    tables: tuple[TableRead, ...] = ()
    filters: tuple[FilterApplied, ...] = ()
    masks: tuple[MaskApplied, ...] = ()
    policy_revision: str = ""
    purpose: str = ""
    outcome: str = RUNNING
    rows: int = 0
    rows_read: int = 0
    calls: int = 0
    detail: str = ""
    salt: str


VARYING = frozenset({"id", "at", "client", "query_id", "trace_id", "salt"})
"""What differs between the records of a statement that is answered again and again."""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encoded(record: Record) -> str:
    """Return a record as JSON."""
    return _encoder.encode(record).decode()


def common_part(record: Record) -> str:
    """Return the members of a record's JSON object that are the same each time, without braces."""
    common = {name: value for name, value in msgspec.to_builtins(record).items() if name not in VARYING}
    return _encoder.encode(common).decode()[1:-1]


def decoded(text: str) -> Record:
    """Read a record from JSON.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(text)


def new_id() -> str:
    """Make the id of a statement or act."""
    return secrets.token_hex(ID_BYTES)


def new_salt() -> str:
    """Make 16 random bytes, in hexadecimal."""
    return secrets.token_hex(16)


def now() -> str:
    """Return the time in UTC, to the microsecond."""
    return moment(now_us())


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1_000
