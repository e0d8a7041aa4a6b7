"""Reasons for which a statement is PostgreSQL's to execute that do not depend on the rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plain_settings import SETTINGS

from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import qualify_query
from omnisql_server.execute.allowed import refusal
from omnisql_server.execute.duckdb_text import duckdb_text
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query
from wire.backend import Field

COLUMNS = {"id": (23, "integer"), "a": (25, "text"), "A": (25, "text"), "j": (869, "inet"), "f": (701, "float8")}


def query_of(text: str, kind: RelationKind = RelationKind.API, *type_oids: int) -> BoundQuery:
    attributes = tuple(
        Attribute(number=n, name=c, type_oid=o, type_sql=t, api_column=c)
        for n, (c, (o, t)) in enumerate(COLUMNS.items(), 1)
    )
    relation = Relation(oid=1, schema="app", name="t", kind=kind, owner="o", attributes=attributes)
    parsed = parse_query(text)
    qualified = qualify_query(parsed, Closure(by_name={(None, "t"): relation}))
    return BoundQuery(
        parsed=parsed,
        meaning=meaning_of(qualified.tree),
        reason="",
        occurrences=qualified.occurrences,
        relations={},
        views={},
        parameter_oids=(),
        fields=tuple(Field(name="x", type_oid=oid) for oid in type_oids),
        settings=SETTINGS,
        catalog_sequence=1,
    )


def test_a_plain_statement_is_allowed() -> None:
    assert refusal(query_of("SELECT id, a FROM t ORDER BY f", RelationKind.API, 23, 25)) is None


@pytest.mark.parametrize(
    "changes", [{"date_style": "SQL, DMY"}, {"interval_style": "iso_8601"}, {"extra_float_digits": 0}]
)
def test_another_style_of_values_is_postgresqls(changes: dict[str, object]) -> None:
    query = query_of("SELECT id FROM t")
    styled = replace(query, settings=replace(SETTINGS, **changes))  # type: ignore[arg-type]
    assert refusal(styled) == "the session shows values in another style than this server's own"


def test_local_tables_and_other_types_are_postgresqls() -> None:
    assert refusal(query_of("SELECT id FROM t", RelationKind.LOCAL)) == "app.t is a local table"
    assert refusal(query_of("SELECT j FROM t")) == "column j has a type that DuckDB shows differently"
    shown = refusal(query_of("SELECT id FROM t", RelationKind.API, 869))
    assert shown == "the result has a type that DuckDB shows differently"


def test_a_statement_without_a_tree_keeps_its_reason() -> None:
    assert refusal(replace(query_of("SELECT id FROM t"), meaning=None, reason="because")) == "because"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('SELECT a, "A" FROM t', "column names differ only in case"),
        ('SELECT x.id FROM t x, t "X"', "names of relations differ only in case"),
        ('SELECT id AS "K", f AS k FROM t', "output columns have the same name"),
        ("SELECT 1 FROM (SELECT id AS k, f AS k FROM t) s", "output columns have the same name"),
        ("SELECT * FROM (SELECT id FROM t) x JOIN t USING (id)", "column j has a type that DuckDB shows differently"),
        ("SELECT x.* FROM (SELECT id FROM t) x JOIN t USING (id)", "a star over columns merged by USING"),
    ],
)
def test_names_that_duckdb_confuses_are_postgresqls(text: str, reason: str) -> None:
    assert refusal(query_of(text)) == reason


def test_the_same_output_name_twice_is_no_matter_at_the_top() -> None:
    assert refusal(query_of("SELECT id, id FROM t", RelationKind.API, 23, 23)) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SELECT sum(id) AS s FROM t", 'SELECT CAST(SUM("t"."id") AS BIGINT) AS "s" FROM "scan_0" AS "t"'),
        ("SELECT id / 2 AS s FROM t", 'SELECT "t"."id" // 2 AS "s" FROM "scan_0" AS "t"'),
        ("SELECT f FROM t ORDER BY f", 'SELECT "t"."f" AS "f" FROM "scan_0" AS "t" ORDER BY "t"."f" + 0.0'),
        (
            "SELECT sum(id) FILTER (WHERE id > 1) OVER (PARTITION BY a) AS s FROM t",
            'SELECT CAST(SUM("t"."id") FILTER(WHERE "t"."id" > 1) OVER (PARTITION BY "t"."a") AS BIGINT) AS "s" '
            'FROM "scan_0" AS "t"',
        ),
    ],
)
def test_the_text_for_duckdb(text: str, written: str) -> None:
    query = query_of(text)
    assert query.tree is not None
    before = query.tree.sql("postgres")
    assert duckdb_text(query.tree) == written
    assert query.tree.sql("postgres") == before
