"""Constants leave the tree for PostgreSQL to evaluate and come back typed; parameters become typed literals."""

from __future__ import annotations

import pytest
from sqlglot import exp

from omnisql_server.bind.fold import bind_parameters, extract_constants, fill_constants, fold_sql, typed_literal
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import qualify_query
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query

COLUMNS = {"n": (23, "integer"), "t": (25, "text"), "ts": (1184, "timestamp with time zone"), "b": (16, "boolean")}
RELATION = Relation(
    oid=1,
    schema="app",
    name="r",
    kind=RelationKind.API,
    owner="admin",
    attributes=tuple(
        Attribute(number=number, name=name, type_oid=type_oid, type_sql=type_sql, api_column=name)
        for number, (name, (type_oid, type_sql)) in enumerate(COLUMNS.items(), 1)
    ),
)


def tree_of(text: str) -> exp.Expr:
    return qualify_query(parse_query(text), Closure(by_name={(None, "r"): RELATION})).tree


def constants_of(text: str) -> list[str]:
    return [constant.sql("postgres") for constant in extract_constants(tree_of(text)).constants]


@pytest.mark.parametrize(
    ("where", "constants"),
    [
        ("n = 5 AND t = 'x' AND b = true", []),
        ("n = '5'", ["CAST('5' AS INT)"]),
        ("n = ('5')", ["(CAST('5' AS INT))"]),
        ("'5' = n", ["CAST('5' AS INT)"]),
        ("n IN (1, '2')", ["CAST('2' AS INT)"]),
        ("n BETWEEN '1' AND 3", ["CAST('1' AS INT)"]),
        ("t = ('x')", []),
        ("b = 't'", ["CAST('t' AS BOOLEAN)"]),
        ("ts > '2026-01-01'", ["CAST('2026-01-01' AS TIMESTAMPTZ)"]),
        ("ts > now() - interval '7 days'", ["CURRENT_TIMESTAMP - INTERVAL '7 DAYS'"]),
        ("ts > date_trunc('month', now())", ["DATE_TRUNC('MONTH', CURRENT_TIMESTAMP)"]),
        ("n = 1 + 2", ["1 + 2"]),
        ("n = 4 / 2", ["4 / 2"]),
        ("n = 1 / 0", []),
        ("n = 1 / 0.0", []),
        ("n > random()", []),
        ("ts > clock_timestamp()", []),
        ("t = upper('x') || 'y'", ["UPPER('x') || 'y'"]),
        ("n = -5", []),
    ],
)
def test_the_largest_constant_expressions_are_taken_out(where: str, constants: list[str]) -> None:
    assert constants_of(f"SELECT n FROM r WHERE {where}") == constants


def test_postgresql_is_asked_for_type_and_text_of_every_constant() -> None:
    folded = extract_constants(tree_of("SELECT n FROM r WHERE n = '5' AND ts > now()"))
    assert fold_sql(folded.constants, ()) == (
        "SELECT pg_catalog.pg_typeof(CAST('5' AS INT))::pg_catalog.text, (CAST('5' AS INT))::pg_catalog.text, "
        "pg_catalog.pg_typeof(CURRENT_TIMESTAMP)::pg_catalog.text, (CURRENT_TIMESTAMP)::pg_catalog.text"
    )


def test_constants_come_back_with_their_types() -> None:
    folded = extract_constants(tree_of("SELECT n FROM r WHERE n = '5' AND ts > now()"))
    filled = fill_constants(folded.tree, [("integer", "5"), ("timestamp with time zone", None)])
    where = filled.args["where"]
    assert where.sql("postgres") == 'WHERE "r"."n" = CAST(\'5\' AS INT) AND "r"."ts" > CAST(NULL AS TIMESTAMPTZ)'
    assert folded.tree.find(exp.Placeholder) is not None


def test_parameters_become_typed_literals() -> None:
    tree = tree_of("SELECT n FROM r WHERE n = $1 AND t = $2")
    bound = bind_parameters(tree, [("int8", "7"), ("text", None)])
    assert bound.args["where"].sql("postgres").endswith('= CAST(\'7\' AS BIGINT) AND "r"."t" = CAST(NULL AS TEXT)')
    assert tree.find(exp.Parameter) is not None


def test_parameters_inside_constants_are_bound_before_they_are_asked() -> None:
    folded = extract_constants(tree_of("SELECT n FROM r WHERE n = $1 + 1"))
    assert "CAST('4' AS INT) + 1" in fold_sql(folded.constants, [("int4", "4")])


@pytest.mark.parametrize("type_sql", ["mood", '"My Type"', "app.mood", "text[]", "regclass", '"char"', "tsvector"])
def test_a_type_that_only_postgresql_knows_keeps_its_name(type_sql: str) -> None:
    written = typed_literal(type_sql, "x").sql("postgres")
    assert written.lower() == f"cast('x' as {type_sql})".lower()
