"""Parameters without a blank between them, as postgres.js writes lists."""

from __future__ import annotations

from sqlglot import exp

from omnisql_server.parse.tree import parse_query


def test_parameters_that_only_a_comma_parts_are_read() -> None:
    parsed = parse_query("SELECT a FROM t WHERE b IN ($2,$3) AND d = '$4,$5'")
    assert parsed.tree is not None
    assert "IN ($2, $3)" in parsed.tree.sql("postgres")


def test_positions_stay_those_of_the_text() -> None:
    text = "SELECT a FROM one, two WHERE b IN ($1,$2)"
    parsed = parse_query(text)
    assert parsed.tree is not None
    tables = {table.name: table.this.meta["start"] for table in parsed.tree.find_all(exp.Table)}
    assert tables == {"one": text.index("one"), "two": text.index("two")}
