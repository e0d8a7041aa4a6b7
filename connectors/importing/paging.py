"""How a listing goes on, recognized by the names of its parameters and of what its answers hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.importing.columns import path_to
from connectors.importing.report import Part, Refused

PAGES = ("page", "page[number]", "pageNumber", "page_number", "pageIndex")
OFFSETS = ("offset", "page[offset]", "skip", "startAt", "start_at")
CURSORS = (
    "cursor", "page[cursor]", "page[after]", "after", "page_token", "pageToken", "next_token", "nextToken",
    "next_cursor", "starting_after", "start_cursor", "continuation_token", "continuationToken",
)  # fmt: skip
SIZES = (
    "per_page", "perPage", "page[size]", "page[limit]", "page_size", "pageSize", "limit", "max_results", "maxResults",
    "count", "size", "pagelen", "$top",
)  # fmt: skip
_NEXT = (
    ("next_cursor",), ("nextCursor",), ("next_page_token",), ("nextPageToken",), ("next_token",), ("nextToken",),
    ("meta", "next_cursor"), ("meta", "after_cursor"), ("meta", "nextCursor"), ("pagination", "next_cursor"),
    ("pagination", "nextCursor"), ("paging", "next", "after"), ("response_metadata", "next_cursor"), ("cursor", "next"),
    ("continuation_token",), ("continuationToken",),
)  # fmt: skip
_URLS = (
    ("next",), ("next_page",), ("next_url",), ("nextPage",), ("links", "next"), ("_links", "next", "href"),
    ("paging", "next", "link"), ("meta", "next"), ("pagination", "next"), ("@odata.nextLink",),
)  # fmt: skip
_MORE = (("has_more",), ("hasMore",), ("more",), ("meta", "has_more"), ("pagination", "has_more"))
_TOTALS = (("total",), ("total_count",), ("totalCount",), ("meta", "total"), ("pagination", "total"))
ROWS_MAX = 100

NAMES = frozenset({*PAGES, *OFFSETS, *CURSORS, *SIZES})
"""Parameters that are about pages."""


def pagination_of(
    parameters: Mapping[str, Mapping[str, Any]], body: object, has_link: bool, key: Sequence[str], part: Part
) -> tuple[dict[str, Any], int | None]:
    """Return the pagination of a listing, and how many rows it gives at most where nothing leads further.

    `parameters` are schemas by name, `body` the schema of an answer, `key` the columns of the primary key.

    Raises:
        Refused: it comes in pages, and nothing says where the next one is.
    """
    size, largest = _size(parameters, part)
    common: dict[str, Any] = {"size": size, "rows_max": largest} if size else {"rows_max": largest}
    if has_link:
        return {"kind": "link", **common}, None
    cursor = _first(CURSORS, parameters)
    if cursor is not None:
        if (found := _place(_NEXT, body)) is not None:
            return {"kind": "cursor", "send": cursor, "next": found, **common}, None
        more = _place(_MORE, body, only="boolean")
        if cursor == "starting_after" and more is not None and len(key) == 1:
            return {"kind": "cursor", "send": cursor, "last": key[0], "more": more, **common}, None
    if (url := _place(_URLS, body, only="string")) is not None:
        return {"kind": "next_url", "next": url, **common}, None
    page = _first(PAGES, parameters)
    if page is not None:
        first = parameters[page].get("default", parameters[page].get("minimum", 1))
        return {"kind": "page", "send": page, "first": 0 if first == 0 else 1, **common}, None
    offset = _first(OFFSETS, parameters)
    if offset is not None:
        total = _place(_TOTALS, body, only="integer")
        return {"kind": "offset", "send": offset, **({"total": total} if total else {}), **common}, None
    if cursor is not None:
        raise Refused(f"parameter {cursor} takes a cursor, and no field of the answer is known to hold the next one")
    if size is not None:
        part.warnings.append(f"parameter {size} bounds the rows and nothing leads to more: {largest} are read at most")
        return {"kind": "none", **common}, largest
    part.warnings.append("nothing says that it comes in pages; it is read in one answer")
    return {"kind": "none"}, None


def _size(parameters: Mapping[str, Mapping[str, Any]], part: Part) -> tuple[str | None, int]:
    name = _first(SIZES, parameters)
    if name is None:
        return None, ROWS_MAX
    told = parameters[name].get("maximum")
    if isinstance(told, int) and told > 0:
        return name, min(told, 10_000)
    default = parameters[name].get("default")
    largest = default if isinstance(default, int) and default > 0 else ROWS_MAX
    part.warnings.append(f"no maximum of parameter {name} is told; {largest} rows are asked for")
    return name, largest


def _first(names: Sequence[str], parameters: Mapping[str, object]) -> str | None:
    return next((name for name in names if name in parameters), None)


def _place(places: Sequence[Sequence[str]], body: object, only: str = "") -> str | None:
    """Return the path of the first of some places that the schema of a body has."""
    for place in places:
        found: object = body
        for name in place:
            properties = found.get("properties") if isinstance(found, Mapping) else None
            found = properties.get(name) if isinstance(properties, Mapping) else None
        if isinstance(found, Mapping) and (not only or _is(found, only)):
            return path_to(*place)
    return None


def _is(schema: Mapping[str, Any], kind: str) -> bool:
    told = schema.get("type")
    return told == kind or (isinstance(told, list) and kind in told)
