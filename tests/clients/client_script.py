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
from connectors.simulators.company.model import ForgeItem

ASKED = ("api", "web")
WHERE = "owner = 'acme' AND repo IN ('web', 'api')"
GITHUB_TABLES = (
    *("commits", "issue_comments", "issues", "labels", "org_members", "pull_requests", "releases", "repositories"),
    *("search_issues", "stargazers", "workflow_runs"),
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
        self._repositories = [r for r in company.forge.repositories if r.owner == "acme" and r.team in teams]
        self.statuses = {
            issue.key: issue.status.name
            for project in company.tracker.projects
            if project.team in teams
            for issue in company.tracker.project_issues(project.key)
        }

    def counts(self) -> list[Row]:
        """Count the items of the repositories asked for, by state."""
        found = Counter((name, item.state) for name, item in self.items())
        return [as_row((*key, count)) for key, count in sorted(found.items())]

    def count(self, state: str) -> list[Row]:
        """Count the items of one state."""
        return [as_row((sum(1 for _, item in self.items() if item.state == state),))]

    def joined(self) -> list[Row]:
        """Pair pull requests with the tracker's issue that their title begins with."""
        pairs = [
            (name, item.number, key, self.statuses[key])
            for name, item in self.items()
            if item.pull_request is not None and (key := item.title.split(":")[0]) in self.statuses
        ]
        return [as_row(pair) for pair in sorted(pairs)]

    def numbers(self, last: int) -> list[Row]:
        """List repository and number of the first items."""
        return [as_row((name, item.number)) for name, item in self.items() if item.number <= last]

    def first(self, last: int) -> list[Row]:
        """List the first items of the web repository with values of many types."""
        return [
            as_row(
                (
                    *(item.number, item.id, item.title, item.state_reason, item.is_locked),
                    *(datetime.fromtimestamp(item.created_s, UTC), item.milestone_number),
                )
            )
            for name, item in self.items()
            if name == "web" and item.number <= last
        ]

    def items(self) -> list[tuple[str, ForgeItem]]:
        """List the items of the repositories asked for, by repository."""
        names = [r for r in self._repositories if r.name in ASKED]
        return [(r.name, item) for r in sorted(names, key=lambda r: r.name) for item in self._company.forge.items(r)]


def script(seen: Seen, user: str) -> tuple[Step, ...]:
    """Return the steps for a user who sees that much, in order."""
    return (*_catalog_steps(user), *_query_steps(seen), *_transaction_steps(seen), *_transfer_steps(seen))


def _catalog_steps(user: str) -> tuple[Step, ...]:
    tables = (
        "SELECT foreign_table_name FROM information_schema.foreign_tables"
        " WHERE foreign_table_schema = 'github' ORDER BY 1"
    )
    return (
        Step(name="select 1", sql="SELECT 1", rows=[("1",)]),
        Step(name="who", sql="SELECT current_user, current_database()", rows=[(user, "acme")]),
        Step(name="version", sql="SELECT version() LIKE 'PostgreSQL 18.%'", rows=[("t",)]),
        Step(name="tables", sql=tables, rows=[(name,) for name in GITHUB_TABLES]),
    )


def _query_steps(seen: Seen) -> tuple[Step, ...]:
    counted = f"SELECT repo, state, count(*) FROM github.issues WHERE {WHERE} GROUP BY repo, state ORDER BY repo, state"
    typed = (
        "SELECT number, id, title, state_reason, locked, created_at, milestone_number FROM github.issues"
        " WHERE owner = $1 AND repo = $2 AND number <= $3 ORDER BY number"
    )
    by_state = f"SELECT count(*) FROM github.issues WHERE {WHERE} AND state = $1"
    return (
        Step(name="aggregate", sql=counted, rows=seen.counts()),
        Step(name="join", sql=f"{JOIN} ORDER BY p.repo, p.number", rows=seen.joined()),
        Step(name="parameters", sql=typed, parameter_sets=(("acme", "web", 9),), rows=seen.first(9)),
        Step(
            name="prepared twice",
            act=Act.PREPARED,
            sql=by_state,
            parameter_sets=(("open",), ("closed",)),
            rows=[seen.count("open"), seen.count("closed")],
        ),
    )


def _transaction_steps(seen: Seen) -> tuple[Step, ...]:
    joined = "SELECT repo, number, key, status FROM public.script_pairs ORDER BY repo, number"
    return (
        Step(name="begin", sql="BEGIN"),
        Step(name="view in a block", sql=f"CREATE VIEW public.script_pairs AS {JOIN}"),
        Step(name="select the view", sql=joined, rows=seen.joined()),
        Step(name="rollback", sql="ROLLBACK"),
        Step(name="the view is gone", act=Act.REFUSED, sql=joined, sqlstate="42P01"),
        Step(name="begin again", sql="BEGIN"),
        Step(name="error", act=Act.REFUSED, sql=f"SELECT 1 / 0 FROM github.issues WHERE {WHERE}", sqlstate="22012"),
        Step(name="failed block", act=Act.REFUSED, sql="SELECT 1", sqlstate="25P02"),
        Step(
            name="failed block, over an API table",
            act=Act.REFUSED,
            sql=f"SELECT number FROM github.issues WHERE {WHERE}",
            sqlstate="25P02",
        ),
        Step(name="end of the failed block", sql="ROLLBACK"),
    )


def _transfer_steps(seen: Seen) -> tuple[Step, ...]:
    first = f"SELECT repo, number FROM github.issues WHERE {WHERE} AND number <= 4 ORDER BY repo, number"
    lines = ["\t".join(value or "" for value in row) for row in seen.numbers(4)]
    return (
        Step(name="copy", act=Act.COPIED, sql=f"COPY ({first}) TO STDOUT", rows=lines),
        Step(name="pages", act=Act.PAGED, sql=first, rows=seen.numbers(4)),
        Step(name="make a table", sql=f"CREATE TEMP TABLE script_kept AS {first}"),
        Step(name="write more into it", sql=f"INSERT INTO script_kept {first}"),
        Step(
            name="what was written",
            sql="SELECT DISTINCT repo, number FROM script_kept ORDER BY 1, 2",
            rows=seen.numbers(4),
        ),
        Step(name="how much", sql="SELECT count(*) FROM script_kept", rows=[(str(2 * len(lines)),)]),
        Step(name="cancel", act=Act.CANCELED, sql=LONG_STATEMENT, sqlstate="57014"),
        Step(name="after the cancel", sql=first, rows=seen.numbers(4)),
    )
