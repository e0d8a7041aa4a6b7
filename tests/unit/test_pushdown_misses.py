"""Conditions that cost calls: added up without their literals, and never without a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from catalog.connection import Connection
from catalog.errors import ClusterUnavailable
from catalog.misses import Miss
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.misses import MISSES_MAX, TEXT_MAX, PushdownMisses, without_literals
from omnisql_server.model.plan import NotPushed, ScanPlan
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.report import SourceReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("""LOWER("i"."repo") = 'web'""", 'LOWER("repo") = ?'),
        (""""i"."title" LIKE '%it''s%'""", '"title" LIKE ?'),
        (""""i"."id" + 1 IN (1, 2.5, 3e4, -7)""", '"id" + ? IN (?, .., -?)'),
        (""""i"."a'1" = CAST('2026-01-01' AS TIMESTAMPTZ)""", "a condition that cannot be shown without its literals"),
        (""""i"."x1" = 'a' OR "i"."y" = 'b: c'""", '"x1" = ? OR "y" = ?'),
        ("""e'secret \\' more' = "a" """, "a condition that cannot be shown without its literals"),
        ("""UPPER("state") = CAST('OPEN' AS TEXT)""", 'UPPER("state") = ?'),
        ("policy by-team", "policy by-team"),
    ],
)
def test_no_literal_is_shown(sql: str, shown: str) -> None:
    assert without_literals(sql) == shown


def test_a_long_condition_is_cut() -> None:
    assert len(without_literals("x" * 10_000)) == TEXT_MAX


def scanned(*entries: NotPushed, requests: int = 3, oid: int = 7) -> tuple[ScanPlan, SourceReport]:
    """Build a scan that was evaluated under some conditions, and what it took."""
    path = AccessPath(name="all", request="GET /t")
    table = Table(
        name="t",
        description="",
        columns=(Column(name="id", type_name="int4", path="id"),),
        primary_key=("id",),
        access_paths=(path,),
    )
    relation = Relation(oid=oid, schema="app", name="t", kind=RelationKind.API, owner="ana", attributes=())
    plan = ScanPlan(
        scan_name="scan_0", relation=relation, table=table, path=path, columns=(), scans=(), not_pushed=entries
    )
    report = SourceReport(
        scan_name="scan_0", source="s", connector="hub", table="app.t", access_path="all", requests=requests, pages=3,
        revalidated=0, rows_fetched=250, rows_returned=250, bytes_received=0, pushed=(), not_pushed=(), complete=True,
        incomplete_reason=None, fetched_at=NOW, duration_ms=1.0,
    )  # fmt: skip
    return plan, report


@asynccontextmanager
async def away() -> AsyncIterator[Connection]:
    raise ClusterUnavailable("the control database is not available")
    yield  # pragma: no cover


def unwritten_only() -> PushdownMisses:
    return PushdownMisses(uuid4(), away)


def test_statements_that_differ_in_literals_are_one_condition() -> None:
    misses = unwritten_only()
    misses.record(*scanned(NotPushed(condition='"t"."id" + 1 = 5', reason="its form")))
    saved = NotPushed(condition='"u"."id" + 1 = 77', reason="its form", rewrite="id = 76: 1 API call instead of 3")
    misses.record(*scanned(saved))
    assert misses.unwritten == (
        Miss(
            relation_oid=7,
            condition='"id" + ? = ?',
            reason="its form",
            rewrite="id = ?",
            statements=2,
            calls=6,
            rows_fetched=500,
            seen_at=NOW,
        ),
    )


def test_what_costs_nothing_is_passed_over() -> None:
    misses = unwritten_only()
    misses.record(*scanned(NotPushed(condition="a", reason="counted", costs=False)))
    misses.record(*scanned(NotPushed(condition="b", reason="its form"), requests=0))
    assert misses.unwritten == ()


def test_memory_is_bounded_and_what_was_not_seen_for_longest_goes() -> None:
    misses = unwritten_only()
    for oid in range(MISSES_MAX + 2):
        misses.record(*scanned(NotPushed(condition="a", reason="its form"), oid=oid))
    assert [misses.unwritten[0].relation_oid, len(misses.unwritten)] == [2, MISSES_MAX]
