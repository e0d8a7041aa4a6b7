"""EXECUTE written out with the query that was prepared."""

from __future__ import annotations

import pytest

from omnisql_server.parse.executing import prepared_query, written_out
from omnisql_server.parse.grammar import parse_statements


@pytest.mark.parametrize(
    ("source", "query"),
    [
        ("PREPARE p AS SELECT 1", "SELECT 1"),
        ("PREPARE p (int, numeric(3,1)) AS SELECT $1", "SELECT $1"),
        ("prepare /* ( */ \"p\" AS -- as\n SELECT 'é' AS p", "SELECT 'é' AS p"),
        ("PREPARE p AS SELECT 1 -- one", "SELECT 1"),
        ("BEGIN; PREPARE q AS SELECT 2; PREPARE p AS SELECT 'é'; COMMIT", "SELECT 'é'"),
        ("PREPARE p AS SELECT 1; DEALLOCATE p; PREPARE p AS SELECT 2", None),
    ],
)
def test_the_query_is_cut_out_of_what_prepared_it(source: str, query: str | None) -> None:
    assert prepared_query(source, "p", from_sql=True) == query


@pytest.mark.parametrize(
    ("text", "expected", "arguments", "count"),
    [
        ("EXECUTE p", "SELECT 1", "", 0),
        ("EXECUTE p (1, f(2, ')')) ", "SELECT 1", " (1, f(2, ')'))", 2),
        ("EXPLAIN (ANALYZE, COSTS OFF) EXECUTE p(1)", "EXPLAIN (ANALYZE, COSTS OFF) SELECT 1", "(1)", 1),
        ("EXPLAIN ANALYZE VERBOSE EXECUTE p", "EXPLAIN ANALYZE VERBOSE SELECT 1", "", 0),
        (
            'CREATE TABLE "execute" (execute) AS EXECUTE execute(1) WITH DATA',
            'CREATE TABLE "execute" (execute) AS SELECT 1 WITH DATA',
            "(1)",
            1,
        ),
    ],
)
def test_the_query_stands_where_execute_stood(text: str, expected: str, arguments: str, count: int) -> None:
    (statement,) = parse_statements(text)
    written = written_out(statement, "SELECT 1")
    assert (written.statement.text.strip(), written.arguments, written.count) == (expected, arguments, count)
    assert text.encode()[written.arguments_position :].decode().startswith(arguments)
