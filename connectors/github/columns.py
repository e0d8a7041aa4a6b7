"""The columns of GitHub's tables, and where their values sit in a decoded row.

Key columns carry the API's own spelling, so that a repository asked for by a former or differently cased name fails the
caller's predicate exactly as it would in PostgreSQL.
"""

from __future__ import annotations

from connectors.sdk.extract import Extract, matched, number, present
from connectors.sdk.table import Column

_REPOSITORY_URL = r"/repos/([^/]+)/[^/]+"
_REPOSITORY_NAME = r"/repos/[^/]+/([^/]+)"


def _columns(*declared: str, hydrate: str | None = None) -> tuple[Column, ...]:
    """Read `name type [path]` declarations; a `!` after the type forbids null."""
    columns = []
    for text in declared:
        name, kind, *path = text.split()
        columns.append(
            Column(
                name=name,
                type_name=kind.rstrip("!"),
                path=path[0] if path else name,
                hydrate=hydrate,
                nullable=not kind.endswith("!"),
            )
        )
    return tuple(columns)


REPOSITORIES = _columns(
    "id int8!", "node_id text", "owner text! owner.login", "name text!", "full_name text!", "private bool!",
    "fork bool!", "archived bool", "language text", "default_branch text", "stargazers_count int4", "forks_count int4",
    "open_issues_count int4", "topics text[]", "license text license.spdx_id", "created_at timestamptz!",
    "updated_at timestamptz!", "pushed_at timestamptz", "description text", "html_url text",
)  # fmt: skip

ISSUES = _columns(
    "owner text! repository_url", "repo text! repository_url", "number int4!", "id int8!", "title text!", "body text",
    "state text!", "state_reason text", "user_login text user.login", "assignee_login text assignee.login",
    "labels text[] labels[*].name", "milestone_number int4 milestone.number", "comments int4!", "locked bool!",
    "created_at timestamptz!", "updated_at timestamptz!", "closed_at timestamptz",
    "is_pull_request bool! pull_request", "html_url text",
)  # fmt: skip

PULL_REQUESTS = (
    *_columns(
        "owner text! base.repo.owner.login", "repo text! base.repo.name", "number int4!", "id int8!", "title text!",
        "body text", "state text!", "draft bool", "locked bool", "user_login text user.login",
        "assignee_login text assignee.login", "labels text[] labels[*].name",
        "milestone_number int4 milestone.number", "head_ref text head.ref", "head_sha text head.sha",
        "base_ref text base.ref", "merge_commit_sha text", "created_at timestamptz!", "updated_at timestamptz!",
        "closed_at timestamptz", "merged_at timestamptz", "html_url text",
    ),
    *_columns(
        "merged bool", "mergeable bool", "additions int4", "deletions int4", "changed_files int4", "commits int4",
        hydrate="detail",
    ),
)  # fmt: skip

ISSUE_COMMENTS = _columns(
    "owner text! issue_url", "repo text! issue_url", "issue_number int4! issue_url", "id int8!",
    "user_login text user.login", "body text", "created_at timestamptz!", "updated_at timestamptz!", "html_url text",
)  # fmt: skip

COMMITS = (
    *_columns(
        "owner text! url", "repo text! url", "sha text!", "author_login text author.login",
        "author_name text commit.author.name", "author_email text commit.author.email",
        "author_date timestamptz commit.author.date", "committer_login text committer.login",
        "committer_date timestamptz commit.committer.date", "message text commit.message",
        "parents text[] parents[*].sha", "html_url text",
    ),
    *_columns("additions int4 stats.additions", "deletions int4 stats.deletions", "files jsonb", hydrate="detail"),
)  # fmt: skip

RELEASES = _columns(
    "owner text! url", "repo text! url", "id int8!", "tag_name text!", "name text", "body text", "draft bool!",
    "prerelease bool!", "target_commitish text", "author_login text author.login", "created_at timestamptz!",
    "published_at timestamptz", "html_url text",
)  # fmt: skip

WORKFLOW_RUNS = _columns(
    "owner text! repository.owner.login", "repo text! repository.name", "id int8!", "name text", "head_branch text",
    "head_sha text", "event text", "status text", "conclusion text", "actor_login text actor.login",
    "run_number int4", "run_attempt int4", "created_at timestamptz!", "updated_at timestamptz!",
    "run_started_at timestamptz", "html_url text",
)  # fmt: skip

ORG_MEMBERS = _columns(
    "org text!", "login text!", "id int8!", "type text", "site_admin bool", "role text!", "html_url text"
)

LABELS = _columns(
    "owner text! url", "repo text! url", "id int8!", "name text!", "color text", "is_default bool default",
    "description text",
)  # fmt: skip


def _from_url(field: str) -> dict[str, Extract]:
    return {"owner": matched(field, _REPOSITORY_URL), "repo": matched(field, _REPOSITORY_NAME)}


EXTRACTORS: dict[str, dict[str, Extract]] = {
    "issues": {**_from_url("repository_url"), "is_pull_request": present("pull_request")},
    "issue_comments": {**_from_url("issue_url"), "issue_number": number(matched("issue_url", r"/issues/(\d+)$"))},
    "commits": _from_url("url"),
    "releases": _from_url("url"),
    "labels": _from_url("url"),
}
"""Functions that take the place of a column's path, by table."""
