"""Pages on their way: who gives waits for who takes, and everything ends with the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pytest

from connectors.sdk.connector import FetchContext, RequestRecord
from connectors.sdk.errors import ConnectorError, Fatal
from connectors.sdk.misfits import Misfit, Misfits
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.errors import LimitExceeded
from omnisql_server.fetch.pages import Pages
from omnisql_server.fetch.scheduler import FetchBounds, FetchedScan, OpenSource, fetch
from omnisql_server.fetch.stream import UNFINISHED, PageStream
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.relation import Relation, RelationKind

PATH = AccessPath(name="all", request="GET /items")
TABLE = Table(
    name="items",
    description="",
    columns=(Column(name="id", type_name="int8", path="id"),),
    primary_key=("id",),
    access_paths=(PATH,),
    rows_expected=10,
)
RELATION = Relation(
    oid=1, schema="s", name="items", kind=RelationKind.API, owner="o", attributes=(), server="hub", wrapper="fake"
)
SCAN = Scan(table="items", access_path="all", columns=("id",))
PLAN = ScanPlan(scan_name="s0", relation=RELATION, table=TABLE, path=PATH, columns=("id",), scans=(SCAN,))
RECORD = RequestRecord(
    method="GET", template="/items", status=200, duration_ms=1, bytes_received=1, attempt=1, revalidated=False
)
TIMEOUT_S = 10.0


def rows(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int64())], names=["id"])


@dataclass(slots=True)
class Paged:
    """A source of pages of two rows; before the page of a number it waits for what `held` has for it."""

    pages: int
    held: dict[int, asyncio.Event] = field(default_factory=dict)
    error: ConnectorError | None = None
    asked: int = 0
    closed: int = 0
    in_turn: list[bool] = field(default_factory=list)
    misfits: Misfits = ()

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        self.in_turn.append(context.in_turn)
        try:
            for number in range(self.pages):
                self.asked += 1
                context.meter.request(RECORD)
                if number in self.held:
                    await self.held[number].wait()
                yield Page(rows=rows(2 * number, 2 * number + 1), misfits=self.misfits)
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    async def check(self) -> str:
        return ""

    async def disconnect(self) -> None:
        return


def begin(
    source: Paged,
    *,
    in_turn: bool = False,
    bounds: FetchBounds | None = None,
    partial: bool = False,
    plan: ScanPlan = PLAN,
) -> PageStream:
    async def open_source(_: ScanPlan) -> OpenSource:
        return OpenSource(connection=source, limiter=QUIET_CONTEXT.limiter)

    async def fetching(pages: Pages) -> tuple[FetchedScan, ...]:
        return await fetch([plan], open_source, bounds or FetchBounds(), partial_allowed=partial, pages=pages)

    return PageStream(fetching, in_turn=in_turn)


async def following(stream: PageStream) -> list[int]:
    """Read all that a stream has left."""
    async with asyncio.timeout(TIMEOUT_S):
        return [number for taken in [each async for each in stream.batches()] for number in numbers(taken)]


def numbers(batches: object) -> list[int]:
    return [number for batch in batches for number in batch.column(0).to_pylist()]  # type: ignore[attr-defined]


async def test_a_scan_of_one_page_is_whole() -> None:
    stream = begin(Paged(pages=1))
    assert await stream.is_whole()
    whole = await stream.whole()
    assert (numbers(whole.batches), whole.report.rows_fetched, whole.report.pages) == ([0, 1], 2, 0)
    assert stream.is_over


async def test_pages_are_taken_before_the_others_come() -> None:
    source = Paged(pages=4, held={2: asyncio.Event()})
    stream = begin(source)
    assert not await stream.is_whole()
    coming = stream.batches()
    assert numbers(await anext(coming)) == [0, 1, 2, 3]
    early = stream.report(enough=False)
    assert early is not None
    assert (early.rows_fetched, early.complete, early.incomplete_reason) == (4, False, UNFINISHED)
    source.held[2].set()
    assert [number for taken in [each async for each in coming] for number in numbers(taken)] == [4, 5, 6, 7]
    late = stream.report(enough=False)
    assert late is not None
    assert (late.rows_fetched, late.complete, late.requests) == (8, True, 4)


async def test_in_turn_a_page_is_asked_for_when_the_one_before_is_used_up() -> None:
    source = Paged(pages=9)
    stream = begin(source, in_turn=True)
    assert not await stream.is_whole()
    coming = stream.batches()
    taken = [numbers(await anext(coming)) for _ in range(3)]
    assert (taken, source.asked, source.in_turn) == ([[0, 1], [2, 3], [4, 5]], 3, [True])
    enough = stream.report(enough=True)
    assert enough is not None
    assert (enough.complete, enough.rows_fetched) == (True, 6)
    await stream.aclose()
    assert (source.asked, source.closed) == (3, 1)


@pytest.mark.parametrize("is_left_early", [False, True])
async def test_misfits_are_told_of_as_many_pages_as_were_read(is_left_early: bool) -> None:
    source = Paged(pages=4, misfits=(Misfit(column="id", count=2, example="id, row 1 of its page"),))
    stream = begin(source, in_turn=True)
    assert not await stream.is_whole()
    coming = stream.batches()
    if is_left_early:
        await anext(coming)
    else:
        assert [number for taken in [each async for each in coming] for number in numbers(taken)] == list(range(8))
    report = stream.report(enough=True)
    assert report is not None
    assert [each.count for each in report.misfits] == [2 * source.asked]
    await stream.aclose()


async def test_nobody_reads_far_ahead_of_a_slow_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnisql_server.fetch.stream.AHEAD_BYTES_MAX", 3 * rows(0, 1).nbytes)
    source = Paged(pages=100)
    stream = begin(source, bounds=FetchBounds(timeout_s=0.05))
    assert not await stream.is_whole()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    # Its time is over by far before anybody comes for a row; that it has waited is not the source's doing.
    loop.call_later(0.1, over.set)
    await over.wait()
    assert source.asked == 4
    assert await following(stream) == list(range(200))


async def test_a_failure_comes_after_the_rows_before_it() -> None:
    gate = asyncio.Event()
    stream = begin(Paged(pages=2, held={1: gate}, error=Fatal(message="no more")))
    assert not await stream.is_whole()
    coming = stream.batches()
    assert numbers(await anext(coming)) == [0, 1]
    gate.set()
    assert numbers(await anext(coming)) == [2, 3]
    with pytest.raises(Fatal, match="no more"):
        await anext(coming)
    await stream.aclose()


async def test_a_partial_answer_keeps_its_rows() -> None:
    gate = asyncio.Event()
    stream = begin(Paged(pages=2, held={1: gate}, error=Fatal(message="no more")), partial=True)
    assert not await stream.is_whole()
    gate.set()
    assert await following(stream) == [0, 1, 2, 3]
    report = stream.report(enough=False)
    assert report is not None
    assert (report.complete, report.incomplete_reason, report.rows_fetched) == (False, "no more", 4)


async def test_too_many_rows_are_refused_on_the_way() -> None:
    gate = asyncio.Event()
    stream = begin(Paged(pages=5, held={1: gate}), bounds=FetchBounds(scan_rows_max=5))
    assert not await stream.is_whole()
    gate.set()
    with pytest.raises(LimitExceeded, match="more than 5 rows"):
        await following(stream)
    await stream.aclose()


async def test_a_failure_before_the_first_page_is_the_statements() -> None:
    stream = begin(Paged(pages=0, error=Fatal(message="denied")))
    with pytest.raises(Fatal, match="denied"):
        await stream.is_whole()
    await stream.aclose()


async def test_closing_ends_what_is_under_way() -> None:
    source = Paged(pages=3, held={1: asyncio.Event()})
    stream = begin(source)
    assert not await stream.is_whole()
    await stream.aclose()
    assert (source.asked, source.closed) == (2, 1)


async def test_scans_of_one_plan_end_together() -> None:
    keyed = replace(PLAN, scans=(SCAN, replace(SCAN, keys={"team": "x"})))
    stream = begin(Paged(pages=1), plan=keyed)
    taken = numbers((await stream.whole()).batches) if await stream.is_whole() else await following(stream)
    assert sorted(taken) == [0, 0, 1, 1]
