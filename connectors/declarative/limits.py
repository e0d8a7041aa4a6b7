"""Rate limits that a manifest declares as the SDK's, and what its queries take of one by their fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from connectors.declarative.account import ComplexityDeclared, LimitDeclared, QuotaTold
from connectors.declarative.checks import listed
from connectors.declarative.columns import ColumnFound
from connectors.declarative.document import Path
from connectors.declarative.manifest import Manifest
from connectors.declarative.readable import Query
from connectors.declarative.requests import bucket_of
from connectors.declarative.selections import Selected, read_selection
from connectors.sdk.complexity import Complexity
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import Extract, path
from connectors.sdk.limits import RateLimit
from connectors.sdk.quota import QuotaHeaders, ResetFormat
from connectors.sdk.request import Response

_COLUMNS = "omnisql_columns"
"""Stands for the columns of a row while the selection around them is read."""


def quota_headers(declared: QuotaTold, bucket: str | None = None, pays: str = "") -> QuotaHeaders:
    """Return where answers tell a quota; `bucket` is the header that names it, or it is always `pays`."""
    return QuotaHeaders(
        limit=declared.limit.lower(),
        remaining=declared.remaining.lower(),
        reset=declared.reset.lower(),
        reset_format=ResetFormat(declared.reset_format),
        bucket=bucket.lower() if bucket else None,
        pays=pays,
    )


def check_limits(manifest: Manifest, refuse: Callable[[Path, str, str | None], ManifestInvalid]) -> None:
    """Refuse limits that contradict each other, and requests that pay what is not among them; `refuse` tells where.

    Raises:
        ManifestInvalid: SQLSTATE HV00R.
    """
    if not manifest.limits:
        return
    allowed = f"Allowed: {listed(manifest.limits)}."
    for at, name in _paid(manifest):
        if name not in manifest.limits:
            raise refuse(at, f"there is no limit {name} under limits", allowed)
    counting = [name for name, each in manifest.limits.items() if each.complexity is not None]
    if len(counting) > 1:
        raise refuse(("limits", counting[1]), f"limit {counting[0]} counts the fields of queries already", None)
    for name, each in manifest.limits.items():
        try:
            _limit(each)
        except ManifestInvalid as error:
            raise refuse(("limits", name), error.message, error.hint) from None


def _paid(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Yield what requests pay, and where that is said."""
    yield ("rate_limit",), bucket_of(manifest)
    for name, each in manifest.limits.items():
        yield from ((("limits", name), other) for other in each.beside)
    for name, table in manifest.tables.items():
        for path_name, access in table.access_paths.items():
            if access.pays is not None:
                yield ("tables", name, "access_paths", path_name), access.pays
        for called, hydrate in table.hydrate.items():
            if hydrate.together is not None and hydrate.together.pays is not None:
                yield ("tables", name, "hydrate", called), hydrate.together.pays


def limits_of(manifest: Manifest) -> dict[str, RateLimit]:
    """Return the rate limits that a manifest declares, by name.

    Raises:
        ManifestInvalid: a path in an answer is none.
    """
    return {name: _limit(each) for name, each in manifest.limits.items()}


def _limit(declared: LimitDeclared) -> RateLimit:
    told: Callable[[Response], int | None] | None = None
    if declared.cost_header is not None:
        told = partial(_told_by_header, declared.cost_header.lower())
    elif declared.cost_at is not None:
        told = partial(_told_in_body, path(declared.cost_at))
    return RateLimit(
        points=declared.points,
        every_s=declared.every_s,
        quota=None if declared.headers is None else quota_headers(declared.headers),
        told=told,
        beside=frozenset(declared.beside),
        free_unchanged=declared.free_unchanged,
    )


def _told_by_header(name: str, response: Response) -> int | None:
    text = response.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _told_in_body(cost: Extract, response: Response) -> int | None:
    value = cost(response.body)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def complexity_of(
    manifest: Manifest,
    query: Query | None,
    columns: Mapping[str, ColumnFound],
    always: Iterable[str],
    *,
    sized: bool,
) -> Complexity | None:
    """Return what a query takes of a limit by its fields; `always` are columns that are always among them.

    `sized` says that a variable tells how many rows a page has. None where no limit counts that.

    Raises:
        ManifestInvalid: a selection cannot be read.
    """
    counting = ((name, each.complexity) for name, each in manifest.limits.items())
    limit, declared = next(((name, found) for name, found in counting if found is not None), ("", None))
    if query is None or declared is None:
        return None
    around = read_selection(query.selects.replace("{columns}", _COLUMNS))
    whole = Selected(head=query.field, fields=around)
    is_list = _is_list(declared, whole)
    # The page's size is not known here: what a list of pages holds is counted for one row of it.
    counted = list(_counted(declared, around if is_list and sized else (whole,), 1, ""))
    place, _, times = next(each for each in counted if each[0].endswith(f"/{_COLUMNS}"))
    parent = place.removesuffix(f"/{_COLUMNS}")
    fields = {
        name: _points(_counted(declared, read_selection(found.select), times, parent))
        for name, found in columns.items()
    }
    asked = _points(each for each in counted if each[0] != place)
    for name in always:
        asked |= fields[name]
    return Complexity(limit=limit, always=asked, fields=fields, sized=is_list and sized, points_max=declared.maximum)


def _points(counted: Iterable[tuple[str, float, int]]) -> dict[str, float]:
    return {place: points * times for place, points, times in counted}


def _counted(
    declared: ComplexityDeclared, fields: Iterable[Selected], times: int, parent: str
) -> Iterator[tuple[str, float, int]]:
    """Yield the place of each field with its points, and how often the lists around it make it count."""
    for each in fields:
        place = f"{parent}/{each.head}"
        if each.is_fragment:
            yield from _counted(declared, each.fields, times, place)
        elif not each.fields:
            yield place, declared.value, times
        elif _is_list(declared, each):
            yield from _counted(declared, each.fields, times * _size(declared, each), place)
        else:
            yield place, declared.object, times
            yield from _counted(declared, each.fields, times, place)


def _is_list(declared: ComplexityDeclared, field: Selected) -> bool:
    return any(each.head.partition("(")[0] in declared.lists for each in field.fields)


def _size(declared: ComplexityDeclared, field: Selected) -> int:
    told = re.search(rf"\b{re.escape(declared.size)}:(\d+)", field.head)
    return declared.size_default if told is None else int(told.group(1))
