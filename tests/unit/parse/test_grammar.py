"""What PostgreSQL's grammar says of a statement: its kind, its relations with their places, the names it uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.grammar import NotParsed, parse_statements


def only(text: str) -> Statement:
    (statement,) = parse_statements(text)
    return statement


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", StatementKind.SELECT),
        ("TABLE t", StatementKind.SELECT),
        ("VALUES (1)", StatementKind.SELECT),
        ("WITH c AS (SELECT 1) SELECT * FROM c", StatementKind.SELECT),
        ("SELECT a INTO b FROM t", StatementKind.WRITE),
        ("SELECT 1 UNION SELECT a INTO b FROM t", StatementKind.WRITE),
        ("WITH w AS (DELETE FROM l RETURNING *) SELECT * FROM w, t", StatementKind.WRITE),
        ("WITH w AS (INSERT INTO l TABLE t RETURNING a) SELECT * FROM w", StatementKind.WRITE),
        ("INSERT INTO l SELECT * FROM t", StatementKind.WRITE),
        ("CREATE TABLE x AS SELECT * FROM t", StatementKind.WRITE),
        ("CREATE MATERIALIZED VIEW x AS SELECT * FROM t", StatementKind.MATERIALIZED_VIEW),
        ("MERGE INTO l USING t ON true WHEN MATCHED THEN DELETE", StatementKind.WRITE),
        ("EXPLAIN SELECT * FROM t", StatementKind.EXPLAIN),
        ("EXPLAIN INSERT INTO l SELECT * FROM t", StatementKind.EXPLAIN),
        ("EXPLAIN ANALYZE WITH w AS (DELETE FROM l RETURNING *) SELECT * FROM w", StatementKind.EXPLAIN),
        ("EXPLAIN DECLARE c CURSOR FOR TABLE t", StatementKind.EXPLAIN),
        ("EXPLAIN ANALYZE DECLARE c CURSOR FOR TABLE t", StatementKind.EXPLAIN),
        ("EXPLAIN (ANALYZE) CREATE MATERIALIZED VIEW m AS TABLE t", StatementKind.VIEW_EXPLAINED),
        ("EXPLAIN REFRESH MATERIALIZED VIEW m", StatementKind.OTHER),
        ("EXPLAIN CREATE TABLE a AS EXECUTE p", StatementKind.EXECUTE),
        ("COPY (SELECT * FROM t) TO STDOUT", StatementKind.COPY_TO),
        ("COPY (INSERT INTO l TABLE t RETURNING *) TO STDOUT", StatementKind.COPY_TO),
        ("COPY (INSERT INTO l TABLE t) TO STDOUT", StatementKind.OTHER),
        ("COPY (SELECT a INTO b FROM t) TO STDOUT", StatementKind.OTHER),
        ("COPY t TO STDOUT", StatementKind.COPY_TABLE),
        ("DO 'BEGIN END'", StatementKind.BLOCK),
        ("GRANT SELECT ON t TO ana", StatementKind.RIGHTS),
        ("ALTER TABLE t OWNER TO ana", StatementKind.RIGHTS),
        ("ALTER TABLE t ADD a int", StatementKind.OTHER),
        ("COPY t FROM STDIN", StatementKind.COPY_FROM),
        ("COPY (SELECT 1) TO '/tmp/x'", StatementKind.OTHER),
        ("DECLARE c CURSOR FOR SELECT * FROM t", StatementKind.CURSOR),
        ("PREPARE p AS SELECT * FROM t", StatementKind.PREPARE),
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM t WITH NO DATA", StatementKind.MATERIALIZED_VIEW),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", StatementKind.REFRESH),
        ("EXECUTE p(1)", StatementKind.EXECUTE),
        ("EXPLAIN EXECUTE p", StatementKind.EXECUTE),
        ("CREATE TABLE a AS EXECUTE p", StatementKind.EXECUTE),
        ("CREATE VIEW v AS SELECT * FROM t", StatementKind.DEFINITION),
        ("ALTER TABLE t RENAME TO u", StatementKind.DEFINITION),
        ("SET a.b = 1", StatementKind.OTHER),
        ("BEGIN", StatementKind.OTHER),
    ],
)
def test_the_kind_is_what_the_statement_does(text: str, kind: StatementKind) -> None:
    assert only(text).kind is kind


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("EXPLAIN INSERT INTO l SELECT * FROM t", True),
        ("COPY (DELETE FROM l USING t RETURNING *) TO STDOUT", True),
        ("EXPLAIN CREATE MATERIALIZED VIEW m AS TABLE t", True),
        ("EXPLAIN SELECT * FROM t", False),
        ("COPY (SELECT * FROM t) TO STDOUT", False),
    ],
)
def test_what_is_carried_writes_or_does_not(text: str, writes: bool) -> None:
    assert only(text).writes is writes


def test_positions_are_bytes_of_the_statements_own_text() -> None:
    first, second = parse_statements("SELECT 'ü😀';  SELECT 'é', a FROM \"Ö\".t AS x, u")
    assert (first.text, first.offset) == ("SELECT 'ü😀'", 0)
    assert (second.text, second.offset) == ("SELECT 'é', a FROM \"Ö\".t AS x, u", 14)
    encoded = second.text.encode()
    found = [(r.schema, r.name, r.alias, encoded[r.position :][:4].decode()) for r in second.references]
    assert found == [("Ö", "t", "x", '"Ö"'), (None, "u", None, "u")]


def test_names_are_as_postgresql_knows_them() -> None:
    statement = only('SELECT * FROM A.B, "C""d", U&"\\0065", ÄÖ')
    assert [(r.schema, r.name) for r in statement.references] == [("a", "b"), (None, 'C"d'), (None, "e"), (None, "ÄÖ")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", ["t"]),
        ("WITH t AS (SELECT * FROM s.t) SELECT * FROM t, s.t", ["t", "t"]),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b", ["b"]),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b", []),
        ("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t", []),
        ("SELECT (WITH x AS (SELECT 1) SELECT * FROM x), (SELECT * FROM x)", ["x"]),
        ("(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x", ["x"]),
        ("SELECT * FROM a JOIN LATERAL (SELECT * FROM b) c ON EXISTS (SELECT 1 FROM d)", ["a", "b", "d"]),
        ("SELECT 1 FROM a ORDER BY (SELECT 1 FROM b) LIMIT (SELECT 1 FROM c)", ["a", "b", "c"]),
    ],
)
def test_a_reference_is_never_a_common_table_expression(text: str, names: list[str]) -> None:
    assert [reference.name for reference in only(text).references] == names


@pytest.mark.parametrize(
    ("text", "query", "position"),
    [
        ("EXPLAIN SELECT 1", "SELECT 1", 8),
        ("explain analyze verbose select 1", "select 1", 24),
        ("EXPLAIN (ANALYZE, FORMAT json) SELECT 'é'", "SELECT 'é'", 31),
        ("EXPLAIN (SELECT 1)", "(SELECT 1)", 8),
        ("EXPLAIN ((SELECT 1))", "((SELECT 1))", 8),
        ("EXPLAIN (COSTS) (SELECT 1)", "(SELECT 1)", 16),
        ("EXPLAIN /* ( */ (ANALYZE) -- (\n SELECT 1", "SELECT 1", 32),
        ("EXPLAIN (VALUES (1))", "(VALUES (1))", 8),
        ("EXPLAIN WITH c AS (SELECT 1) TABLE c", "WITH c AS (SELECT 1) TABLE c", 8),
        ("COPY (SELECT ')', a FROM t) TO STDOUT", "SELECT ')', a FROM t", 6),
        ("COPY /* ( */ ( SELECT (1) ) TO STDOUT (FORMAT csv)", " SELECT (1) ", 14),
    ],
)
def test_the_query_is_cut_out_of_explain_and_copy(text: str, query: str, position: int) -> None:
    statement = only(text)
    assert (statement.query, statement.query_position) == (query, position)
    assert text.encode()[position:].startswith(query.encode())


def test_options_are_read_in_lower_case() -> None:
    assert only("EXPLAIN (ANALYZE, FORMAT JSON, COSTS off) SELECT 1").explain_options == (
        ("analyze", "true"),
        ("format", "json"),
        ("costs", "off"),
    )
    assert only("COPY (SELECT 1) TO STDOUT (FORMAT csv, HEADER true, DELIMITER ';')").copy_options == (
        ("format", "csv"),
        ("header", "true"),
        ("delimiter", ";"),
    )


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT a, t.b, s.t.c FROM s.t WHERE d ORDER BY e", {"a", "b", "c", "d", "e", "t.b", "t.c"}),
        ("SELECT x.a, s.b FROM t AS x, (SELECT 1 AS b) AS s", {"a", "b", "x.a"}),
        ("SELECT * FROM t", {"*"}),
        ("SELECT t.* FROM t", {"*"}),
        ("TABLE t", {"*"}),
        ("SELECT count(*) FROM t", set()),
        ("SELECT t FROM t", {"t", "*"}),
        ("SELECT x FROM t AS x", {"x", "*"}),
        ("SELECT t FROM t AS x", {"t"}),
        ("SELECT row_to_json(x) FROM t AS x", {"x", "*"}),
        ("SELECT (x).a FROM t AS x", {"x", "*"}),
        ("SELECT 1 FROM t JOIN u USING (a, b)", {"a", "b"}),
        ("SELECT 1 FROM t NATURAL JOIN u", {"*"}),
        ("SELECT a FROM t AS x(a)", {"a", "*"}),
        ("SELECT j.a FROM (t JOIN u ON true) AS j(a)", {"a", "j.a", "*"}),
        ("SELECT j FROM (t CROSS JOIN u) AS j", {"j", "*"}),
    ],
)
def test_the_columns_that_a_text_names(text: str, columns: set[str]) -> None:
    assert only(text).named_columns == columns


def test_row_locks_and_created_names_are_noticed() -> None:
    assert only("SELECT * FROM t FOR UPDATE OF t").locking is True
    assert only("SELECT * FROM (SELECT * FROM t FOR SHARE) s").locking is True
    assert only("SELECT * FROM t").locking is False
    assert only("CREATE VIEW s.v AS SELECT 1").creates == {"v"}
    assert only("ALTER VIEW v RENAME TO w").creates == {"w"}
    assert only("CREATE FOREIGN TABLE f (a int) SERVER s").creates == {"f"}
    assert only("CREATE TEMP TABLE x AS SELECT 1").creates == {"x"}


@pytest.mark.parametrize("text", ["SELEC 1", "SELECT 'a", "SELECT (", "SELECT 1 FROM"])
def test_what_is_not_grammatical_is_postgresqls_to_refuse(text: str) -> None:
    with pytest.raises(NotParsed):
        parse_statements(text)


PIECES = (
    "SELECT",
    "EXPLAIN",
    "COPY",
    "(",
    ")",
    "*",
    "FROM",
    "t",
    '"é"',
    "'x'",
    ";",
    "--\n",
    "/* */",
    "WITH",
    "AS",
    "$1",
)


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)))
def test_no_text_makes_the_grammar_fail_otherwise(text: str) -> None:
    try:
        statements = parse_statements(text)
    except (NotParsed, UnicodeEncodeError):
        return
    assert all(statement.text.strip() in text for statement in statements)


def test_a_generic_plan_needs_no_values() -> None:
    explained = only("EXPLAIN (GENERIC_PLAN) SELECT $2, $1")
    assert (explained.parameter, explained.unvalued_count) == (None, 2)
    for text in ("EXPLAIN (GENERIC_PLAN, GENERIC_PLAN off) SELECT $2, $1", "EXPLAIN SELECT $2, $1"):
        assert (only(text).parameter is not None, only(text).unvalued_count) == (True, 0)
