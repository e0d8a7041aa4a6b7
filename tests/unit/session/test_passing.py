"""An answer that arrives in one piece is passed on as it came, with the same outcome as message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.session.exchange import Exchange
from omnisql_server.session.link import BackendLink
from omnisql_server.session.passing import answered
from omnisql_server.session.replies import (
    BIND_ENDS,
    CLOSE_ENDS,
    COPY_END,
    DESCRIBE_ENDS,
    EXECUTE_ENDS,
    PARSE_ENDS,
    RELAYED_BIND,
    RELAYED_CLOSE,
    RELAYED_DESCRIBE,
    RELAYED_EXECUTE,
    RELAYED_PARSE,
    RELAYED_SYNC,
    CheckReply,
    IgnoredReply,
    PartReply,
    QueryReply,
    Reply,
)
from wire.backend import (
    READY_IDLE,
    command_complete,
    data_row,
    error_response,
    notice_response,
    parameter_status,
)
from wire.framing import Frame

READY_OPEN = b"Z\0\0\0\x05T"
MESSAGES = {
    "parsed": b"1\0\0\0\x04",
    "bound": b"2\0\0\0\x04",
    "closed": b"3\0\0\0\x04",
    "nothing": b"n\0\0\0\x04",
    "described": b"T\0\0\0\x06\0\0",
    "row": data_row([b"1"]),
    "selected": command_complete("SELECT 1"),
    "begun": command_complete("BEGIN"),
    "forgotten": command_complete("DISCARD ALL"),
    "suspended": b"s\0\0\0\x04",
    "copying": b"G\0\0\0\x07\0\0\0",
    "notice": notice_response({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": "said"}),
    "setting": parameter_status("TimeZone", "UTC"),
    "error": error_response({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "division by zero"}),
    "refused": error_response(
        {"S": "ERROR", "V": "ERROR", "C": "55000", "M": 'foreign-data wrapper "x" has no handler'}
    ),
    "ready": READY_IDLE,
    "open": READY_OPEN,
    "bad length": b"D\0\0\0\x01",
}


class Client:
    """What a link needs of the client's connection."""

    def __init__(self) -> None:
        self.data = b""
        self.calm = None

    def write(self, data: bytes) -> None:
        self.data += data


class Events:
    """What a link tells the session, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, object]]] = []

    def __getattr__(self, name: str) -> Any:
        def tell(*args: object, **kwargs: object) -> None:
            self.told.append((name, repr(args), kwargs))

        return tell


def replies(kinds: Sequence[str], refused: list[Frame]) -> list[Reply]:
    exchange = Exchange()
    made: dict[str, Reply] = {
        "P": RELAYED_PARSE,
        "B": RELAYED_BIND,
        "D": RELAYED_DESCRIBE,
        "E": RELAYED_EXECUTE,
        "C": RELAYED_CLOSE,
        "S": RELAYED_SYNC,
        "copy end": COPY_END,
        "part": PartReply(EXECUTE_ENDS, shown=b"C"),
        "check": CheckReply(PARSE_ENDS),
        "ignored": IgnoredReply(CLOSE_ENDS),
        "private": exchange.expect(BIND_ENDS),
        "command": exchange.expect_command([]),
        "described": exchange.expect(DESCRIBE_ENDS),
    }
    return [QueryReply(refused.append, retryable=True) if kind == "Q" else made[kind] for kind in kinds]


def outcome(kinds: Sequence[str], pieces: Sequence[bytes]) -> list[object]:
    client, events, refused = Client(), Events(), list[Frame]()
    link = BackendLink(client)  # type: ignore[arg-type]
    link.events = events
    for reply in replies(kinds, refused):
        link.send(b"", reply)
    for piece in pieces:
        link.data_received(piece)
    return [client.data, events.told, refused, link.status, link.in_block, len(link.pending), link.skipping]


QUERY = ["Q"]
EXTENDED = ["P", "B", "D", "E", "S"]
RELAYED = st.sampled_from([QUERY, EXTENDED, ["E", "S", "Q"], ["C", "S"], ["B", "E", "B", "E", "S"]])
KINDS = st.one_of(
    RELAYED, st.lists(st.sampled_from(["Q", "part", "check", "private", "command", *"PBDECS"]), max_size=4)
)
PLAIN = st.sampled_from(
    [
        ["described", "row", "row", "selected", "ready"],
        ["parsed", "bound", "described", "row", "selected", "ready"],
        ["parsed", "bound", "nothing", "begun", "open"],
        ["bound", "selected", "bound", "suspended", "open"],
    ]
)
STREAM = st.one_of(PLAIN, st.lists(st.sampled_from(sorted(MESSAGES.keys() - {"bad length"})), max_size=7))


@given(kinds=KINDS, names=STREAM)
def test_the_outcome_is_that_of_message_by_message(kinds: list[str], names: list[str]) -> None:
    async def compare() -> None:
        whole = b"".join(MESSAGES[name] for name in names)
        apart = [MESSAGES[name][start : start + 3] for name in names for start in range(0, len(MESSAGES[name]), 3)]
        assert outcome(kinds, [whole]) == outcome(kinds, apart)

    asyncio.run(compare())


@pytest.mark.parametrize(
    ("kinds", "names", "count"),
    [
        (QUERY, ["described", "row", "selected", "ready"], 1),
        (EXTENDED, ["parsed", "bound", "described", "row", "selected", "open"], 5),
        (EXTENDED, ["parsed", "bound", "described", "row", "selected"], 0),
        (["Q", "Q"], ["selected", "ready", "selected", "ready"], 0),
        (EXTENDED, ["parsed", "described", "bound", "row", "selected", "ready"], 0),
        (QUERY, ["begun", "open"], 0),
        (QUERY, ["forgotten", "ready"], 0),
        (QUERY, ["notice", "selected", "ready"], 0),
        (QUERY, ["bad length", "ready"], 0),
        (["private", "S"], ["bound", "ready"], 0),
        (["command", "S"], ["selected", "ready"], 0),
        (["part", "S"], ["selected", "ready"], 0),
        ([], ["ready"], 0),
    ],
)
async def test_only_what_needs_no_look_is_passed(kinds: list[str], names: list[str], count: int) -> None:
    assert answered(b"".join(MESSAGES[name] for name in names), replies(kinds, []))[0] == count


async def test_the_end_of_a_refused_query_is_kept() -> None:
    refused: list[Frame] = []
    client = Client()
    link = BackendLink(client)  # type: ignore[arg-type]
    link.send(b"", replies(QUERY, refused)[0])
    link.data_received(MESSAGES["refused"])
    link.data_received(READY_IDLE)
    assert (client.data, len(refused), link.status, len(link.pending)) == (b"", 1, "I", 0)
