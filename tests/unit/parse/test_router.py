"""A message is split into parts to relay and to run by the names it mentions."""

from __future__ import annotations

from omnisql_server.model.statement import Part
from omnisql_server.parse.router import route

REACHING = frozenset({"issues", "Open Issues"})


def parts_of(text: str, overlay: frozenset[str] = frozenset()) -> tuple[Part, ...] | None:
    return route(text.encode(), lambda text: b"issues" in text.lower(), REACHING, overlay)


def test_a_message_without_a_known_name_is_relayed_whole() -> None:
    assert parts_of("SELECT 1") is None
    assert parts_of("SELECT 'issues'") is None
    assert parts_of("WITH issues AS (SELECT 1) SELECT * FROM issues") is None


def test_only_the_statements_that_reach_an_api_table_are_run() -> None:
    parts = parts_of("SET a.b = 1; SELECT 'ü' FROM Issues; COMMIT")
    assert parts is not None
    assert [(part.text, part.offset, part.statement is not None) for part in parts] == [
        ("SET a.b = 1", 0, False),
        ("SELECT 'ü' FROM Issues", 13, True),
        ("COMMIT", 37, False),
    ]


def test_names_of_the_session_count_whatever_their_case() -> None:
    overlay = frozenset({"Mine", "other"})
    parts = parts_of('SELECT * FROM "Mine"', overlay)
    assert parts is not None
    assert parts[0].statement is not None
    assert parts_of("SELECT * FROM OTHER", overlay) is not None
    assert parts_of("SELECT * FROM mine", overlay) is None


def test_what_cannot_be_read_is_relayed() -> None:
    assert parts_of("SELEC * FROM issues") is None
    assert route(b"SELECT '\xff' FROM issues", lambda text: True, REACHING, frozenset()) is None
