"""Values that did not fit stay marked in what is kept: counted for whoever reads them, and never taken as null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from authorized import shown_by
from fresh_source import COLUMNS, TABLE
from fresh_world import Question, World, on, row

from connectors.sdk.errors import Fatal
from connectors.sdk.misfits import Misfit
from connectors.sdk.scan import Operator
from omnisql_server.model.freshness import Staleness
from omnisql_server.model.plan import ScanPlan

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
MINUTES = Staleness(max_us=5 * MINUTE_US)
UNFIT = replace(TABLE, misfits_are_null=True)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,), table=UNFIT)
ABOVE = Question(conditions=(REPO_A, on("n", Operator.GT, 3)), table=UNFIT)
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")), table=UNFIT)
MARKED = (Misfit(column="n", count=2, example="n, row 1 of its page"),)


def unfit_row(number: int) -> dict[str, Any]:
    return {**row(number), "n": None}


def fill(world: World, rows: Iterable[dict[str, Any]]) -> None:
    """Give the source rows; null in column n stands for a value that does not fit."""
    world.source.is_n_unfit = True
    world.source.rows = {one["id"]: one for one in rows}


async def test_what_is_kept_says_what_did_not_fit_in_it(world: World) -> None:
    fill(world, [unfit_row(1), row(2, n=5), unfit_row(3)])
    for requests, replica in ((1, 0), (0, 0), (0, 1)):
        _, fetched = await world.read(ALL_OF_A, MINUTES, replica=replica)
        assert (fetched.report.requests, fetched.report.misfits) == (requests, MARKED)
    _, part = await world.read(OPEN_OF_A, MINUTES)
    assert (part.report.requests, part.report.misfits) == (0, MARKED)


async def test_what_is_kept_answers_no_condition_on_what_did_not_fit(world: World) -> None:
    fill(world, [unfit_row(1), row(2, n=5)])
    await world.read(ALL_OF_A, MINUTES)
    with pytest.raises(Fatal, match="does not fit"):
        await world.read(ABOVE, MINUTES)
    assert world.source.requests == 2


async def test_a_change_is_added_to_what_did_not_fit_before(world: World) -> None:
    fill(world, [unfit_row(1), row(2), row(3)])
    world.source.calls_each, world.ahead_us = 3, MINUTE_US
    staleness = Staleness(max_us=MINUTE_US, full_read_us=60 * MINUTE_US)
    await world.read(ALL_OF_A, staleness)
    world.ahead_us = 3 * MINUTE_US
    world.source.change(unfit_row(2))
    _, merged = await world.read(ALL_OF_A, staleness)
    assert ("merged" in (merged.report.cache_note or ""), merged.report.misfits) == (True, MARKED)


class ByPolicy(Question):
    """A question of somebody whom policy shows rows by what did not fit."""

    def plan(self) -> ScanPlan:
        return replace(super().plan(), filters=(shown_by("n", "5"),), columns=tuple(COLUMNS))


@pytest.mark.parametrize("is_kept", [False, True])
async def test_policy_decides_by_no_value_that_did_not_fit(world: World, is_kept: bool) -> None:
    fill(world, [unfit_row(1), row(2, n=5)])
    if is_kept:
        await world.read(ALL_OF_A, MINUTES)
    seen: list[int] = []
    with pytest.raises(Fatal, match="policy decides by it"):
        await world.read(ByPolicy(conditions=(REPO_A,), table=UNFIT), MINUTES, seen=seen)
    assert seen == []
