"""A condition given as a text: one expression becomes a query, anything else is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.errors import OmniSQLError
from omnisql_server.parse.condition import query_with


@pytest.mark.parametrize(
    "condition",
    [
        "state = 'open'",
        "a = 1 OR b = 2",
        "x LIKE '--%' AND y = '/* */'",
        "issues.n IN (1, 2)",
        "f(a) > now()",
        '"we""ird"',
    ],
)
def test_one_expression_becomes_the_condition_of_a_query_that_renews(condition: str) -> None:
    query = query_with("github", "issues", condition)
    assert query.text == f'SELECT * FROM "github"."issues" WHERE (\n{condition}\n)'
    assert query.renews
    assert not query.hints
    assert [(one.schema, one.name) for one in query.references] == [("github", "issues")]


@pytest.mark.parametrize(
    ("condition", "sqlstate", "message"),
    [
        ("", "42601", "empty"),
        (" \n\t", "42601", "empty"),
        ("state =", "42601", "not grammatical"),
        ("true; DELETE FROM t", "42601", "not grammatical"),
        ("true); DELETE FROM t WHERE (true", "42601", "more than one"),
        ("true); SELECT (1", "42601", "more than one"),
        ("true) UNION SELECT (1", "42601", "more than one"),
        ("true) LIMIT (1", "42601", "more than one"),
        ("true) ORDER BY (1", "42601", "more than one"),
        ("true) GROUP BY (1", "42601", "more than one"),
        ("true) FOR UPDATE OF issues --", "42601", "not grammatical"),
        ("true /*+ max_staleness(1h) */", "42601", "comment"),
        ("true -- and nothing else", "42601", "comment"),
        ("true) --", "42601", "not grammatical"),
        ("n IN (SELECT n FROM secrets)", "0A000", "subquery"),
        ("EXISTS (SELECT 1)", "0A000", "subquery"),
        ("n = (TABLE secrets)", "0A000", "subquery"),
        ("n = $1", "42P02", "parameter"),
        ("a\0b", "42601", "zero byte"),
    ],
)
def test_anything_else_is_refused(condition: str, sqlstate: str, message: str) -> None:
    with pytest.raises(OmniSQLError, match=message) as refused:
        query_with("s", "t", condition)
    assert refused.value.sqlstate == sqlstate


@given(st.text(alphabet="tn=1'\"();-/*+$ \n\0\\E,;", max_size=12) | st.text(max_size=20))
def test_no_text_crashes_it_or_adds_a_relation(condition: str) -> None:
    try:
        query = query_with("s", "t", condition)
    except OmniSQLError:
        return
    assert [(one.schema, one.name) for one in query.references] == [("s", "t")]
