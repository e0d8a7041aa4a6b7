"""Pull requests: lists without sizes, single ones with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.company.model import ForgeItem, PullRequest
from connectors.simulators.github import render
from connectors.simulators.github.errors import not_found
from connectors.simulators.github.issues import STATES, labels, milestone_of
from connectors.simulators.github.listing import (
    api_url,
    choice,
    company_of,
    is_descending,
    kept,
    listed,
    repository_of,
)
from connectors.simulators.vendor import json_response

LONG_RUNNING_S = 30 * 86_400
# Popularity is the number of comments; long-running pull requests come first when they are older than a month.
_SORTS: dict[str, Callable[[ForgeItem], Any]] = {
    "created": lambda item: item.number,
    "updated": lambda item: (item.updated_s, item.number),
    "popularity": lambda item: (item.comments_count, item.number),
    "long-running": lambda item: (item.updated_s - item.created_s > LONG_RUNNING_S, item.number),
}


async def list_pulls(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/pulls`; there is no `since`."""
    repository = repository_of(request)
    company, base = company_of(request), api_url(request)
    names = ("state", "head", "base", "sort", "direction")
    found = kept(request, repository, names, lambda: _selected(request, company, repository))
    return listed(request, found, lambda item: pull(company, base, repository, item))


async def show_pull(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/pulls/{number}`, which alone has sizes and mergeability."""
    repository = repository_of(request)
    company, base = company_of(request), api_url(request)
    item = company.forge.item(repository, int(request.match_info["number"]))
    if item is None or item.pull_request is None:
        raise not_found()
    change = item.pull_request
    return json_response(
        {
            **pull(company, base, repository, item),
            "merged": change.merged_s is not None,
            "mergeable": change.is_mergeable,
            "rebaseable": change.is_mergeable,
            "mergeable_state": _mergeable_state(change),
            "merged_by": render.user(company, base, change.merged_by),
            "comments": item.comments_count,
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": change.commits,
            "additions": change.additions,
            "deletions": change.deletions,
            "changed_files": change.changed_files,
        }
    )


def pull(company: Company, base: str, repository: Repository, item: ForgeItem) -> dict[str, Any]:
    """Return a pull request as lists show it."""
    change = item.pull_request
    if change is None:
        raise ValueError(f"number {item.number} is not a pull request")
    home = render.repository_url(base, repository)
    url = f"{home}/pulls/{item.number}"
    page = f"{render.WEB_URL}/{repository.full_name}/pull/{item.number}"
    users = [render.user(company, base, login) for login in item.assignees]
    return {
        "url": url,
        "id": item.id + 500_000,
        "node_id": render.node_id("PullRequest", item.id + 500_000),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": f"{home}/issues/{item.number}",
        "number": item.number,
        "state": item.state,
        "locked": item.is_locked,
        "title": item.title,
        "user": render.user(company, base, item.author),
        "body": item.body,
        "created_at": render.timestamp(item.created_s),
        "updated_at": render.timestamp(item.updated_s),
        "closed_at": render.timestamp(item.closed_s),
        "merged_at": render.timestamp(change.merged_s),
        "merge_commit_sha": change.merge_commit_sha,
        "assignee": users[0] if users else None,
        "assignees": users,
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": labels(company, base, repository, item),
        "milestone": milestone_of(company, base, repository, item),
        "draft": change.is_draft,
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{home}/pulls/comments{{/number}}",
        "comments_url": f"{home}/issues/{item.number}/comments",
        "statuses_url": f"{home}/statuses/{change.head_sha}",
        "head": _side(company, base, repository, change.head_owner, ref=change.head_ref, sha=change.head_sha),
        "base": _side(company, base, repository, repository.owner, ref=change.base_ref, sha=change.base_sha),
        "_links": {name: {"href": address} for name, address in _links(home, url, page, item).items()},
        "author_association": "MEMBER" if item.author else "NONE",
        "auto_merge": None,
        "active_lock_reason": "resolved" if item.is_locked else None,
    }


def _side(company: Company, base: str, repository: Repository, owner: str, *, ref: str, sha: str) -> dict[str, Any]:
    # The repository of a fork is gone by the time anybody looks.
    home = render.repository(company, base, repository) if owner == repository.owner else None
    return {
        "label": f"{owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": render.user(company, base, owner),
        "repo": home,
    }


def _links(home: str, url: str, page: str, item: ForgeItem) -> dict[str, str]:
    sha = item.pull_request.head_sha if item.pull_request else ""
    return {
        "self": url,
        "html": page,
        "issue": f"{home}/issues/{item.number}",
        "comments": f"{home}/issues/{item.number}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{home}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{home}/statuses/{sha}",
    }


def _mergeable_state(change: PullRequest) -> str:
    if change.is_mergeable is None:
        return "unknown"
    return "clean" if change.is_mergeable else "dirty"


def _selected(request: web.Request, company: Company, repository: Repository) -> list[ForgeItem]:
    state = choice(request, "state", STATES, "open", "PullRequest")
    sort = choice(request, "sort", tuple(_SORTS), "created", "PullRequest")
    base_ref = request.query.get("base")
    # A head without an owner is not a filter.
    owner, colon, head_ref = request.query.get("head", "").partition(":")

    def is_wanted(item: ForgeItem) -> bool:
        change = item.pull_request
        return (
            change is not None
            and state in {"all", item.state}
            and (not base_ref or change.base_ref == base_ref)
            and (not colon or (change.head_owner.lower(), change.head_ref) == (owner.lower(), head_ref))
        )

    found = [item for item in company.forge.items(repository) if is_wanted(item)]
    return sorted(found, key=_SORTS[sort], reverse=is_descending(request, "desc" if sort == "created" else "asc"))
