"""Smaller queries that name the rows a statement needs, as SQL; that they name enough is proved by running them."""

from __future__ import annotations

import pytest
from api_model import bound

from omnisql_server.execute.key_values import may_evaluate
from omnisql_server.execute.survivors import may_execute
from omnisql_server.model.plan import Reduction
from omnisql_server.plan.reductions import Judge, find_reductions

JUDGE = Judge(expression=may_evaluate, query=may_execute)
COSTLY = frozenset({"score"})
ASKED = "EXISTS(SELECT 1 AS 1 FROM scan_1 AS u WHERE"


def reductions(text: str) -> dict[str, Reduction]:
    """Reduce a statement over tables whose column score costs calls; by scan name."""
    query = bound(text)
    awaited = {one.scan_name: COSTLY & set(one.columns) for one in query.occurrences}
    return {one.scan_name: one for one in find_reductions(query, awaited, JUDGE)[1]}


def written(text: str) -> list[str]:
    """Write the reductions of a statement, without quotes and the number of the row, the relations by their alias."""
    found = []
    for one in reductions(text).values():
        sql = one.query.tree.sql("postgres") if one.query.tree is not None else ""
        found.append(sql.replace('"', "").replace(" AS omnisql_row", "").replace("omnisql_row", "#"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # First rows of an order.
        ("SELECT score FROM t ORDER BY at LIMIT 5", "SELECT t.# FROM scan_0 AS t ORDER BY t.at LIMIT 5"),
        ("SELECT score FROM t ORDER BY at OFFSET 2 LIMIT 5", "SELECT t.# FROM scan_0 AS t ORDER BY t.at LIMIT 7"),
        ("SELECT score, id FROM t ORDER BY 2 DESC LIMIT 5", "SELECT t.# FROM scan_0 AS t ORDER BY t.id DESC LIMIT 5"),
        # Joined rows, from either side.
        (
            "SELECT t.score FROM t JOIN u ON u.id = t.id WHERE u.name = 'a'",
            "SELECT t.# FROM scan_0 AS t JOIN scan_1 AS u ON (u.id = t.id) WHERE (u.name = 'a')",
        ),
        # What the right side of a LEFT JOIN has to meet before it is replaced by nulls, and nothing after that.
        (
            "SELECT t.score FROM u LEFT JOIN t ON t.id = u.id AND t.done WHERE u.done AND t.name IS NULL",
            "SELECT t.# FROM scan_0 AS u JOIN scan_1 AS t ON (t.id = u.id) AND (t.done) WHERE (u.done)",
        ),
        (
            "SELECT t.score FROM t LEFT JOIN u ON u.id = t.id WHERE u.id IS NULL",
            "SELECT t.# FROM scan_0 AS t LEFT JOIN scan_1 AS u ON (u.id = t.id) WHERE (u.id IS NULL)",
        ),
        # Subqueries that choose rows.
        (
            "SELECT score FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
            "SELECT t.# FROM scan_1 AS t WHERE (NOT EXISTS(SELECT 1 AS 1 FROM scan_0 AS u WHERE u.id = t.id))",
        ),
        # Subqueries whose rows are chosen.
        (
            "SELECT u.name FROM u WHERE NOT EXISTS (SELECT 1 FROM t WHERE t.id = u.id AND t.score > 3) AND u.done",
            f"SELECT t.# FROM scan_0 AS t WHERE ({ASKED} (u.done) AND (t.id = u.id)))",
        ),
        (
            "SELECT u.name FROM u WHERE u.id IN (SELECT t.id FROM t WHERE t.score > 3)",
            f"SELECT t.# FROM scan_0 AS t WHERE ({ASKED} (t.id = u.id)))",
        ),
        (
            "SELECT u.name, (SELECT max(t.score) FROM t WHERE t.id = u.id) FROM u WHERE u.done",
            f"SELECT t.# FROM scan_0 AS t WHERE ({ASKED} (u.done) AND (t.id = u.id)))",
        ),
        # Through a derived table, and a WITH query that is read once.
        (
            "SELECT s.score FROM (SELECT id, score FROM t) AS s WHERE s.id > 3",
            "SELECT s.# FROM (SELECT t.id AS id, t.# FROM scan_0 AS t) AS s WHERE (s.id > 3)",
        ),
        (
            "WITH c AS (SELECT id, score FROM t WHERE done) SELECT c.score FROM c ORDER BY c.id LIMIT 2",
            "SELECT c.# FROM (SELECT t.id AS id, t.# FROM scan_0 AS t WHERE (t.done)) AS c ORDER BY c.id LIMIT 2",
        ),
    ],
)
def test_a_statement_is_reduced_to_the_rows_that_it_needs(text: str, expected: str) -> None:
    assert written(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        # Nothing tells rows apart, or nothing but their own conditions, which are evaluated while the table is read.
        "SELECT score FROM t",
        "SELECT score FROM t WHERE id > 3",
        "SELECT name FROM t ORDER BY at LIMIT 3",
        # The column itself decides.
        "SELECT score FROM t ORDER BY score LIMIT 5",
        "SELECT score FROM t WHERE score > 3 ORDER BY at LIMIT 5",
        "SELECT s.name FROM (SELECT name, score FROM t) AS s ORDER BY s.score LIMIT 5",
        # LIMIT counts something else than rows of the table.
        "SELECT max(score) FROM t GROUP BY name ORDER BY name LIMIT 5",
        "SELECT DISTINCT name, score FROM t ORDER BY name LIMIT 5",
        "SELECT score, row_number() OVER (ORDER BY name) FROM t ORDER BY at LIMIT 5",
        "SELECT unnest(labels), score FROM t ORDER BY at LIMIT 5",
        # Nulls may stand in the place of a row that is left out.
        "SELECT t.score FROM t FULL JOIN u ON u.id = t.id WHERE u.done",
        "SELECT t.score FROM t RIGHT JOIN u ON u.id = t.id WHERE u.done",
        # What would have to be evaluated twice may be something else the second time.
        "SELECT t.score FROM t JOIN (SELECT id FROM u ORDER BY name LIMIT 3) AS s ON s.id = t.id",
        "SELECT t.score FROM t JOIN (SELECT id, row_number() OVER (ORDER BY name) AS n FROM u) AS s ON s.id = t.id",
        "SELECT score FROM t WHERE random() < 0.5 ORDER BY at LIMIT 5",
        # A WITH query that is read twice serves both readers.
        "WITH c AS (SELECT id, score FROM t) SELECT c.score FROM c, c AS d WHERE c.id > d.id",
        "SELECT s.score FROM (SELECT id, score FROM t UNION ALL SELECT id, score FROM u) AS s WHERE s.id > 2",
        "SELECT u.name FROM u WHERE u.id NOT IN (SELECT t.id FROM t WHERE t.score > 3)",
    ],
)
def test_where_nothing_is_known_all_rows_are_needed(text: str) -> None:
    assert written(text) == []


def test_of_two_tables_in_one_query_each_keeps_rows_that_are_equal_to_the_last() -> None:
    joined = "FROM scan_0 AS t JOIN scan_1 AS u ON (t.id = u.id)) AS omnisql_rank WHERE omnisql_rank.omnisql_rank <= 2"
    ranked = "RANK() OVER (ORDER BY t.at) AS omnisql_rank"
    assert written("SELECT t.score, u.score FROM t JOIN u ON t.id = u.id ORDER BY t.at LIMIT 2") == [
        f"SELECT omnisql_rank.# FROM (SELECT t.#, {ranked} {joined}",
        f"SELECT omnisql_rank.# FROM (SELECT u.#, {ranked} {joined}",
    ]
    # So does a table alone whose order goes on by a column that costs calls.
    (alone,) = written("SELECT score FROM t ORDER BY at, score LIMIT 5")
    assert "RANK() OVER (ORDER BY t.at)" in alone
    assert alone.endswith("<= 5")


def test_conditions_on_such_columns_are_left_out_and_no_limit_is_used_then() -> None:
    (found,) = reductions(
        "SELECT t.score FROM t JOIN u ON u.id = t.id AND t.score > u.id ORDER BY t.at LIMIT 2"
    ).values()
    assert found.rows_max is None
    assert found.query.tree is not None
    assert found.query.tree.args.get("limit") is None
    # A LEFT JOIN with one is left out whole: with fewer conditions it would give nulls less often.
    assert written("SELECT t.score FROM t JOIN v ON v.id = t.id LEFT JOIN u ON u.big > t.score WHERE u.id IS NULL") == [
        "SELECT t.# FROM scan_0 AS t JOIN scan_1 AS v ON (v.id = t.id)"
    ]


def test_a_query_that_cannot_be_told_leaves_the_columns_of_its_table_to_the_others() -> None:
    found = reductions(
        "SELECT t.score FROM t JOIN (SELECT id, score FROM u ORDER BY score LIMIT 3) AS s ON s.id = t.id"
    )
    assert found == {}
