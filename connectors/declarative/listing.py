"""Answers of one listing as rows: the pages by the manifest's pagination, the rows in a body, the API's own cap."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime

from connectors.declarative.columns import note_keys
from connectors.declarative.pages import CursorPages, LinkPages, NextUrlPages, NumberedPages, OffsetPages
from connectors.declarative.readable import ReadablePath, ReadableTable
from connectors.declarative.readings import Reading
from connectors.declarative.requests import page_rows, with_cursor
from connectors.sdk.decode import Row, attach
from connectors.sdk.errors import Fatal
from connectors.sdk.extract import path
from connectors.sdk.pagination import Reader, link_pages, numbered_pages, offset_pages, single_page, token_pages
from connectors.sdk.reading import RowList
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Scan, Value


async def listed(
    table: ReadableTable, scan: Scan, reader: Reader, reading: Reading, *, echo: Mapping[str, Value], title: str
) -> AsyncGenerator[RowList, None]:
    """Give the rows of one listing, a list for each answer; `echo` is noted in each row, `title` names the API.

    Raises:
        ConnectorError: by recovery, see `connectors.sdk.errors`.
    """
    access = table.paths[scan.access_path]
    edge = None if reading.boundary is None else table.columns[access.boundary or ""].extract
    rows_asked = page_rows(table, access, scan)
    count, total = 0, None
    # Where a boundary ends the listing, pages ahead would be read in vain.
    narrow = reader if edge is None else reader.serial()
    async with aclosing(_responses(access, narrow, reading.request)) as responses:
        async for response in responses:
            rows = _elements(access, _objects(access, response.body))
            _note(access, rows, echo)
            count += len(rows)
            total = _total(access, response.body)
            is_capped = reading.rows_max is not None and count >= reading.rows_max
            if is_capped and _goes_on(access, response, len(rows), rows_asked, count):
                yield RowList(rows=rows, truncated=_cap(reading, scan, title, total))
                return
            yield RowList(rows=rows)
            if edge is not None and rows and _is_older(edge(rows[-1]), reading.boundary):
                return
    if reading.rows_max is not None and total is not None and total > reading.rows_max:
        # It ended short of what it may give at most.
        yield RowList(rows=[], truncated=_cap(reading, scan, title, total))


def rows_told(access: ReadablePath, body: object) -> list[Row]:
    """Return the rows of an answer, none of one to another question than for a page of rows."""
    try:
        return _elements(access, _objects(access, body))
    except Fatal:
        return []


def _note(access: ReadablePath, rows: list[Row], echo: Mapping[str, Value]) -> None:
    if not echo and not access.holds:
        return
    for row in rows:
        note_keys(row, echo)
        for name in access.holds:
            attach(row, name, dict(row))


def _elements(access: ReadablePath, rows: list[Row]) -> list[Row]:
    within = access.elements
    if within is None:
        return rows
    found = [(row, path(within.at)(row)) for row in rows]
    if not all(isinstance(each, list) for _, each in found):
        raise Fatal(message=f"a row of the answer of {access.template} has no list at {within.at}")
    return [
        {**row, within.name: each, within.number: number}
        for row, elements in found
        for number, each in enumerate(elements if isinstance(elements, list) else [])
    ]


def _total(access: ReadablePath, body: object) -> int | None:
    where = access.pagination.total if isinstance(access.pagination, LinkPages) else None
    found = None if where is None else path(where)(body)
    return found if isinstance(found, int) else None


def _cap(reading: Reading, scan: Scan, title: str, total: int | None) -> str:
    if total is None:
        return f"the API gives {reading.rows_max} rows of this listing at most"
    filtered = "filtered " if scan.predicates or scan.disjunctions else ""
    return f"{title} gives {reading.rows_max} of {total} {filtered}rows at most"


def _is_older(text: object, boundary: datetime | None) -> bool:
    return boundary is not None and isinstance(text, str) and datetime.fromisoformat(text) < boundary


def _responses(access: ReadablePath, reader: Reader, request: Request) -> AsyncGenerator[Response, None]:
    pages = access.pagination
    if isinstance(pages, CursorPages):
        return token_pages(reader, request, advance=with_cursor(access, pages.send), token=_cursor_of(access, pages))
    if isinstance(pages, OffsetPages):
        total = pages.total
        # A listing that is capped is read one page at a time: beyond the cap the API refuses.
        return offset_pages(
            reader.serial() if access.rows_max is not None else reader,
            request,
            parameter=pages.send,
            rows=lambda body: _objects(access, body),
            total=path(total) if total else lambda _body: None,
            is_last=_is_last(pages),
            hides_rows=pages.hides_rows,
        )
    if isinstance(pages, NumberedPages):
        return numbered_pages(
            reader, request, parameter=pages.send, rows=lambda body: _objects(access, body), first=pages.first
        )
    if isinstance(pages, LinkPages):
        return link_pages(reader, request, more=pages.more)
    if isinstance(pages, NextUrlPages):
        following = CursorPages(send="", next=pages.next, more=pages.more)
        return token_pages(reader, request, advance=_at_url, token=_cursor_of(access, following))
    return single_page(reader, request)


def _is_last(pages: OffsetPages) -> Callable[[object], object]:
    more, ends = pages.more, pages.ends
    if more is not None:
        return lambda body: path(more)(body) is False
    return path(ends) if ends is not None else lambda _body: None


def _at_url(request: Request, url: str) -> Request:
    return Request(
        template=request.template,
        path=request.path,
        url=url,
        accept=request.accept,
        bucket=request.bucket,
        cost=request.cost,
        empty_statuses=request.empty_statuses,
    )


def _cursor_of(access: ReadablePath, pages: CursorPages) -> Callable[[object], object]:
    def cursor(body: object) -> object:
        if pages.more is not None and path(pages.more)(body) is not True:
            return None
        if pages.ends is not None and path(pages.ends)(body) is True:
            return None
        if pages.next is not None:
            found = path(pages.next)(body)
            if pages.more is not None and not found:
                raise Fatal(message=f"the listing of {access.name} goes on but does not say where")
            return found
        rows = _objects(access, body)
        return path(pages.last or "")(rows[-1]) if rows else None

    return cursor


def _goes_on(access: ReadablePath, response: Response, row_count: int, page_rows_asked: int, count: int) -> bool:
    pages = access.pagination
    if isinstance(pages, LinkPages) and pages.total is not None:
        found = _total(access, response.body)
        return found is not None and found > count
    if isinstance(pages, CursorPages):
        return bool(_cursor_of(access, pages)(response.body))
    if isinstance(pages, OffsetPages | NextUrlPages) and pages.more is not None:
        return path(pages.more)(response.body) is True
    if isinstance(pages, OffsetPages) and pages.total is not None:
        total = path(pages.total)(response.body)
        return isinstance(total, int) and total > count
    return row_count >= page_rows_asked


def _objects(access: ReadablePath, body: object) -> list[Row]:
    found = access.rows(body) if body is not None else None
    if access.single and not isinstance(found, list):
        found = [] if found is None else [found]
    if access.wrap is not None and isinstance(found, list):
        found = [{access.wrap: each} for each in found]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(
            message=f"the answer of {access.template} is not a list of objects",
            hint="If the connector is yours: key rows of its manifest says where in an answer the rows are.",
        )
    rows: list[Row] = found
    return rows
