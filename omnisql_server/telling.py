"""Telling what a statement got from its sources: the session, the audit and the client; and learning from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from omnisql_server.answers import warn
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import SessionView
from omnisql_server.model.trail import noting_reports
from omnisql_server.session_reports import remember_reports
from omnisql_server.tenant import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Made while the statement is at work, to be used as long as its rows are read."""

    tenant: Tenant
    view: SessionView
    note: Callable[[tuple[SourceReport, ...]], None] = field(default_factory=noting_reports)

    def tell(self, reports: tuple[SourceReport, ...]) -> None:
        """Tell what sources gave."""
        remember_reports(self.view, reports)
        self.note(reports)
        for report in reports:
            warn(report, self.view)

    def tell_soon(self, reports: Callable[[], tuple[SourceReport, ...]]) -> None:
        """Tell the session where to ask what a source has given so far."""
        remember_reports(self.view, reports)

    def learn(self, scan: ScanPlan, report: SourceReport) -> None:
        """Learn from a scan that was read to its end."""
        self.tenant.observe(scan, report)
