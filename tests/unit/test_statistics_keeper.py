"""What a tenant's statistics hold in memory, and that a control database that is away costs nothing but them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from catalog.connection import Connection
from catalog.errors import ClusterUnavailable
from connectors.sdk.scan import Operator, Predicate, Scan, Value
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.statistics import NO_STATISTICS, Observation, Shape, literal_shapes, shape_of
from omnisql_server.statistics import LITERALS_MAX, StatisticsBounds, StatisticsKeeper

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def away() -> AsyncIterator[Connection]:
    raise ClusterUnavailable("the control database is not available")
    yield  # pragma: no cover


def keeper(count_max: int = 100) -> StatisticsKeeper:
    return StatisticsKeeper(uuid4(), away, StatisticsBounds(write_interval_s=0.0, count_max=count_max))


def shape(*keys: str) -> Shape:
    found = shape_of(keys, ())
    assert found is not None
    return found


def seen(rows: float, minute: int = 0) -> Observation:
    moment = NOW + timedelta(minutes=minute)
    return Observation(rows=rows, pages=1, calls=1, latency_ms=5, seen_at=moment)


def test_planners_see_the_same_object_until_a_plan_may_change() -> None:
    kept = keeper()
    assert kept.of_table(1, "t") is NO_STATISTICS
    kept.record(1, "t", shape("k"), seen(100))
    first = kept.of_table(1, "t")
    kept.record(1, "t", shape("k"), seen(102))
    assert kept.of_table(1, "t") is first
    assert kept.rows()[0].statistic.sightings == 2
    kept.record(1, "u", shape("k"), seen(7))
    assert kept.of_table(1, "t") is first
    kept.record(1, "t", shape("k"), seen(500))
    assert kept.of_table(1, "t").shapes[shape("k")].rows == pytest.approx(234)
    assert kept.of_table(2, "t") is kept.of_table(None, "t") is NO_STATISTICS


def test_memory_is_bounded_and_the_longest_unseen_go_first() -> None:
    kept = keeper(count_max=3)
    for number in range(3):
        kept.record(1, "t", shape(f"k{number}"), seen(1))
    kept.record(1, "t", shape("k0"), seen(1))
    kept.record(1, "t", shape("k9"), seen(1))
    assert set(kept.of_table(1, "t").shapes) == {shape("k0"), shape("k2"), shape("k9")}


def test_stale_ones_are_counted_and_gone_tables_are_forgotten() -> None:
    kept = keeper()
    for name in ("t", "u"):
        kept.record(1, name, shape("k"), seen(10))
    assert kept.mark_stale(1, "t") == 1
    assert kept.of_table(1, "t").shapes[shape("k")].stale
    kept.forget([(1, "t")])
    assert [row.api_table for row in kept.rows()] == ["u"]
    assert kept.of_table(1, "t") is NO_STATISTICS


async def test_without_the_control_database_statistics_are_lost_and_the_next_are_tried() -> None:
    kept = keeper()
    with capture_logs() as said:
        await kept.load()
        kept.record(1, "t", shape("k"), seen(10))
        await kept.flush()
        await kept.flush()
    assert [(line["event"], line["reason"]) for line in said] == [
        ("statistics_not_loaded", "the control database is not available"),
        ("statistics_not_written", "the control database is not available"),
    ]
    assert kept.of_table(1, "t").shapes[shape("k")].rows == 10


async def test_a_writer_that_is_stopped_leaves_what_it_had_to_the_last_flush() -> None:
    began, tried = asyncio.Event(), list[int]()

    @asynccontextmanager
    async def hanging() -> AsyncIterator[Connection]:
        tried.append(1)
        began.set()
        if len(tried) == 1:
            await asyncio.Event().wait()
        raise ClusterUnavailable("the control database is not available")
        yield  # pragma: no cover

    kept = StatisticsKeeper(uuid4(), hanging, StatisticsBounds(write_interval_s=0.0))
    kept.record(1, "t", shape("k"), seen(10))
    writing = asyncio.create_task(kept.serve())
    await began.wait()
    writing.cancel()
    await asyncio.wait([writing])
    with capture_logs() as said:
        await kept.flush()
    assert [(line["event"], line["count"]) for line in said] == [("statistics_not_written", 1)]


MAIN = Predicate(column="name", operator=Operator.EQ, value="main")
RELEASE = Predicate(column="name", operator=Operator.EQ, value="release")


def read(*predicates: Predicate, keys: tuple[dict[str, Value], ...] = ({"id": 1},)) -> ScanPlan:
    """Plan a scan that sent predicates for some keys."""
    path = AccessPath(name="by_id", request="GET /t/{id}", keys=("id",))
    scans = tuple(Scan(table="t", access_path="by_id", columns=(), keys=one, predicates=predicates) for one in keys)
    table = Table(
        name="t",
        description="",
        columns=(Column(name="id", type_name="int4", path="id"),),
        primary_key=("id",),
        access_paths=(path,),
    )
    relation = Relation(oid=1, schema="app", name="t", kind=RelationKind.API, owner="ana", attributes=(), api_table="t")
    return ScanPlan(scan_name="scan_0", relation=relation, table=table, path=path, columns=(), scans=scans)


def expected(kept: StatisticsKeeper, keys: dict[str, Value] | None, *predicates: Predicate) -> list[float]:
    """Look up what literals gave, the most particular first."""
    known = kept.of_table(1, "t")
    shapes = literal_shapes(known.salt, ("id",), keys, predicates)
    return [known.literals[one].rows for one in shapes if one in known.literals]


def test_literals_are_told_apart_and_nobody_can_read_them() -> None:
    kept = keeper()
    kept.record_literals(1, read(MAIN), seen(40))
    kept.record_literals(1, read(RELEASE), seen(2))
    assert expected(kept, {"id": 1}, MAIN) == [40, 40]
    assert expected(kept, {"id": 1}, RELEASE) == [2, 2]
    assert expected(kept, {"id": 2}, RELEASE) == [2]
    assert expected(kept, {"id": 1}) == []
    assert "release" not in repr(kept.of_table(1, "t"))
    assert kept.rows() == ()


def test_literals_read_for_many_keys_say_nothing_of_one_of_them() -> None:
    kept = keeper()
    kept.record_literals(1, read(MAIN, keys=({"id": 1}, {"id": 2})), seen(7))
    assert expected(kept, {"id": 1}, MAIN) == [7]
    kept.record_literals(1, read(keys=({"id": 1}, {"id": 2})), seen(9))
    assert expected(kept, {"id": 1}) == []


def test_literals_are_bounded_and_forgotten_with_their_table() -> None:
    kept = keeper()
    for number in range(LITERALS_MAX + 1):
        kept.record_literals(1, read(keys=({"id": number},)), seen(number))
    assert expected(kept, {"id": 0}) == []
    assert expected(kept, {"id": 1}) == [1]
    kept.forget([(1, "t")])
    assert kept.of_table(1, "t") is NO_STATISTICS
    kept.record_literals(1, read(MAIN), seen(40))
    kept.mark_stale(1, "t")
    assert expected(kept, {"id": 1}, MAIN) == []
