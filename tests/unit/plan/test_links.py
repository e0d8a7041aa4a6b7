"""Links between scans: which are found, and that following them never changes an answer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_plans import key, keys_of, lacking

from omnisql_server.plan.keys import bind_keys
from omnisql_server.plan.links import Link, find_links
from omnisql_server.plan.readings import Readings

A_DRIVES_B = "scan_0.k > scan_1.k"
B_DRIVES_A = "scan_1.k > scan_0.k"


def found(sql: str) -> set[str]:
    """Write the links of a bound query as `driver.column > driven.column`."""
    return {
        f"{link.driver_scan}.{link.driver_column} > {link.driven_scan}.{link.driven_column}"
        for link in find_links(Readings(sqlglot.parse_one(sql, dialect="postgres")).scopes)
    }


@pytest.mark.parametrize(
    ("sql", "links"),
    [
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k = b.k", {A_DRIVES_B, B_DRIVES_A}),
        ("SELECT a.v FROM scan_0 AS a, scan_1 AS b WHERE b.k = a.k", {A_DRIVES_B, B_DRIVES_A}),
        ("SELECT a.v FROM scan_0 AS a LEFT JOIN scan_1 AS b ON a.k = b.k", {A_DRIVES_B}),
        ("SELECT a.v FROM scan_0 AS a LEFT JOIN scan_1 AS b ON b.k = a.k", {A_DRIVES_B}),
        ("SELECT a.v FROM scan_0 AS a FULL JOIN scan_1 AS b ON a.k = b.k", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k = b.k OR a.v = b.v", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k < b.k", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k = b.k + 1", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON LOWER(a.k) = b.k", {"scan_0.LOWER(k) > scan_1.k"}),
        ("SELECT a.v FROM scan_0 AS a LEFT JOIN scan_1 AS b ON b.k = LEFT(a.k, 1)", {"scan_0.LEFT(k, 1) > scan_1.k"}),
        ("SELECT a.v FROM scan_0 AS a LEFT JOIN scan_1 AS b ON LEFT(b.k, 1) = a.k", set()),
        ("SELECT a.v FROM scan_0 AS a RIGHT JOIN scan_1 AS b ON LOWER(a.k) = b.k", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k || a.v = b.k", {"scan_0.k || v > scan_1.k"}),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON a.k || b.v = b.k", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON COALESCE(a.k, 'x') = b.k", set()),
        ("SELECT a.v FROM scan_0 AS a JOIN scan_1 AS b ON LOWER('X') = b.k", set()),
        (
            "SELECT b.v FROM scan_1 AS b WHERE b.k IN (SELECT LOWER(a.k) FROM scan_0 AS a)",
            {"scan_0.LOWER(k) > scan_1.k"},
        ),
        ("SELECT b.v FROM scan_1 AS b WHERE b.k IN (SELECT a.k FROM scan_0 AS a)", {A_DRIVES_B}),
        ("SELECT b.v FROM scan_1 AS b WHERE b.k IN (SELECT a.k FROM scan_0 AS a LIMIT 1)", {A_DRIVES_B}),
        ("SELECT b.v FROM scan_1 AS b WHERE NOT b.k IN (SELECT a.k FROM scan_0 AS a)", set()),
        ("SELECT b.v FROM scan_1 AS b WHERE b.k IN (SELECT MAX(a.k) FROM scan_0 AS a)", set()),
        ("SELECT b.v FROM scan_1 AS b WHERE b.v = 1 OR b.k IN (SELECT a.k FROM scan_0 AS a)", set()),
    ],
)
def test_links_of_a_query(sql: str, links: set[str]) -> None:
    assert found(sql) == links


def test_a_driver_is_found_behind_derived_relations() -> None:
    inner = "(SELECT DISTINCT a.k AS renamed FROM scan_0 AS a WHERE a.v > 1 ORDER BY a.k LIMIT 3)"
    assert found(f"SELECT b.v FROM {inner} AS d JOIN scan_1 AS b ON b.k = d.renamed") == {A_DRIVES_B}
    assert found(f"WITH d AS {inner} SELECT b.v FROM d AS d JOIN scan_1 AS b ON b.k = d.renamed") == {A_DRIVES_B}


def test_both_branches_of_a_union_are_no_driver() -> None:
    union = "(SELECT a.k AS k FROM scan_0 AS a UNION ALL SELECT c.k AS k FROM scan_2 AS c)"
    assert found(f"SELECT b.v FROM {union} AS d JOIN scan_1 AS b ON b.k = d.k") == set()


def test_what_a_recursive_relation_adds_is_not_overlooked() -> None:
    recursive = (
        "WITH RECURSIVE r AS (SELECT a.k AS k FROM scan_0 AS a UNION ALL "
        "SELECT b.v AS k FROM r AS r JOIN scan_1 AS b ON b.k = r.k) SELECT r.k FROM r AS r"
    )
    assert A_DRIVES_B not in found(recursive)


def test_a_common_table_expression_with_an_outer_alias_is_not_taken_for_it() -> None:
    sql = (
        "WITH a AS (SELECT c.k AS k FROM scan_2 AS c WHERE c.v = 9) "
        "SELECT a.v FROM scan_0 AS a WHERE EXISTS(SELECT 1 FROM scan_1 AS b WHERE b.k = a.k)"
    )
    assert "scan_2.k > scan_1.k" not in found(sql)


COLUMNS = st.sampled_from(["k", "v"])
JOINS = st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
COMPARISONS = st.sampled_from(["=", "=", "=", "<"])


COMPUTED = st.sampled_from(["{0}", "{0}", "LOWER({0})", "LEFT({0}, 1)", "{0} || 'b'", "COALESCE({0}, 'a')"])


@st.composite
def conditions(draw: st.DrawFn, aliases: str) -> str:
    """Compare columns of some aliases, or what is computed from them, once or twice."""
    pair = st.lists(st.sampled_from(aliases), min_size=2, max_size=2, unique=True)
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        left, right = draw(pair)
        one, other = f"{left}.{draw(COLUMNS)}", f"{right}.{draw(COLUMNS)}"
        parts.append(f"{one} {draw(COMPARISONS)} {draw(COMPUTED).format(other)}")
    return draw(st.sampled_from([" AND ", " AND ", " OR "])).join(parts)


SUBQUERIES = (
    "a.{x} IN (SELECT d.{y} FROM scan_3 AS d)",
    "b.{x} IN (SELECT d.{y} FROM scan_3 AS d WHERE d.v > 'a')",
    "NOT a.{x} IN (SELECT d.{y} FROM scan_3 AS d WHERE NOT d.{y} IS NULL)",
    "EXISTS(SELECT 1 FROM scan_3 AS d WHERE d.{y} = a.{x})",
    "NOT EXISTS(SELECT 1 FROM scan_3 AS d WHERE d.{y} = b.{x})",
    "a.{x} = (SELECT MAX(d.{y}) FROM scan_3 AS d)",
    "1 <= (SELECT COUNT(*) FROM scan_3 AS d WHERE d.{x} = c.{y})",
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Write a bound query over three scans, one of them perhaps derived, with a fourth perhaps in a subquery."""
    third = draw(
        st.sampled_from(
            [
                "scan_2",
                "(SELECT e.v AS k, e.k AS v FROM scan_2 AS e WHERE e.v > 'A')",
                "(SELECT DISTINCT e.k AS k, e.k AS v FROM scan_2 AS e)",
                "(SELECT e.k AS k, MAX(e.v) AS v FROM scan_2 AS e GROUP BY e.k)",
            ]
        )
    )
    joins = (
        f"scan_0 AS a {draw(JOINS)} scan_1 AS b ON {draw(conditions('ab'))} "
        f"{draw(JOINS)} {third} AS c ON {draw(conditions('abc'))}"
    )
    where = draw(st.one_of(st.just("TRUE"), conditions("abc")))
    subquery = draw(st.one_of(st.just("TRUE"), st.sampled_from(SUBQUERIES)))
    where += " AND " + subquery.format(x=draw(COLUMNS), y=draw(COLUMNS))
    return f"SELECT a.k, a.v, b.k AS bk, b.v AS bv, c.k AS ck, c.v AS cv FROM {joins} WHERE {where}"


VALUES = st.one_of(st.none(), st.sampled_from(["a", "A", "b", "ab"]))
TABLES = st.lists(st.tuples(VALUES, VALUES), max_size=6).map(
    lambda rows: pa.table(
        {"k": pa.array([k for k, _ in rows], pa.string()), "v": pa.array([v for _, v in rows], pa.string())}
    )
)


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Counter[tuple[Any, ...]]:
    return Counter(connection.execute(sql).fetchall())


def computed(connection: duckdb.DuckDBPyConnection, link: Link, rows: pa.Table) -> pa.Table:
    """Compute what a link takes from the rows of its driver."""
    if link.expression is None:
        return rows
    select = f"SELECT {link.expression.sql('duckdb')} FROM {link.driver_scan}"
    return connection.execute(select).to_arrow_table().rename_columns([link.driver_column])


@settings(max_examples=120, deadline=None)
@given(sql=queries(), rows=st.tuples(TABLES, TABLES, TABLES, TABLES), order=st.randoms(use_true_random=False))
def test_reading_only_the_bound_keys_never_changes_the_answer(sql: str, rows: tuple[pa.Table, ...], order: Any) -> None:
    tree = sqlglot.parse_one(sql, dialect="postgres")
    text = tree.sql("duckdb")
    tables = {f"scan_{number}": table for number, table in enumerate(rows)}
    links = list(find_links(Readings(tree).scopes))
    order.shuffle(links)
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        expected = answer(connection, text)
        for link in links:
            plan = lacking(key(link.driven_column, link.driver_column, link.driver_scan))
            read = {**tables, link.driver_scan: computed(connection, link, tables[link.driver_scan])}
            wanted = [keys[link.driven_column] for keys in keys_of(bind_keys(plan, read, 100))]
            driven = tables[link.driven_scan].to_pylist()
            kept = [row for row in driven if row[link.driven_column] in wanted]
            # Each link starts from what the ones before left over, as a chain of scans does.
            tables[link.driven_scan] = pa.Table.from_pylist(kept, schema=rows[0].schema)
            connection.register(link.driven_scan, tables[link.driven_scan])
            assert answer(connection, text) == expected, link
