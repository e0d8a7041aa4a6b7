"""Which conditions restrict which scan: brought down where that is exact, left alone where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from api_model import bound

from omnisql_server.model.query import BoundQuery
from omnisql_server.plan.conditions import ConditionCollector
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.readings import readings_of

Shown = set[tuple[str, str, object]]
MOMENT = {"CAST('2026-01-01' AS TIMESTAMPTZ)": ("timestamp with time zone", "2026-01-01 00:00:00+05:30")}


def found_in(query: BoundQuery) -> dict[str, ScanConditions]:
    """Collect the conditions of a bound query."""
    assert query.meaning is not None
    return ConditionCollector(query.occurrences, *readings_of(query.meaning)).collect()


def collected(text: str, constants: Mapping[str, tuple[str, str | None]] | None = None) -> list[ScanConditions]:
    query = bound(text, constants)
    assert query.tree is not None
    found = found_in(query)
    return [found[occurrence.scan_name] for occurrence in query.occurrences]


def shown(conditions: ScanConditions) -> Shown:
    return {(c.column, c.operator.value, c.value) for c in conditions.conditions}


def of(text: str, place: int = 0) -> Shown:
    """Show the conditions of the relation named at a place of the text, counted from 0."""
    query = bound(text)
    assert query.tree is not None
    found = found_in(query)
    by_place = sorted(query.occurrences, key=lambda occurrence: occurrence.place or ())
    return shown(found[by_place[place].scan_name])


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("id = 5", ("id", "=", 5)),
        ("5 = id", ("id", "=", 5)),
        ("(id) = (5)", ("id", "=", 5)),
        ("5 < id", ("id", ">", 5)),
        ("5 >= id", ("id", "<=", 5)),
        ("id <> -5", ("id", "<>", -5)),
        ("NOT id = 5", ("id", "<>", 5)),
        ("id IN (1, 2)", ("id", "in", (1, 2))),
        ("id NOT IN (1, 2)", ("id", "not in", (1, 2))),
        ("id = 1 OR id = 2 OR id IN (3)", ("id", "in", (1, 2, 3))),
        ("id = ANY (ARRAY[1, 2])", ("id", "in", (1, 2))),
        ("id = 5.0", ("id", "=", 5)),
        ("name = ANY ('{a,b}')", ("name", "in", ("a", "b"))),
        ("name = 'a' COLLATE \"C\"", ("name", "=", "a")),
        ("name IN ('a' COLLATE \"C\", 'b')", ("name", "in", ("a", "b"))),
        ("name = 'it''s'", ("name", "=", "it's")),
        ("name LIKE 'a%'", ("name", "like", "a%")),
        ("name ILIKE 'a%'", ("name", "ilike", "a%")),
        ("name IS NULL", ("name", "is null", None)),
        ("name IS NOT NULL", ("name", "is not null", None)),
        ("NOT name IS NULL", ("name", "is not null", None)),
        ("NOT name IS NOT NULL", ("name", "is null", None)),
        ("done", ("done", "=", True)),
        ("NOT done", ("done", "=", False)),
        ("done = false", ("done", "=", False)),
        ("score > 1.5", ("score", ">", 1.5)),
        ("'bug' = ANY (labels)", ("labels", "@>", ("bug",))),
        ("labels @> ARRAY['a', 'b']", ("labels", "@>", ("a", "b"))),
        ("labels @> '{a,\"b c\"}'", ("labels", "@>", ("a", "b c"))),
    ],
)
def test_a_comparison_with_a_constant_is_recognized(where: str, found: tuple[str, str, object]) -> None:
    assert of(f"SELECT id FROM t WHERE {where}") == {found}


@pytest.mark.parametrize(
    "where",
    [
        "id = 5.5",
        "name NOT LIKE 'a%'",
        "name NOT ILIKE 'a%'",
        "name LIKE 'a%' ESCAPE '!'",
        "NOT name LIKE 'a%'",
        "id = big",
        "id + 1 = 5",
        "id = 5 OR lower(name) = 'x'",
        "id NOT IN (1, NULL)",
        "NOT 'bug' = ANY (labels)",
        "id <> ANY (ARRAY[1, 2])",
        "id > ANY (ARRAY[1, 2])",
        "done IS NOT TRUE",
        "lower(name) = 'x'",
        "labels @> '{a\\,b}'",
        "labels @> '{ a }'",
        "labels @> '{{a},{b}}'",
        "labels @> '{NULL}'",
        "labels = ARRAY[1]::text[]",
        "id IS DISTINCT FROM 5",
        "random() < 0.5",
    ],
)
def test_what_is_not_equivalent_to_a_condition_stays_here(where: str) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}", {"CAST(ARRAY[1] AS TEXT[])": ("text[]", "{1}")})
    assert shown(found) == set()
    assert len(found.residuals) == 1


def test_moments_are_compared_in_utc() -> None:
    (found,) = collected("SELECT id FROM t WHERE at >= '2026-01-01'", MOMENT)
    assert shown(found) == {("at", ">=", datetime(2025, 12, 31, 18, 30, tzinfo=UTC))}


def test_an_array_constant_is_a_list_of_values() -> None:
    asked = {"(CAST('{1,2}' AS INT[]))": ("integer[]", "{1,2}")}
    (found,) = collected("SELECT id FROM t WHERE id = ANY ('{1,2}'::int[])", asked)
    assert shown(found) == {("id", "in", (1, 2))}


def test_values_that_postgresql_orders_otherwise_are_not_pushed() -> None:
    asked = {"CAST('NaN' AS DOUBLE PRECISION)": ("double precision", "NaN")}
    (found,) = collected("SELECT id FROM t WHERE score < 'NaN'", asked)
    assert (shown(found), len(found.residuals)) == (set(), 1)


def test_conditions_pass_derived_relations_by_their_own_names() -> None:
    assert of("SELECT * FROM (SELECT id AS k, name FROM t) s WHERE k = 5 AND name = 'x'") == {
        ("id", "=", 5),
        ("name", "=", "x"),
    }
    assert of("WITH c AS (SELECT id AS k FROM t) SELECT * FROM c WHERE k = 5") == {("id", "=", 5)}
    assert of("SELECT * FROM (SELECT DISTINCT id FROM t) s WHERE id = 5") == {("id", "=", 5)}
    assert of("SELECT * FROM (SELECT id, count(*) AS n FROM t GROUP BY id) s WHERE id = 5") == {("id", "=", 5)}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM (SELECT id FROM t LIMIT 5) s WHERE id = 5",
        "SELECT * FROM (SELECT id FROM t OFFSET 5) s WHERE id = 5",
        "SELECT * FROM ((SELECT id FROM t) LIMIT 5) s WHERE id = 5",
        "SELECT * FROM (SELECT id + 1 AS id FROM t) s WHERE id = 5",
        "SELECT * FROM (SELECT DISTINCT ON (name) id, name FROM t) s WHERE id = 5",
        "SELECT * FROM (SELECT id, row_number() OVER (ORDER BY id) FROM t) s WHERE id = 5",
        "SELECT * FROM (SELECT max(id) AS id FROM t) s WHERE id = 5",
        "SELECT * FROM (SELECT id, name FROM t GROUP BY ROLLUP (id, name)) s WHERE id = 5",
        "WITH c AS (SELECT id FROM t) SELECT * FROM c a, c b WHERE a.id = 5",
    ],
)
def test_a_filter_that_does_not_commute_stays_above(text: str) -> None:
    assert of(text) == set()


def test_both_sides_of_a_set_operation_are_restricted() -> None:
    text = "SELECT * FROM (SELECT id AS k FROM t {0} SELECT big FROM u) s WHERE k = 5"
    for operator in ("UNION ALL", "UNION", "EXCEPT", "INTERSECT ALL"):
        assert of(text.format(operator), 0) == {("id", "=", 5)}
        assert of(text.format(operator), 1) == {("big", "=", 5)}
    assert of("SELECT * FROM (SELECT id AS k FROM t UNION ALL SELECT score FROM u) s WHERE k = 5", 1) == set()
    cut = "SELECT * FROM ((SELECT id FROM t) UNION ALL (SELECT id FROM u LIMIT 1)) s WHERE id = 5"
    assert (of(cut, 0), of(cut, 1)) == ({("id", "=", 5)}, set())


@pytest.mark.parametrize(
    ("join", "left", "right"),
    [
        ("t a JOIN u b ON a.id = 1 AND b.id = 2", {("id", "=", 1)}, {("id", "=", 2)}),
        ("t a LEFT JOIN u b ON a.id = 1 AND b.id = 2", set(), {("id", "=", 2)}),
        ("t a RIGHT JOIN u b ON a.id = 1 AND b.id = 2", {("id", "=", 1)}, set()),
        ("t a FULL JOIN u b ON a.id = 1 AND b.id = 2", set(), set()),
        ("t a LEFT JOIN u b ON b.name IS NULL", set(), set()),
        ("t a JOIN u b ON b.name IS NULL", set(), {("name", "is null", None)}),
        ("t a JOIN u b ON b.name IS NULL RIGHT JOIN v c ON true", set(), set()),
        ("t a LEFT JOIN (u b JOIN v c ON c.id = 1) ON b.id = 2", set(), set()),
    ],
)
def test_on_restricts_only_what_it_may(join: str, left: Shown, right: Shown) -> None:
    text = f"SELECT 1 FROM {join}"
    assert (of(text, 0), of(text, 1)) == (left, right)


@pytest.mark.parametrize(
    ("join", "null_test"),
    [
        ("t a LEFT JOIN u b ON a.id = b.id", False),
        ("t a FULL JOIN u b ON a.id = b.id", False),
        ("t a JOIN u b ON a.id = b.id", True),
        ("t a RIGHT JOIN u b ON a.id = b.id", True),
        ("v c LEFT JOIN (t a JOIN u b ON a.id = b.id) ON a.id = c.id", False),
    ],
)
def test_is_null_on_a_null_supplied_side_is_not_a_condition(join: str, null_test: bool) -> None:
    query = bound(f"SELECT 1 FROM {join} WHERE b.name IS NULL AND b.done")
    assert query.tree is not None
    found = found_in(query)
    (scan,) = [found[o.scan_name] for o in query.occurrences if o.relation.name == "u"]
    wanted: Shown = {("done", "=", True)} | ({("name", "is null", None)} if null_test else set())
    assert shown(scan) == wanted


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("t a JOIN u b ON a.id = b.big WHERE a.id = 5", {("id", "=", 5)}, {("big", "=", 5)}),
        ("t a, u b WHERE a.id = b.id AND b.id IN (1, 2)", {("id", "in", (1, 2))}, {("id", "in", (1, 2))}),
        ("t a LEFT JOIN u b ON a.id = b.id WHERE a.id = 5", {("id", "=", 5)}, {("id", "=", 5)}),
        ("t a LEFT JOIN u b ON a.id = b.id AND b.id = 5", set(), {("id", "=", 5)}),
        ("t a FULL JOIN u b ON a.id = b.id WHERE a.id = 5", {("id", "=", 5)}, set()),
        ("t a JOIN u b ON a.id = b.score WHERE a.id = 5", {("id", "=", 5)}, set()),
        ("t a JOIN u b ON a.id = b.id WHERE a.id > 5", {("id", ">", 5)}, set()),
    ],
)
def test_equalities_carry_constants_across_joins(text: str, left: Shown, right: Shown) -> None:
    assert (of(f"SELECT 1 FROM {text}", 0), of(f"SELECT 1 FROM {text}", 1)) == (left, right)


def test_a_condition_above_a_derived_relation_is_known_to_remain() -> None:
    (found,) = collected("SELECT * FROM (SELECT id, name FROM t) s WHERE lower(name) = 'x'")
    assert found.residuals == [('LOWER("s"."name") = \'x\'', "its form is not one an API can evaluate")]


def test_constants_alone_are_no_condition() -> None:
    (found,) = collected("SELECT id FROM t WHERE 1 = 1 AND true AND id = 5")
    assert (shown(found), found.residuals) == ({("id", "=", 5)}, [])


def test_a_recursive_query_is_followed_without_end() -> None:
    text = (
        "WITH RECURSIVE c AS (SELECT id FROM t WHERE id = 1 UNION SELECT u.id FROM u JOIN c ON u.big = c.id) "
        "SELECT * FROM c WHERE id = 7 AND random() > 2"
    )
    assert (of(text, 0), of(text, 1)) == ({("id", "=", 1)}, set())
