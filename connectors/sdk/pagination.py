"""Ways through a listing: Link headers, tokens, page numbers, offsets; as iterators of responses, in order.

Every way is bounded, notices a source that leads in a circle, and cancels what it has under way when it is closed.
Link headers follow RFC 8288.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from hashlib import blake2b

from yarl import URL

from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import Fatal
from connectors.sdk.ordered import in_order
from connectors.sdk.request import Request, Response
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import repeats_a_page

_LINK = re.compile(r'<([^>]*)>\s*((?:;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^\s;,"]+)\s*)*)')
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]+))')

_OVERLAPS_MAX = 3
"""Pages that overlap may show the same rows a few times without going in a circle."""

Rows = Callable[[object], list[dict[str, object]]]
"""Finds the rows in a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One reading of one table: the transport, its context, when it must be over, and how wide it may go."""

    transport: Transport
    context: FetchContext
    table: str
    deadline_s: float
    concurrency: int = 1
    pages_wanted_max: int | None = None

    async def send(self, request: Request) -> Response:
        """Send one request within the deadline of the reading."""
        deadline_s = self.deadline_s + self.context.pauses.total_s
        return await self.transport.send(request, self.context, deadline_s=deadline_s)

    def serial(self) -> Reader:
        """Return the same reading, one page at a time."""
        return replace(self, concurrency=1)

    @property
    def pages_at_once(self) -> int:
        """Return how many pages may be asked for before they are wanted."""
        return 1 if self.context.in_turn else self.concurrency

    @property
    def pages_max(self) -> int:
        """Return the bound on pages of one listing."""
        return self.transport.settings.pages_max


class _Guard:
    """Notices a page, a cursor or a next link that was seen before, and listings without end."""

    def __init__(self, reader: Reader, repeats_max: int = 0) -> None:
        self._table = reader.table
        self._pages_max = reader.pages_max
        self._repeats_left = repeats_max
        self._seen: set[bytes | str] = set()
        self._page_count = 0

    def page(self, response: Response, rows: list[dict[str, object]] | None = None) -> None:
        self._page_count += 1
        if self._page_count > self._pages_max:
            raise Fatal(
                message=f"the listing of {self._table} has too many pages",
                detail=f"Reading stopped after {self._pages_max} pages.",
                hint="Restrict the query so that it reads less. If the connector is yours: does its pagination end?",
            )
        # An empty page has nothing to tell it from another one.
        if rows == [] or len(response.content) <= 2:
            return
        self._once(blake2b(response.content, digest_size=16).digest())

    def step(self, cursor: str) -> None:
        self._once(cursor)

    def _once(self, mark: bytes | str) -> None:
        if mark in self._seen:
            if self._repeats_left == 0:
                raise repeats_a_page(self._table)
            self._repeats_left -= 1
        self._seen.add(mark)


def links(header: str, more: str | None = None) -> dict[str, str]:
    """Read a Link header into targets by relation, without those whose parameter `more` is "false"."""
    found: dict[str, str] = {}
    for match in _LINK.finditer(header):
        parameters: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(match.group(2)):
            parameters.setdefault(name.lower(), (quoted or plain).lower())
        if more is None or parameters.get(more.lower()) != "false":
            for relation in parameters.get("rel", "").split():
                found.setdefault(relation, match.group(1))
    return found


async def single_page(
    reader: Reader, request: Request, first: Response | None = None
) -> AsyncGenerator[Response, None]:
    """Give the one response there is; `first` is it, if the caller has it already."""
    yield first or await reader.send(request)


async def link_pages(
    reader: Reader, request: Request, first: Response | None = None, *, more: str | None = None
) -> AsyncGenerator[Response, None]:
    """Follow `rel=next`; when the first answer tells the last page number, read several pages at a time.

    `first` is the first answer, if the caller has it already; `more` a parameter of the next link that is "false" where
    nothing follows.
    """
    guard = _Guard(reader)
    response = first or await reader.send(request)
    guard.page(response)
    yield response
    known = _links(response, more)
    last = _page_number(known.get("last"))
    if reader.pages_at_once > 1 and _page_number(known.get("next")) == 2 and last is not None:
        if reader.pages_wanted_max is not None:
            last = min(last, reader.pages_wanted_max)
        last = min(last, reader.pages_max)
        rest = (_numbered(request, known["next"], number) for number in range(2, last + 1))
        async with aclosing(in_order(reader.send, rest, reader.pages_at_once)) as following:
            async for response in following:
                guard.page(response)
                yield response
    # Rows that appeared meanwhile are on pages that the first answer did not know of.
    while (beyond := await _next_link(reader, request, response, more)) is not None:
        guard.step(beyond)
        response = await reader.send(replace(request, url=beyond))
        guard.page(response)
        yield response


def _links(response: Response, more: str | None = None) -> dict[str, str]:
    return links(response.headers.get("link", ""), more)


async def _next_link(reader: Reader, request: Request, response: Response, more: str | None) -> str | None:
    """Return where the next page is; a last page that is full and was only confirmed is asked for in full.

    An entity tag may stand for the body alone: it does not change when a page after it begins, and the header kept with
    the body would hide that page.
    """
    following = _links(response, more).get("next")
    if following is not None or not _is_full(response):
        return following
    if not response.revalidated:
        _leave_open(reader, response)
        return None
    again = await reader.send(replace(request, url=response.url, conditional=False))
    following = _links(again, more).get("next")
    if following is None:
        _leave_open(reader, again)
    return following


def _leave_open(reader: Reader, response: Response) -> None:
    if reader.context.trail is not None:
        reader.context.trail.leave_open(response)


def _is_full(response: Response) -> bool:
    """Say whether a page may hold as many rows as were asked for."""
    wanted = URL(response.url, encoded=True).query.get("per_page", "")
    lists = response.body.values() if isinstance(response.body, dict) else (response.body,)
    rows = max((len(each) for each in lists if isinstance(each, list)), default=0)
    return not wanted.isdecimal() or rows >= int(wanted)


async def token_pages(
    reader: Reader, request: Request, *, advance: Callable[[Request, str], Request], token: Callable[[object], object]
) -> AsyncGenerator[Response, None]:
    """Follow a cursor: `token` finds the next one in a body, None at the end; `advance` puts it into a request."""
    guard = _Guard(reader)
    resumption = reader.context.resumption
    cursor = None if resumption is None else resumption.begin(request)
    following = request if cursor is None else advance(request, cursor)
    while True:
        response = await reader.send(following)
        guard.page(response)
        found = token(response.body)
        if found is not None and found != "":
            guard.step(str(found))
        yield response
        if found is None or found == "":
            return
        # Whoever asks for the next page has given the rows of this one.
        if resumption is not None:
            resumption.reach(request, str(found))
        following = advance(request, str(found))


async def numbered_pages(
    reader: Reader, request: Request, *, parameter: str, rows: Rows, first: int = 1
) -> AsyncGenerator[Response, None]:
    """Count pages up until one is empty."""
    guard = _Guard(reader)
    number = first
    while True:
        response = await reader.send(with_parameter(request, parameter, str(number)))
        found = rows(response.body)
        guard.page(response, found)
        if not found:
            return
        yield response
        number += 1


async def offset_pages(
    reader: Reader,
    request: Request,
    *,
    parameter: str,
    rows: Rows,
    total: Callable[[object], object] = lambda _body: None,
    is_last: Callable[[object], object] = lambda _body: None,
    hides_rows: bool = False,
) -> AsyncGenerator[Response, None]:
    """Advance an offset by the rows that came; short pages are not the end.

    The end is an empty page, `is_last`, or the `total`, which also lets several pages be read at a time. With
    `hides_rows` the source cuts pages before it leaves out what may not be seen: pages overlap then, never skip.
    """
    guard = _Guard(reader, repeats_max=_OVERLAPS_MAX if hides_rows else 0)
    response = await reader.send(request)
    found = rows(response.body)
    guard.page(response, found)
    yield response
    offset, step, count = len(found), len(found), total(response.body)
    if reader.pages_at_once > 1 and isinstance(count, int) and 0 < offset < count and not is_last(response.body):
        pages = min(-(-count // step), reader.pages_max, reader.pages_wanted_max or reader.pages_max)
        rest = [with_parameter(request, parameter, str(number * step)) for number in range(1, pages)]
        async with aclosing(in_order(reader.send, iter(rest), reader.pages_at_once)) as following:
            async for response in following:
                found = rows(response.body)
                guard.page(response, found)
                yield response
                offset += len(found)
                if len(found) < step:
                    # A page came up short: where the next begins is only known by counting.
                    break
    while found and not is_last(response.body) and not (isinstance(count, int) and offset >= count):
        response = await reader.send(with_parameter(request, parameter, str(offset)))
        found = rows(response.body)
        guard.page(response, found)
        yield response
        # The longest page so far is no longer than the source's own page: to advance by it skips nothing.
        step = max(step, len(found))
        offset += step if hides_rows else len(found)


def with_parameter(request: Request, name: str, value: str) -> Request:
    """Return the request with one query parameter set."""
    kept = tuple((other, text) for other, text in request.parameters if other != name)
    return replace(request, parameters=(*kept, (name, value)))


def last_page(response: Response) -> int | None:
    """Return the number of a listing's last page by its Link header, None when that does not tell."""
    return _page_number(_links(response).get("last"))


def _page_number(url: str | None) -> int | None:
    if url is None:
        return None
    try:
        text = URL(url, encoded=True).query.get("page", "")
        return int(text) if text.isdecimal() else None
    except ValueError:
        # The transport refuses a link that is no URL, when it comes to be followed.
        return None


def _numbered(request: Request, next_url: str, number: int) -> Request:
    # Everything but the number is taken verbatim from the API's own next link.
    return replace(request, url=str(URL(next_url, encoded=True).update_query({"page": str(number)})))
