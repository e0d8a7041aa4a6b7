"""sqlglot's tree is used only where PostgreSQL's grammar finds it to mean the same as the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from omnisql_server.parse.canonical import canonical
from omnisql_server.parse.grammar import NotParsed
from omnisql_server.parse.tree import parse_query


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM t WHERE b IS NOT NULL AND c NOT LIKE 'x%' AND d NOT IN (1, 2)",
        "SELECT a FROM t WHERE b NOT BETWEEN 1 AND 2",
        "SELECT round(avg(a), 2) FROM t",
        "SELECT char_length(a), substr(a, 1, 2), strpos(a, 'x') FROM t",
        "SELECT now(), current_date, ts > now() - interval '7 Days' FROM t",
        "SELECT date_trunc('MONTH', ts), extract(epoch FROM ts) FROM t",
        "SELECT a::int, CAST(b AS numeric(10, 2)) FROM t",
        "SELECT x.a FROM s.t AS x LEFT JOIN u USING (a) ORDER BY 1 DESC NULLS LAST LIMIT 5 OFFSET 2",
        "SELECT count(*) FILTER (WHERE a), sum(b) OVER (PARTITION BY c ORDER BY d) FROM t",
        "SELECT 'x' = ANY (a), b <> ALL (ARRAY[1]), c @> ARRAY['d'] FROM t",
        "WITH c AS (SELECT 1) SELECT * FROM c UNION ALL SELECT 2",
    ],
)
def test_a_faithful_tree_is_kept(text: str) -> None:
    assert parse_query(text).tree is not None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1_000",
        "SELECT 0x1F",
        "SELECT 0b101, 0o17",
        'SELECT U&"a" FROM t',
        "SELECT a IS UNKNOWN FROM t",
        "SELECT date_part('year', ts) FROM t",
        "SELECT a FROM t ORDER BY b USING >",
        "SELECT a FROM t WHERE b NOT BETWEEN SYMMETRIC 2 AND 1",
    ],
)
def test_a_tree_that_would_not_mean_the_same_is_not_used(text: str) -> None:
    parsed = parse_query(text)
    assert parsed.tree is None
    assert parsed.reason != ""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a NOT IN (1)", "SELECT NOT a IN (1)"),
        ("SELECT a NOT BETWEEN 1 AND 2", "SELECT NOT a BETWEEN 1 AND 2"),
        ("SELECT a IS NOT TRUE", "SELECT NOT a IS TRUE"),
        ("SELECT a::int", "SELECT CAST(a AS pg_catalog.int4)"),
        ("SELECT now()", "SELECT CURRENT_TIMESTAMP"),
        ("SELECT char_length(a)", "SELECT length(a)"),
        ("SELECT  a  FROM t", "select A from T"),
    ],
)
def test_spellings_of_one_meaning_are_equal(left: str, right: str) -> None:
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a IN (1)", "SELECT NOT a IN (1)"),
        ("SELECT a BETWEEN 1 AND 2", "SELECT a BETWEEN 2 AND 1"),
        ("SELECT a BETWEEN 1 AND 2", "SELECT a BETWEEN SYMMETRIC 1 AND 2"),
        ("SELECT a IS NULL", "SELECT a IS NOT NULL"),
        ("SELECT a IS TRUE", "SELECT a IS FALSE"),
        ("SELECT a LIKE 'x'", "SELECT a NOT LIKE 'x'"),
        ("SELECT a", 'SELECT "A"'),
        ("SELECT a::varchar(3)", "SELECT a::varchar(4)"),
        ("SELECT f(DISTINCT a)", "SELECT f(a)"),
        ("SELECT f(a) FILTER (WHERE b)", "SELECT f(a)"),
        ("SELECT a ORDER BY 1", "SELECT a ORDER BY 1 DESC"),
        ("SELECT a UNION SELECT b", "SELECT a UNION ALL SELECT b"),
        ("SELECT interval '1 day'", "SELECT interval '1' day"),
        ("SELECT 1", "SELECT '1'"),
        ("SELECT now()", "SELECT clock_timestamp()"),
    ],
)
def test_different_meanings_are_not_equal(left: str, right: str) -> None:
    assert canonical(left) != canonical(right)


def test_only_ascii_letters_of_unquoted_names_become_lower_case() -> None:
    tree = parse_query('SELECT AbC, "AbC", ÄB, İX FROM T').tree
    assert isinstance(tree, exp.Select)
    assert [(column.name, column.this.quoted) for column in tree.selects] == [
        ("abc", True),
        ("AbC", True),
        ("Äb", True),
        ("İx", True),
    ]


def test_more_than_one_statement_is_no_query() -> None:
    with pytest.raises(NotParsed):
        parse_query("SELECT 1; SELECT 2")


@given(st.text(max_size=60))
def test_no_text_makes_parsing_fail_otherwise(text: str) -> None:
    try:
        parsed = parse_query(text)
    except (NotParsed, UnicodeEncodeError):
        return
    assert parsed.tree is not None or parsed.reason != ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT date_part('', at) FROM t", "ValueError"),
        ("SELECT * FROM t, JSON_TABLE(t.j, 'a'\n'b' COLUMNS (n FOR ORDINALITY, a text PATH '$.a')) AS x", "TypeError"),
    ],
)
def test_a_text_that_the_planner_cannot_read_has_no_tree(text: str, kind: str) -> None:
    parsed = parse_query(text)
    assert parsed.tree is None
    assert parsed.reason == f"the planner's grammar does not cover this text ({kind})"
