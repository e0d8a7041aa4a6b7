"""SET of the settings below `omnisql.`, as PostgreSQL's grammar reads it, and what becomes of it."""

from __future__ import annotations

import pytest

from omnisql_server.model.statement import StatementKind
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.router import route


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("SET omnisql.engine = 'banana'", (("omnisql.engine", "banana"),)),
        ("set local OMNISQL.engine to duckdb", (("omnisql.engine", "duckdb"),)),
        ('SET SESSION "omnisql" . "engine" = 1', (("omnisql.engine", "1"),)),
        ("SET omnisql.max_api_calls = -1", (("omnisql.max_api_calls", "-1"),)),
        ("SET omnisql.max_api_calls = 1.5", (("omnisql.max_api_calls", "1.5"),)),
        ("SET omnisql.engine TO DEFAULT", (("omnisql.engine", None),)),
        ("ALTER ROLE ana SET omnisql.engine = x", (("omnisql.engine", "x"),)),
        ("ALTER ROLE ana IN DATABASE acme SET omnisql.engine = x", (("omnisql.engine", "x"),)),
        ("ALTER DATABASE acme SET omnisql.engine = x", (("omnisql.engine", "x"),)),
    ],
)
def test_what_is_set_is_read(text: str, settings: tuple[tuple[str, str | None], ...]) -> None:
    (statement,) = parse_statements(text)
    assert (statement.kind, statement.settings) == (StatementKind.SETTING, settings)


@pytest.mark.parametrize(
    "text", ["SET timezone = 'omnisql.engine'", "RESET omnisql.engine", "RESET ALL", "SELECT 'SET omnisql.engine = x'"]
)
def test_nothing_of_ours_is_set(text: str) -> None:
    (statement,) = parse_statements(text)
    assert (statement.kind is StatementKind.SETTING, statement.settings) == (False, ())


def refused(text: str) -> list[str] | None:
    """Return the parts of a text that are run, and so refused."""
    parts = route(text.encode(), lambda _: False, frozenset(), frozenset())
    return None if parts is None else [part.text for part in parts if part.statement is not None]


def test_only_what_has_to_be_refused_is_not_relayed() -> None:
    assert refused("SET omnisql.engine = duckdb") is None
    assert refused("SET omnisql.enginee = duckdb") == ["SET omnisql.enginee = duckdb"]
    assert refused("SELECT 1; SET LOCAL OMNISQL.engine = banana") == ["SET LOCAL OMNISQL.engine = banana"]
    assert refused("ALTER ROLE ana SET omnisql.async = maybe") == ["ALTER ROLE ana SET omnisql.async = maybe"]
