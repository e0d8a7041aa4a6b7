"""Which spellings count as one meaning, and that different meanings never do."""

from __future__ import annotations

import pytest

from omnisql_server.parse.canonical import canonical
from omnisql_server.parse.grammar import NotParsed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "select A\n  from T -- comment"),
        ("SELECT now()", "SELECT CURRENT_TIMESTAMP"),
        ("SELECT transaction_timestamp()", "SELECT pg_catalog.now()"),
        ("SELECT a::int", "SELECT CAST(a AS INTEGER)"),
        ("SELECT a::pg_catalog.int4", "SELECT a::int"),
        ("SELECT char_length(a)", "SELECT length(a)"),
        ("SELECT substr(a, 1, 2)", "SELECT substring(a, 1, 2)"),
        ("SELECT date_trunc('MONTH', a)", "SELECT date_trunc('month', a)"),
        ("SELECT interval '1 Day'", "SELECT '1 day'::interval"),
        ("SELECT 1 WHERE a NOT IN (1, 2)", "SELECT 1 WHERE NOT a IN (1, 2)"),
        ("SELECT 1 WHERE a NOT BETWEEN 1 AND 2", "SELECT 1 WHERE NOT (a BETWEEN 1 AND 2)"),
        ("SELECT 1 WHERE a IS NOT TRUE", "SELECT 1 WHERE NOT a IS TRUE"),
        ("SELECT 1_000", "SELECT 1000"),
        ("SELECT U&\"d!0061t\" UESCAPE '!'", "SELECT dat"),
    ],
)
def test_spellings_of_one_meaning_are_alike(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1_000", "SELECT 1 AS _000"),
        ("SELECT 0x1F", "SELECT x'1F'"),
        ("SELECT a FROM t", 'SELECT "A" FROM t'),
        ("SELECT a FROM t", "SELECT a FROM ONLY t"),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a NULLS FIRST"),
        ("SELECT 1 WHERE a IS NOT TRUE", "SELECT 1 WHERE a IS FALSE"),
        ("SELECT 1 WHERE a NOT IN (1)", "SELECT 1 WHERE a IN (1)"),
        ("SELECT 1 WHERE a BETWEEN 1 AND 2", "SELECT 1 WHERE a BETWEEN SYMMETRIC 1 AND 2"),
        ("SELECT now()", "SELECT clock_timestamp()"),
        ("SELECT CURRENT_TIMESTAMP", "SELECT CURRENT_TIMESTAMP(0)"),
        ("SELECT a::varchar(3)", "SELECT a::varchar(4)"),
        ("SELECT a::int", "SELECT a::int[]"),
        ("SELECT interval '1 day'", "SELECT interval '1 day' day to hour"),
        ("SELECT count(a)", "SELECT count(DISTINCT a)"),
        ("SELECT count(*)", "SELECT count(*) FILTER (WHERE a)"),
        ("SELECT date_trunc('MONTH', a)", "SELECT date_trunc('MONTHS', a)"),
        ("SELECT a AND b OR c", "SELECT a AND (b OR c)"),
        ("SELECT 1", "SELECT 1; SELECT 1"),
    ],
)
def test_different_meanings_are_told_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_every_statement_has_a_tree_of_its_own() -> None:
    first, second = canonical("SELECT 1; SELECT 2")
    assert (first,) == canonical("SELECT 1")
    assert (second,) == canonical("SELECT 2")


def test_what_is_not_grammatical_is_refused() -> None:
    with pytest.raises(NotParsed):
        canonical("SELECT FROM WHERE")
