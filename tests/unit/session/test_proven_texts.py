"""Which texts of a session may be answered again without its backend."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.session.client import ClientConnection
from omnisql_server.session.exchange import CommandReply, CopyInReply, Exchange
from omnisql_server.session.link import BackendLink
from omnisql_server.session.proven import PROVEN_FOR_S, TEXTS_MAX, Proven
from omnisql_server.session.replies import (
    RELAYED_BIND,
    RELAYED_EXECUTE,
    RELAYED_SYNC,
    IgnoredReply,
    PrivateSyncReply,
    QueryReply,
    Reply,
)


@dataclass
class Answer:
    holds: bool = True


def a_link() -> BackendLink:
    return BackendLink(ClientConnection(message_bytes_max=65_536, buffer_bytes_max=65_536))


async def test_a_text_is_proven_until_something_is_sent_for_the_client() -> None:
    exchange = Exchange()
    copy_in = CopyInReply(exchange, [])
    touching: list[Reply] = [QueryReply(lambda _: None, retryable=True), RELAYED_BIND, RELAYED_EXECUTE, copy_in]
    touching += [CommandReply(b"C", exchange, []), PrivateSyncReply()]
    for reply in touching:
        link = a_link()
        proven, answer = Proven(link), Answer()
        proven.learn(b"SELECT", answer, link.touches)
        link.send(b"", exchange.expect(b"C"))
        link.send(b"", IgnoredReply(b"3"))
        link.send(b"", RELAYED_SYNC)
        assert proven.find(b"SELECT") is answer
        link.send(b"", reply)
        assert proven.find(b"SELECT") is None


def test_a_text_that_was_run_in_between_two_others_of_the_client_is_not_proven() -> None:
    link = a_link()
    proven = Proven(link)
    proven.learn(b"SELECT", Answer(), link.touches - 1)
    assert b"SELECT" not in proven


def test_a_text_is_proven_for_a_while_and_as_long_as_its_answer_is_kept() -> None:
    link, now_s = a_link(), [0.0]
    proven, answer = Proven(link, lambda: now_s[0]), Answer()
    proven.learn(b"SELECT", answer, link.touches)
    now_s[0] = PROVEN_FOR_S - 1
    assert b"SELECT" in proven
    answer.holds = False
    assert b"SELECT" not in proven
    answer.holds = True
    now_s[0] = PROVEN_FOR_S
    assert b"SELECT" not in proven


def test_so_many_texts_are_proven_and_no_more() -> None:
    link = a_link()
    proven = Proven(link)
    for number in range(TEXTS_MAX + 1):
        proven.learn(b"%d" % number, Answer(), link.touches)
    assert b"0" not in proven
    assert all(b"%d" % number in proven for number in range(1, TEXTS_MAX + 1))
