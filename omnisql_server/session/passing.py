"""Answers that pass to the client as they came: whole ones, found by their headers alone. Pure.

Most of what is relayed are short answers that arrive in one piece and end with ReadyForQuery. Nothing of them has to be
taken apart: each message must only be one that the replies expected may get, in order (PostgreSQL 18, chapter 54.7).
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from omnisql_server.session.replies import Reply

READY_BYTES = 6
_READY = b"Z\0\0\0\x05"
_HEADER = struct.Struct(">Bi")
_PLAIN_KINDS = b"12nTDCIstZ3"
"""Messages that concern nobody but the client, if what ends a reply is the right one; not those of COPY, no errors."""
_ROW, _COMPLETE, _READY_KIND = b"DCZ"
_NONE = (0, 0, 0)
KNOWN_BYTES_MAX = 2_048
"""Longest answer that the next one is compared with."""
NOTED_TAGS = (b"BEGIN", b"START TRANSACTION", b"DISCARD ALL", b"DEALLOCATE ALL")
"""Beginnings of the command tags that the session must know of."""


class Answers:
    """Measures answers; of the last one that came alone it knows what was before and after its rows.

    The next one to the same replies mostly is the answer to the same statement, so that only its rows are new.
    """

    __slots__ = ("_after", "_before", "_to")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._to: object = None

    def are_again(self, data: bytes, alone: object) -> bool:
        """Say whether `data` answers what was sent alone, but for its rows and as a whole, as what was sent before.

        The same object stands for messages of the same kinds: `alone` is that for what was sent, None once part of its
        answer has come.
        """
        start, after = len(self._before), self._after
        if alone is not self._to or alone is None or not data.startswith(self._before) or not data.endswith(after):
            return False
        end = len(data) - len(after)
        while start < end:
            kind, length = _HEADER.unpack_from(data, start)
            if kind != _ROW or length < 4:
                return False
            start += length + 1
        return start == end

    def count(self, data: bytes, replies: Collection[Reply], alone: object = None) -> int:
        """Say how many replies, from the first on, `data` answers; see `answered`, and `are_again`."""
        if self.are_again(data, alone):
            return len(replies)
        count, rows_start, rows_end = answered(data, replies)
        if count and alone is not None and len(data) <= KNOWN_BYTES_MAX:
            self._to, self._before, self._after = alone, data[:rows_start], data[rows_end:]
        return count


def answered(data: bytes, replies: Collection[Reply]) -> tuple[int, int, int]:
    """Say how many replies, from the first on, `data` answers, if it is all the client's and ends with ReadyForQuery.

    0 says that the messages have to be looked at one by one: because the data is more or less than whole answers up to
    one ReadyForQuery, or holds what is ours, out of order, or of interest to the session. With it come where the first
    rows begin and end; where there are none, both are 0.
    """
    size = len(data)
    if not replies or data[-READY_BYTES:-1] != _READY:
        return _NONE
    start = count = rows_start = rows_end = 0
    expected = iter(replies)
    reply = next(expected)
    while size - start >= READY_BYTES - 1:
        kind, length = _HEADER.unpack_from(data, start)
        end = start + length + 1
        if not reply.passes or length < 4 or end > size or kind not in _PLAIN_KINDS:
            return _NONE
        if kind == _ROW:
            if not rows_end:
                rows_start = rows_end = start
            if rows_end == start:
                rows_end = end
        elif kind == _COMPLETE and data.startswith(NOTED_TAGS, start + 5):
            return _NONE
        if kind in reply.ends:
            count += 1
            if kind == _READY_KIND:
                return (count, rows_start, rows_end) if end == size else _NONE
            following = next(expected, None)
            if following is None:
                return _NONE
            reply = following
        elif kind == _READY_KIND:
            return _NONE
        start = end
    return _NONE
