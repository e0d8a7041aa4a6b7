"""The client of all measurements: logs in through libpq, then sends Query messages and reads the answers in big chunks.

What it does per row is nothing, so that what is measured is the server and the socket.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from dataclasses import dataclass

from psycopg import pq

from wire.frontend import Bind, Execute, Parse

CHUNK_BYTES = 1024 * 1024
TIMEOUT_S = 120.0
_END = re.compile(rb"C\x00\x00\x00.([A-Z ]+)(\d*)\x00Z\x00\x00\x00\x05[ITE]$", re.DOTALL)
_SUSPENDED = b"s\0\0\0\4"
_HEAD_BYTES = 4096
_TAIL_BYTES = 64


class StatementFailed(Exception):
    """The server answered with an error, or with something else than was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a statement took, from its first byte to the last one of its answer, and until the first row."""

    rows: int
    bytes_received: int
    seconds: float
    first_seconds: float
    digest: str = ""


class Reader:
    """A connection that reads answers without looking at them."""

    def __init__(self, dsn: str) -> None:
        """Log in; `dsn` is a connection string of libpq."""
        self._connection = pq.PGconn.connect(dsn.encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise StatementFailed(self._connection.error_message.decode())
        # The descriptor stays libpq's own; a duplicate reads the same socket.
        self._socket = socket.socket(fileno=os.dup(self._connection.socket))
        self._socket.settimeout(TIMEOUT_S)
        self._buffer = bytearray(CHUNK_BYTES)

    def run(self, sql: str, *, digest: bool = False) -> Answer:
        """Run a statement and read its answer to the end; `digest` hashes the DataRow messages, which takes time.

        Raises:
            StatementFailed: the answer does not end with a command tag.
        """
        text = sql.encode() + b"\0"
        view, head, tail, received, first_seconds = memoryview(self._buffer), b"", b"", 0, 0.0
        kept: list[bytes] = []
        started = time.perf_counter()
        self._socket.sendall(b"Q" + (len(text) + 4).to_bytes(4, "big") + text)
        while True:
            count = self._socket.recv_into(self._buffer)
            if count == 0:
                raise StatementFailed("the server closed the connection")
            received += count
            head = head if len(head) >= _HEAD_BYTES else head + view[: min(count, _HEAD_BYTES)]
            if not first_seconds and received > 1 + int.from_bytes(head[1:5], "big"):
                # More than the RowDescription has come.
                first_seconds = time.perf_counter() - started
            if digest:
                kept.append(bytes(view[:count]))
            tail = (tail + view[max(0, count - _TAIL_BYTES) : count])[-_TAIL_BYTES:]
            if tail[-6:-1] == b"Z\0\0\0\5":
                if end := _END.search(tail):
                    break
                if received <= _HEAD_BYTES:
                    raise StatementFailed(head.decode(errors="replace"))
        seconds = time.perf_counter() - started
        return Answer(
            rows=int(end[2] or 0),
            bytes_received=received,
            seconds=seconds,
            first_seconds=first_seconds,
            digest=_row_digest(b"".join(kept)) if digest else "",
        )

    def pages(self, sql: str, rows_max: int) -> Answer:
        """Read a query through a portal, `rows_max` rows an Execute, each with its Sync, as by a driver's fetch size.

        Raises:
            StatementFailed: an answer is neither a page nor the last one.
        """
        self.run("BEGIN")
        execute, sync = Execute(portal=b"page", rows_max=rows_max).encode(), b"S\0\0\0\4"
        opening = Parse(statement=b"", text=sql.encode()).encode() + Bind(portal=b"page", statement=b"").encode()
        received, first_seconds, started = 0, 0.0, time.perf_counter()
        self._socket.sendall(opening + execute + sync)
        while True:
            count, tail = self._until_ready()
            received += count
            first_seconds = first_seconds or time.perf_counter() - started
            if tail[-11:-6] != _SUSPENDED:
                break
            self._socket.sendall(execute + sync)
        seconds = time.perf_counter() - started
        if _END.search(tail) is None:
            raise StatementFailed(tail.decode(errors="replace"))
        self.run("COMMIT")
        return Answer(rows=0, bytes_received=received, seconds=seconds, first_seconds=first_seconds)

    def _until_ready(self) -> tuple[int, bytes]:
        """Read up to a ReadyForQuery; return how many bytes, and the last of them."""
        received, tail = 0, b""
        while tail[-6:-1] != b"Z\0\0\0\5":
            count = self._socket.recv_into(self._buffer)
            if count == 0:
                raise StatementFailed("the server closed the connection")
            received += count
            tail = (tail + memoryview(self._buffer)[max(0, count - _TAIL_BYTES) : count])[-_TAIL_BYTES:]
        return received, tail

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._connection.finish()


def _row_digest(answer: bytes) -> str:
    """Hash the DataRow messages of an answer in a defined order: a table has none, and the rest may differ."""
    rows, start = [], 0
    while start < len(answer):
        end = start + 1 + int.from_bytes(answer[start + 1 : start + 5], "big")
        if answer[start : start + 1] == b"D":
            rows.append(answer[start:end])
        start = end
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()
