"""From row lists to pages: unique rows, limits, hydration, truncation, and losses in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import Row, RowDecoder, attach
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.reading import RowList, pages_of
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import AccessPath, Column, Table

TABLE = Table(
    name="things",
    description="",
    columns=(
        Column(name="id", type_name="int8", path="id"),
        Column(name="size", type_name="int4", path="size", hydrate="detail"),
    ),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="GET /things"),),
)


async def lists(
    *found: list[int], closed: list[str] | None = None, lost: bool = False
) -> AsyncGenerator[RowList, None]:
    try:
        for numbers in found:
            yield RowList(rows=[{"id": number} for number in numbers])
        if lost:
            raise EmptyResult(message="gone")
    finally:
        if closed is not None:
            closed.append("closed")


async def read(source: Any, context: FetchContext, *, limit: int | None = None, **more: Any) -> list[list[Any]]:
    columns = ("id", "size") if "hydrate" in more else ("id",)
    scan = Scan(table="things", access_path="all", columns=columns, limit=limit)
    decoder = RowDecoder(TABLE, columns)
    pages: list[Page] = [page async for page in pages_of(source, scan=scan, decoder=decoder, context=context, **more)]
    return [[tuple(row.values()) for row in page.rows.to_pylist()] for page in pages]


async def test_rows_come_once_however_often_they_are_listed(context: FetchContext, recorder: Any) -> None:
    assert await read(lists([1, 2], [2, 3], [1, 2], [4, 4]), context) == [[(1,), (2,)], [(3,)], [(4,)]]
    assert recorder.pages == [2, 1, 1]


async def test_a_limit_cuts_and_closes_the_source(context: FetchContext) -> None:
    closed: list[str] = []
    assert await read(lists([1, 2], [2, 3, 4], [5], closed=closed), context, limit=3) == [[(1,), (2,)], [(3,)]]
    assert closed == ["closed"]


async def test_hydration_happens_to_rows_within_the_limit_alone(context: FetchContext) -> None:
    asked: list[object] = []

    async def hydrate(rows: list[Row]) -> None:
        for row in rows:
            asked.append(row["id"])
            attach(row, "detail", {"size": 10})

    assert await read(lists([1, 2, 3]), context, limit=2, hydrate=hydrate) == [[(1, 10), (2, 10)]]
    assert asked == [1, 2]


async def test_rows_that_do_not_survive_are_neither_hydrated_nor_given(context: FetchContext, recorder: Any) -> None:
    asked: list[object] = []
    seen: list[object] = []

    async def hydrate(rows: list[Row]) -> None:
        for row in rows:
            asked.append(row["id"])
            attach(row, "detail", {"size": 10})

    async def odd(batch: pa.RecordBatch) -> list[int]:
        seen.append((batch.schema.names, batch.num_rows))
        return [place for place, number in enumerate(batch.column("id").to_pylist()) if number % 2]

    choosy = replace(context, survivors=odd)
    scan = Scan(table="things", access_path="all", columns=("id", "size"))
    decoder = RowDecoder(TABLE, scan.columns)
    source = lists([1, 2, 3], [4, 6], [7])
    pages = [page async for page in pages_of(source, scan=scan, decoder=decoder, context=choosy, hydrate=hydrate)]
    assert [page.rows.to_pylist() for page in pages] == [
        [{"id": 1, "size": 10}, {"id": 3, "size": 10}],
        [],
        [{"id": 7, "size": 10}],
    ]
    assert [page.passed_over for page in pages] == [1, 2, 0]
    assert asked == [1, 3, 7]
    # It is asked by what the listing filled; pages are counted as they were listed.
    assert seen == [(["id"], 3), (["id"], 2), (["id"], 1)]
    assert recorder.pages == [3, 2, 1]
    # A limit counts the rows of a listing.
    assert await read(lists([2, 4]), choosy, limit=1, hydrate=hydrate) == [[(2, 10)]]


async def test_nothing_at_first_is_no_rows_but_later_a_loss(context: FetchContext) -> None:
    assert await read(lists(lost=True), context) == []
    with pytest.raises(Fatal, match="a part of things vanished"):
        await read(lists([1], lost=True), context)


@pytest.mark.parametrize("lost", [{}, {"id": None}])
async def test_a_row_without_a_key_is_an_error_and_no_row_like_another(context: FetchContext, lost: Row) -> None:
    async def source() -> AsyncGenerator[RowList, None]:
        yield RowList(rows=[{"id": 1}, lost, lost])

    with pytest.raises(Fatal, match="a row of things has no primary key"):
        await read(source(), context)


async def test_misfits_are_told_once_of_rows_that_survive_and_of_those_that_do_not(context: FetchContext) -> None:
    column = Column(name="color", type_name="text", path="color")
    table = replace(TABLE, columns=(*TABLE.columns, column), misfits_are_null=True)
    scan = Scan(table="things", access_path="all", columns=("id", "color", "size"))

    async def source() -> AsyncGenerator[RowList, None]:
        yield RowList(rows=[{"id": number, "color": number} for number in (1, 2, 3)])

    async def hydrate(rows: list[Row]) -> None:
        for row in rows:
            attach(row, "detail", {"size": "large"})

    async def last(batch: pa.RecordBatch) -> list[int]:
        return [batch.num_rows - 1]

    decoder, choosy = RowDecoder(table, scan.columns), replace(context, survivors=last)
    (page,) = [page async for page in pages_of(source(), scan=scan, decoder=decoder, context=choosy, hydrate=hydrate)]
    assert page.rows.to_pylist() == [{"id": 3, "color": None, "size": None}]
    assert {each.column: each.count for each in page.misfits} == {"color": 3, "size": 1}
