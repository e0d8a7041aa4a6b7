"""The query inside a statement that writes: cut out or blanked around, its bytes where they were."""

from __future__ import annotations

import pytest
from sqlglot import exp

from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.tree import parse_query
from omnisql_server.parse.within import query_within

QUERY = "SELECT i.number FROM github.issues AS i WHERE i.state = 'open' ORDER BY 1 LIMIT 3"


def within(text: str) -> tuple[str, int]:
    (statement,) = parse_statements(text)
    return query_within(statement)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t {}",
        "INSERT INTO public.t (a, b) {}",
        "INSERT INTO t AS x (a) OVERRIDING USER VALUE {}",
        "INSERT INTO t {} ON CONFLICT (a) DO UPDATE SET a = excluded.a + (SELECT 1) RETURNING *",
        "INSERT INTO t {} ON CONFLICT DO NOTHING",
        "INSERT INTO t {} RETURNING (SELECT max(a) FROM t)",
        'INSERT INTO "select" ("with") {}',
        "INSERT INTO t -- into\n {}",
        "CREATE TABLE t AS {}",
        "CREATE TABLE t AS {} WITH DATA",
        "CREATE TEMP TABLE IF NOT EXISTS t (a) WITH (fillfactor = 70) ON COMMIT DROP AS {}",
        "DECLARE c CURSOR FOR {}",
        "DECLARE c BINARY INSENSITIVE SCROLL CURSOR WITH HOLD FOR {}",
    ],
)
def test_the_query_is_cut_out(text: str) -> None:
    statement = text.format(QUERY)
    found, position = within(statement)
    assert found.strip() == QUERY
    assert statement.encode()[position:].startswith(found.encode())


def test_positions_count_bytes() -> None:
    statement = f'INSERT INTO "täble" {QUERY}'
    assert within(statement) == (QUERY, len('INSERT INTO "täble" '.encode()))


def test_parentheses_belong_to_the_query() -> None:
    assert within(f"INSERT INTO t (a) ({QUERY})") == (f"({QUERY})", len("INSERT INTO t (a) "))
    union = f"({QUERY}) UNION ALL ({QUERY})"
    assert within(f"CREATE TABLE t AS {union}") == (union, len("CREATE TABLE t AS "))


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ("SELECT a INTO t FROM github.issues", "SELECT a        FROM github.issues"),
        ("SELECT a INTO TEMP TABLE x . t FROM github.issues", "SELECT a                       FROM github.issues"),
        ("SELECT a AS into_b INTO UNLOGGED t", "SELECT a AS into_b                "),
        ("WITH c AS (SELECT 1 AS a) SELECT a INTO t FROM c", "WITH c AS (SELECT 1 AS a) SELECT a        FROM c"),
        (
            "WITH c AS (SELECT 1 AS a) INSERT INTO t (a) SELECT a FROM c RETURNING a",
            "WITH c AS (SELECT 1 AS a)                   SELECT a FROM c ",
        ),
    ],
)
def test_what_stands_inside_a_query_is_blanked(text: str, blanked: str) -> None:
    assert within(text) == (blanked, 0)


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE t SET a = i.number FROM github.issues AS i WHERE i.number = t.a",
        "DELETE FROM t USING github.issues AS i WHERE i.number = t.a",
        "MERGE INTO t USING github.issues AS i ON i.number = t.a WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone",
        "WITH gone AS (DELETE FROM t RETURNING a) INSERT INTO u SELECT a FROM gone",
        "WITH c AS (SELECT 1) INSERT INTO t WITH d AS (SELECT 2) SELECT 3",
        "SELECT a INTO temp FROM github.issues",
        "INSERT INTO t DEFAULT VALUES",
    ],
)
def test_a_query_that_cannot_be_told_apart_is_none(text: str) -> None:
    assert within(text) == ("", 0)


def test_a_statement_that_reads_is_its_own_query() -> None:
    assert within(QUERY) == (QUERY, 0)


def test_a_tree_stands_for_the_query_alone_and_the_text_for_the_whole() -> None:
    text = f"INSERT INTO t (a) {QUERY} RETURNING a"
    parsed = parse_query(text)
    assert parsed.text == text
    assert parsed.tree is not None
    assert [table.name for table in parsed.tree.find_all(exp.Table)] == ["issues"]
    assert [(reference.name, reference.target) for reference in parsed.references] == [("t", True), ("issues", False)]
    assert text.encode()[parsed.tree_position :].startswith(b"SELECT i.number")
