"""GitHub's tables: what each access path reads, what it takes and how faithfully GitHub evaluates it.

After GitHub's REST documentation, version 2022-11-28. Logins and labels compare without regard to case there, times in
whole seconds: both are supersets of what PostgreSQL means.
"""

from __future__ import annotations

from dataclasses import replace

from connectors.github import columns
from connectors.github.aliases import PULLS_MAX
from connectors.sdk.grades import SUPERSET, Operators, at_least, equals, exact_among, ranges, when
from connectors.sdk.scan import Direction, Operator, Value
from connectors.sdk.table import AccessPath, Column, Delta, Hydration, Table

BOTH = frozenset({Direction.ASC, Direction.DESC})
REPOSITORY = ("owner", "repo")
RUNS_FILTERED_MAX = 1000
REPOSITORIES_COUNTED_MAX = 50
RUN_STATUSES = frozenset({"completed", "in_progress", "queued", "requested", "waiting", "pending"})
RUN_CONCLUSIONS = frozenset(
    {"action_required", "cancelled", "failure", "neutral", "skipped", "stale", "success", "timed_out"}
)


def is_login(value: Value) -> bool:
    """Tell whether a value can be sent as a login: `none` and `*` mean something else, bots are spelled otherwise."""
    return isinstance(value, str) and value not in {"", "none", "*"} and not value.endswith("[bot]")


def are_labels(value: Value) -> bool:
    """Tell whether labels can be sent, which are separated by commas."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, str) and v and "," not in v for v in value)


def is_word(value: Value) -> bool:
    """Tell whether a value is text that means itself; GitHub ignores an empty parameter."""
    return isinstance(value, str) and value.strip() == value != ""


_LOGIN = when(is_login)
_WORD = when(is_word)
_POSITIVE = when(lambda value: isinstance(value, int) and value > 0)

ISSUE_OPERATORS: dict[str, Operators] = {
    "state": equals(exact_among("open", "closed")),
    "labels": {Operator.CONTAINS: when(are_labels)},
    "assignee_login": {Operator.EQ: _LOGIN, Operator.IS_NULL: SUPERSET, Operator.IS_NOT_NULL: SUPERSET},
    "user_login": equals(_LOGIN),
    "milestone_number": {Operator.EQ: _POSITIVE, Operator.IS_NULL: SUPERSET, Operator.IS_NOT_NULL: SUPERSET},
    "updated_at": at_least(),
}


def _all(declared: tuple[Column, ...]) -> frozenset[str]:
    return frozenset(column.name for column in declared)


def _counted(*columns: str) -> AccessPath:
    """Return the path that counts rows by state, which is all that some statements need."""
    return AccessPath(
        name="counted",
        request="POST /graphql, totalCount",
        keys=REPOSITORY,
        batch="repo",
        batch_keys_max=REPOSITORIES_COUNTED_MAX,
        columns=frozenset({*REPOSITORY, "state", *columns}),
        counts=True,
    )


REPOSITORIES = Table(
    name="repositories",
    description="Repositories of an owner, or those that the credentials can see.",
    columns=columns.REPOSITORIES,
    primary_key=("id",),
    size_request="GET /user/repos, last page",
    rows_expected=100,
    access_paths=(
        AccessPath(name="by_full_name", request="GET /repos/{owner}/{repo}", keys=("full_name",), single=True),
        AccessPath(name="by_owner_and_name", request="GET /repos/{owner}/{repo}", keys=("owner", "name"), single=True),
        AccessPath(
            name="by_owner",
            request="GET /orgs/{org}/repos, or the same of a user",
            keys=("owner",),
            operators={"private": equals(when(lambda value: value is False)), "fork": equals(SUPERSET)},
            order={"created_at": BOTH},
            parallel=True,
        ),
        AccessPath(
            name="mine",
            request="GET /user/repos",
            operators={"private": equals(when(lambda value: value is False))},
            order={"created_at": BOTH},
            parallel=True,
        ),
    ),
)

ISSUES = Table(
    name="issues",
    description="Issues of a repository; pull requests are among them, see is_pull_request.",
    columns=columns.ISSUES,
    primary_key=("id",),
    size_request="GET /search/issues, total_count",
    access_paths=(
        AccessPath(
            name="by_number",
            request="GET /repos/{owner}/{repo}/issues/{issue_number}",
            keys=(*REPOSITORY, "number"),
            single=True,
        ),
        _counted("is_pull_request"),
        AccessPath(
            name="by_repository",
            request="GET /repos/{owner}/{repo}/issues",
            keys=REPOSITORY,
            operators=ISSUE_OPERATORS,
            order={"created_at": BOTH, "updated_at": BOTH, "comments": BOTH},
            parallel=True,
            # `since`; a deleted or transferred issue, or a label's new name, moves no time.
            delta=Delta(column="updated_at"),
        ),
    ),
)

PULL_REQUESTS = Table(
    name="pull_requests",
    description=f"Pull requests of a repository; merged to commits cost one more request for {PULLS_MAX} rows.",
    columns=columns.PULL_REQUESTS,
    primary_key=("id",),
    hydrations={"detail": Hydration(inputs=(*REPOSITORY, "number"), rows_max=PULLS_MAX)},
    size_request="GET /search/issues, total_count",
    access_paths=(
        AccessPath(
            name="by_number",
            request="GET /repos/{owner}/{repo}/pulls/{pull_number}",
            keys=(*REPOSITORY, "number"),
            single=True,
            columns=_all(columns.PULL_REQUESTS),
        ),
        _counted(),
        AccessPath(
            name="by_repository",
            request="GET /repos/{owner}/{repo}/pulls",
            keys=REPOSITORY,
            operators={
                "state": equals(exact_among("open", "closed")),
                "base_ref": equals(_WORD),
                "updated_at": at_least(),
            },
            order={"created_at": BOTH, "updated_at": BOTH},
            parallel=True,
            delta=Delta(column="updated_at"),
        ),
    ),
)

ISSUE_COMMENTS = Table(
    name="issue_comments",
    description="Comments on the issues and pull requests of a repository.",
    columns=columns.ISSUE_COMMENTS,
    primary_key=("id",),
    size_request="GET /repos/{owner}/{repo}/issues/comments of three repositories, last page",
    access_paths=(
        AccessPath(
            name="by_issue",
            request="GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
            keys=(*REPOSITORY, "issue_number"),
            operators={"updated_at": at_least()},
            parallel=True,
        ),
        AccessPath(
            name="by_repository",
            request="GET /repos/{owner}/{repo}/issues/comments",
            keys=REPOSITORY,
            operators={"updated_at": at_least()},
            order={"created_at": BOTH, "updated_at": BOTH},
            parallel=True,
            delta=Delta(column="updated_at"),
        ),
    ),
)

COMMITS = Table(
    name="commits",
    description="Commits that the default branch contains; by sha also others. Line counts cost a request per row.",
    columns=columns.COMMITS,
    hydrations={"detail": Hydration(inputs=(*REPOSITORY, "sha"))},
    primary_key=("owner", "repo", "sha"),
    size_request="GET /repos/{owner}/{repo}/commits of three repositories, last page",
    access_paths=(
        AccessPath(
            name="by_sha",
            request="GET /repos/{owner}/{repo}/commits/{ref}",
            keys=(*REPOSITORY, "sha"),
            single=True,
            columns=_all(columns.COMMITS),
        ),
        AccessPath(
            name="by_repository",
            request="GET /repos/{owner}/{repo}/commits",
            keys=REPOSITORY,
            operators={
                "committer_date": ranges(),
                "author_login": equals(_LOGIN),
                "author_email": equals(when(lambda value: isinstance(value, str) and "@" in value)),
            },
            parallel=True,
        ),
    ),
)

RELEASES = Table(
    name="releases",
    description="Releases of a repository; drafts only for those who may push.",
    columns=columns.RELEASES,
    primary_key=("id",),
    size_request="GET /repos/{owner}/{repo}/releases of three repositories, last page",
    rows_expected=50,
    access_paths=(
        AccessPath(name="by_repository", request="GET /repos/{owner}/{repo}/releases", keys=REPOSITORY, parallel=True),
    ),
)

WORKFLOW_RUNS = Table(
    name="workflow_runs",
    description="Runs of GitHub Actions; a filtered listing ends after 1,000 rows, which is reported.",
    columns=columns.WORKFLOW_RUNS,
    primary_key=("id",),
    size_request="GET /repos/{owner}/{repo}/actions/runs of three repositories, total_count",
    access_paths=(
        AccessPath(
            name="by_repository", request="GET /repos/{owner}/{repo}/actions/runs", keys=REPOSITORY, parallel=True
        ),
        AccessPath(
            name="by_repository_filtered",
            request="GET /repos/{owner}/{repo}/actions/runs, filtered",
            keys=REPOSITORY,
            operators={
                "status": equals(when(lambda value: value in RUN_STATUSES)),
                "conclusion": equals(when(lambda value: value in RUN_CONCLUSIONS)),
                "event": equals(_WORD),
                "head_branch": equals(_WORD),
                "head_sha": equals(_WORD),
                "actor_login": equals(_LOGIN),
                "created_at": ranges(),
            },
            parallel=True,
            rows_max=RUNS_FILTERED_MAX,
        ),
    ),
)

ORG_MEMBERS = Table(
    name="org_members",
    description="Members of an organization; reading role costs one listing per role.",
    columns=columns.ORG_MEMBERS,
    primary_key=("org", "id"),
    rows_expected=100,
    access_paths=(
        AccessPath(
            name="by_org",
            request="GET /orgs/{org}/members",
            keys=("org",),
            operators={"role": equals(exact_among("admin", "member"))},
            parallel=True,
        ),
    ),
)

LABELS = Table(
    name="labels",
    description="Labels of a repository.",
    columns=columns.LABELS,
    primary_key=("id",),
    size_request="GET /repos/{owner}/{repo}/labels of three repositories, last page",
    rows_expected=30,
    access_paths=(
        AccessPath(name="by_repository", request="GET /repos/{owner}/{repo}/labels", keys=REPOSITORY, parallel=True),
    ),
)

TABLES = tuple(
    # GitHub's entity tags change with what they stand for, and a 304 does not count against the primary rate limit:
    # https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    replace(table, revalidates=True)
    for table in (
        REPOSITORIES,
        ISSUES,
        PULL_REQUESTS,
        ISSUE_COMMENTS,
        COMMITS,
        RELEASES,
        WORKFLOW_RUNS,
        ORG_MEMBERS,
        LABELS,
    )
)
