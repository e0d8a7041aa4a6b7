"""Which texts are plain is known only while nothing has to be looked at in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from catalog.connection import OwnConnection
from catalog.snapshot import Snapshot
from omnisql_server.disk_quota import DiskQuota
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.room import DiskQuotaExceeded
from omnisql_server.model.run import ForwardingRunner, StatementRunner
from omnisql_server.pipeline import Pipeline
from omnisql_server.read_only import ReadOnlyRunner
from omnisql_server.roomless import RoomlessRunner
from omnisql_server.tenant import Tenant
from wire.frontend import Query

QUERY = Query(text=b"SELECT 1").encode()


@dataclass
class _Runner:
    plain: PlainTexts = field(default_factory=lambda: PlainTexts(lambda _text: False))


@dataclass
class _Room:
    refusal: DiskQuotaExceeded | None = None


@dataclass
class _Connection:
    done: list[str]

    async def execute(self, sql: str) -> None:
        self.done.append(sql)

    async def fetch(self, *_: object) -> list[dict[str, int]]:
        return []

    async def close(self) -> None: ...


def _snapshot() -> Snapshot:
    return Snapshot(sequence=1, settled=True, reaching={}, tables={}, servers={})


def _pipeline(tenant: Tenant) -> Pipeline:
    nothing = cast(Any, None)
    return Pipeline(
        tenant=tenant,
        policy=nothing,
        pool=nothing,
        bounds=nothing,
        managers={},
        repeats=nothing,
        sharing=nothing,
        owners=nothing,
    )


def test_texts_are_those_of_the_runner_behind() -> None:
    runner = _Runner()
    forwarding = ForwardingRunner(runner=cast(StatementRunner, runner))
    assert forwarding.plain is runner.plain


def test_a_session_for_reading_only_has_none() -> None:
    assert ReadOnlyRunner(runner=cast(StatementRunner, _Runner())).plain is None


def test_without_room_there_are_none() -> None:
    runner, room = _Runner(), _Room()
    roomless = RoomlessRunner(runner=cast(StatementRunner, runner), room=cast(Any, room))
    assert roomless.plain is runner.plain
    room.refusal = DiskQuotaExceeded(message="no room")
    assert roomless.plain is None


@pytest.fixture
def tenant() -> Tenant:
    async def load() -> Snapshot:
        return _snapshot()

    nothing = cast(Any, None)
    return Tenant(
        name="acme",
        database="acme",
        snapshot=_snapshot(),
        load=load,
        sources=nothing,
        kept=nothing,
        statistics=nothing,
        misses=nothing,
        data_key=nothing,
        records=nothing,
        seen_whole=nothing,
    )


def _known(pipeline: Pipeline) -> PlainTexts:
    known = pipeline.plain
    assert known is not None
    assert pipeline.plain is known
    assert known.holds
    known.add(QUERY, b"SELECT 1", leaves_state=False)
    return known


async def test_they_are_forgotten_with_their_snapshot(tenant: Tenant) -> None:
    pipeline = _pipeline(tenant)
    known = _known(pipeline)
    await tenant.refresh()
    assert not known.holds
    renewed = pipeline.plain
    assert renewed is not None
    assert renewed.leaves_state(QUERY) is None


async def test_there_are_none_until_what_was_defined_is_read(tenant: Tenant) -> None:
    pipeline = _pipeline(tenant)
    known = _known(pipeline)
    pipeline.defined()
    assert pipeline.plain is None
    assert not known.holds
    await pipeline.catch_up()
    assert _known(pipeline).holds


async def test_they_are_forgotten_when_the_room_is_gone(tenant: Tenant, tmp_path: Path) -> None:
    pipeline, done = _pipeline(tenant), list[str]()
    known = _known(pipeline)
    (tmp_path / "base").write_bytes(b"x" * 3 * 2**20)

    async def connect() -> OwnConnection:
        return cast(OwnConnection, _Connection(done))

    quota = DiskQuota(tmp_path, connect, lambda: 1)
    quota.on_closed = tenant.forget_plain
    await quota.watch()
    assert quota.refusal is not None
    assert not known.holds
