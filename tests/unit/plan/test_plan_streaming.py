"""Which statements' rows may go out before all are read, and how EXPLAIN says so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from api_model import api_table, bound
from authorized import authorize
from test_planner import ANA, SORTED, planned

from omnisql_server.model.plan import Streaming
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.planner import plan as plan_of
from omnisql_server.policy.rules import Rules

T = "scan_0"
ALL = Streaming(scans=(T,))


@pytest.mark.parametrize(
    ("text", "streaming"),
    [
        ("SELECT id, upper(name) FROM t", ALL),
        ("SELECT id FROM t WHERE lower(name) IN ('a', 'b') AND (big IS NULL OR id BETWEEN 1 AND 9)", ALL),
        ("SELECT k FROM (SELECT id AS k, name FROM t WHERE name LIKE 'x%') s WHERE k > 3", ALL),
        ("WITH c AS (SELECT id FROM t) SELECT id + 1 FROM c", ALL),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5", Streaming(scans=(T,), rows_max=5, in_turn=True)),
        ("SELECT id FROM t LIMIT 5", Streaming(scans=(T,), rows_max=5)),
        ("SELECT id FROM t ORDER BY id DESC LIMIT 5", Streaming(scans=(T,), rows_max=5)),
        ("SELECT id FROM t ORDER BY id", None),
        ("SELECT id FROM t WHERE length(name) > 2 ORDER BY id LIMIT 5", None),
        ("SELECT id FROM t LIMIT 5 OFFSET 3", None),
        (
            "SELECT id FROM t WHERE length(name) > 2 LIMIT 5 OFFSET 3",
            Streaming(scans=(T,), rows_max=5, skipped=3, in_turn=True),
        ),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5 OFFSET 0", None),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 10001 OFFSET 3", None),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5 OFFSET (SELECT 1)", None),
        ("SELECT id FROM t WHERE length(name) > 2 ORDER BY id LIMIT 5 OFFSET 3", None),
        ("SELECT id FROM (SELECT id FROM t OFFSET 3) s WHERE id > 1 LIMIT 5", None),
        ("SELECT id FROM t OFFSET 3", None),
        ("SELECT id FROM t LIMIT 0", None),
        ("SELECT id FROM t ORDER BY id FETCH FIRST 5 ROWS WITH TIES", None),
        ("SELECT id FROM (SELECT id FROM t LIMIT 3) s", None),
        ("SELECT DISTINCT id FROM t", None),
        ("SELECT DISTINCT ON (name) id FROM t", None),
        ("SELECT count(*) FROM t", None),
        ("SELECT name FROM t GROUP BY name", None),
        ("SELECT 1 FROM t HAVING count(*) > 0", None),
        ("SELECT row_number() OVER () FROM t", None),
        ("SELECT id, sum(id) OVER w FROM t WINDOW w AS ()", None),
        ("SELECT unnest(labels) FROM t", None),
        ("SELECT my_function(id) FROM t", None),
    ],
)
def test_rows_stream_where_each_is_worked_on_by_itself(text: str, streaming: Streaming | None) -> None:
    assert planned(text).streaming == streaming


@pytest.mark.parametrize(
    ("text", "streamed"),
    [
        ("SELECT id FROM t UNION ALL SELECT id FROM u", ["t", "u"]),
        ("SELECT id FROM t UNION ALL (SELECT id FROM u UNION ALL SELECT 1 + id FROM v)", ["t", "u", "v"]),
        ("SELECT id FROM (SELECT id FROM t UNION ALL SELECT id FROM u) s WHERE id > 1", ["t", "u"]),
        ("SELECT id FROM t UNION SELECT id FROM u", []),
        ("SELECT id FROM t EXCEPT ALL SELECT id FROM u", []),
        ("SELECT id FROM t UNION ALL SELECT id FROM u ORDER BY id", []),
        ("SELECT id FROM t UNION ALL SELECT count(*)::int FROM u", []),
        ("SELECT id FROM t UNION ALL SELECT 1", []),
        ("WITH c AS (SELECT id FROM t) SELECT id FROM c UNION ALL SELECT id FROM c", []),
        ("SELECT id FROM t, (VALUES (1), (2)) AS v (n)", ["t"]),
        ("SELECT id FROM t WHERE id IN (VALUES (1), (2))", ["t"]),
        ("SELECT id, (SELECT 1) FROM t", ["t"]),
        ("SELECT t.id FROM t CROSS JOIN u", ["t"]),
        ("SELECT t.id FROM t CROSS JOIN u LIMIT 5 OFFSET 3", []),
        ("SELECT id FROM t UNION ALL SELECT id FROM u LIMIT 5 OFFSET 3", []),
        ("SELECT t.id FROM t LEFT JOIN u ON lower(u.name) = lower(t.name)", ["t"]),
        ("SELECT t.id FROM t RIGHT JOIN u ON lower(u.name) = lower(t.name)", ["u"]),
        ("SELECT t.id FROM t FULL JOIN u ON lower(u.name) = lower(t.name)", []),
        ("SELECT t.id FROM t FULL JOIN u ON lower(u.name) = lower(t.name) CROSS JOIN v", ["v"]),
        ("SELECT t.id FROM t CROSS JOIN v LEFT JOIN u ON lower(u.name) = lower(t.name) AND u.id = v.id", ["t"]),
        ("SELECT t.id FROM t LEFT JOIN (u JOIN v ON u.big = v.big) ON u.big = t.big", ["t"]),
        ("SELECT t.id FROM (SELECT max(id) AS id FROM u GROUP BY name HAVING count(*) > 1) g CROSS JOIN t", ["t"]),
        ("SELECT t.id FROM t CROSS JOIN (SELECT id FROM u LIMIT 3) g", []),
        ("SELECT t.id FROM t CROSS JOIN (SELECT DISTINCT ON (name) id FROM u) g", []),
        ("SELECT t.id FROM t CROSS JOIN (SELECT sum(score) AS s FROM u) g", []),
        ("SELECT t.id, n FROM t CROSS JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.big > t.big) x", ["t"]),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.big > t.big)", ["t"]),
        ("SELECT id FROM t WHERE big NOT IN (SELECT big FROM u WHERE big IS NOT NULL)", ["t"]),
        ("SELECT id, (SELECT count(*) FROM u WHERE u.big > t.big) FROM t", ["t"]),
        ("SELECT (SELECT count(t.id) FROM u) FROM t", []),
        ("WITH c AS (SELECT id, big FROM t) SELECT c.id FROM c WHERE big > (SELECT min(big) FROM c)", []),
        ("WITH c AS (SELECT id, big FROM t) SELECT c.id FROM u JOIN c ON c.big > u.big", ["u"]),
        ("SELECT a.id FROM t a, t b", ["t"]),
    ],
)
def test_rows_stream_beside_what_is_read_whole(text: str, streamed: list[str]) -> None:
    plan = planned(text)
    names = {scan.scan_name: scan.relation.name for scan in plan.scans}
    assert [names[name] for name in (plan.streaming.scans if plan.streaming is not None else ())] == streamed


def test_the_scan_with_the_most_calls_streams_and_none_that_gives_keys_to_another() -> None:
    small, large = api_table(SORTED), replace(api_table(SORTED), rows_expected=100_000)
    query = bound("SELECT t.id FROM t JOIN u ON lower(u.name) = t.name")
    made = plan_of(authorize(query, ANA, Rules()), lambda one: large if one.name == "u" else small, 100)
    assert made.streaming is not None
    assert [scan.relation.name for scan in made.scans if scan.scan_name in made.streaming.scans] == ["u"]
    driven = planned("SELECT t.id FROM t JOIN u ON u.id = t.id WHERE t.id = 5")
    givers = {key.scan_name for scan in driven.scans for key in scan.deferred}
    assert driven.streaming is not None
    assert givers.isdisjoint(driven.streaming.scans)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT id FROM t", "  Streamed: rows are sent as their pages come"),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5", "  Streamed: page by page, until there are 5 rows"),
        ("SELECT id FROM t WHERE big > 2 LIMIT 5 OFFSET 7", "  Streamed: page by page, until there are 12 rows"),
        ("SELECT id FROM t ORDER BY id", None),
        ("SELECT a.id FROM t a, u b", "  Streamed: rows are sent as pages of a come"),
        ("SELECT a.id FROM t a, u b LIMIT 3", "  Streamed: page by page of a, until there are 3 rows"),
        ("SELECT id FROM t UNION ALL SELECT id FROM u x", "  Streamed: rows are sent as pages of t and x come"),
    ],
)
def test_explain_tells_what_is_streamed(text: str, line: str | None) -> None:
    made = planned(text)
    lines = explain_text(made, "duckdb", "proved", None)
    assert lines[1] == "  Engine: duckdb (proved)"
    assert [each for each in lines if each.startswith("  Streamed")] == ([] if line is None else [line])
    assert json.loads(explain_json(made, "duckdb", "proved", None))[0]["Plan"]["Streamed"] is (line is not None)
    assert not any("Streamed" in each for each in explain_text(made, "postgres", "a function of yours", None))
