"""What a statement is told of rows that did not come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fresh_world import Question, World, exhausted, on, row

from connectors.sdk.scan import Operator
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
ALL_OF_A = Question(conditions=(on("repo", Operator.EQ, "a"),))


async def test_what_is_missing_comes_with_the_time_to_ask_again(world: World) -> None:
    world.source.rows = {1: row(1)}
    world.source.fault = exhausted()
    for staleness in (Staleness(), Staleness(max_us=300_000_000)):
        _, part = await world.read(ALL_OF_A, staleness, partial=True)
        report = part.report
        assert (report.complete, report.incomplete_reason) == (False, "RATE_LIMIT_EXHAUSTED: it is used up")
        assert report.resets_at is not None
        assert 50 < (report.resets_at - datetime.now(UTC)).total_seconds() <= 60
