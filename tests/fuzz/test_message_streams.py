"""Messages in any order are answered as PostgreSQL answers them; whatever bytes come, nothing but a session ends."""

from __future__ import annotations

import re

import psycopg
import pytest
from departures import compared_with
from hypothesis import given
from profiles import as_profiled
from sockets import errors, kinds
from streams import Stream, mutilated, streams
from target import Target, say_each

pytestmark = pytest.mark.slow

SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")


@as_profiled
@given(stream=streams())
def test_messages_of_any_order_are_answered_as_postgresql_answers_them(
    target: Target, bystander: psycopg.Connection, stream: Stream
) -> None:
    ours, theirs = target.pair()
    target.count(len(stream.ours))
    both = say_each((ours, b"".join(stream.ours)), (theirs, b"".join(stream.theirs)))
    (answered, lives), (expected, is_left) = both
    said, wanted = compared_with(answered, expected, stream.ours)
    assert said == wanted
    assert lives == is_left


@as_profiled
@given(stream=mutilated())
def test_mutilated_messages_end_their_own_session_at_most(
    target: Target, bystander: psycopg.Connection, stream: tuple[bytes, int]
) -> None:
    data, messages = stream
    session = target.session()
    target.count(messages)
    session.send(data)
    answered = session.rest()
    session.close()
    for error in errors(answered):
        assert SQLSTATE.match(error["C"])
        # PostgreSQL has its own of these, for types that do not exist; they name a routine.
        assert error["C"] != "XX000" or "R" in error, error
    assert target.demo.process.poll() is None
    if "E" not in kinds(answered):
        return
    assert bystander.execute("SELECT n FROM mine").fetchone() == (42,)
