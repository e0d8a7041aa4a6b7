"""OR between columns as alternatives: what is one, where it restricts a scan, and why others are none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from api_model import bound
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.scan import Predicate
from connectors.sdk.testing.reference import holds
from omnisql_server.plan.alternatives import BRANCHES_MAX, Alternatives
from omnisql_server.plan.conditions import ConditionCollector
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.readings import readings_of
from omnisql_server.plan.recognize import Condition

Branches = list[list[tuple[str, str, object]]]


def collected(
    text: str, zone: str | None = None, constants: Mapping[str, tuple[str, str | None]] | None = None
) -> list[ScanConditions]:
    """Collect the conditions of the relations of a statement, in their order in the text."""
    query = bound(text, constants)
    assert query.meaning is not None
    found = ConditionCollector(query.occurrences, *readings_of(query.meaning), zone).collect()
    by_place = sorted(query.occurrences, key=lambda occurrence: occurrence.place or ())
    return [found[occurrence.scan_name] for occurrence in by_place]


def shown(alternatives: Alternatives) -> Branches:
    return [[(c.column, c.operator.value, c.value) for c in branch] for branch in alternatives.branches]


def of(text: str, place: int = 0) -> list[Branches]:
    return [shown(each) for each in collected(text)[place].alternatives]


@pytest.mark.parametrize(
    ("where", "branches"),
    [
        ("id = 5 OR name = 'x'", [[("id", "=", 5)], [("name", "=", "x")]]),
        ("id < 5 OR (id > 9 OR name = 'x')", [[("id", "<", 5)], [("id", ">", 9)], [("name", "=", "x")]]),
        ("id = 5 OR id IS NULL", [[("id", "=", 5)], [("id", "is null", None)]]),
        ("id = 5 OR name <> 'x'", [[("id", "=", 5)], [("name", "<>", "x")]]),
        ("NOT done OR name LIKE 'a%'", [[("done", "=", False)], [("name", "like", "a%")]]),
        ("id BETWEEN 1 AND 3 OR done", [[("id", ">=", 1), ("id", "<=", 3)], [("done", "=", True)]]),
        ("(id = 1 AND name = 'x') OR done", [[("id", "=", 1), ("name", "=", "x")], [("done", "=", True)]]),
        (
            "(id = 1 AND (name = 'x' OR done)) OR big = 2",
            [[("id", "=", 1), ("name", "=", "x")], [("id", "=", 1), ("done", "=", True)], [("big", "=", 2)]],
        ),
        ("id = 1 OR id = 2 OR name IN ('x')", [[("id", "in", (1, 2))], [("name", "in", ("x",))]]),
        ("'bug' = ANY (labels) OR labels @> '{a,b}'", [[("labels", "@>", ("bug",))], [("labels", "@>", ("a", "b"))]]),
    ],
)
def test_an_or_between_columns_is_one_of_alternatives(where: str, branches: Branches) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    assert [shown(each) for each in found.alternatives] == [branches]
    assert (found.conditions, found.residuals) == ([], [])


@pytest.mark.parametrize(
    ("where", "branches"),
    [
        ("NOT (id = 5 AND name = 'x')", [[("id", "<>", 5)], [("name", "<>", "x")]]),
        ("NOT (id BETWEEN 1 AND 3 AND done)", [[("id", "<", 1)], [("id", ">", 3)], [("done", "=", False)]]),
        ("id = 5 OR NOT (id > 6 OR done)", [[("id", "=", 5)], [("id", "<=", 6), ("done", "=", False)]]),
        ("id NOT BETWEEN 2 AND 4", [[("id", "<", 2)], [("id", ">", 4)]]),
        ("NOT (NOT (id = 5 OR NOT NOT done))", [[("id", "=", 5)], [("done", "=", True)]]),
    ],
)
def test_not_is_brought_down_to_the_comparisons(where: str, branches: Branches) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    assert [shown(each) for each in found.alternatives] == [branches]
    assert (found.conditions, found.residuals) == ([], [])


@pytest.mark.parametrize(
    ("where", "conditions"),
    [
        ("NOT (id = 5 OR name = 'x')", [("id", "<>", 5), ("name", "<>", "x")]),
        ("NOT id < 5", [("id", ">=", 5)]),
        ("NOT (id <> 5 OR NOT done)", [("id", "=", 5), ("done", "=", True)]),
    ],
)
def test_not_above_or_is_as_many_conditions(where: str, conditions: list[tuple[str, str, object]]) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    assert [(c.column, c.operator.value, c.value) for c in found.conditions] == conditions
    assert (found.alternatives, found.residuals) == ([], [])


@pytest.mark.parametrize(
    ("where", "branches", "reason"),
    [
        (
            "id = 5 OR (done AND id + 1 = 2)",
            [[("id", "=", 5)], [("done", "=", True)]],
            'its part "t"."id" + 1 = 2 has a form that no API evaluates; what is sent is wider',
        ),
        (
            "big = 1 OR (done AND (id = 1 OR lower(name) = 'x'))",
            [[("big", "=", 1)], [("done", "=", True)]],
            'its part LOWER("t"."name") = \'x\' has a form that no API evaluates; what is sent is wider',
        ),
        (
            " AND ".join(f"(id = {n} OR name = '{n}' OR big = {n})" for n in range(4)).join(("big = 9 OR (", ")")),
            [[("big", "=", 9)], [("id", "=", 0), ("id", "=", 1)], [("id", "=", 0), ("name", "=", "1")]],
            "it comes to more than 16 alternatives or 64 comparisons; what is sent is wider",
        ),
    ],
)
def test_of_a_side_what_is_not_said_makes_it_wider(where: str, branches: Branches, reason: str) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    (either,) = found.alternatives
    assert shown(either)[: len(branches)] == branches
    assert [told for _, told in found.residuals] == [reason]


def test_a_range_that_follows_from_a_side_stands_for_it() -> None:
    day = {"CAST('2026-03-01' AS DATE)": ("date", "2026-03-01")}
    (found,) = collected("SELECT id FROM t WHERE id = 5 OR at::date >= '2026-03-01'::date", "UTC", day)
    assert [[c[:2] for c in branch] for branch in shown(found.alternatives[0])] == [[("id", "=")], [("at", ">=")]]
    assert [told for _, told in found.residuals] == ["what is sent is the range that follows from it"]


def test_an_or_of_several_relations_leaves_each_what_all_of_its_sides_say_of_it() -> None:
    sides = "(t.id = 1 AND u.name = 'x' AND u.id > 3) OR (t.id = 2 AND u.done)"
    t, u = collected(f"SELECT 1 FROM t JOIN u ON u.big = t.big WHERE {sides}")
    assert [(c.column, c.operator.value, c.value) for c in t.conditions] == [("id", "in", (1, 2))]
    assert [shown(each) for each in u.alternatives] == [[[("name", "=", "x"), ("id", ">", 3)], [("done", "=", True)]]]
    for found in (t, u):
        assert {reason for _, reason in found.residuals} == {"it compares more than one relation"}


def test_every_other_conjunct_stays_what_it_is() -> None:
    (found,) = collected("SELECT id FROM t WHERE big = 7 AND (id = 5 OR name = 'x') AND (done OR id > 3)")
    assert [(c.column, c.value) for c in found.conditions] == [("big", 7)]
    assert [each.sql for each in found.alternatives] == [
        '"t"."id" = 5 OR "t"."name" = \'x\'',
        '"t"."done" OR "t"."id" > 3',
    ]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("id = 5 OR lower(name) = 'x'", 'its part LOWER("t"."name") = \'x\' has a form that no API evaluates'),
        ("id = 5 OR NOT (id + 1 = 2 AND done)", 'its part NOT "t"."id" + 1 = 2 has a form that no API evaluates'),
        (" OR ".join(f"(id = {n} AND big = {n})" for n in range(BRANCHES_MAX + 1)), "more than 16 alternatives"),
    ],
)
def test_what_is_none_says_which_part_stands_in_the_way(where: str, reason: str) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    assert found.alternatives == []
    ((_, told),) = found.residuals
    assert reason in told


def test_an_or_between_relations_restricts_neither() -> None:
    for found in collected("SELECT 1 FROM t JOIN u ON u.id = t.id WHERE t.name = 'x' OR u.name = 'y'"):
        assert found.alternatives == []
        assert {reason for _, reason in found.residuals} == {"it compares more than one relation"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT 1 FROM (SELECT id AS a, name AS b FROM t) s WHERE a = 5 OR b = 'x'", 0),
        ("WITH s AS (SELECT id, name FROM t) SELECT 1 FROM s WHERE id = 5 OR name = 'x'", 0),
        ("SELECT 1 FROM (SELECT id, name FROM t GROUP BY id, name) s WHERE id = 5 OR name = 'x'", 0),
        ("SELECT 1 FROM (SELECT id, name FROM u UNION ALL SELECT id, name FROM t) s WHERE id = 5 OR name = 'x'", 1),
        ("SELECT 1 FROM u LEFT JOIN t ON t.id = u.id AND (t.id = 5 OR t.name = 'x')", 1),
        ("SELECT 1 FROM u LEFT JOIN t ON t.id = u.id WHERE t.id = 5 OR t.name = 'x'", 1),
        ("SELECT 1 FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.id = u.id AND (t.id = 5 OR t.name = 'x'))", 1),
    ],
)
def test_alternatives_come_down_to_the_scan_that_they_restrict(text: str, place: int) -> None:
    assert of(text, place) == [[[("id", "=", 5)], [("name", "=", "x")]]]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM (SELECT id, name FROM t LIMIT 5) s WHERE id = 5 OR name = 'x'",
        "SELECT 1 FROM (SELECT id, upper(name) AS name FROM t) s WHERE id = 5 OR name = 'x'",
        "SELECT 1 FROM (SELECT id, max(name) AS name FROM t GROUP BY id) s WHERE id = 5 OR name = 'x'",
        "SELECT 1 FROM (SELECT t.id, u.name FROM t, u) s WHERE id = 5 OR name = 'x'",
        "WITH s AS (SELECT id, name FROM t) SELECT 1 FROM s a, s b WHERE a.id = 5 OR a.name = 'x'",
    ],
)
def test_where_filtering_does_not_commute_they_stay_above(text: str) -> None:
    found = collected(text)[0]
    assert found.alternatives == []
    assert len(found.residuals) + len(found.beyond) == 1


def test_of_a_row_that_an_outer_join_left_out_nothing_may_be_asked() -> None:
    text = "SELECT 1 FROM u LEFT JOIN t ON t.id = u.id WHERE t.id IS NULL OR t.name = 'x'"
    assert of(text, 1) == []
    # The left side of a left join is restricted by no condition of the join.
    assert of("SELECT 1 FROM t LEFT JOIN u ON t.id = 5 OR t.name = 'x'") == []


def test_a_branch_of_a_union_has_what_its_constants_leave() -> None:
    union = "(SELECT 'eu' AS source, id, name FROM t UNION ALL SELECT 'us', id, name FROM u) s"
    both = f"SELECT 1 FROM {union} WHERE (source = 'eu' AND id = 5) OR (source = 'us' AND name = 'x')"
    eu, us = collected(both)
    assert [(c.column, c.value) for c in eu.conditions] == [("id", 5)]
    assert [(c.column, c.value) for c in us.conditions] == [("name", "x")]
    one = f"SELECT 1 FROM {union} WHERE source = 'eu' OR id = 5"
    eu, us = collected(one)
    assert (eu.conditions, eu.alternatives, eu.ruled_out) == ([], [], None)
    assert [(c.column, c.value) for c in us.conditions] == [("id", 5)]
    none = f"SELECT 1 FROM {union} WHERE source = 'asia' OR (source = 'us' AND id = 5)"
    eu, us = collected(none)
    assert eu.ruled_out is not None
    assert us.ruled_out is None


VALUES: dict[str, Any] = {
    "id = 1": lambda r: None if r["id"] is None else r["id"] == 1,
    "id <> 1": lambda r: None if r["id"] is None else r["id"] != 1,
    "id > 1": lambda r: None if r["id"] is None else r["id"] > 1,
    "id BETWEEN 1 AND 1": lambda r: None if r["id"] is None else r["id"] == 1,
    "id + 1 = 2": lambda r: None if r["id"] is None else r["id"] == 1,
    "id IN (0, 2)": lambda r: None if r["id"] is None else r["id"] in (0, 2),
    "id NOT IN (1, 2)": lambda r: None if r["id"] is None else r["id"] not in (1, 2),
    "id IS NULL": lambda r: r["id"] is None,
    "id IS NOT NULL": lambda r: r["id"] is not None,
    "name = 'a'": lambda r: None if r["name"] is None else r["name"] == "a",
    "name <> 'a'": lambda r: None if r["name"] is None else r["name"] != "a",
    "name <= 'a'": lambda r: None if r["name"] is None else r["name"] <= "a",
    "upper(name) = 'A'": lambda r: None if r["name"] is None else r["name"] == "a",
    "NOT name = 'b'": lambda r: None if r["name"] is None else r["name"] != "b",
    "name IS NULL": lambda r: r["name"] is None,
    "done": lambda r: r["done"],
    "NOT done": lambda r: None if r["done"] is None else not r["done"],
    "done IS NOT NULL": lambda r: r["done"] is not None,
}
"""What conditions are true of, some of which no API evaluates."""


@dataclass(frozen=True)
class Tree:
    """A condition: its text, and what SQL finds of rows by relation."""

    text: str
    of: Callable[[dict[str, dict[str, Any]]], bool | None]


def atom(condition: str, relation: str) -> Tree:
    words = re.sub(r"\b(id|name|done)\b", rf"{relation}.\1", condition)
    return Tree(words, lambda rows: VALUES[condition](rows[relation]))


def joined(sides: list[Tree], word: str) -> Tree:
    strong = word == "OR"

    def of(rows: dict[str, dict[str, Any]]) -> bool | None:
        found = [side.of(rows) for side in sides]
        return strong if strong in found else None if None in found else not strong

    return Tree(f"({f' {word} '.join(side.text for side in sides)})", of)


def opposite(tree: Tree) -> Tree:
    return Tree(f"(NOT {tree.text})", lambda rows: None if tree.of(rows) is None else not tree.of(rows))


def trees(*relations: str) -> st.SearchStrategy[Tree]:
    leaves = st.builds(atom, st.sampled_from(list(VALUES)), st.sampled_from(relations))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(joined, st.lists(inner, min_size=2, max_size=3), st.sampled_from(["AND", "OR"])),
            st.builds(opposite, inner),
        ),
        max_leaves=8,
    )


ROWS: list[dict[str, Any]] = [
    {"id": number, "name": text, "done": flag}
    for number in (None, 0, 1, 2)
    for text in (None, "a", "b")
    for flag in (None, True, False)
]


@settings(deadline=None)
@given(tree=trees("t"))
def test_alternatives_are_true_of_the_rows_that_sql_finds_true(tree: Tree) -> None:
    (found,) = collected(f"SELECT id FROM t WHERE {tree.text}")
    for row in ROWS:
        is_true = tree.of({"t": row}) is True
        if found.residuals:
            assert meets(found, row) or not is_true, (tree.text, row)
        else:
            assert meets(found, row) == is_true, (tree.text, row)


@settings(deadline=None)
@given(tree=trees("t", "u"))
def test_no_row_of_a_join_is_lost_by_what_an_or_says_of_its_sides(tree: Tree) -> None:
    t, u = collected(f"SELECT 1 FROM t JOIN u ON u.big = t.big WHERE {tree.text}")
    for one in ROWS[::2]:
        for other in ROWS[::3]:
            if tree.of({"t": one, "u": other}) is True:
                assert meets(t, one), (tree.text, one, other)
                assert meets(u, other), (tree.text, one, other)


def meets(found: ScanConditions, row: dict[str, Any]) -> bool:
    return _all(row, found.conditions) and all(
        any(_all(row, branch) for branch in each.branches) for each in found.alternatives
    )


def _all(row: dict[str, Any], conditions: Iterable[Condition]) -> bool:
    return all(holds(row, Predicate(column=c.column, operator=c.operator, value=c.value)) for c in conditions)
