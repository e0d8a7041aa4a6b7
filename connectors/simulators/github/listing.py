"""What list endpoints share: pages with Link headers, choices, times and the repository in the path."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.github.errors import error_body, invalid, not_found
from connectors.simulators.paging import whole_number
from connectors.simulators.toolkit import SIMULATION
from connectors.simulators.vendor import ApiError, json_response

COMPANY: web.AppKey[Company] = web.AppKey("company", Company)
PER_PAGE_DEFAULT = 30
PER_PAGE_MAX = 100
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The rows that one page of a listing shows, and the headers that lead on from it."""

    start: int
    rows_max: int
    headers: dict[str, str]


def page_of(request: web.Request, rows_count: int, *, rows_reachable: int | None = None) -> Page:
    """Read `page` and `per_page` leniently and return the page of a listing of `rows_count` rows."""
    wanted = whole_number(request.query.get("per_page"), PER_PAGE_DEFAULT)
    wanted = PER_PAGE_DEFAULT if wanted < 1 else min(wanted, PER_PAGE_MAX)
    per_page = request.app[SIMULATION].page_rows(wanted)
    number = max(1, whole_number(request.query.get("page"), 1))
    count = rows_count if rows_reachable is None else min(rows_count, rows_reachable)
    last = max(1, -(-count // per_page))
    numbers: dict[str, int] = {}
    if number > 1:
        numbers["prev"] = min(number - 1, last)
    if number < last:
        numbers |= {"next": number + 1, "last": last}
    if number > 1:
        numbers["first"] = 1
    links = ", ".join(f'<{_page_url(request, target)}>; rel="{name}"' for name, target in numbers.items())
    start = (number - 1) * per_page
    return Page(start=start, rows_max=max(0, min(per_page, count - start)), headers={"Link": links} if links else {})


def listed(request: web.Request, records: Sequence[Record], render: Callable[[Record], dict[str, Any]]) -> web.Response:
    """Answer with one page of the records."""
    page = page_of(request, len(records))
    rows = [render(record) for record in records[page.start : page.start + page.rows_max]]
    return json_response(rows, headers=page.headers)


def kept(
    request: web.Request, repository: Repository, names: Sequence[str], build: Callable[[], Sequence[Record]]
) -> Sequence[Record]:
    """Return a filtered and sorted listing, built once for all of its pages."""
    values = tuple(request.query.get(name) for name in names)
    key: Hashable = (request.match_info.route.handler.__name__, repository.id, request.match_info.get("number"), values)
    return request.app[SIMULATION].keep(key, build)


def company_of(request: web.Request) -> Company:
    """Return the company that is simulated."""
    return request.app[COMPANY]


def api_url(request: web.Request) -> str:
    """Return the address that clients reach this API at."""
    return str(request.url.origin())


def repository_of(request: web.Request) -> Repository:
    """Return the repository in the path.

    Raises:
        ApiError: 301 for a former name, 404 for an unknown one.
    """
    forge = company_of(request).forge
    if "repository_id" in request.match_info:
        repository = forge.repository_by_id(int(request.match_info["repository_id"]))
        if repository is None:
            raise not_found()
        return repository
    owner, name = request.match_info["owner"], request.match_info["repo"]
    repository = forge.repository(owner, name)
    if repository is not None:
        return repository
    renamed = forge.renamed(owner, name)
    if renamed is None:
        raise not_found()
    rest = request.path.split("/", 4)[4:]
    path = "/".join(["/repositories", str(renamed.id), *rest])
    location = str(request.url.origin().with_path(path).with_query(request.url.query))
    raise ApiError(301, {**error_body(301, "Moved Permanently"), "url": location}, {"Location": location})


def with_issues(repository: Repository) -> Repository:
    """Return the repository, or raise the 410 of one whose issues are turned off."""
    if not repository.has_issues:
        raise ApiError(410, error_body(410, "Issues are disabled for this repo"))
    return repository


def choice(request: web.Request, name: str, choices: Sequence[str], default: str, resource: str) -> str:
    """Return a parameter that must be one of the choices; an empty one counts as absent."""
    value = request.query.get(name) or default
    if value not in choices:
        raise invalid(resource, name, value)
    return value


def is_descending(request: web.Request, default: str) -> bool:
    """Return the direction of a sort; GitHub takes anything but `asc` and `desc` for the default."""
    direction = request.query.get("direction", "").lower()
    return (direction if direction in {"asc", "desc"} else default) == "desc"


def instant(request: web.Request, name: str, resource: str) -> int | None:
    """Return a time parameter in epoch seconds."""
    value = request.query.get(name)
    if not value:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        raise invalid(resource, name, value) from None


def parse_instant(text: str) -> int:
    """Read an ISO 8601 date or time, in UTC unless it says otherwise.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _page_url(request: web.Request, number: int) -> str:
    # GitHub's links name repositories by number, even when the request named them otherwise.
    path = request.path
    if "owner" in request.match_info and "repo" in request.match_info:
        rest = request.path.split("/", 4)[4:]
        path = "/".join(["/repositories", str(repository_of(request).id), *rest])
    pairs = [(name, value) for name, value in request.query.items() if name != "page"]
    return f"{api_url(request)}{quote(path)}?{urlencode([*pairs, ('page', str(number))])}"
