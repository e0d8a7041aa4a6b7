"""A message is split into parts to relay and to run by the names it mentions."""

from __future__ import annotations

import pytest

from catalog.carriers import Carriers
from omnisql_server.model.definition import NotGrammatical
from omnisql_server.model.statement import SECRET_KINDS, Part, StatementKind
from omnisql_server.parse import router
from omnisql_server.parse.router import route
from omnisql_server.parse.shaped import statements_of

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


def test_texts_of_one_shape_are_told_apart_where_digits_are_names() -> None:
    named = frozenset({"orders2"})

    def reaches(text: bytes) -> bool:
        return b"orders2" in text

    for _ in range(2):
        assert route(b"SELECT 1 FROM orders1", reaches, named, frozenset()) is None
        assert route(b"SELECT 1 FROM orders2", reaches, named, frozenset()) is not None
        assert parts_of("SELECT 1 FROM mine7") is None
        assert parts_of("SELECT 1 FROM mine8", frozenset({"mine8"})) is not None
        assert parts_of("SELECT 2 FROM issues") is not None


def test_a_text_with_a_password_is_not_remembered() -> None:
    text = b"ALTER ROLE ana PASSWORD 'hidden'"
    assert route(text, lambda _text: False, frozenset(), frozenset()) is not None
    assert router.may_change_roles(text)
    under = (frozenset[str](), frozenset[str](), Carriers())
    assert (text, under) not in router._plain
    assert text not in router._without_roles
    assert (b"SELECT 00", frozenset()) not in router._plain
    assert route(b"SELECT 42", lambda _text: False, frozenset(), frozenset()) is None
    assert (b"SELECT 00", under) in router._plain


def test_what_cannot_be_read_is_relayed() -> None:
    assert parts_of("SELEC * FROM issues") is None
    assert route(b"SELECT '\xff' FROM issues", lambda text: True, REACHING, frozenset()) is None


@pytest.mark.parametrize(
    "text",
    [
        "CREATE USER MAPPING FOR a SERVER gh OPTIONS (token 'ghp_hidden'",
        "CREATE USER MAPING FOR a SERVER gh OPTIONS (token 'ghp_hidden')",
        "create user mapping for a servr gh options (token 'ghp_hidden')",
        "SELECT 1; CREATE SERVER gh FOREIGN DATA WRAPPR github OPTIONS (token 'ghp_hidden')",
    ],
)
def test_what_cannot_be_read_and_may_hold_a_secret_is_kept_from_postgresql(text: str) -> None:
    parts = parts_of(text)
    assert parts is not None
    (part,) = parts
    assert part.statement is not None
    assert part.statement.kind is StatementKind.NOT_GRAMMATICAL
    assert part.statement.kind in SECRET_KINDS
    assert isinstance(part.statement.definition, NotGrammatical)
    assert part.statement.definition.sqlstate == "42601"
    position = part.statement.definition.position or 0
    assert 0 < position <= len(text) + 1


def test_a_position_counts_characters() -> None:
    parts = parts_of("SELECT 'äöü'; DROP USER MAPPING IF x")
    assert parts is not None
    assert parts[0].statement is not None
    assert parts[0].statement.definition == NotGrammatical(
        message='syntax error at or near "x"', sqlstate="42601", position=36
    )


def test_what_is_not_utf_8_and_may_hold_a_secret_is_kept_from_postgresql() -> None:
    parts = route(b"CREATE USER MAPPING FOR a SERVER b OPTIONS (c '\xff')", lambda text: False, REACHING, frozenset())
    assert parts is not None
    assert parts[0].statement is not None
    assert isinstance(parts[0].statement.definition, NotGrammatical)
    assert parts[0].statement.definition.sqlstate == "22021"


def test_a_text_that_may_hold_a_secret_is_not_cached() -> None:
    before = statements_of.cache_info().currsize
    assert parts_of("CREATE USER MAPPING FOR a SERVER gh OPTIONS (token 'ghp_uncached')") is not None
    assert statements_of.cache_info().currsize == before
