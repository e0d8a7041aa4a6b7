"""What a scan really took and gave, and all scans of a statement together, for EXPLAIN (ANALYZE). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.report import SourceReport
from omnisql_server.model.spending import Spent, Taken, limits_together

_Facts = dict[str, object]


def actual(report: SourceReport | None) -> str:
    """Write what stands behind a scan's title."""
    if report is None:
        return ""
    return f"  (actual time={report.duration_ms:.3f} ms rows={report.rows_returned} requests={report.requests})"


def report_lines(report: SourceReport, scan: ScanPlan) -> Iterator[str]:
    """Yield what EXPLAIN says of a scan that was read."""
    if report.access_path != scan.path.name:
        yield f"Read By: {report.access_path}, once the keys were known"
    yield f"Requests: {report.requests} made, {report.revalidated} of them answered by 304"
    for each in report.spent:
        yield f"Spent: {_calls(each.calls)} of {each.request}{_takings(each.limits)}"
    yield f"Pages: {report.pages}" + ("" if report.hides_rows else f", {report.bytes_received} bytes")
    hydrated = "" if report.rows_hydrated is None else f", {report.rows_hydrated} hydrated"
    fetched = "" if report.hides_rows else f"{report.rows_fetched} fetched, "
    yield f"Rows: {fetched}{report.rows_returned} returned{hydrated}"
    if report.cache_hits or report.cache_note is not None:
        used = f"{report.cache_hits} earlier answers used, {report.calls_saved} requests saved"
        yield f"Cache: {used}, age {report.age_ms / 1000:.1f} s{_aside(report.cache_note)}"
    if report.stale is not None:
        yield f"Stale: {report.stale}"
    for misfit in report.misfits:
        yield f"Misfits: {misfit.count} values of {misfit.column} are null, the first at {misfit.example}"
    yield "Complete: yes" if report.complete else f"Complete: no: {report.incomplete_reason or 'unknown'}"


def total_lines(reports: Mapping[str, SourceReport] | None) -> Iterator[str]:
    """Yield what all scans of a statement took together, by source; nothing before it has run."""
    if reports is None:
        return
    yield f"Spent: {_calls(sum(report.requests for report in reports.values()))}"
    for source, spent in _by_source(reports).items():
        for limit, taken in limits_together(spent).items():
            yield f"Spent: {_points(limit, taken)} (source {source})"


def report_facts(report: SourceReport) -> _Facts:
    """Return what EXPLAIN tells programs of a scan that was read."""
    return {
        "Actual Access Path": report.access_path,
        "Actual Requests": report.requests,
        "Actual Revalidated": report.revalidated,
        "Actual Spending": [
            {"Request": each.request, "Calls": each.calls, "Quota Points": _limit_facts(each.limits)}
            for each in report.spent
        ],
        "Actual Pages": report.pages,
        "Actual Bytes": None if report.hides_rows else report.bytes_received,
        "Actual Rows Fetched": None if report.hides_rows else report.rows_fetched,
        "Actual Rows Returned": report.rows_returned,
        "Actual Rows Hydrated": report.rows_hydrated,
        "Actual Time (ms)": round(report.duration_ms, 3),
        "Actual Cache Hits": report.cache_hits,
        "Actual Calls Saved": report.calls_saved,
        "Actual Age (ms)": round(report.age_ms, 3),
        "Cache Note": report.cache_note,
        "Stale": report.stale,
        "Complete": report.complete,
        "Incomplete Reason": report.incomplete_reason,
        "Misfits": {each.column: each.count for each in report.misfits},
    }


def total_facts(reports: Mapping[str, SourceReport] | None) -> _Facts:
    """Return what all scans of a statement took together; nothing before it has run."""
    if reports is None:
        return {}
    return {
        "Actual API Calls": sum(report.requests for report in reports.values()),
        "Actual Quota Points": [
            {"Source": source} | facts
            for source, spent in _by_source(reports).items()
            for facts in _limit_facts(limits_together(spent))
        ],
    }


def _by_source(reports: Mapping[str, SourceReport]) -> dict[str, list[Spent]]:
    found: dict[str, list[Spent]] = {}
    for report in reports.values():
        found.setdefault(report.source, []).extend(report.spent)
    return found


def _limit_facts(limits: Mapping[str, Taken]) -> list[_Facts]:
    return [
        {"Limit": name, "Points": taken.points, "Answers": taken.calls, "Told By Answers": taken.told}
        for name, taken in limits.items()
    ]


def _calls(count: int) -> str:
    return f"{count} API call{'' if count == 1 else 's'}"


def _takings(limits: Mapping[str, Taken]) -> str:
    return "".join(f", {_points(name, taken)}" for name, taken in limits.items())


def _points(limit: str, taken: Taken) -> str:
    """Write points, and who says that they are so many."""
    what = f"{taken.points} point{'' if taken.points == 1 else 's'} of limit {limit}"
    if taken.told == 0:
        return f"{what} as declared"
    return f"{what} as told" if taken.told == taken.calls else f"{what}, {taken.told} of {taken.calls} answers told"


def _aside(note: str | None) -> str:
    return "" if note is None else f" ({note})"
