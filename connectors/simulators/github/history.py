"""Commits, releases and workflow runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from connectors.simulators.company import Company, Repository
from connectors.simulators.company.model import Commit, Release, WorkflowRun
from connectors.simulators.github import render
from connectors.simulators.github.errors import error_body, invalid, not_found
from connectors.simulators.github.listing import (
    api_url,
    choice,
    company_of,
    instant,
    kept,
    listed,
    page_of,
    repository_of,
)
from connectors.simulators.github.ranges import in_range, parse_range
from connectors.simulators.vendor import ApiError, json_response

FILTERED_RUNS_MAX = 1000
_RUN_FILTERS = ("actor", "branch", "event", "status", "created", "head_sha", "check_suite_id")
_RUN_STATES = (
    "completed action_required cancelled failure neutral skipped stale success timed_out in_progress queued requested "
    "waiting pending"
)
RUN_STATES = tuple(_RUN_STATES.split())
# The branch `release` left the default branch this many commits ago.
RELEASE_BRANCH_BEHIND = 10


async def list_commits(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/commits`, newest first by the date of the committer."""
    repository = _with_commits(request)
    company, base = company_of(request), api_url(request)
    names = ("sha", "path", "author", "committer", "since", "until")
    found = kept(request, repository, names, lambda: _selected_commits(request, company, repository))
    return listed(request, found, lambda entry: commit(company, base, repository, entry))


async def show_commit(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/commits/{ref}`, which alone has sizes and files."""
    repository = _with_commits(request)
    company, base = company_of(request), api_url(request)
    ref = request.match_info["ref"]
    history = _history(company, repository, ref)
    if not history:
        raise ApiError(422, error_body(422, f"No commit found for SHA: {ref}"))
    found = history[0]
    home, page = render.repository_url(base, repository), f"{render.WEB_URL}/{repository.full_name}"
    additions = sum(file.additions for file in found.files)
    deletions = sum(file.deletions for file in found.files)
    return json_response(
        {
            **commit(company, base, repository, found),
            "stats": {"total": additions + deletions, "additions": additions, "deletions": deletions},
            "files": [
                {
                    "sha": found.tree_sha,
                    "filename": file.path,
                    "status": file.status,
                    "additions": file.additions,
                    "deletions": file.deletions,
                    "changes": file.additions + file.deletions,
                    "blob_url": f"{page}/blob/{found.sha}/{quote(file.path)}",
                    "raw_url": f"{page}/raw/{found.sha}/{quote(file.path)}",
                    "contents_url": f"{home}/contents/{quote(file.path)}?ref={found.sha}",
                    "patch": "@@ -1 +1 @@\n-old\n+new",
                }
                for file in found.files
            ],
        }
    )


async def list_releases(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/releases`, newest first, drafts among them."""
    repository = repository_of(request)
    company, base = company_of(request), api_url(request)
    return listed(request, company.forge.releases(repository), lambda found: release(company, base, repository, found))


async def list_runs(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/actions/runs`; with any filter, rows beyond the first 1,000 are out of reach."""
    repository = repository_of(request)
    company, base = company_of(request), api_url(request)
    found = kept(request, repository, _RUN_FILTERS, lambda: _selected_runs(request, company, repository))
    is_filtered = any(request.query.get(name) for name in _RUN_FILTERS)
    page = page_of(request, len(found), rows_reachable=FILTERED_RUNS_MAX if is_filtered else None)
    rows = [run(company, base, repository, entry) for entry in found[page.start : page.start + page.rows_max]]
    return json_response({"total_count": len(found), "workflow_runs": rows}, headers=page.headers)


def commit(company: Company, base: str, repository: Repository, found: Commit) -> dict[str, Any]:
    """Return a commit as lists show it."""
    home = render.repository_url(base, repository)
    page = f"{render.WEB_URL}/{repository.full_name}/commit"
    url = f"{home}/commits/{found.sha}"
    author = {"name": found.author_name, "email": found.author_email, "date": render.timestamp(found.author_s)}
    committer = {
        "name": found.committer_name,
        "email": found.committer_email,
        "date": render.timestamp(found.committer_s),
    }
    return {
        "sha": found.sha,
        "node_id": render.node_id("Commit", found.sha),
        "commit": {
            "author": author,
            "committer": committer,
            "message": found.message,
            "tree": {"sha": found.tree_sha, "url": f"{home}/git/trees/{found.tree_sha}"},
            "url": f"{home}/git/commits/{found.sha}",
            "comment_count": 0,
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "url": url,
        "html_url": f"{page}/{found.sha}",
        "comments_url": f"{url}/comments",
        "author": render.user(company, base, found.author_login),
        "committer": render.user(company, base, found.committer_login),
        "parents": [{"sha": sha, "url": f"{home}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in found.parents],
    }


def release(company: Company, base: str, repository: Repository, found: Release) -> dict[str, Any]:
    """Return a release."""
    home = render.repository_url(base, repository)
    url = f"{home}/releases/{found.id}"
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        "html_url": f"{render.WEB_URL}/{repository.full_name}/releases/tag/{found.tag}",
        "id": found.id,
        "author": render.user(company, base, found.author),
        "node_id": render.node_id("Release", found.id),
        "tag_name": found.tag,
        "target_commitish": repository.default_branch,
        "name": found.name,
        "draft": found.is_draft,
        "immutable": False,
        "prerelease": found.is_prerelease,
        "created_at": render.timestamp(found.created_s),
        "updated_at": render.timestamp(found.published_s or found.created_s),
        "published_at": render.timestamp(found.published_s),
        "assets": [],
        "tarball_url": f"{home}/tarball/{found.tag}",
        "zipball_url": f"{home}/zipball/{found.tag}",
        "body": found.body,
    }


def run(company: Company, base: str, repository: Repository, found: WorkflowRun) -> dict[str, Any]:
    """Return a workflow run."""
    home = render.repository_url(base, repository)
    url = f"{home}/actions/runs/{found.id}"
    actor = render.user(company, base, found.actor)
    place = render.repository(company, base, repository)
    return {
        "id": found.id,
        "name": found.name,
        "node_id": render.node_id("WorkflowRun", found.id),
        "head_branch": found.branch,
        "head_sha": found.head_sha,
        "path": f".github/workflows/{found.workflow_id}.yml",
        "display_title": found.title,
        "run_number": found.run_number,
        "event": found.event,
        "status": found.status,
        "conclusion": found.conclusion,
        "workflow_id": found.workflow_id,
        "check_suite_id": found.check_suite_id,
        "check_suite_node_id": render.node_id("CheckSuite", found.check_suite_id),
        "url": url,
        "html_url": f"{render.WEB_URL}/{repository.full_name}/actions/runs/{found.id}",
        "pull_requests": [],
        "created_at": render.timestamp(found.created_s),
        "updated_at": render.timestamp(found.updated_s),
        "actor": actor,
        "run_attempt": found.run_attempt,
        "referenced_workflows": [],
        "run_started_at": render.timestamp(found.started_s),
        "triggering_actor": actor,
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{home}/check-suites/{found.check_suite_id}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{home}/actions/workflows/{found.workflow_id}",
        "head_commit": _head_commit(found),
        "repository": place,
        "head_repository": place,
    }


def _head_commit(found: WorkflowRun) -> dict[str, Any]:
    person = {"name": found.actor, "email": f"{found.actor}@acme.example"}
    return {
        "id": found.head_sha,
        "tree_id": found.head_sha[::-1],
        "message": found.title,
        "timestamp": render.timestamp(found.created_s),
        "author": person,
        "committer": person,
    }


def _with_commits(request: web.Request) -> Repository:
    repository = repository_of(request)
    if repository.is_empty:
        raise ApiError(409, error_body(409, "Git Repository is empty."))
    return repository


def _history(company: Company, repository: Repository, ref: str) -> tuple[Commit, ...]:
    """Return the commits reachable from a branch or a commit, newest first; none for an unknown reference."""
    commits = company.forge.commits(repository)
    if ref in {"HEAD", repository.default_branch}:
        return commits
    if ref == "release":
        return commits[RELEASE_BRANCH_BEHIND:]
    start = next((index for index, found in enumerate(commits) if len(ref) >= 7 and found.sha.startswith(ref)), None)
    return () if start is None else commits[start:]


def _selected_commits(request: web.Request, company: Company, repository: Repository) -> list[Commit]:
    since_s, until_s = instant(request, "since", "Commit"), instant(request, "until", "Commit")
    history = _history(company, repository, request.query.get("sha") or repository.default_branch)
    if not history:
        raise not_found()
    path = request.query.get("path", "").rstrip("/")
    author = request.query.get("author", "").lower()
    committer = request.query.get("committer", "").lower()

    def is_wanted(found: Commit) -> bool:
        return (
            (since_s is None or found.committer_s >= since_s)
            and (until_s is None or found.committer_s <= until_s)
            and (not author or author in {(found.author_login or "").lower(), found.author_email.lower()})
            and (not committer or committer in {(found.committer_login or "").lower(), found.committer_email.lower()})
            and (not path or any(file.path == path or file.path.startswith(f"{path}/") for file in found.files))
        )

    return [found for found in history if is_wanted(found)]


def _selected_runs(request: web.Request, company: Company, repository: Repository) -> list[WorkflowRun]:
    status = choice(request, "status", ("", *RUN_STATES), "", "WorkflowRun")
    checks: list[Callable[[WorkflowRun], bool]] = []
    if status:
        # One parameter takes both states and conclusions.
        checks.append(lambda found: status in {found.status, found.conclusion})
    query = request.query
    if query.get("created"):
        bounds = parse_range(query["created"])
        if bounds is None:
            raise invalid("WorkflowRun", "created", query["created"])
        checks.append(lambda found: in_range(bounds, found.created_s))
    if query.get("actor"):
        checks.append(lambda found: found.actor.lower() == query["actor"].lower())
    if query.get("branch"):
        checks.append(lambda found: found.branch == query["branch"])
    if query.get("event"):
        checks.append(lambda found: found.event == query["event"])
    if query.get("head_sha"):
        checks.append(lambda found: found.head_sha == query["head_sha"])
    if query.get("check_suite_id"):
        checks.append(lambda found: str(found.check_suite_id) == query["check_suite_id"])
    return [found for found in company.forge.runs(repository) if all(check(found) for check in checks)]
