"""Users, labels, milestones and repositories in GitHub's shapes; pure functions."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from connectors.simulators.company import Company, Person, Repository
from connectors.simulators.company.model import Label, Milestone

WEB_URL = "https://github.com"
WEB_FLOW_ID = 19_864_447
_LICENSES = {"mit": ("MIT License", "MIT"), "apache-2.0": ("Apache License 2.0", "Apache-2.0")}


def timestamp(time_s: int | None) -> str | None:
    """Return epoch seconds as GitHub writes them."""
    return None if time_s is None else datetime.fromtimestamp(time_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int | str) -> str:
    """Return the opaque identifier of the graph API."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def user(company: Company, base: str, login: str | None) -> dict[str, Any] | None:
    """Return an account by login; None stands for an account that was deleted."""
    if login is None:
        return None
    person = company.person(login)
    if person is not None:
        return account(base, person.login, person.forge_id, _kind(person))
    if login == company.organization:
        return account(base, login, 9_919, "Organization")
    return account(base, login, WEB_FLOW_ID, "User")


def account(base: str, login: str, number: int, kind: str) -> dict[str, Any]:
    """Return a simple user."""
    url = f"{base}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": node_id(kind, number),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{WEB_URL}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def label(base: str, repository: Repository, found: Label) -> dict[str, Any]:
    """Return a label."""
    return {
        "id": found.id,
        "node_id": node_id("Label", found.id),
        "url": f"{repository_url(base, repository)}/labels/{found.name}",
        "name": found.name,
        "color": found.color,
        "default": found.is_default,
        "description": found.description,
    }


def milestone(company: Company, base: str, repository: Repository, found: Milestone) -> dict[str, Any]:
    """Return a milestone."""
    url = f"{repository_url(base, repository)}/milestones/{found.number}"
    counts = company.forge.milestone_counts(repository)
    return {
        "url": url,
        "html_url": f"{WEB_URL}/{repository.full_name}/milestone/{found.number}",
        "labels_url": f"{url}/labels",
        "id": found.id,
        "node_id": node_id("Milestone", found.id),
        "number": found.number,
        "title": found.title,
        "description": found.description,
        "creator": user(company, base, found.creator),
        "open_issues": counts[found.number, "open"],
        "closed_issues": counts[found.number, "closed"],
        "state": found.state,
        "created_at": timestamp(found.created_s),
        "updated_at": timestamp(found.updated_s),
        "due_on": timestamp(found.due_s),
        "closed_at": timestamp(found.closed_s),
    }


def repository_url(base: str, repository: Repository) -> str:
    """Return the address of a repository in the API."""
    return f"{base}/repos/{repository.full_name}"


def pushed_s(company: Company, repository: Repository) -> int:
    """Return the time of the newest commit, or of creation."""
    commits = company.forge.commits(repository)
    return commits[0].committer_s if commits else repository.created_s


def repository(company: Company, base: str, found: Repository) -> dict[str, Any]:
    """Return a repository as lists show it."""
    # Pull requests count as open issues here, as they do at the vendor.
    open_count = company.forge.open_items_count(found)
    pushed = timestamp(pushed_s(company, found))
    return {
        "id": found.id,
        "node_id": node_id("Repository", found.id),
        "name": found.name,
        "full_name": found.full_name,
        "private": found.is_private,
        "owner": user(company, base, found.owner),
        "html_url": f"{WEB_URL}/{found.full_name}",
        "description": found.description,
        "fork": found.is_fork,
        "url": repository_url(base, found),
        "issues_url": f"{repository_url(base, found)}/issues{{/number}}",
        "pulls_url": f"{repository_url(base, found)}/pulls{{/number}}",
        "labels_url": f"{repository_url(base, found)}/labels{{/name}}",
        "commits_url": f"{repository_url(base, found)}/commits{{/sha}}",
        "created_at": timestamp(found.created_s),
        "updated_at": pushed,
        "pushed_at": pushed,
        "clone_url": f"{WEB_URL}/{found.full_name}.git",
        "homepage": None,
        "size": found.items_count * 3,
        "stargazers_count": found.stars,
        "watchers_count": found.stars,
        "language": found.language,
        **_features(found),
        "forks_count": found.forks,
        "archived": found.is_archived,
        "open_issues_count": open_count,
        "license": _license(found.license_key),
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": list(found.topics),
        "visibility": "private" if found.is_private else "public",
        "forks": found.forks,
        "open_issues": open_count,
        "watchers": found.stars,
        "default_branch": found.default_branch,
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
    }


def _features(found: Repository) -> dict[str, bool]:
    """Return what is turned on in a repository; only issues differ between those of this company."""
    return {
        "has_issues": found.has_issues,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "disabled": False,
    }


def _license(key: str | None) -> dict[str, Any] | None:
    if key is None:
        return None
    name, spdx = _LICENSES[key]
    return {
        "key": key,
        "name": name,
        "spdx_id": spdx,
        "url": f"https://api.github.com/licenses/{key}",
        "node_id": node_id("License", key),
    }


def _kind(person: Person) -> str:
    return "Bot" if person.is_bot else "User"
