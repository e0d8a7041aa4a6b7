"""Conditions as SQL: the same with and without the copy, and the tree stays what it was."""

from __future__ import annotations

import pytest
from api_model import bound

from omnisql_server.plan.conjuncts import conjuncts
from omnisql_server.plan.texts import text_of

CONDITIONS = (
    "t.name = 'it''s' AND t.id <> 3",
    "t.id IN (1, -2, 3) AND t.name NOT IN ('a', 'b')",
    "t.at BETWEEN '2026-01-01' AND '2026-02-01'::timestamptz",
    "t.done IS TRUE AND t.name IS NOT NULL AND t.name IS NULL",
    "t.name LIKE 'a%' AND t.name ILIKE '%b'",
    "NOT (t.id = 1 OR t.big >= 2.50) AND t.labels @> ARRAY['x']",
    "t.id::text = '5' AND CAST(t.score AS numeric(10, 2)) < 1",
    "date_trunc('day', t.at) >= '2026-01-01' AND length(t.name) > 3",
    "EXISTS (SELECT 1 FROM u WHERE u.id = t.id) AND t.id IN (SELECT id FROM v)",
    "t.name || 'x' = lower(t.name)",
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_writing_a_condition_leaves_the_tree_alone(condition: str) -> None:
    answers = {
        "CAST('2026-01-01' AS TIMESTAMPTZ)": ("timestamptz", "2026-01-01 00:00:00+00"),
        "CAST('2026-02-01' AS TIMESTAMPTZ)": ("timestamptz", "2026-02-01 00:00:00+00"),
    }
    tree = bound(f"SELECT t.id FROM t WHERE {condition}", answers).tree
    assert tree is not None
    before = repr(tree)
    found = [conjunct for conjunct, _ in conjuncts(tree)]
    assert found
    for conjunct in found:
        assert text_of(conjunct) == conjunct.sql("postgres")
    assert repr(tree) == before
