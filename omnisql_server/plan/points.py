"""What a scan takes of a source's rate limits, where that is more than its number of requests tells. Pure.

A request takes one point of the source's own limit, as most do, or more, or points of a limit apart (of a search, of
GraphQL), or besides points by the fields and rows that it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from connectors.sdk.complexity import Complexity
from connectors.sdk.scan import Scan, keys_asked
from omnisql_server.model.plan import ScanPlan
from omnisql_server.plan.cost import RequestCost
from omnisql_server.plan.paths import batch_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """What a scan takes of one rate limit: at least, as expected, and at most (None: as many as there are pages)."""

    limit: str
    points_min: int
    points_expected: int
    points_max: int | None


def points_of(scan: ScanPlan) -> tuple[Points, ...]:
    """Return the points of a scan by limit, its listing's first; without the limit of which its calls tell already.

    That is the source's own where each request takes one point of it.
    """
    own = scan.table.pays
    listing = listing_calls(scan)
    hydrating = scan.calls_expected - listing
    # A listing that is limited has as many calls at most as are expected.
    listing_max = None if scan.calls_max is None else max(0, scan.calls_max - hydrating)
    listed = _points(scan.path.pays or own, scan.path.cost, scan.calls_min, listing, listing_max)
    found = {listed.limit: listed}
    for pays, calls in _hydrating_calls(scan, hydrating).items():
        more = _points(pays, 1, 0, calls, None if scan.calls_max is None else calls)
        found[pays] = _sum(found[pays], more) if pays in found else more
    told = [each for each in found.values() if each.limit != own or scan.path.cost != 1]
    counted = None if scan.path.complexity is None else _complexity(scan, scan.path.complexity, listing, listing_max)
    return (*told, *([counted] if counted is not None else []))


def _complexity(scan: ScanPlan, complexity: Complexity, expected: int, most: int | None) -> Points:
    """Count the fields of each request; of keys that are not known yet, full batches are asked for."""
    asked = [complexity.points(scan.columns, _page_rows(scan, one)) for one in scan.scans]
    if scan.deferred or not asked:
        each = complexity.points(scan.columns, _page_rows_deferred(scan))
        return _points(complexity.limit, each, scan.calls_min, expected, most)
    # Pages of one reading cost the same; what is expected of all readings is divided among them by their own.
    own = [RequestCost(path=scan.path, rows=scan.rows_expected).calls(batch_size(scan.path, one.keys), scan.limit)
           for one in scan.scans]  # fmt: skip
    share = expected / sum(own)
    return Points(
        limit=complexity.limit,
        points_min=sum(asked) if scan.calls_min else 0,
        points_expected=ceil(sum(points * calls for points, calls in zip(asked, own, strict=True)) * share),
        points_max=None if most is None else ceil(sum(asked) * most / len(asked)),
    )


def _page_rows(scan: ScanPlan, one: Scan) -> int:
    bounds = [scan.path.page_rows_max, *([max(1, one.limit)] if one.limit is not None else [])]
    return min(*bounds, keys_asked(one)) if scan.path.single else min(bounds)


def _page_rows_deferred(scan: ScanPlan) -> int:
    keys = scan.path.batch_keys_max if scan.path.batch is not None else 1
    return min(scan.path.page_rows_max, keys) if scan.path.single else scan.path.page_rows_max


def _points(limit: str, cost: int, calls_min: int, calls_expected: int, calls_max: int | None) -> Points:
    most = None if calls_max is None else cost * calls_max
    return Points(limit=limit, points_min=cost * calls_min, points_expected=cost * calls_expected, points_max=most)


def _sum(one: Points, other: Points) -> Points:
    known = None if one.points_max is None or other.points_max is None else one.points_max + other.points_max
    return Points(
        limit=one.limit,
        points_min=one.points_min + other.points_min,
        points_expected=one.points_expected + other.points_expected,
        points_max=known,
    )


def point_lines(scan: ScanPlan) -> Iterator[str]:
    """Yield what EXPLAIN says of points."""
    for each in points_of(scan):
        most = "?" if each.points_max is None else each.points_max
        yield (
            f"Quota Points: minimum {each.points_min}, expected {each.points_expected}, maximum {most}"
            f" of limit {each.limit}"
        )


def point_facts(scan: ScanPlan) -> dict[str, object]:
    """Return what EXPLAIN tells programs of points, empty where calls tell all."""
    facts = [
        {
            "Limit": each.limit,
            "Minimum Points": each.points_min,
            "Expected Points": each.points_expected,
            "Maximum Points": each.points_max,
        }
        for each in points_of(scan)
    ]
    return {"Quota Points": facts} if facts else {}


def listing_calls(scan: ScanPlan) -> int:
    """Return how many of the expected calls are not for single rows."""
    if not scan.calls_per_row:
        return scan.calls_expected
    bare = RequestCost(path=scan.path, rows=scan.rows_expected)
    if not scan.deferred:
        calls = sum(bare.calls(batch_size(scan.path, one.keys), scan.limit) for one in scan.scans)
        return min(scan.calls_expected, calls)
    whole = RequestCost(path=scan.path, rows=scan.rows_expected, calls_per_row=scan.calls_per_row)
    return min(scan.calls_expected, ceil(scan.calls_expected * bare.calls() / whole.calls()))


def _hydrating_calls(scan: ScanPlan, calls: int) -> dict[str, int]:
    """Divide calls for single rows among the limits that they count against, as each is made for so many rows."""
    if not scan.calls_per_row:
        return {}
    by_limit: dict[str, float] = {}
    wanted = {scan.table.column(name).hydrate for name in scan.columns}
    for name in sorted(name for name in wanted if name is not None):
        known = scan.table.hydrations.get(name)
        pays = (known.pays if known is not None else None) or scan.table.pays
        by_limit[pays] = by_limit.get(pays, 0.0) + 1 / (known.rows_max if known is not None else 1)
    whole = sum(by_limit.values())
    return {pays: ceil(calls * part / whole) for pays, part in by_limit.items()}
