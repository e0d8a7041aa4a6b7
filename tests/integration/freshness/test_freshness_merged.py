"""What has changed since an entry was read is asked for alone, and everything is read again now and then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fresh_source import BATCHED, BEGIN, TABLE
from fresh_world import Question, World, exhausted, on, row, unavailable

from connectors.sdk.errors import ConnectorError
from connectors.sdk.scan import Disjunction, Operator
from omnisql_server.freshness.renewal import with_primary_key
from omnisql_server.model.freshness import Staleness, StalenessInvalid, staleness_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
MERGED = Staleness(max_us=5 * MINUTE_US, full_read_us=60 * MINUTE_US)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,))
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")))


@pytest.fixture
def kept(world: World) -> World:
    """Give a world with rows of which a reading takes two calls."""
    rows = [row(1), row(2, state="closed"), row(3, "b"), row(4, "b", team="y"), row(6, private=True)]
    world.source.rows = {one["id"]: one for one in rows}
    world.source.calls_each = 2
    return world


async def test_only_what_has_changed_is_asked_for(kept: World) -> None:
    await kept.read(ALL_OF_A, MERGED, replica=0)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(1, n=7))
    kept.source.change(row(9))
    rows, asked = await kept.read(ALL_OF_A, MERGED, replica=1)
    assert [(one["id"], one["n"]) for one in rows] == [(1, 7), (2, 0), (6, 0), (9, 0)]
    (changes,) = kept.source.log[-1].predicates
    assert (changes.column, changes.operator, changes.value) == ("changed", Operator.GE, BEGIN)
    assert asked.report.cache_note == "what has changed was merged into what was read in full 360 s ago"
    kept.ahead_us = 12 * MINUTE_US
    rows, _ = await kept.read(ALL_OF_A, MERGED)
    (changes,) = kept.source.log[-1].predicates
    assert changes.value == BEGIN + timedelta(minutes=6)
    assert [one["id"] for one in rows] == [1, 2, 6, 9]


async def test_a_row_that_meets_the_conditions_no_longer_is_gone(kept: World) -> None:
    await kept.read(OPEN_OF_A, MERGED)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(1, state="closed"))
    kept.source.change(row(2, state="open"))
    rows, _ = await kept.read(OPEN_OF_A, MERGED)
    assert [one["id"] for one in rows] == [2, 6]
    assert [predicate.column for predicate in kept.source.log[-1].predicates] == ["changed"]


async def test_a_row_that_meets_neither_side_of_an_or_any_more_is_gone(kept: World) -> None:
    either = Disjunction(branches=((on("state", Operator.EQ, "open"),), (on("team", Operator.EQ, "no such"),)))
    asked = Question(conditions=(REPO_A, either))
    await kept.read(asked, MERGED)
    assert [scan.disjunctions for scan in kept.source.log] == [(either,)]
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(1, state="closed"))
    kept.source.change(row(2, state="open"))
    rows, _ = await kept.read(asked, MERGED)
    assert [one["id"] for one in rows] == [2, 6]
    assert [scan.disjunctions for scan in kept.source.log] == [(either,), ()]


async def test_a_deleted_row_is_gone_after_the_time_between_full_readings(kept: World) -> None:
    await kept.read(ALL_OF_A, MERGED)
    kept.source.rows.pop(1)
    for minute in (6, 30, 58):
        kept.ahead_us = minute * MINUTE_US
        kept.source.change(row(2, n=minute))
        rows, asked = await kept.read(ALL_OF_A, MERGED)
        assert ([one["id"] for one in rows], rows[1]["n"]) == ([1, 2, 6], minute)
        assert "read in full" in (asked.report.cache_note or "")
    kept.ahead_us = 64 * MINUTE_US
    rows, asked = await kept.read(ALL_OF_A, MERGED)
    assert ([one["id"] for one in rows], asked.report.cache_note) == ([2, 6], None)


async def test_the_time_between_full_readings_is_that_of_who_asks(kept: World) -> None:
    await kept.read(ALL_OF_A, MERGED)
    kept.source.rows.pop(1)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(2, n=1))
    await kept.read(ALL_OF_A, MERGED)
    rows, _ = await kept.read(ALL_OF_A, replace(MERGED, full_read_us=0))
    assert [one["id"] for one in rows] == [2, 6]


@pytest.mark.parametrize("bound", [Staleness(max_us=0, full_read_us=60 * MINUTE_US), Staleness(max_us=5 * MINUTE_US)])
async def test_nothing_is_merged_for_who_does_not_allow_it(kept: World, bound: Staleness) -> None:
    await kept.read(ALL_OF_A, MERGED)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(2, n=1))
    await kept.read(ALL_OF_A, bound)
    assert kept.source.log[-1].predicates == ()


async def test_a_reading_of_one_call_is_not_merged(kept: World) -> None:
    kept.source.calls_each = 1
    await kept.read(ALL_OF_A, MERGED)
    kept.ahead_us = 6 * MINUTE_US
    await kept.read(ALL_OF_A, MERGED)
    assert [scan.predicates for scan in kept.source.log] == [(), ()]


async def test_what_was_merged_is_confirmed_by_its_changes_alone(kept: World) -> None:
    question = Question(conditions=(REPO_A,), table=replace(TABLE, revalidates=True))
    await kept.read(question, MERGED)
    for minute in (6, 12):
        kept.ahead_us = minute * MINUTE_US
        if minute == 6:
            kept.source.change(row(2, n=1))
        rows, asked = await kept.read(question, MERGED)
        assert [one["n"] for one in rows] == [0, 1, 0]
    assert (kept.source.requests, asked.report.revalidated) == (2, 2)
    assert asked.report.cache_note == (
        "1 of 1 earlier answers confirmed by the source; "
        "what has changed was merged into what was read in full 720 s ago"
    )


async def test_of_a_list_each_part_is_merged(kept: World) -> None:
    for repo in "ab":
        await kept.read(Question(conditions=(on("repo", Operator.IN, (repo,)),), table=BATCHED), MERGED)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(3, "b", n=4))
    both = Question(conditions=(on("repo", Operator.IN, ("a", "b")),), table=BATCHED)
    rows, _ = await kept.read(both, MERGED)
    assert [(one["id"], one["n"]) for one in rows] == [(1, 0), (2, 0), (3, 4), (4, 0), (6, 0)]
    assert [len(scan.predicates) for scan in kept.source.log] == [0, 0, 1, 1]


@pytest.mark.parametrize("fault", [unavailable(), exhausted()])
async def test_changes_that_do_not_come_fail_the_statement(kept: World, fault: ConnectorError) -> None:
    await kept.read(ALL_OF_A, MERGED)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.fault = fault
    with pytest.raises(type(fault)):
        await kept.read(ALL_OF_A, MERGED)
    rows, stale = await kept.read(ALL_OF_A, replace(MERGED, if_error_us=10 * MINUTE_US))
    assert ([one["id"] for one in rows], stale.report.stale) == ([1, 2, 6], fault.message)


async def test_changes_that_are_cut_short_are_not_merged(kept: World) -> None:
    await kept.read(ALL_OF_A, MERGED)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.change(row(1, n=7))
    kept.source.change(row(2, n=7))
    kept.source.truncated, kept.source.truncated_by = "only half", (on("changed", Operator.GE, BEGIN),)
    rows, asked = await kept.read(ALL_OF_A, MERGED)
    assert ([one["n"] for one in rows], asked.report.complete) == ([7, 7, 0], True)
    assert [len(scan.predicates) for scan in kept.source.log] == [0, 1, 0]


async def test_the_primary_key_is_read_beside_what_is_asked_for() -> None:
    (scan,) = ALL_OF_A.plan().scans
    narrow = replace(scan, columns=("state",))
    assert with_primary_key(narrow, TABLE, MERGED).columns == ("state", "id")
    assert with_primary_key(narrow, TABLE, replace(MERGED, full_read_us=0)).columns == ("state",)
    assert with_primary_key(replace(narrow, limit=3), TABLE, MERGED).columns == ("state",)


async def test_the_time_between_full_readings_is_an_option_of_tables_and_servers() -> None:
    assert staleness_of(None, 0, {"full_read": "1 h"}, {"full_read": "2 h"}).full_read_us == 60 * MINUTE_US
    assert staleness_of(None, 0, {}, {"full_read": "2 h"}).full_read_us == 120 * MINUTE_US
    with pytest.raises(StalenessInvalid, match="full_read"):
        staleness_of(None, 0, {"full_read": "often"}, {})
