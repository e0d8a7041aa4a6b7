"""A whole unit is kept as its messages would be one by one, and only where nothing came since the last Sync."""

from __future__ import annotations

import pytest

from omnisql_server.session.journal import JOURNAL_BYTES_MAX, BindReply, ExecuteReply, Journal
from wire.framing import Frame

UNIT = [Frame(kind=kind, data=kind + b"\0\0\0\4") for kind in (b"P", b"B", b"E", b"S")]
WHOLE = b"".join(frame.data for frame in UNIT)


def refuse(*_: object) -> bool:
    return True


def kept(journal: Journal) -> object:
    refused = BindReply(refuse)
    return journal.since_bind(refused, [refused, ExecuteReply(refuse)])


@pytest.mark.parametrize("before", [[], UNIT], ids=["first", "after a Sync"])
def test_a_unit_is_kept_as_its_messages_are(before: list[Frame]) -> None:
    together, one_by_one = Journal(), Journal()
    for frame in before:
        together.note(frame)
        one_by_one.note(frame)
    assert not together.is_begun
    together.note_unit(WHOLE)
    for frame in UNIT:
        one_by_one.note(frame)
    assert kept(together) == kept(one_by_one) == (UNIT[:1], UNIT[1:])


def test_what_comes_after_a_unit_begins_anew() -> None:
    journal = Journal()
    journal.note_unit(WHOLE)
    for frame in UNIT[1:]:
        journal.note(frame)
    assert kept(journal) == ([], UNIT[1:])


def test_a_transaction_that_is_begun_is_told() -> None:
    journal = Journal()
    journal.note(UNIT[1])
    assert journal.is_begun
    journal.spoil()
    assert journal.is_begun
    journal.note(UNIT[3])
    assert not journal.is_begun


def test_what_is_too_long_is_not_kept() -> None:
    journal = Journal()
    journal.note_unit(WHOLE + bytes(JOURNAL_BYTES_MAX))
    assert kept(journal) is None
