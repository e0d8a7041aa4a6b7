"""A query that is run behind an Execute without its Sync commits; nothing else may differ as that does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from departures import compared_with
from sockets import kinds
from streams import API_TABLE
from target import Target, say

from wire.backend import command_complete
from wire.backend_decode import decode_data_row
from wire.framing import Frame
from wire.frontend import Bind, Execute, FrontendMessage, Parse, Query, Sync

EXECUTED: tuple[FrontendMessage, ...] = (
    Parse(statement=b"", text=b"INSERT INTO scratch VALUES (1)"),
    Bind(portal=b"", statement=b""),
    Execute(portal=b""),
)
QUERY = Query(text=f"INSERT INTO scratch SELECT 2 FROM {API_TABLE} LIMIT 1".encode())


def encoded(*messages: FrontendMessage) -> list[bytes]:
    return [message.encode() for message in messages]


def answer(*tags: str, status: bytes) -> list[Frame]:
    """Make what tells that statements were carried out, and the status after them."""
    ready = b"Z\0\0\0\x05" + status
    return [*(Frame(kind=b"C", data=command_complete(tag)) for tag in tags), Frame(kind=b"Z", data=ready)]


@pytest.mark.slow
def test_a_query_that_is_run_behind_an_open_execute_commits_both(target: Target) -> None:
    ours, _ = target.pair()
    messages = encoded(*EXECUTED, QUERY, Sync(), Query(text=b"ROLLBACK"), Query(text=b"SELECT n FROM scratch"))
    answered, lives = say(ours, b"".join(messages))
    assert lives
    assert "E" not in kinds(answered)
    assert {frame.payload for frame in answered if frame.kind == b"Z"} == {b"I"}
    assert sorted(decode_data_row(frame.payload) for frame in answered if frame.kind == b"D") == [(b"1",), (b"2",)]


@pytest.mark.parametrize(
    ("before", "status", "sent"),
    [
        ((), b"I", encoded(*EXECUTED, Sync(), QUERY)),
        (("BEGIN",), b"T", encoded(*EXECUTED, QUERY)),
        (("START TRANSACTION",), b"T", encoded(*EXECUTED, QUERY)),
    ],
)
def test_no_other_transaction_may_end_by_a_query(before: Sequence[str], status: bytes, sent: Sequence[bytes]) -> None:
    first = answer(*before, status=status)
    said, expected = compared_with(
        [*first, *answer("INSERT 0 1", status=b"I")], [*first, *answer("INSERT 0 1", status=b"T")], sent
    )
    assert said != expected


@pytest.mark.parametrize(("ours", "theirs"), [(b"T", b"I"), (b"E", b"T"), (b"I", b"E")])
def test_no_other_status_may_differ(ours: bytes, theirs: bytes) -> None:
    tags = ("INSERT 0 1", "INSERT 0 1")
    said, expected = compared_with(answer(*tags, status=ours), answer(*tags, status=theirs), encoded(*EXECUTED, QUERY))
    assert said != expected


def test_what_comes_before_the_known_difference_is_compared() -> None:
    sent = encoded(*EXECUTED, QUERY)
    ours, theirs = answer("INSERT 0 1", "INSERT 0 1", status=b"I"), answer("INSERT 0 1", "INSERT 0 1", status=b"T")
    said, expected = compared_with(ours, theirs, sent)
    assert said == expected
    assert len(said) == 2
    said, expected = compared_with(answer("INSERT 0 2", "INSERT 0 1", status=b"I"), theirs, sent)
    assert said != expected
