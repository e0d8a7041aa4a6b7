"""OR between columns as alternatives: what is one, where it restricts a scan, and why others are none."""

from __future__ import annotations

from typing import Any

import pytest
from api_model import bound
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.scan import Predicate
from connectors.sdk.testing.reference import holds
from omnisql_server.plan.alternatives import BRANCHES_MAX, Alternatives
from omnisql_server.plan.conditions import ConditionCollector, Restriction, ScanConditions
from omnisql_server.plan.readings import readings_of

Branches = list[list[tuple[str, str, object]]]


def collected(text: str) -> list[ScanConditions]:
    """Collect the conditions of the relations of a statement, in their order in the text."""
    query = bound(text)
    assert query.meaning is not None
    found = ConditionCollector(query.occurrences, *readings_of(query.meaning)).collect()
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
        ("id = 5 OR (done AND id + 1 = 2)", 'its part "t"."id" + 1 = 2 has a form that no API evaluates'),
        ("id = 5 OR NOT (id = 6 AND done)", 'its part NOT ("t"."id" = 6 AND "t"."done") has a form'),
        (" OR ".join(f"(id = {n} AND big = {n})" for n in range(BRANCHES_MAX + 1)), "more than 16 alternatives"),
        (" AND ".join(["(id = 1 OR done)"] * 5).join(("big = 1 OR (", ")")), "more than 16 alternatives"),
        ("NOT (id = 5 OR name = 'x')", "its form is not one an API can evaluate"),
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
    "id IN (0, 2)": lambda r: None if r["id"] is None else r["id"] in (0, 2),
    "id NOT IN (1, 2)": lambda r: None if r["id"] is None else r["id"] not in (1, 2),
    "id IS NULL": lambda r: r["id"] is None,
    "id IS NOT NULL": lambda r: r["id"] is not None,
    "name = 'a'": lambda r: None if r["name"] is None else r["name"] == "a",
    "name <> 'a'": lambda r: None if r["name"] is None else r["name"] != "a",
    "NOT name = 'b'": lambda r: None if r["name"] is None else r["name"] != "b",
    "name IS NULL": lambda r: r["name"] is None,
    "done": lambda r: r["done"],
    "NOT done": lambda r: None if r["done"] is None else not r["done"],
    "done IS NOT NULL": lambda r: r["done"] is not None,
}
TREES = st.recursive(
    st.sampled_from(list(VALUES)),
    lambda inner: st.builds(lambda sides, word: f"({f' {word} '.join(sides)})", st.lists(inner, min_size=2, max_size=3),
                            st.sampled_from(["AND", "OR"])),
    max_leaves=7,
)  # fmt: skip
ROWS = [
    {"id": number, "name": text, "done": flag}
    for number in (None, 0, 1, 2)
    for text in (None, "a", "b")
    for flag in (None, True, False)
]


@settings(deadline=None)
@given(left=TREES, right=TREES)
def test_alternatives_are_true_of_the_rows_that_sql_finds_true(left: str, right: str) -> None:
    where = f"{left} OR {right}"
    (found,) = collected(f"SELECT id FROM t WHERE {where}")
    known: list[Restriction] = [*found.alternatives, *found.conditions]
    if not known:
        ((_, reason),) = found.residuals
        assert "more than 16" in reason
        return
    for row in ROWS:
        (either,) = known
        branches = either.branches if isinstance(either, Alternatives) else ((either,),)
        found_true = any(
            all(holds(row, Predicate(column=c.column, operator=c.operator, value=c.value)) for c in branch)
            for branch in branches
        )
        assert found_true == (_truth(where, row) is True), (where, row)


def _truth(text: str, row: dict[str, Any]) -> bool | None:
    """Evaluate a tree over one row in SQL's three values."""
    known = {f"v{at}": VALUES[atom](row) for at, atom in enumerate(VALUES)}
    for at, atom in sorted(enumerate(VALUES), key=lambda each: -len(each[1])):
        text = text.replace(atom, f"_[{at}]")
    return _parsed(text, list(known.values()))


def _parsed(text: str, values: list[bool | None]) -> bool | None:
    text = text.strip()
    for word, strong in ((" OR ", True), (" AND ", False)):
        sides = _split(text, word)
        if len(sides) > 1:
            found = [_parsed(side, values) for side in sides]
            return strong if strong in found else None if None in found else not strong
    if text.startswith("("):
        return _parsed(text[1:-1], values)
    return values[int(text[2:-1])]


def _split(text: str, word: str) -> list[str]:
    sides, depth, start, at = [], 0, 0, 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and text.startswith(word, at):
            sides.append(text[start:at])
            at = start = at + len(word)
            continue
        at += 1
    return [*sides, text[start:]]
