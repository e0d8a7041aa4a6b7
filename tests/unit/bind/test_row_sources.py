"""Functions in FROM become subqueries whose column has their name; what cannot stays."""

from __future__ import annotations

import pytest
import sqlglot

from omnisql_server.bind.row_sources import expand_row_sources


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "SELECT l FROM t, UNNEST(labels) AS l",
            'SELECT l FROM t, LATERAL (SELECT UNNEST(labels) AS "l") AS "l"',
        ),
        (
            "SELECT g FROM GENERATE_SERIES(1, 5) AS g(n)",
            'SELECT g FROM (SELECT GENERATE_SERIES(1, 5) AS "n") AS "g"',
        ),
        (
            "SELECT 1 FROM t CROSS JOIN LATERAL UNNEST(t.labels) AS l",
            'SELECT 1 FROM t CROSS JOIN LATERAL (SELECT UNNEST(t.labels) AS "l") AS "l"',
        ),
        (
            "SELECT 1 FROM t, UNNEST(a) WITH ORDINALITY AS l(v, n)",
            'SELECT 1 FROM t, LATERAL (SELECT UNNEST(a) AS "v", OMNISQL_ORDINALITY(a) AS "n") AS "l"',
        ),
        ("SELECT 1 FROM t, UNNEST(a, b) AS l(v, n)", "SELECT 1 FROM t, UNNEST(a, b) AS l(v, n)"),
        ("SELECT 1 FROM t, other(1) AS l", "SELECT 1 FROM t, OTHER(1) AS l"),
    ],
)
def test_a_function_in_from_becomes_a_subquery(text: str, written: str) -> None:
    tree = sqlglot.parse_one(text, read="postgres")
    expand_row_sources(tree)
    assert tree.sql("postgres") == written
