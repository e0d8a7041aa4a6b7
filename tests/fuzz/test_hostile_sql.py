"""Broken and hostile SQL over an API table is refused as PostgreSQL refuses it over a local one, or answered alike."""

from __future__ import annotations

import re
from collections import Counter

import psycopg
import pytest
from hostile import hostile_texts, over
from hypothesis import event, given
from profiles import as_profiled
from sockets import compared, errors
from streams import API_TABLE, COPY
from target import Target, say

from wire import frontend
from wire.framing import Frame

pytestmark = pytest.mark.slow

SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")
NOT_SUPPORTED = "0A000"
_HAS_OPTIONS = re.compile(r"\b(?:COPY|EXPLAIN)\b", re.IGNORECASE)
_TAKES_SOME = re.compile(r"\b(?:LIMIT|FETCH|DISTINCT ON)\b", re.IGNORECASE)
NEVER = {"XX000", "XX001", "XX002", "57P01", "57P02", "57P03", "55000"}


@as_profiled
@given(text=hostile_texts())
def test_hostile_sql_is_answered_with_postgresqls_words_or_refused(
    target: Target, bystander: psycopg.Connection, text: str
) -> None:
    ours, theirs = target.pair()
    target.count(1)
    expected, is_left = say(theirs, frontend.Query(text=over(text, COPY).encode()).encode())
    answered, lives = say(ours, frontend.Query(text=over(text, API_TABLE).encode()).encode())
    found = [error["C"] for error in errors(answered)]
    wanted = [error["C"] for error in errors(expected)]
    assert all(SQLSTATE.match(state) for state in found)
    assert not NEVER & (set(found) - set(wanted)), errors(answered)
    assert lives == is_left
    if NOT_SUPPORTED in found and NOT_SUPPORTED not in wanted:
        event(f"refused: {errors(answered)[0]['M'][:60]}")
    elif wanted and _HAS_OPTIONS.search(text):
        # Options are read before the query that PostgreSQL would have analysed first.
        assert found
    elif wanted:
        assert found == wanted, (errors(answered), errors(expected))
    else:
        assert not found, errors(answered)
        assert _answer(answered, text) == _answer(expected, text)


def _answer(frames: list[Frame], text: str) -> list[object]:
    """Return what was answered: rows in no order, and only their number where a text takes some of all.

    A text with its ORDER BY damaged says neither which rows come nor in which order.
    """
    rest = [each for each in compared(frames) if isinstance(each, tuple) and each[0] != "D"]
    rows = Counter(repr(each) for each in compared(frames) if isinstance(each, tuple) and each[0] == "D")
    return [*rest, rows.total() if _TAKES_SOME.search(text) else rows]
