"""What the server answers otherwise than PostgreSQL, on purpose: the comparison of a stream ends there."""

from __future__ import annotations

from collections.abc import Sequence

from sockets import Essence, compared

from wire.framing import Frame

_OPENED = (b"BEGIN", b"START TRANSACTION")


def compared_with(
    frames: Sequence[Frame], theirs: Sequence[Frame], sent: Sequence[bytes]
) -> tuple[list[Essence], list[Essence]]:
    """Return what a server says to the messages sent and what PostgreSQL says, as far as they have to agree."""
    said, expected = compared(frames), compared(theirs)
    for index, (ours, other) in enumerate(zip(said, expected, strict=False)):
        if ours != other:
            before = expected[:index]
            known = _is_left_portal(ours, other, before) or _is_left_open(ours, other, before, sent)
            return (said[:index], before) if known else (said, expected)
    return said, expected


def _is_left_portal(ours: Essence, other: Essence, before: Sequence[Essence]) -> bool:
    """Say whether ours has no portal where a query that failed in a block left PostgreSQL 18 one in freed memory.

    It is closed here, so that there is nothing to describe.
    """
    return ours[:3] == ("E", "ERROR", "34000") and other[:1] in (("n",), ("T",)) and ("Z", b"E") in before


def _is_left_open(ours: Essence, other: Essence, before: Sequence[Essence], sent: Sequence[bytes]) -> bool:
    """Say whether ours committed by a query what PostgreSQL 18 keeps open because of an Execute without its Sync.

    That block is an implicit one: nobody has sent BEGIN since there was none. It is open after a query that was
    carried out, not after one that failed.
    """
    if (ours, other) != (("Z", b"I"), ("Z", b"T")) or before[-1][0] != "C" or not _queries_behind_execute(sent):
        return False
    idle = [index for index, each in enumerate(before) if each == ("Z", b"I")]
    tags = [each[1] for each in before[idle[-1] + 1 if idle else 0 :] if each[0] == "C"]
    return not any(isinstance(tag, bytes) and tag.startswith(_OPENED) for tag in tags)


def _queries_behind_execute(sent: Sequence[bytes]) -> bool:
    executed = False
    for message in sent:
        if message[:1] == b"Q" and executed:
            return True
        executed = message[:1] == b"E" or (executed and message[:1] != b"S")
    return False
