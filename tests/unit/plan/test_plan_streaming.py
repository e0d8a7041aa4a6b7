"""Which statements' rows may go out before all are read, and how EXPLAIN says so."""

from __future__ import annotations

import json

import pytest
from test_planner import planned

from omnisql_server.model.plan import Streaming
from omnisql_server.plan.explain import explain_json, explain_text

ALL = Streaming()


@pytest.mark.parametrize(
    ("text", "streaming"),
    [
        ("SELECT id, upper(name) FROM t", ALL),
        ("SELECT id FROM t WHERE lower(name) IN ('a', 'b') AND (big IS NULL OR id BETWEEN 1 AND 9)", ALL),
        ("SELECT k FROM (SELECT id AS k, name FROM t WHERE name LIKE 'x%') s WHERE k > 3", ALL),
        ("WITH c AS (SELECT id FROM t) SELECT id + 1 FROM c", ALL),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5", Streaming(rows_max=5, in_turn=True)),
        ("SELECT id FROM t LIMIT 5", Streaming(rows_max=5)),
        ("SELECT id FROM t ORDER BY id DESC LIMIT 5", Streaming(rows_max=5)),
        ("SELECT id FROM t ORDER BY id", None),
        ("SELECT id FROM t WHERE length(name) > 2 ORDER BY id LIMIT 5", None),
        ("SELECT id FROM t LIMIT 5 OFFSET 3", None),
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
        ("SELECT id FROM t UNION ALL SELECT id FROM u", None),
        ("SELECT id FROM t, (VALUES (1), (2)) AS v (n)", None),
        ("SELECT id FROM t WHERE id IN (VALUES (1), (2))", None),
        ("SELECT id, (SELECT 1) FROM t", None),
        ("SELECT t.id FROM t JOIN u ON u.id = t.id", None),
        ("SELECT id FROM t WHERE id IN (SELECT id FROM u)", None),
    ],
)
def test_rows_stream_where_each_is_worked_on_by_itself(text: str, streaming: Streaming | None) -> None:
    assert planned(text).streaming == streaming


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT id FROM t", "  Streamed: rows are sent as their pages come"),
        ("SELECT id FROM t WHERE length(name) > 2 LIMIT 5", "  Streamed: page by page, until there are 5 rows"),
        ("SELECT id FROM t ORDER BY id", None),
    ],
)
def test_explain_tells_what_is_streamed(text: str, line: str | None) -> None:
    made = planned(text)
    lines = explain_text(made, "duckdb", "proved", None)
    assert lines[1] == "  Engine: duckdb (proved)"
    assert [each for each in lines if each.startswith("  Streamed")] == ([] if line is None else [line])
    assert json.loads(explain_json(made, "duckdb", "proved", None))[0]["Plan"]["Streamed"] is (line is not None)
    assert not any("Streamed" in each for each in explain_text(made, "postgres", "a function of yours", None))
