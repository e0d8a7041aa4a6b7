"""The one script that every client program runs, with the answers that a user has to get.

The answers are computed from the company that the simulators serve, never from the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from answers import Parameters, Row, as_row

from connectors.simulators.company import Company

ASKED = ("api", "web")
WHERE = "owner = 'acme' AND repo IN ('web', 'api')"
GITHUB_TABLES = (
    *("commits", "issue_comments", "issues", "labels", "org_members", "pull_requests", "releases", "repositories"),
    "workflow_runs",
)
JOIN = (
    "SELECT p.repo, p.number, j.key, j.status FROM github.pull_requests p"
    " JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)"
    " WHERE p.owner = 'acme' AND p.repo IN ('web', 'api')"
)
LONG_STATEMENT = "SELECT count(*) FROM jira.issues WHERE updated >= '2001-01-01 00:00:00+00'"


class Act(StrEnum):
    """What a client is asked to do in a step."""

    ROWS = "rows"
    REFUSED = "refused"
    PREPARED = "prepared"
    COPIED = "copied"
    PAGED = "paged"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: rows (or lines) expected, or the SQLSTATE of a refusal."""

    name: str
    sql: str
    act: Act = Act.ROWS
    parameter_sets: tuple[Parameters, ...] = ((),)
    rows: Sequence[Row] | Sequence[Sequence[Row]] | Sequence[str] = ()
    sqlstate: str = ""


class Seen:
    """What a user sees of the company, given the teams whose rows they may see."""

    def __init__(self, company: Company, teams: Sequence[str]) -> None:
        self._company = company
        self.repositories = [r for r in company.forge.repositories if r.owner == "acme" and r.team in teams]
        self.statuses = {
            issue.key: issue.status.name
            for project in company.tracker.projects
            if project.team in teams
            for issue in company.tracker.issues(project.key)
        }

    def counts(self) -> list[Row]:
        """Count the items of the repositories asked for, by state."""
        found = Counter((name, item.state) for name, item in self._items())
        return [as_row((*key, count)) for key, count in sorted(found.items())]

    def count(self, state: str) -> list[Row]:
        """Count the items of one state."""
        return [as_row((sum(1 for _, item in self._items() if item.state == state),))]

    def joined(self) -> list[Row]:
        """Pair pull requests with the tracker's issue that their title begins with."""
        pairs = [
            (name, item.number, key, self.statuses[key])
            for name, item in self._items()
            if item.pull_request is not None and (key := item.title.split(":")[0]) in self.statuses
        ]
        return [as_row(pair) for pair in sorted(pairs)]

    def numbers(self, last: int) -> list[Row]:
        """List repository and number of the first items."""
        return [as_row((name, item.number)) for name, item in self._items() if item.number <= last]

    def first(self, last: int) -> list[Row]:
        """List the first items of the web repository with values of many types."""
        return [
            as_row(
                (
                    *(item.number, item.id, item.title, item.state_reason, item.is_locked),
                    *(datetime.fromtimestamp(item.created_s, UTC), item.milestone_number),
                )
            )
            for name, item in self._items()
            if name == "web" and item.number <= last
        ]

    def _items(self) -> list[tuple[str, ForgeItem]]:
        names = [r for r in self.repositories if r.name in ASKED]
        return [(r.name, item) for r in sorted(names, key=lambda r: r.name) for item in self._company.forge.items(r)]
