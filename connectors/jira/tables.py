"""Jira's tables beside issues: projects, users, what hangs on an issue, boards and sprints.

After the documentation of the Jira Cloud platform REST API, version 3, and of the Jira Software API.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.jira.issues import issue_model
from connectors.sdk.extract import Extract, adf_text, number
from connectors.sdk.grades import equals, exact_among, ranges, when
from connectors.sdk.scan import Direction
from connectors.sdk.table import AccessPath, Column, Table

_BOTH = frozenset({Direction.ASC, Direction.DESC})
PROJECT_KEYS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Where a table's rows are: the template, the list's name in the body (empty: the body itself), the page size.

    `hides_rows` says that rows which may not be seen are left out after a page was cut.
    """

    template: str
    rows_at: str
    page_rows_max: int
    extractors: dict[str, Extract] = field(default_factory=dict)
    hides_rows: bool = False


def _columns(*declared: str) -> tuple[Column, ...]:
    """Read `name type [path]` declarations; a `!` after the type forbids null."""
    columns = []
    for text in declared:
        name, kind, *path = text.split()
        where = path[0] if path else name
        columns.append(Column(name=name, type_name=kind.rstrip("!"), path=where, nullable=not kind.endswith("!")))
    return tuple(columns)


PROJECTS = Table(
    name="projects",
    description="Projects that the credentials can see, archived ones excepted.",
    columns=_columns(
        "id int8! id", "key text! key", "name text! name", "description text", "project_type_key text projectTypeKey",
        "style text", "is_private bool isPrivate", "category_name text projectCategory.name",
        "lead_account_id text lead.accountId", "lead_name text lead.displayName",
    ),
    primary_key=("id",),
    rows_expected=100,
    size_request="GET /rest/api/3/project/search, total",
    access_paths=(
        AccessPath(
            name="by_key",
            request="GET /rest/api/3/project/search, keys",
            keys=("key",),
            batch="key",
            batch_keys_max=PROJECT_KEYS_MAX,
            single=True,
        ),
        AccessPath(
            name="all",
            request="GET /rest/api/3/project/search",
            operators={
                "project_type_key": equals(when(lambda value: value in {"business", "service_desk", "software"}))
            },
            parallel=True,
        ),
    ),
)  # fmt: skip

USERS = Table(
    name="users",
    description="Accounts of the site; addresses are hidden unless their owners show them.",
    columns=_columns(
        "account_id text! accountId", "account_type text accountType", "display_name text displayName",
        "email text emailAddress", "active bool", "time_zone text timeZone",
    ),
    primary_key=("account_id",),
    access_paths=(AccessPath(name="all", request="GET /rest/api/3/users/search", page_rows_max=1000),),
)  # fmt: skip

ISSUE_COMMENTS = Table(
    name="issue_comments",
    description="Comments on an issue.",
    columns=_columns(
        "issue_key text! issue_key", "id int8!", "author_account_id text author.accountId",
        "author_name text author.displayName", "body text", "body_adf jsonb body", "created timestamptz!",
        "updated timestamptz",
    ),
    primary_key=("issue_key", "id"),
    rows_expected=5,
    access_paths=(
        AccessPath(
            name="by_issue",
            request="GET /rest/api/3/issue/{issueIdOrKey}/comment",
            keys=("issue_key",),
            order={"created": _BOTH},
            parallel=True,
        ),
    ),
)  # fmt: skip

ISSUE_WORKLOGS = Table(
    name="issue_worklogs",
    description="Work logged on an issue.",
    columns=_columns(
        "issue_key text! issue_key", "issue_id int8 issueId", "id int8!", "author_account_id text author.accountId",
        "author_name text author.displayName", "comment text", "comment_adf jsonb comment", "started timestamptz",
        "time_spent_s int4 timeSpentSeconds", "created timestamptz!", "updated timestamptz",
    ),
    primary_key=("issue_key", "id"),
    rows_expected=3,
    access_paths=(
        AccessPath(
            name="by_issue",
            request="GET /rest/api/3/issue/{issueIdOrKey}/worklog",
            keys=("issue_key",),
            operators={"started": ranges()},
            page_rows_max=5000,
        ),
    ),
)  # fmt: skip

ISSUE_CHANGELOG = Table(
    name="issue_changelog",
    description="History of an issue, one row for each field that a change touched.",
    columns=_columns(
        "issue_key text! issue_key", "id int8!", "item int4! item_number", "author_account_id text author.accountId",
        "author_name text author.displayName", "created timestamptz!", "field text item.field",
        "field_id text item.fieldId", "field_type text item.fieldtype", "from_id text item.from",
        "from_text text item.fromString", "to_id text item.to", "to_text text item.toString",
    ),
    primary_key=("issue_key", "id", "item"),
    rows_expected=10,
    access_paths=(
        AccessPath(
            name="by_issue",
            request="GET /rest/api/3/issue/{issueIdOrKey}/changelog",
            keys=("issue_key",),
            parallel=True,
        ),
    ),
)  # fmt: skip

BOARDS = Table(
    name="boards",
    description="Scrum and kanban boards.",
    columns=_columns(
        "id int8!", "name text!", "type text!", "project_key text location.projectKey",
        "project_id int8 location.projectId", "project_name text location.projectName",
    ),
    primary_key=("id",),
    rows_expected=50,
    size_request="GET /rest/agile/1.0/board, total",
    access_paths=(
        AccessPath(
            name="all",
            request="GET /rest/agile/1.0/board",
            operators={"type": equals(when(lambda value: value in {"scrum", "kanban", "simple"}))},
            page_rows_max=50,
            parallel=True,
        ),
    ),
)  # fmt: skip

SPRINTS = Table(
    name="sprints",
    description="Sprints that a board shows; a kanban board shows none.",
    columns=_columns(
        "board_id int8! board_id", "id int8!", "name text!", "state text!", "goal text",
        "origin_board_id int8 originBoardId", "created timestamptz createdDate", "start_date timestamptz startDate",
        "end_date timestamptz endDate", "complete_date timestamptz completeDate",
    ),
    primary_key=("board_id", "id"),
    rows_expected=30,
    access_paths=(
        AccessPath(
            name="by_board",
            request="GET /rest/agile/1.0/board/{boardId}/sprint",
            keys=("board_id",),
            operators={"state": equals(exact_among("active", "closed", "future"))},
            page_rows_max=50,
            parallel=True,
        ),
    ),
)  # fmt: skip

TABLES = (
    issue_model().table,
    PROJECTS,
    USERS,
    ISSUE_COMMENTS,
    ISSUE_WORKLOGS,
    ISSUE_CHANGELOG,
    BOARDS,
    SPRINTS,
)

LISTINGS = {
    "projects": Listing(
        template="/rest/api/3/project/search", rows_at="values", page_rows_max=100, extractors={"id": number("id")}
    ),
    "users": Listing(template="/rest/api/3/users/search", rows_at="", page_rows_max=1000, hides_rows=True),
    "issue_comments": Listing(
        template="/rest/api/3/issue/{issueIdOrKey}/comment",
        rows_at="comments",
        page_rows_max=100,
        extractors={"id": number("id"), "body": adf_text("body")},
    ),
    "issue_worklogs": Listing(
        template="/rest/api/3/issue/{issueIdOrKey}/worklog",
        rows_at="worklogs",
        page_rows_max=5000,
        extractors={"id": number("id"), "issue_id": number("issueId"), "comment": adf_text("comment")},
    ),
    "issue_changelog": Listing(
        template="/rest/api/3/issue/{issueIdOrKey}/changelog",
        rows_at="values",
        page_rows_max=100,
        extractors={"id": number("id")},
    ),
    "boards": Listing(template="/rest/agile/1.0/board", rows_at="values", page_rows_max=50),
    "sprints": Listing(template="/rest/agile/1.0/board/{boardId}/sprint", rows_at="values", page_rows_max=50),
}
