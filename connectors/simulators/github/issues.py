"""Issues, among which pull requests are mixed, their comments, and the labels and milestones of a repository."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.company.model import ForgeComment, ForgeItem
from connectors.simulators.github import render
from connectors.simulators.github.errors import invalid, not_found
from connectors.simulators.github.listing import (
    api_url,
    choice,
    company_of,
    instant,
    is_descending,
    kept,
    listed,
    repository_of,
    with_issues,
)
from connectors.simulators.vendor import json_response

STATES = ("open", "closed", "all")
ITEM_SORTS: dict[str, Callable[[ForgeItem], Any]] = {
    "created": lambda item: item.number,
    "updated": lambda item: (item.updated_s, item.number),
    "comments": lambda item: (item.comments_count, item.number),
}
_FILTERS = ("state", "labels", "assignee", "creator", "milestone", "mentioned", "since", "type")


async def list_issues(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/issues`."""
    repository = with_issues(repository_of(request))
    company, base = company_of(request), api_url(request)
    found = kept(request, repository, (*_FILTERS, "sort", "direction"), lambda: _selected(request, repository))
    return listed(request, found, lambda item: issue(company, base, repository, item))


async def show_issue(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/issues/{number}`; a pull request is found here too."""
    repository = with_issues(repository_of(request))
    item = company_of(request).forge.item(repository, int(request.match_info["number"]))
    if item is None:
        raise not_found()
    return json_response(issue(company_of(request), api_url(request), repository, item))


async def list_repository_comments(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/issues/comments`; the direction counts only together with a sort."""
    repository = with_issues(repository_of(request))
    found = kept(request, repository, ("since", "sort", "direction"), lambda: _comments(request, repository))
    company, base = company_of(request), api_url(request)
    return listed(request, found, lambda comment: issue_comment(company, base, repository, comment))


async def list_issue_comments(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/issues/{number}/comments`, oldest first."""
    repository = with_issues(repository_of(request))
    number = int(request.match_info["number"])
    company, base = company_of(request), api_url(request)
    if company.forge.item(repository, number) is None:
        raise not_found()
    since_s = instant(request, "since", "IssueComment") or 0
    comments = [c for c in company.forge.item_comments(repository, number) if c.updated_s >= since_s]
    return listed(request, comments, lambda comment: issue_comment(company, base, repository, comment))


async def list_labels(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/labels`."""
    repository = repository_of(request)
    base = api_url(request)
    return listed(request, company_of(request).forge.labels(repository), lambda f: render.label(base, repository, f))


async def list_milestones(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/milestones`, open ones unless another state is asked for."""
    repository = with_issues(repository_of(request))
    company, base = company_of(request), api_url(request)
    state = choice(request, "state", STATES, "open", "Milestone")
    found = [m for m in company.forge.milestones(repository) if state in {"all", m.state}]
    return listed(request, found, lambda m: render.milestone(company, base, repository, m))


def issue(company: Company, base: str, repository: Repository, item: ForgeItem) -> dict[str, Any]:
    """Return an issue; that of a pull request has the key `pull_request`."""
    home = render.repository_url(base, repository)
    url = f"{home}/issues/{item.number}"
    place = "pull" if item.pull_request else "issues"
    users = [render.user(company, base, login) for login in item.assignees]
    body = {
        "url": url,
        "repository_url": home,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{render.WEB_URL}/{repository.full_name}/{place}/{item.number}",
        "id": item.id,
        "node_id": render.node_id("Issue", item.id),
        "number": item.number,
        "title": item.title,
        "user": render.user(company, base, item.author),
        "labels": labels(company, base, repository, item),
        "state": item.state,
        "locked": item.is_locked,
        "assignee": users[0] if users else None,
        "assignees": users,
        "milestone": milestone_of(company, base, repository, item),
        "comments": item.comments_count,
        "created_at": render.timestamp(item.created_s),
        "updated_at": render.timestamp(item.updated_s),
        "closed_at": render.timestamp(item.closed_s),
        "author_association": "MEMBER" if item.author else "NONE",
        "type": None,
        "active_lock_reason": "resolved" if item.is_locked else None,
        "body": item.body,
        "reactions": reactions(url),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "state_reason": item.state_reason,
    }
    if item.pull_request is not None:
        pull = f"{render.WEB_URL}/{repository.full_name}/pull/{item.number}"
        body["draft"] = item.pull_request.is_draft
        body["pull_request"] = {
            "url": f"{home}/pulls/{item.number}",
            "html_url": pull,
            "diff_url": f"{pull}.diff",
            "patch_url": f"{pull}.patch",
            "merged_at": render.timestamp(item.pull_request.merged_s),
        }
    return body


def issue_comment(company: Company, base: str, repository: Repository, comment: ForgeComment) -> dict[str, Any]:
    """Return a comment; the number of its issue is found only inside `issue_url`."""
    home = render.repository_url(base, repository)
    url = f"{home}/issues/comments/{comment.id}"
    anchor = f"{render.WEB_URL}/{repository.full_name}/issues/{comment.item_number}#issuecomment-{comment.id}"
    return {
        "url": url,
        "html_url": anchor,
        "issue_url": f"{home}/issues/{comment.item_number}",
        "id": comment.id,
        "node_id": render.node_id("IssueComment", comment.id),
        "user": render.user(company, base, comment.author),
        "created_at": render.timestamp(comment.created_s),
        "updated_at": render.timestamp(comment.updated_s),
        "author_association": "MEMBER" if comment.author else "NONE",
        "body": comment.body,
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }


def labels(company: Company, base: str, repository: Repository, item: ForgeItem) -> list[dict[str, Any]]:
    """Return the labels of an issue."""
    known = {found.name: found for found in company.forge.labels(repository)}
    return [render.label(base, repository, known[name]) for name in item.labels]


def milestone_of(company: Company, base: str, repository: Repository, item: ForgeItem) -> dict[str, Any] | None:
    """Return the milestone of an issue, if it has one."""
    if item.milestone_number is None:
        return None
    found = company.forge.milestones(repository)[item.milestone_number - 1]
    return render.milestone(company, base, repository, found)


def reactions(url: str) -> dict[str, Any]:
    """Return the roll-up of reactions, of which this company gives none."""
    names = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(names, 0)}


def _selected(request: web.Request, repository: Repository) -> list[ForgeItem]:
    """Return the issues that satisfy every filter of the request, in its order."""
    company = company_of(request)
    checks = [check for check in _checks(request, company, repository) if check is not None]
    sort = choice(request, "sort", tuple(ITEM_SORTS), "created", "Issue")
    found = [item for item in company.forge.items(repository) if all(check(item) for check in checks)]
    return sorted(found, key=ITEM_SORTS[sort], reverse=is_descending(request, "desc"))


def _checks(request: web.Request, company: Company, repository: Repository) -> list[Callable[[ForgeItem], bool] | None]:
    state = choice(request, "state", STATES, "open", "Issue")
    since_s = instant(request, "since", "Issue")
    wanted = {name.strip().lower() for name in request.query.get("labels", "").split(",") if name.strip()}
    creator = _login(request, company, "creator")
    mentioned = _login(request, company, "mentioned")
    return [
        None if state == "all" else lambda item: item.state == state,
        None if since_s is None else lambda item: item.updated_s >= since_s,
        None if not wanted else lambda item: wanted <= {name.lower() for name in item.labels},
        None if creator is None else lambda item: (item.author or "").lower() == creator,
        None if mentioned is None else lambda item: mentioned in {login.lower() for login in item.mentions},
        _assignee_check(request, company),
        _milestone_check(request, company, repository),
    ]


def _login(request: web.Request, company: Company, name: str) -> str | None:
    value = request.query.get(name)
    if not value:
        return None
    if company.person(value) is None:
        raise invalid("Issue", name, value)
    return value.lower()


def _assignee_check(request: web.Request, company: Company) -> Callable[[ForgeItem], bool] | None:
    value = request.query.get("assignee")
    if value == "*":
        return lambda item: bool(item.assignees)
    if value == "none":
        return lambda item: not item.assignees
    login = _login(request, company, "assignee")
    return None if login is None else lambda item: login in {name.lower() for name in item.assignees}


def _milestone_check(
    request: web.Request, company: Company, repository: Repository
) -> Callable[[ForgeItem], bool] | None:
    value = request.query.get("milestone")
    if not value:
        return None
    if value == "*":
        return lambda item: item.milestone_number is not None
    if value == "none":
        return lambda item: item.milestone_number is None
    if value not in {str(found.number) for found in company.forge.milestones(repository)}:
        raise invalid("Issue", "milestone", value)
    return lambda item: str(item.milestone_number) == value


def _comments(request: web.Request, repository: Repository) -> list[ForgeComment]:
    since_s = instant(request, "since", "IssueComment") or 0
    comments = [c for c in company_of(request).forge.comments(repository) if c.updated_s >= since_s]
    if "sort" not in request.query:
        return comments
    sort = choice(request, "sort", ("created", "updated"), "created", "IssueComment")
    descending = is_descending(request, "desc")
    if sort == "updated":
        return sorted(comments, key=lambda comment: (comment.updated_s, comment.id), reverse=descending)
    return comments[::-1] if descending else comments
