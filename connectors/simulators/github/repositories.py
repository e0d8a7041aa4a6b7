"""Repositories, the members of the organization and the account of the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.simulators.company import Person, Repository
from connectors.simulators.github import render
from connectors.simulators.github.errors import error_body, not_found
from connectors.simulators.github.installation import INSTALLATION
from connectors.simulators.github.listing import (
    api_url,
    choice,
    company_of,
    is_descending,
    listed,
    page_of,
    repository_of,
)
from connectors.simulators.github.rules import token_of
from connectors.simulators.vendor import ApiError, json_response

STARRED = "application/vnd.github.star+json"
"""The media type of https://docs.github.com/en/rest/activity/starring#list-stargazers that tells when."""

SORTS = ("created", "updated", "pushed", "full_name")


async def list_organization_repositories(request: web.Request) -> web.Response:
    """`GET /orgs/{org}/repos`."""
    company = company_of(request)
    if request.match_info["org"].lower() != company.organization:
        raise not_found()
    kinds = ("all", "public", "private", "forks", "sources", "member")
    kind = choice(request, "type", kinds, "all", "Repository")
    found = [r for r in company.forge.repositories if r.owner == company.organization and _is_kind(r, kind)]
    return _listed(request, found, default_sort="created")


async def list_user_repositories(request: web.Request) -> web.Response:
    """`GET /users/{username}/repos`, which shows public repositories only."""
    company = company_of(request)
    owner = request.match_info["username"].lower()
    if owner != company.organization and company.person(owner) is None:
        raise not_found()
    choice(request, "type", ("all", "owner", "member"), "owner", "Repository")
    found = [r for r in company.forge.repositories if r.owner.lower() == owner and not r.is_private]
    return _listed(request, found, default_sort="full_name")


async def list_own_repositories(request: web.Request) -> web.Response:
    """`GET /user/repos`, everything that the token can see."""
    kind = choice(request, "type", ("all", "owner", "public", "private", "member"), "all", "Repository")
    visibility = choice(request, "visibility", ("all", "public", "private"), "all", "Repository")
    if "type" in request.query and ("visibility" in request.query or "affiliation" in request.query):
        message = "If you specify visibility or affiliation, you cannot specify type."
        raise ApiError(422, error_body(422, message))
    company = company_of(request)
    wanted = kind if "type" in request.query else visibility
    repositories = [r for r in company.forge.repositories if r.owner == company.organization]
    if wanted == "owner":
        repositories = []
    return _listed(request, [r for r in repositories if _is_kind(r, wanted)], default_sort="full_name")


async def list_repositories_of_installation(request: web.Request) -> web.Response:
    """`GET /installation/repositories`: all that an installation can see, in no order that is told, and their total."""
    company = company_of(request)
    if not request.app[INSTALLATION].is_open_to(token_of(request)[1]):
        message = (
            "You must authenticate with an installation access token in order to list repositories for an installation."
        )
        raise ApiError(403, error_body(403, message))
    found = [each for each in company.forge.repositories if each.owner == company.organization]
    found.sort(key=lambda each: each.id * 7919 % 101)
    page = page_of(request, len(found))
    shown = found[page.start : page.start + page.rows_max]
    rows = [render.repository(company, api_url(request), each) for each in shown]
    body = {"total_count": len(found), "repository_selection": "all", "repositories": rows}
    return json_response(body, headers=page.headers)


async def show_repository(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}`."""
    found = repository_of(request)
    body = render.repository(company_of(request), api_url(request), found)
    return json_response({**body, "network_count": found.forks, "subscribers_count": found.stars // 10})


async def list_members(request: web.Request) -> web.Response:
    """`GET /orgs/{org}/members`; the bot is no member."""
    company = company_of(request)
    if request.match_info["org"].lower() != company.organization:
        raise not_found()
    role = choice(request, "role", ("all", "admin", "member"), "all", "Member")
    kind = choice(request, "filter", ("all", "2fa_disabled", "2fa_insecure"), "all", "Member")
    members = [
        person
        for person in company.people
        if not person.is_bot
        and (role == "all" or person.is_admin == (role == "admin"))
        and (kind == "all" or (kind == "2fa_disabled" and not person.two_factor))
    ]

    def rendered(person: Person) -> dict[str, Any]:
        return render.account(api_url(request), person.login, person.forge_id, "User")

    return listed(request, members, rendered)


async def list_stargazers(request: web.Request) -> web.Response:
    """`GET /repos/{owner}/{repo}/stargazers`: accounts alone, unless the media type asks for the time as well."""
    repository = repository_of(request)
    people = [person for person in company_of(request).people if (person.forge_id + repository.id) % 3]

    def rendered(person: Person) -> dict[str, Any]:
        shown = render.account(api_url(request), person.login, person.forge_id, "Bot" if person.is_bot else "User")
        if STARRED not in request.headers.get("Accept", ""):
            return shown
        starred_s = repository.created_s + person.forge_id % 997 * 3600
        return {"starred_at": render.timestamp(starred_s), "user": shown}

    return listed(request, people, rendered)


async def show_own_user(request: web.Request) -> web.Response:
    """`GET /user`: every token belongs to the first person."""
    company = company_of(request)
    person = company.people[0]
    simple = render.account(api_url(request), person.login, person.forge_id, "User")
    return json_response({**simple, "name": person.name, "email": person.public_email, "company": "@acme"})


def _is_kind(found: Repository, kind: str) -> bool:
    checks: dict[str, bool] = {
        "public": not found.is_private,
        "private": found.is_private,
        "forks": found.is_fork,
        "sources": not found.is_fork,
    }
    return checks.get(kind, True)


def _listed(request: web.Request, found: list[Repository], *, default_sort: str) -> web.Response:
    company = company_of(request)
    sort = choice(request, "sort", SORTS, default_sort, "Repository")
    keys: dict[str, Callable[[Repository], Any]] = {
        "created": lambda r: (r.created_s, r.id),
        "updated": lambda r: (render.pushed_s(company, r), r.id),
        "pushed": lambda r: (render.pushed_s(company, r), r.id),
        "full_name": lambda r: r.full_name.lower(),
    }
    descending = is_descending(request, "asc" if sort == "full_name" else "desc")
    ordered = sorted(found, key=keys[sort], reverse=descending)
    return listed(request, ordered, lambda r: render.repository(company, api_url(request), r))
