"""Questions that people ask across GitHub and Jira, each with the least calls that the APIs' documentation allows.

A hand plan is a sequence of terms whose sizes are counted by statements, so that it is right for any number of issues.
Declarations only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WEB = "owner = 'acme' AND repo = 'web'"
OWN = "owner = 'acme' AND repo IN ('web', 'api', 'billing')"


class Reading(StrEnum):
    """How a term reads: a listing page by page, one after the other or many at once, or a request for each row."""

    PAGES = "pages"
    SERIAL_PAGES = "pages, one after the other"
    EACH = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One step of a hand plan: what it reads, counted by `count`, and how many rows a request gives."""

    count: str
    size: int = 100
    reading: Reading = Reading.PAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, its hand plan with the derivation in words, and what reading the tables in full would ask for."""

    name: str
    sql: str
    why: str
    hand: tuple[Term, ...]
    naive: tuple[str, ...]


def one() -> Term:
    """Return the term of a single request."""
    return Term(count="SELECT 1")


def pages(count: str, size: int = 100) -> Term:
    """Return the term of a listing whose pages are read many at once."""
    return Term(count=f"SELECT count(*) FROM {count}", size=size)


def search(count: str, size: int = 100) -> Term:
    """Return the term of a Jira search, whose pages follow each other."""
    return Term(count=f"SELECT count(*) FROM {count}", size=size, reading=Reading.SERIAL_PAGES)


def each(count: str) -> Term:
    """Return the term of one request for each row."""
    return Term(count=f"SELECT count(*) FROM {count}", reading=Reading.EACH)


ISSUES = f"SELECT id, title FROM github.issues WHERE {WEB}"
PULLS = f"SELECT id, title FROM github.pull_requests WHERE {WEB}"
COMMENTS = f"SELECT id, body FROM github.issue_comments WHERE {WEB}"
RUNS = f"SELECT id, name FROM github.workflow_runs WHERE {WEB}"
COMMITS = f"SELECT sha, message FROM github.commits WHERE {WEB}"
REPOSITORIES = "SELECT id, full_name FROM github.repositories"
TICKETS = "SELECT id, summary FROM jira.issues"
BOARDS, PROJECTS = "SELECT id, name FROM jira.boards", "SELECT id, name FROM jira.projects"
USERS = "SELECT account_id, display_name FROM jira.users"


def _question(name: str, sql: str, why: str, *hand: Term, naive: tuple[str, ...]) -> Question:
    return Question(name=name, sql=sql, why=why, hand=hand, naive=naive)


QUESTIONS = (
    _question(
        "open issues of a repository",
        f"SELECT number, title FROM github.issues WHERE {WEB} AND state = 'open' AND NOT is_pull_request",
        "state is a parameter; pull requests cannot be left out",
        pages(f"github.issues WHERE {WEB} AND state = 'open'"),
        naive=(ISSUES,),
    ),
    _question(
        "ten newest issues",
        f"SELECT number, title FROM github.issues WHERE {WEB} ORDER BY created_at DESC LIMIT 10",
        "sorted by the API, one page of ten",
        one(),
        naive=(ISSUES,),
    ),
    _question(
        "one issue",
        f"SELECT title, state FROM github.issues WHERE {WEB} AND number = 7",
        "by its number",
        one(),
        naive=(ISSUES,),
    ),
    _question(
        "bugs of a repository",
        f"SELECT number, title FROM github.issues WHERE {WEB} AND labels @> ARRAY['bug']",
        "labels is a parameter",
        pages(f"github.issues WHERE {WEB} AND labels @> ARRAY['bug']"),
        naive=(ISSUES,),
    ),
    _question(
        "open issues without assignee",
        f"SELECT number, title FROM github.issues WHERE {WEB} AND state = 'open' AND assignee_login IS NULL",
        "assignee=none with state=open",
        pages(f"github.issues WHERE {WEB} AND state = 'open' AND assignee_login IS NULL"),
        naive=(ISSUES,),
    ),
    _question(
        "issues touched in the last month",
        f"SELECT number, title FROM github.issues WHERE {WEB} AND updated_at >= '2025-12-01Z'::timestamptz",
        "since is a parameter",
        pages(f"github.issues WHERE {WEB} AND updated_at >= '2025-12-01Z'::timestamptz"),
        naive=(ISSUES,),
    ),
    _question(
        "open pull requests to main",
        f"SELECT number, title FROM github.pull_requests WHERE {WEB} AND state = 'open' AND base_ref = 'main'",
        "state and base are parameters",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'open' AND base_ref = 'main'"),
        naive=(PULLS,),
    ),
    _question(
        "size of the five newest pull requests",
        f"SELECT number, additions FROM github.pull_requests WHERE {WEB} ORDER BY created_at DESC LIMIT 5",
        "one page of five, then the additions of all five by one query with aliases",
        one(),
        one(),
        naive=(PULLS, f"SELECT number, additions FROM github.pull_requests WHERE {WEB}"),
    ),
    _question(
        "open items in three repositories, counted",
        f"SELECT count(*) FROM github.issues WHERE {OWN} AND state = 'open'",
        "a search over the three tells the total: one call",
        one(),
        naive=(f"SELECT id, title FROM github.issues WHERE {OWN}",),
    ),
    _question(
        "comments on one issue",
        f"SELECT user_login, body FROM github.issue_comments WHERE {WEB} AND issue_number = 7",
        "the listing of the issue",
        pages(f"github.issue_comments WHERE {WEB} AND issue_number = 7"),
        naive=(COMMENTS,),
    ),
    _question(
        "commits of two months by one author",
        f"SELECT sha, message FROM github.commits WHERE {WEB} AND author_login = 'dana-muller'"
        " AND committer_date >= '2025-06-01Z'::timestamptz",
        "author and since are parameters",
        pages(
            f"github.commits WHERE {WEB} AND author_login = 'dana-muller'"
            " AND committer_date >= '2025-06-01Z'::timestamptz"
        ),
        naive=(COMMITS,),
    ),
    _question(
        "failed runs on main",
        f"SELECT id, name FROM github.workflow_runs WHERE {WEB} AND conclusion = 'failure' AND head_branch = 'main'",
        "status and branch are parameters",
        pages(f"github.workflow_runs WHERE {WEB} AND conclusion = 'failure' AND head_branch = 'main'"),
        naive=(RUNS,),
    ),
    _question(
        "releases of every repository",
        "SELECT r.full_name, l.tag_name FROM github.repositories r"
        " JOIN github.releases l ON l.owner = r.owner AND l.repo = r.name",
        "the repositories, then the releases of each",
        one(),
        each("github.repositories"),
        naive=(REPOSITORIES,),
    ),
    _question(
        "labels of every repository",
        "SELECT r.full_name, l.name FROM github.repositories r"
        " JOIN github.labels l ON l.owner = r.owner AND l.repo = r.name",
        "the repositories, then the labels of each",
        one(),
        each("github.repositories"),
        naive=(REPOSITORIES,),
    ),
    _question(
        "open pull requests with the comments of their issues counted",
        "SELECT p.number, i.comments FROM github.pull_requests p JOIN github.issues i"
        " ON i.owner = p.owner AND i.repo = p.repo AND i.number = p.number"
        " WHERE p.owner = 'acme' AND p.repo = 'web' AND p.state = 'open'"
        " AND i.owner = 'acme' AND i.repo = 'web'",
        "open pull requests; the issues in full are fewer pages than pull requests",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'open'"),
        pages(f"github.issues WHERE {WEB}"),
        naive=(PULLS, ISSUES),
    ),
    _question(
        "comments on the pull requests to release that are open",
        "SELECT p.number, c.body FROM github.pull_requests p JOIN github.issue_comments c"
        " ON c.owner = p.owner AND c.repo = p.repo AND c.issue_number = p.number"
        " WHERE p.owner = 'acme' AND p.repo = 'web' AND p.state = 'open' AND p.base_ref = 'release'"
        " AND c.owner = 'acme' AND c.repo = 'web'",
        "few pull requests, then the comments of each",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'open' AND base_ref = 'release'"),
        each(f"github.pull_requests WHERE {WEB} AND state = 'open' AND base_ref = 'release'"),
        naive=(PULLS, COMMENTS),
    ),
    _question(
        "issues of a milestone",
        f"SELECT number, title FROM github.issues WHERE {WEB} AND milestone_number = 2",
        "milestone is a parameter",
        pages(f"github.issues WHERE {WEB} AND milestone_number = 2"),
        naive=(ISSUES,),
    ),
    _question(
        "members who opened no issue",
        "SELECT login FROM github.org_members m WHERE org = 'acme' AND NOT EXISTS"
        " (SELECT FROM github.issues i WHERE i.owner = 'acme' AND i.repo = 'web' AND i.user_login = m.login)",
        "the members and, to have them spelled, the organization; then all issues",
        one(),
        one(),
        pages(f"github.issues WHERE {WEB}"),
        naive=("SELECT login FROM github.org_members WHERE org = 'acme'", ISSUES),
    ),
    _question(
        "open tickets of a project",
        "SELECT key, summary FROM jira.issues WHERE project_key = 'WEB' AND status_category <> 'Done'",
        "one JQL query",
        search("jira.issues WHERE project_key = 'WEB' AND status_category <> 'Done'"),
        naive=(TICKETS,),
    ),
    _question(
        "changes of the ten pull requests that were merged last",
        f"SELECT number, additions, deletions FROM github.pull_requests WHERE {WEB} AND state = 'closed'"
        " AND merged_at IS NOT NULL ORDER BY merged_at DESC LIMIT 10",
        "the closed ones, for nothing sorts by the time of the merge; then the changes of ten by one query of aliases",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'closed'"),
        one(),
        naive=(PULLS, f"SELECT number, additions FROM github.pull_requests WHERE {WEB}"),
    ),
    _question(
        "tickets of a project, counted",
        "SELECT count(*) FROM jira.issues WHERE project_key = 'WEB'",
        "bare identities come 5,000 at a time; the approximate count is not exact",
        search("jira.issues WHERE project_key = 'WEB'", 5000),
        naive=(TICKETS,),
    ),
    _question(
        "active sprints of scrum boards",
        "SELECT b.name, s.name FROM jira.boards b JOIN jira.sprints s ON s.board_id = b.id"
        " WHERE b.type = 'scrum' AND s.state = 'active'",
        "the boards by type, then the sprints of each by state",
        one(),
        each("jira.boards WHERE type = 'scrum'"),
        naive=(BOARDS, "SELECT id FROM jira.sprints WHERE board_id IN (1, 2, 3, 4)"),
    ),
    _question(
        "comments on the ten newest tickets",
        "SELECT c.issue_key, c.body FROM (SELECT key FROM jira.issues ORDER BY created DESC LIMIT 10) i"
        " JOIN jira.issue_comments c ON c.issue_key = i.key",
        "ten tickets, then the comments of each",
        one(),
        each("(SELECT key FROM jira.issues ORDER BY created DESC LIMIT 10) s"),
        naive=(TICKETS,),
    ),
    _question(
        "work logged on a project's tickets resolved in December",
        "SELECT w.issue_key, w.time_spent_s FROM jira.issues i JOIN jira.issue_worklogs w ON w.issue_key = i.key"
        " WHERE i.project_key = 'MOB' AND i.resolved >= '2025-12-01Z'::timestamptz",
        "the tickets, then the work of each",
        search("jira.issues WHERE project_key = 'MOB' AND resolved >= '2025-12-01Z'::timestamptz"),
        each("jira.issues WHERE project_key = 'MOB' AND resolved >= '2025-12-01Z'::timestamptz"),
        naive=(TICKETS,),
    ),
    _question(
        "open bugs by project name",
        "SELECT p.name, count(*) FROM jira.projects p JOIN jira.issues i ON i.project_key = p.key"
        " WHERE i.issue_type = 'Bug' AND i.status_category <> 'Done' GROUP BY p.name",
        "the projects, and the open bugs of all of them",
        one(),
        search("jira.issues WHERE issue_type = 'Bug' AND status_category <> 'Done'"),
        naive=(PROJECTS, TICKETS),
    ),
    _question(
        "tickets without assignee that are due",
        "SELECT key FROM jira.issues WHERE assignee_account_id IS NULL AND due_date < '2026-01-01'"
        " AND status_category <> 'Done'",
        "one JQL query for keys alone",
        search(
            "jira.issues WHERE assignee_account_id IS NULL AND due_date < '2026-01-01' AND status_category <> 'Done'",
            5000,
        ),
        naive=(TICKETS,),
    ),
    _question(
        "parents of the sub-tasks in progress",
        "SELECT c.key, p.summary FROM jira.issues c JOIN jira.issues p ON p.key = c.parent_key"
        " WHERE c.issue_type = 'Sub-task' AND c.status_category = 'In Progress' AND c.project_key = 'WEB'",
        "the sub-tasks, then their parents a hundred keys at a time",
        search("jira.issues WHERE issue_type = 'Sub-task' AND status_category = 'In Progress' AND project_key = 'WEB'"),
        search(
            "(SELECT DISTINCT parent_key FROM jira.issues WHERE issue_type = 'Sub-task'"
            " AND status_category = 'In Progress' AND project_key = 'WEB') s"
        ),
        naive=(TICKETS, TICKETS),
    ),
    _question(
        "active accounts and their open tickets in a project",
        "SELECT u.display_name, count(*) FROM jira.users u JOIN jira.issues i ON i.assignee_account_id = u.account_id"
        " WHERE u.active AND i.project_key = 'DATA' AND i.status_category <> 'Done' GROUP BY u.display_name",
        "the accounts, of which the server gives fewer than it is asked for and only an empty page is the end: two"
        " pages and an empty one; and the open tickets",
        one(),
        one(),
        one(),
        search("jira.issues WHERE project_key = 'DATA' AND status_category <> 'Done'"),
        naive=(USERS, TICKETS),
    ),
    _question(
        "files that open pull requests change for tickets in review",
        "SELECT j.key, sum(p.changed_files) FROM github.pull_requests p"
        " JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)"
        " WHERE p.owner = 'acme' AND p.repo = 'web' AND p.state = 'open' AND j.status = 'In Review' GROUP BY j.key",
        "the pull requests, the tickets a hundred keys at a time, then the files of those in review fifty at a time",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'open'"),
        search(f"github.pull_requests WHERE {WEB} AND state = 'open'"),
        pages(
            "github.pull_requests p JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)"
            " WHERE p.owner = 'acme' AND p.repo = 'web' AND p.state = 'open' AND j.status = 'In Review'",
            size=50,
        ),
        naive=(f"SELECT number, additions FROM github.pull_requests WHERE {WEB}", TICKETS),
    ),
    _question(
        "tickets named by open pull requests",
        "SELECT p.number, j.status FROM github.pull_requests p"
        " JOIN jira.issues j ON j.key = split_part(p.title, ':', 1)"
        " WHERE p.owner = 'acme' AND p.repo = 'web' AND p.state = 'open'",
        "the pull requests, then the tickets a hundred keys at a time",
        pages(f"github.pull_requests WHERE {WEB} AND state = 'open'"),
        search(f"github.pull_requests WHERE {WEB} AND state = 'open'"),
        naive=(PULLS, TICKETS),
    ),
)
