"""What a statement that writes reads, as a query: sources and conditions, and nothing known of what it writes to."""

from __future__ import annotations

import pytest

from omnisql_server.parse.tree import parse_query

UNKNOWN = "OMNISQL_WRITTEN()"
TARGET = f'(SELECT {UNKNOWN} AS "a") AS "t"'
READINGS = {
    "UPDATE t SET a = i.number FROM api AS i WHERE i.number = t.a": (
        f'SELECT "i"."number" AS c0 FROM "api" AS "i" CROSS JOIN {TARGET} WHERE "i"."number" = "t"."a"'
    ),
    "UPDATE t SET a = i.b + j.c FROM api AS i JOIN u AS j ON j.x = i.x WHERE i.y = 1 RETURNING t.a": (
        f'SELECT "i"."b" + "j"."c" AS c0, "t"."a" AS c1 FROM "api" AS "i" JOIN "u" AS "j" ON "j"."x" = "i"."x" '
        f'CROSS JOIN {TARGET} WHERE "i"."y" = 1'
    ),
    "UPDATE t SET b = (SELECT MAX(x) FROM api WHERE y = 1) WHERE a = 2": (
        f'SELECT (SELECT MAX("x") FROM "api" WHERE "y" = 1) AS c0 FROM (SELECT {UNKNOWN} AS "b", {UNKNOWN} AS "a", '
        f'{UNKNOWN} AS "x", {UNKNOWN} AS "y") AS "t" WHERE "a" = 2'
    ),
    "UPDATE t SET a = 1 FROM api AS i WHERE i.x = t.a RETURNING old.a, new.a, i.y": (
        f'SELECT 1 AS c0, "i"."y" AS c1 FROM "api" AS "i" CROSS JOIN {TARGET} WHERE "i"."x" = "t"."a"'
    ),
    "DELETE FROM t USING api AS i, u WHERE i.number = t.a AND u.x = i.x": (
        f'SELECT 1 AS c0 FROM "api" AS "i", "u" CROSS JOIN {TARGET} WHERE "i"."number" = "t"."a" AND "u"."x" = "i"."x"'
    ),
    # A row that matches nothing is used too: the condition says nothing of the source.
    "MERGE INTO t USING api AS i ON i.x = t.a AND i.y = 1 WHEN NOT MATCHED THEN INSERT VALUES (i.x)": (
        f'SELECT 1 AS c0 FROM "api" AS "i" CROSS JOIN {TARGET}'
    ),
    "WITH gone AS (DELETE FROM t WHERE a = 1 RETURNING a) SELECT i.x FROM gone, api AS i WHERE i.x = gone.a": (
        f'WITH "gone" AS (SELECT {UNKNOWN} AS "a" FROM {TARGET} WHERE "a" = 1) '
        'SELECT "i"."x" FROM "gone", "api" AS "i" WHERE "i"."x" = "gone"."a"'
    ),
    "WITH gone AS (DELETE FROM t WHERE a = 1 RETURNING *) INSERT INTO u SELECT g.b FROM gone AS g": (
        f'WITH "gone" AS (SELECT {UNKNOWN} AS "b" FROM {TARGET} WHERE "a" = 1) SELECT "g"."b" FROM "gone" AS "g"'
    ),
}
OTHERS = (
    "UPDATE t SET (a, b) = (SELECT x, y FROM api)",
    "MERGE INTO t USING u ON u.x = t.a WHEN MATCHED THEN UPDATE SET a = (SELECT MAX(x) FROM api)",
    "WITH c AS (SELECT 1) INSERT INTO t WITH d AS (SELECT 2) SELECT 3",
    "INSERT INTO t SELECT 1 ON CONFLICT (a) DO UPDATE SET a = (SELECT MAX(x) FROM api)",
)


@pytest.mark.parametrize("text", READINGS)
def test_a_statement_that_writes_is_planned_by_what_it_reads(text: str) -> None:
    parsed = parse_query(text)
    assert parsed.written
    assert parsed.tree is not None
    assert parsed.tree.sql("postgres") == READINGS[text]
    assert (parsed.tree_text, parsed.tree_position, parsed.deferred_text) == (text, 0, "")


@pytest.mark.parametrize("text", OTHERS)
def test_other_forms_are_not_planned(text: str) -> None:
    parsed = parse_query(text)
    assert parsed.tree is None or not parsed.written
    assert parsed.tree is not None or parsed.reason
