"""What a session's last statement over API tables got from its sources, kept in the session's own place for state."""

from __future__ import annotations

from collections.abc import Callable

from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import SessionView

_REPORTS = "reports"


def remember_reports(
    view: SessionView, reports: tuple[SourceReport, ...] | Callable[[], tuple[SourceReport, ...]]
) -> None:
    """Keep what a statement got from its sources, or what tells it, unless all it read was this server's own state."""
    if callable(reports) or any(report.connector != INTROSPECTION.name for report in reports):
        view.state[_REPORTS] = reports


def last_reports(view: SessionView) -> tuple[SourceReport, ...]:
    """Return what the session's last statement over API tables got from its sources."""
    reports = view.state.get(_REPORTS, ())
    if callable(reports):
        reports = reports()
    return reports if isinstance(reports, tuple) else ()
