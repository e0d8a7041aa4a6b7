"""What is to be said of a scan, made of its plan and its tally. Pure but for the clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from connectors.sdk.scan import Disjunction, Predicate
from omnisql_server.fetch.tally import Tally
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.report import SourceReport


def report_of(plan: ScanPlan, tally: Tally) -> SourceReport:
    """Tell what a scan has taken and given so far; `rows_returned` is filled after policy.

    A pushed predicate is named by column, operator and grade: its value may be policy's secret.
    """
    return SourceReport(
        scan_name=plan.scan_name,
        source=plan.relation.server,
        connector=plan.relation.wrapper,
        table=plan.relation.qualified_name,
        access_path=plan.path.name,
        requests=tally.requests,
        spent=tally.spending.spent,
        pages=tally.pages,
        revalidated=tally.revalidated,
        rows_fetched=tally.rows + tally.passed_over,
        rows_returned=tally.rows,
        bytes_received=tally.bytes_received,
        pushed=tuple(f"{_named(pushed.predicate)} ({pushed.grade.value})" for pushed in plan.pushed),
        not_pushed=tuple((entry.condition, entry.reason) for entry in plan.not_pushed),
        complete=tally.truncated is None,
        incomplete_reason=tally.truncated,
        misfits=tally.misfits_so_far,
        fetched_at=datetime.now(UTC) - timedelta(microseconds=tally.age_us),
        duration_ms=(time.monotonic() - tally.started) * 1000,
        cache_hits=tally.cache_hits,
        calls_saved=tally.calls_saved,
        age_ms=tally.age_us / 1000,
        stale=tally.stale,
        cache_note="; ".join(tally.told()) or None,
        refreshing=tally.refreshing,
        hides_rows=bool(plan.filters),
        resets_at=None if tally.resets_after_s is None else datetime.now(UTC) + timedelta(seconds=tally.resets_after_s),
    )


def _named(asked: Predicate | Disjunction) -> str:
    """Name what was pushed by its columns and operators."""
    if isinstance(asked, Predicate):
        return f"{asked.column} {asked.operator.value}"
    return " or ".join(" and ".join(map(_named, branch)) for branch in asked.branches)
