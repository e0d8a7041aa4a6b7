"""What servers of one tenant learn of its API tables: shared through the control database, bounded, gone with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from catalog.clusters import EmbeddedCluster
from catalog.connection import Connection, OwnConnection
from catalog.control import CONTROL_DATABASE, create_tenant
from catalog.errors import ClusterUnavailable
from catalog.misses import Miss, add_misses, load_misses
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.misses import PushdownMisses
from omnisql_server.model.plan import NotPushed, ScanPlan
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statistics import Observation, literal_shapes, shape_of
from omnisql_server.statistics import StatisticsKeeper

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MISS = Miss(
    relation_oid=7, condition="a", reason="its form", rewrite="b", statements=1, calls=3, rows_fetched=250, seen_at=NOW
)


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(control_connection: OwnConnection) -> UUID:
    return (await create_tenant(control_connection, name=f"t-{uuid4().hex}", database="acme")).id


class Control:
    """The control database, which may be away."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self._cluster = cluster
        self.away = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Connect for a moment."""
        if self.away:
            raise ClusterUnavailable("the control database is not available")
        connection = await self._cluster.connect(self._cluster.superuser, CONTROL_DATABASE)
        try:
            yield connection
        finally:
            await connection.close()


def scanned(*conditions: str, calls: int = 3, predicates: tuple[Predicate, ...] = ()) -> tuple[ScanPlan, SourceReport]:
    """Build a scan that evaluated some conditions here, and what it took."""
    path = AccessPath(name="all", request="GET /t")
    table = Table(
        name="t",
        description="",
        columns=(Column(name="id", type_name="int4", path="id"),),
        primary_key=("id",),
        access_paths=(path,),
    )
    relation = Relation(oid=7, schema="app", name="t", kind=RelationKind.API, owner="ana", attributes=(), api_table="t")
    scan = Scan(table="t", access_path="all", columns=("id",), predicates=predicates)
    missed = tuple(NotPushed(condition=condition, reason="its form") for condition in conditions)
    plan = ScanPlan(
        scan_name="s", relation=relation, table=table, path=path, columns=(), scans=(scan,), not_pushed=missed
    )
    report = SourceReport(
        scan_name="s", source="s", connector="hub", table="app.t", access_path="all", requests=calls, pages=3,
        revalidated=0, rows_fetched=250, rows_returned=250, bytes_received=0, pushed=(), not_pushed=(), complete=True,
        incomplete_reason=None, fetched_at=NOW, duration_ms=1.0,
    )  # fmt: skip
    return plan, report


async def test_servers_add_up_what_each_of_them_missed(control: EmbeddedCluster, tenant: UUID) -> None:
    database = Control(control)
    one, other = (PushdownMisses(tenant, database.connection) for _ in range(2))
    one.record(*scanned('"id" + 1 = 5'))
    one.record(*scanned('"id" + 1 = 6', calls=4))
    await one.flush()
    other.record(*scanned('"id" + 1 = 7', calls=5))
    (found,) = await other.rows()
    assert (found.condition, found.statements, found.calls, found.rows_fetched) == ('"id" + ? = ?', 3, 12, 750)
    assert await one.rows() == (found,)
    # One that begins later knows as much.
    assert await PushdownMisses(tenant, database.connection).rows() == (found,)


async def test_what_cannot_be_written_is_written_later(control: EmbeddedCluster, tenant: UUID) -> None:
    database = Control(control)
    misses = PushdownMisses(tenant, database.connection)
    misses.record(*scanned("a"))
    database.away = True
    with capture_logs() as said:
        await misses.flush()
    assert [line["event"] for line in said] == ["misses_not_written"]
    with pytest.raises(ClusterUnavailable):
        await misses.rows()
    database.away = False
    misses.record(*scanned("a"))
    assert [miss.statements for miss in await misses.rows()] == [2]


async def test_the_conditions_of_a_tenant_are_bounded_and_its_own(
    control_connection: OwnConnection, tenant: UUID
) -> None:
    seen = [replace(MISS, condition=f"c{at}", seen_at=NOW + timedelta(seconds=at)) for at in range(5)]
    await add_misses(control_connection, tenant, seen, 3)
    assert [miss.condition for miss in await load_misses(control_connection, tenant, 10)] == ["c4", "c3", "c2"]
    again = replace(MISS, condition="c3", rewrite="", reason="another")
    await add_misses(control_connection, tenant, [again], 3)
    kept = (await load_misses(control_connection, tenant, 10))[1]
    assert (kept.statements, kept.rewrite, kept.reason, kept.seen_at) == (2, "b", "another", seen[3].seen_at)
    await add_misses(control_connection, uuid4(), seen, 3)
    await control_connection.execute("DELETE FROM control.tenants WHERE id = $1", tenant)
    assert await load_misses(control_connection, tenant, 10) == ()


def observed(rows: float, minute: int = 0) -> Observation:
    """Build an observation."""
    return Observation(rows=rows, pages=1, calls=1, latency_ms=5, seen_at=NOW + timedelta(minutes=minute))


def expected(kept: StatisticsKeeper, value: str) -> list[float]:
    """Look up what one literal gave."""
    known = kept.of_table(1, "t")
    shapes = literal_shapes(known.salt, (), None, (equals(value),))
    return [known.literals[shape].rows for shape in shapes if shape in known.literals]


def equals(value: str) -> Predicate:
    """Compare the only column."""
    return Predicate(column="id", operator=Operator.EQ, value=value)


async def test_what_a_literal_gave_outlives_the_server_that_saw_it(
    control: EmbeddedCluster, control_connection: OwnConnection, tenant: UUID
) -> None:
    async def data_key() -> bytes:
        return b"the key of this tenant, 32 bytes"

    def server() -> StatisticsKeeper:
        return StatisticsKeeper(tenant, Control(control).connection, data_key=data_key)

    one, other = server(), server()
    await one.load_literals()
    await other.load_literals()
    one.record_literals(1, scanned(predicates=(equals("secret-name"),))[0], observed(40))
    await one.flush()
    # Another server learns it when it writes something of its own.
    shape = shape_of((), ())
    assert shape is not None
    other.record(1, "t", shape, observed(9))
    await other.flush()
    assert expected(other, "secret-name") == [40]
    later = server()
    await later.load()
    await later.load_literals()
    assert expected(later, "secret-name") == [40]
    assert expected(later, "another") == []
    assert [row.statistic.rows for row in later.rows()] == [9]
    later.mark_stale(1, "t")
    assert expected(later, "secret-name") == []
    await later.flush()
    assert "secret-name" not in str(await control_connection.fetch("SELECT * FROM control.statistics"))
    afresh = server()
    await afresh.load_literals()
    assert expected(afresh, "secret-name") == []


async def test_without_the_data_key_literals_stay_in_the_process(control: EmbeddedCluster, tenant: UUID) -> None:
    async def sealed() -> bytes:
        raise ClusterUnavailable("the keys are not available")

    kept = StatisticsKeeper(tenant, Control(control).connection, data_key=sealed)
    with capture_logs() as said:
        await kept.load_literals()
    assert [line["event"] for line in said] == ["literals_not_loaded"]
    kept.record_literals(1, scanned(predicates=(equals("x"),))[0], observed(40))
    await kept.flush()
    assert expected(kept, "x") == [40]
    async with Control(control).connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM control.statistics WHERE tenant = $1", tenant) == 0
