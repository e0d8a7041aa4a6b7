"""Bounds in hint comments: of the statement that they stand in or before, and never of a string that looks like one."""

from __future__ import annotations

import pytest

from omnisql_server.parse.grammar import parse_statements

STALENESS, STAND_IN = "omnisql.max_staleness", "omnisql.stale_if_error"


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("SELECT 1", [()]),
        ("SELECT /*+ max_staleness(5s) */ 1", [((STALENESS, "5s"),)]),
        ("/*+ MAX_STALENESS ( 5 min ) */ SELECT 1", [((STALENESS, "5 min"),)]),
        (
            "SELECT /*+ max_staleness(0) stale_if_error(1 h) */ 1",
            [((STALENESS, "0"), (STAND_IN, "1 h"))],
        ),
        ("EXPLAIN /*+ SeqScan(t) max_staleness(1s) */ SELECT 1", [((STALENESS, "1s"),)]),
        ("SELECT /*+ max_staleness_ms(5000) */ 1", [((STALENESS, "5000 ms"),)]),
        ("SELECT /*+ MAX_STALENESS_MS ( 5 s ) */ 1", [((STALENESS, "5 s ms"),)]),
        ("SELECT 1; /*+ max_staleness(2s) */ SELECT 2; SELECT 3", [(), ((STALENESS, "2s"),), ()]),
        ("SELECT '/*+ max_staleness(5s) */'", [()]),
        ("SELECT 1 /* max_staleness(5s) */ -- max_staleness(5s)", [()]),
        ("SELECT /*+ max_staleness(soon) */ 1", [((STALENESS, "soon"),)]),
    ],
)
def test_hints_belong_to_their_statement(text: str, hints: list[object]) -> None:
    assert [statement.hints for statement in parse_statements(text)] == hints
