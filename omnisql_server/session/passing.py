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
_COMPLETE, _READY_KIND = b"CZ"
NOTED_TAGS = (b"BEGIN", b"START TRANSACTION", b"DISCARD ALL", b"DEALLOCATE ALL")
"""Beginnings of the command tags that the session must know of."""


def answered(data: bytes, replies: Collection[Reply]) -> int:
    """Say how many replies, from the first on, `data` answers, if it is all the client's and ends with ReadyForQuery.

    0 says that the messages have to be looked at one by one: because the data is more or less than whole answers up to
    one ReadyForQuery, or holds what is ours, out of order, or of interest to the session.
    """
    size = len(data)
    if not replies or data[-READY_BYTES:-1] != _READY:
        return 0
    start = count = 0
    expected = iter(replies)
    reply = next(expected)
    while size - start >= READY_BYTES - 1:
        kind, length = _HEADER.unpack_from(data, start)
        end = start + length + 1
        if not reply.passes or length < 4 or end > size or kind not in _PLAIN_KINDS:
            return 0
        if kind == _COMPLETE and data.startswith(NOTED_TAGS, start + 5):
            return 0
        if kind in reply.ends:
            count += 1
            if kind == _READY_KIND:
                return count if end == size else 0
            following = next(expected, None)
            if following is None:
                return 0
            reply = following
        elif kind == _READY_KIND:
            return 0
        start = end
    return 0
