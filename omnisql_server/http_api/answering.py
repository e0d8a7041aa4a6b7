"""One statement's answer as JSON: an error before its first bytes went out has a status, one after them ends it broken.

{"columns": [{"name", "type"}, ..], "rows": [[..], ..], "command": "SELECT 2", "sources": [{..}], "notices": [{..}]}
{"error": {"sqlstate", "severity", "message", "detail", "hint", "position"}}
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec

from omnisql_server.errors import NotSupported
from omnisql_server.http_api.json_values import TYPE_NAMES, Write, json_row, writer_of
from omnisql_server.http_api.question import Question
from omnisql_server.http_api.wire_client import Row, WireClient
from wire.backend import Field
from wire.backend_decode import decode_command_complete, decode_data_row, decode_row_description
from wire.framing import Frame

PIECE_BYTES = 65_536
SOURCES = "SELECT * FROM omnisql.last_query_sources"
_COPIES = frozenset({b"G", b"H", b"W"})
_FIELDS = {
    "C": "sqlstate",
    "V": "severity",
    "M": "message",
    "D": "detail",
    "H": "hint",
    "P": "position",
}
_STATUSES_OF_LOG_IN = {"28": 401}
_STATUSES = {
    **{"42501": 403, "53400": 429, "57014": 504, "08P01": 400, "HV00D": 400, "HV00L": 400},
    **{"08": 502, "HV": 502, "28": 502, "40": 409, "53": 503, "57": 503, "58": 503, "XX": 500, "F0": 500},
}
"""By SQLSTATE or its class: what is the source's failure, what passes, what the caller may not; the rest is 400."""


async def answered(client: WireClient, question: Question) -> AsyncGenerator[bytes, None]:
    """Run a statement for a session that has logged in, and give its answer in pieces of some 64 kB.

    Raises:
        BackendError: the statement's error. NotSupported: 0A000, COPY.
    """
    described = await client.prepare(question.sql)
    fields = () if described is None else decode_row_description(described.payload)
    names = await _type_names(client, fields)
    columns = [{"name": field.name, "type": name} for field, name in zip(fields, names, strict=True)]
    yield b'{"columns":' + msgspec.json.encode(columns) + b',"rows":['
    command = ""
    separator = b""
    writers = [writer_of(field.type_oid) for field in fields]
    piece: list[bytes] = []
    piece_bytes = 0
    async with aclosing(client.execute(question.parameters)) as frames:
        async for frame in frames:
            if frame.kind == b"D":
                row = json_row(decode_data_row(frame.payload), writers)
                piece += [separator, row]
                separator = b","
                piece_bytes += len(row)
                if piece_bytes >= PIECE_BYTES:
                    yield b"".join(piece)
                    piece, piece_bytes = [], 0
            elif frame.kind == b"C":
                command = decode_command_complete(frame.payload)
            elif frame.kind in _COPIES:
                raise NotSupported(message="COPY is not available by HTTP", hint="Send a SELECT or an INSERT instead.")
    notices = [told(fields) for fields in client.notices]
    sources = _objects(*await client.ask(SOURCES))
    end = {"command": command, "sources": sources, "notices": notices}
    yield b"".join(piece) + b"]," + msgspec.json.encode(end)[1:]


def refusal(fields: Mapping[str, str]) -> bytes:
    """Write an error as the whole of an answer."""
    return msgspec.json.encode({"error": told(fields)})


def told(fields: Mapping[str, str]) -> dict[str, object]:
    """Name the fields of an error or a notice."""
    named: dict[str, object] = {name: fields[code] for code, name in _FIELDS.items() if code in fields}
    if "position" in named:
        named["position"] = int(fields["P"])
    return named


def status_of(sqlstate: str, *, logging_in: bool) -> int:
    """Return the HTTP status of an error; what is refused at log-in is the caller's, later it is a source's."""
    if logging_in and sqlstate[:2] in _STATUSES_OF_LOG_IN:
        return _STATUSES_OF_LOG_IN[sqlstate[:2]]
    return _STATUSES.get(sqlstate) or _STATUSES.get(sqlstate[:2]) or 400


async def _type_names(client: WireClient, fields: tuple[Field, ...]) -> list[str]:
    """Name the types of columns as format_type does, which is asked for those that are not ordinary."""
    unknown = sorted({_type_of(field) for field in fields} - {(oid, -1) for oid in TYPE_NAMES})
    known = {(oid, -1): name for oid, name in TYPE_NAMES.items()}
    if unknown:
        calls = (f"pg_catalog.format_type({oid}::pg_catalog.oid, {modifier})" for oid, modifier in unknown)
        _, (row,) = await client.ask(f"SELECT {', '.join(calls)}")
        known |= {key: (name or b"").decode() for key, name in zip(unknown, row, strict=True)}
    return [known[_type_of(field)] for field in fields]


def _type_of(field: Field) -> tuple[int, int]:
    return field.type_oid, field.type_modifier


def _objects(described: Frame | None, rows: list[Row]) -> list[dict[str, msgspec.Raw]]:
    """Write rows as JSON objects, without what is NULL."""
    fields = () if described is None else decode_row_description(described.payload)
    writers: list[Write] = [writer_of(field.type_oid) for field in fields]
    return [
        {
            field.name: msgspec.Raw(write(value))
            for field, write, value in zip(fields, writers, row, strict=True)
            if value is not None
        }
        for row in rows
    ]
