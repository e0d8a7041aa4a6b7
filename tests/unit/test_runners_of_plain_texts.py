"""Which texts are plain is known only while nothing has to be looked at in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from catalog.snapshot import Snapshot
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.room import DiskQuotaExceeded
from omnisql_server.model.run import ForwardingRunner, StatementRunner
from omnisql_server.pipeline import Pipeline
from omnisql_server.read_only import ReadOnlyRunner
from omnisql_server.roomless import RoomlessRunner


@dataclass
class _Runner:
    plain: PlainTexts = field(default_factory=lambda: PlainTexts(lambda _text: False))


@dataclass
class _Room:
    refusal: DiskQuotaExceeded | None = None


@dataclass
class _Tenant:
    snapshot: Snapshot
    outdated: bool = False


def _snapshot() -> Snapshot:
    return Snapshot(sequence=1, settled=True, reaching={}, tables={}, servers={})


def _pipeline(tenant: _Tenant) -> Pipeline:
    nothing = cast(Any, None)
    return Pipeline(
        tenant=cast(Any, tenant),
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


def test_they_are_forgotten_with_their_snapshot() -> None:
    tenant = _Tenant(_snapshot())
    pipeline = _pipeline(tenant)
    known = pipeline.plain
    assert known is not None
    assert pipeline.plain is known
    known.add(b"SELECT 1", leaves_state=False)
    tenant.outdated = True
    assert pipeline.plain is None
    tenant.outdated, tenant.snapshot = False, _snapshot()
    renewed = pipeline.plain
    assert renewed is not None
    assert renewed.leaves_state(b"SELECT 1") is None
