"""Projects, users, the catalogs of fields and values, boards and sprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.simulators.company import Person
from connectors.simulators.company.model import Board, Project
from connectors.simulators.company.tracker_issues import ISSUE_TYPES, PRIORITIES, RESOLUTIONS, STATUSES
from connectors.simulators.jira import render
from connectors.simulators.jira.exchange import View, listed_values, page_bean, start_and_rows, view_of
from connectors.simulators.jira.issue_fields import ISSUE_FIELDS
from connectors.simulators.jira.rules import bad_request, error_body
from connectors.simulators.vendor import ApiError, json_response

PAGE_ROWS_DEFAULT = 50
PROJECTS_MAX = 100
USERS_MAX = 1000
SPRINT_STATES = ("future", "active", "closed")
_PROJECT_STATUSES = {"live", "archived", "deleted"}


async def search_projects(request: web.Request) -> web.Response:
    """`GET /rest/api/3/project/search`."""
    view = view_of(request)
    statuses = set(listed_values(request, "status")) or {"live"}
    if not statuses <= _PROJECT_STATUSES:
        raise bad_request(f"The status must be one of {', '.join(sorted(_PROJECT_STATUSES))}.")
    # All projects of this company are live.
    found = [p for p in view.site.company.tracker.projects if "live" in statuses and _is_wanted(request, p)]
    ordered = _ordered(view, found, request.query.get("orderBy", "key"))
    expand = set(listed_values(request, "expand"))
    bean = page_bean(
        request,
        ordered,
        lambda found: _project(view, found, expand),
        rows_default=PAGE_ROWS_DEFAULT,
        rows_max=PROJECTS_MAX,
    )
    return json_response(bean)


async def list_users(request: web.Request) -> web.Response:
    """`GET /rest/api/3/users/search`: pages are cut before accounts are hidden, so a short one is not the last."""
    view = view_of(request)
    start, rows = start_and_rows(request, PAGE_ROWS_DEFAULT, USERS_MAX)
    page = view.site.company.people[start : start + rows]
    return json_response([render.account(view, person) for person in page if not _is_hidden(person)])


async def find_users(request: web.Request) -> web.Response:
    """`GET /rest/api/3/user/search`: active users whose name or address has a word that starts with the query."""
    view = view_of(request)
    query, account_id = request.query.get("query"), request.query.get("accountId")
    if query is None and account_id is None and "property" not in request.query:
        raise bad_request("The query parameter is required.")
    wanted = (query or "").lower()

    def is_found(person: Person) -> bool:
        words = [*person.name.lower().split(), person.name.lower(), (person.public_email or "").lower()]
        matches = person.account_id == account_id if account_id else any(w.startswith(wanted) for w in words)
        return matches and person.is_active and not _is_hidden(person)

    start, rows = start_and_rows(request, PAGE_ROWS_DEFAULT, USERS_MAX)
    found = [person for person in view.site.company.people if is_found(person)]
    return json_response([render.account(view, person) for person in found[start : start + rows]])


async def show_own_user(request: web.Request) -> web.Response:
    """`GET /rest/api/3/myself`."""
    view = view_of(request)
    return json_response({**render.account(view, view.site.user), "locale": "en_US"})


async def list_fields(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's signature
    """`GET /rest/api/3/field`; key and project are fields without a type or without a renderer."""
    key = {"id": "issuekey", "key": "issuekey", "name": "Key", "custom": False, "orderable": False}
    key |= {"navigable": True, "searchable": False, "clauseNames": ["id", "issue", "issuekey", "key"]}
    return json_response([key, *(field.to_json() for field in ISSUE_FIELDS)])


async def list_statuses(request: web.Request) -> web.Response:
    """`GET /rest/api/3/status`."""
    view = view_of(request)
    return json_response([render.status(view, found) for found in STATUSES])


async def list_priorities(request: web.Request) -> web.Response:
    """`GET /rest/api/3/priority`."""
    view = view_of(request)
    return json_response(
        [
            {
                **render.priority(view, found),
                "statusColor": found.color,
                "description": "",
                "isDefault": found.name == "Medium",
            }
            for found in PRIORITIES
        ]
    )


async def list_issue_types(request: web.Request) -> web.Response:
    """`GET /rest/api/3/issuetype`."""
    view = view_of(request)
    return json_response([render.issue_type(view, found) for found in ISSUE_TYPES])


async def list_resolutions(request: web.Request) -> web.Response:
    """`GET /rest/api/3/resolution`."""
    view = view_of(request)
    return json_response([render.named(view, "resolution", found) for found in RESOLUTIONS])


async def show_server(request: web.Request) -> web.Response:
    """`GET /rest/api/3/serverInfo`, which needs no authentication."""
    view = view_of(request)
    return json_response(
        {
            "baseUrl": view.base,
            "displayUrl": view.base,
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "buildNumber": 100_300,
            "buildDate": render.timestamp(view, 1_700_000_000_000),
            "serverTime": render.timestamp(view, int(view.site.company.epoch.timestamp() * 1000)),
            "scmInfo": "",
            "serverTitle": "Jira",
            "serverTimeZone": view.site.user.time_zone,
        }
    )


async def list_boards(request: web.Request) -> web.Response:
    """`GET /rest/agile/1.0/board`."""
    view = view_of(request)
    kinds = set(listed_values(request, "type"))
    place = request.query.get("projectKeyOrId")
    project = view.site.company.tracker.project(place) if place else None
    if place and project is None:
        raise bad_request(f"No project could be found with key or id '{place}'.")
    name = request.query.get("name", "").lower()
    found = [
        board
        for board in view.site.company.tracker.boards
        if (not kinds or board.kind in kinds)
        and (project is None or board.project_key == project.key)
        and name in board.name.lower()
    ]
    return json_response(_agile_page(request, found, lambda board: _board(view, board)))


async def list_sprints(request: web.Request) -> web.Response:
    """`GET /rest/agile/1.0/board/{board}/sprint`; a kanban board has none and says so with a 400."""
    view = view_of(request)
    number = int(request.match_info["board"])
    board = next((b for b in view.site.company.tracker.boards if b.id == number), None)
    if board is None:
        message = "The requested board cannot be viewed because it either does not exist or you do not have permission."
        raise ApiError(404, error_body(message))
    if board.kind != "scrum":
        raise bad_request("The board does not support sprints")
    states = set(listed_values(request, "state"))
    if not states <= set(SPRINT_STATES):
        raise bad_request(f"The state must be one of {', '.join(SPRINT_STATES)}.")
    found = [s for s in view.site.company.tracker.sprints(board.id) if not states or s.state in states]
    return json_response(_agile_page(request, found, lambda sprint: render.sprint(view, sprint)))


def _is_hidden(person: Person) -> bool:
    # Every eleventh account belongs to somebody whom this user may not see.
    return person.forge_id % 11 == 10


def _is_wanted(request: web.Request, project: Project) -> bool:
    query = request.query
    keys, identifiers = {key.upper() for key in listed_values(request, "keys")}, set(listed_values(request, "id"))
    text = query.get("query", "").lower()
    return (
        (not keys or project.key in keys)
        and (not identifiers or str(project.id) in identifiers)
        and (not text or text in project.key.lower() or text in project.name.lower())
        and "software" in query.get("typeKey", "software").split(",")
    )


def _ordered(view: View, projects: list[Project], order: str) -> list[Project]:
    tracker = view.site.company.tracker
    keys: dict[str, Callable[[Project], Any]] = {
        "key": lambda p: p.key,
        "name": lambda p: p.name,
        "owner": lambda p: p.lead,
        "category": lambda p: p.key,
        "issueCount": lambda p: (p.issues_count, p.key),
        "lastIssueUpdatedDate": lambda p: max(i.updated_ms for i in tracker.project_issues(p.key)),
        "lastIssueUpdatedTime": lambda p: max(i.updated_ms for i in tracker.project_issues(p.key)),
    }
    name = order.lstrip("+-")
    if name not in keys:
        raise bad_request(f"The orderBy '{order}' is not supported.")
    return sorted(projects, key=keys[name], reverse=order.startswith("-"))


def _project(view: View, project: Project, expand: set[str]) -> dict[str, Any]:
    body = {**render.project(view, project), "style": "classic", "isPrivate": False, "properties": {}}
    if "description" in expand:
        body["description"] = project.description
    if "lead" in expand:
        body["lead"] = render.user(view, project.lead)
    if "url" in expand:
        body["url"] = f"{view.base}/browse/{project.key}"
    if "insight" in expand:
        newest_ms = max(i.updated_ms for i in view.site.company.tracker.project_issues(project.key))
        body["insight"] = {
            "totalIssueCount": project.issues_count,
            "lastIssueUpdateTime": render.timestamp(view, newest_ms),
        }
    return body


def _board(view: View, board: Board) -> dict[str, Any]:
    project = view.site.company.tracker.project(board.project_key)
    location = {}
    if project is not None:
        location = {
            "projectId": project.id,
            "displayName": f"{project.name} ({project.key})",
            "projectName": project.name,
            "projectKey": project.key,
            "projectTypeKey": "software",
            "name": f"{project.name} ({project.key})",
        }
    link = f"{view.base}/rest/agile/1.0/board/{board.id}"
    return {"id": board.id, "self": link, "name": board.name, "type": board.kind, "location": location}


def _agile_page(request: web.Request, records: list[Any], show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    bean = page_bean(request, records, show, rows_default=PAGE_ROWS_DEFAULT, rows_max=PAGE_ROWS_DEFAULT)
    return {name: bean[name] for name in ("maxResults", "startAt", "total", "isLast", "values")}
