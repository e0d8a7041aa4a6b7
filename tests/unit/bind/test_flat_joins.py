"""Parentheses around the first joins go; all others stay."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from omnisql_server.bind.flat_joins import flatten_first_joins

GONE = {
    "SELECT * FROM (a JOIN b ON ((a.x = b.x)))": "SELECT * FROM a JOIN b ON ((a.x = b.x))",
    "SELECT * FROM ((a LEFT JOIN b ON a.x = b.x) FULL JOIN c ON b.x = c.x)": (
        "SELECT * FROM a LEFT JOIN b ON a.x = b.x FULL JOIN c ON b.x = c.x"
    ),
    "SELECT * FROM (a RIGHT JOIN b USING (x)) JOIN c USING (x), b AS d": (
        "SELECT * FROM a RIGHT JOIN b USING (x) JOIN c USING (x), b AS d"
    ),
    "SELECT * FROM ((SELECT x FROM (a JOIN b USING (x))) AS s CROSS JOIN c)": (
        "SELECT * FROM (SELECT x FROM a JOIN b USING (x)) AS s CROSS JOIN c"
    ),
    "SELECT 1 WHERE EXISTS(SELECT 1 FROM (a JOIN b USING (x)))": (
        "SELECT 1 WHERE EXISTS(SELECT 1 FROM a JOIN b USING (x))"
    ),
}
KEPT = (
    "SELECT * FROM a LEFT JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x",
    "SELECT * FROM (a JOIN b USING (x)) AS j",
    "SELECT * FROM (SELECT x FROM a) AS s",
    "SELECT * FROM (SELECT x FROM a UNION ALL SELECT x FROM b) AS s JOIN c USING (x)",
)


def flat(sql: str) -> str:
    tree = sqlglot.parse_one(sql, dialect="postgres")
    flatten_first_joins(tree)
    return tree.sql("postgres")


@pytest.mark.parametrize("sql", GONE)
def test_the_first_joins_stand_in_one_row_and_mean_the_same(sql: str) -> None:
    assert flat(sql) == GONE[sql]
    with duckdb.connect() as engine:
        for name, rows in (("a", "(1), (2), (NULL)"), ("b", "(2), (3)"), ("c", "(3), (4), (NULL)")):
            engine.execute(f"CREATE TABLE {name} AS SELECT * FROM (VALUES {rows}) AS v(x)")
        found, expected = engine.execute(flat(sql)).fetchall(), engine.execute(sql).fetchall()
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert expected


@pytest.mark.parametrize("sql", KEPT)
def test_other_parentheses_stay(sql: str) -> None:
    assert flat(sql) == sql
