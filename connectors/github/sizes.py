"""The sizes of GitHub's tables in at most four calls: by the last page of a listing, or by the total of a search.

After GitHub's REST documentation, version 2022-11-28. A listing with pages of one row has as many pages as rows. Issues
and pull requests are counted over all repositories by search; of other tables a few repositories are sampled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.extract import path
from connectors.sdk.pagination import last_page
from connectors.sdk.request import Request, Response, filled
from connectors.sdk.sizes import TableSize, rows_by_last_page, rows_by_total
from connectors.sdk.transport import Transport

ACCEPT = "application/vnd.github+json"
PER_PAGE_MAX = 100
REPOSITORY = ("owner", "repo")
SAMPLED_REPOSITORIES = 3
OWNERS_MAX = 10
"""More owners than this are not put into one search."""
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""What a search takes for one value as it stands; logins are of these characters, `_` those of managed users."""

INSTALLATION = "/installation/repositories"
_TOTAL, _OF_INSTALLATION = path("total_count"), path("repositories")
_OWNER, _NAME = path("owner.login"), path("name")
_SEARCHED = {"issues": ("is:issue", "is:pr"), "pull_requests": ("is:pr",)}
_LISTED = {
    "issues": ("/repos/{owner}/{repo}/issues", (("state", "all"),)),
    "pull_requests": ("/repos/{owner}/{repo}/pulls", (("state", "all"),)),
    "issue_comments": ("/repos/{owner}/{repo}/issues/comments", ()),
    "commits": ("/repos/{owner}/{repo}/commits", ()),
    "releases": ("/repos/{owner}/{repo}/releases", ()),
    "workflow_runs": ("/repos/{owner}/{repo}/actions/runs", ()),
    "labels": ("/repos/{owner}/{repo}/labels", ()),
}
_GONE = frozenset({404, 409, 410, 451})
"""Statuses of a listing of a repository that has none: no issues, no commits, or not to be seen."""


async def measure(transport: Transport, table: str, context: FetchContext) -> TableSize | None:
    """Return the rows of a table: of repositories in all, of everything else for a repository on average."""
    if table == "repositories":
        rows = rows_by_last_page(await _visible(transport, 1, context), _listed_in)
        return None if rows is None else TableSize(rows=rows)
    if table not in _LISTED:
        return None
    first = await _visible(transport, PER_PAGE_MAX, context)
    names = _names(first)
    owners = list(dict.fromkeys(owner for owner, _ in names))
    if not names:
        return TableSize(rows=0, keys=REPOSITORY)
    searchable = len(owners) <= OWNERS_MAX and all(map(_LOGIN.fullmatch, owners))
    if table in _SEARCHED and last_page(first) is None and searchable:
        return await _searched(transport, table, owners, len(names), context)
    return await _sampled(transport, table, names, context)


async def _searched(
    transport: Transport, table: str, owners: Sequence[str], repositories: int, context: FetchContext
) -> TableSize | None:
    among = " ".join(f"user:{owner}" for owner in owners)
    rows = 0
    for kind in _SEARCHED[table]:
        request = _request("/search/issues", {}, (("q", f"{kind} {among}"), ("per_page", "1")), bucket="search")
        total = rows_by_total(await transport.send(request, context), _TOTAL)
        if total is None:
            return None
        rows += total
    return TableSize(rows=rows / repositories, keys=REPOSITORY)


async def _sampled(
    transport: Transport, table: str, names: Sequence[tuple[str, str]], context: FetchContext
) -> TableSize | None:
    template, parameters = _LISTED[table]
    step = max(1, len(names) // SAMPLED_REPOSITORIES)
    chosen = names[::step][:SAMPLED_REPOSITORIES]
    counts: list[int] = []
    for owner, repo in chosen:
        try:
            request = _request(template, {"owner": owner, "repo": repo}, (*parameters, ("per_page", "1")))
            response = await transport.send(request, context)
        except EmptyResult:
            counts.append(0)
            continue
        told = rows_by_total(response, _TOTAL) if table == "workflow_runs" else None
        count = rows_by_last_page(response, lambda body: body) if told is None else told
        if count is not None:
            counts.append(count)
    if not counts:
        return None
    return TableSize(rows=sum(counts) / len(counts), keys=REPOSITORY, sampled=len(chosen) < len(names))


async def _visible(transport: Transport, per_page: int, context: FetchContext) -> Response:
    """Ask for a page of the repositories that the credentials can see, an installation's by a listing of their own."""
    pages = (("per_page", str(per_page)),)
    try:
        sorted_pages = (("sort", "created"), ("direction", "asc"), *pages)
        return await transport.send(_request("/user/repos", {}, sorted_pages), context)
    except EmptyResult:
        return await transport.send(_request(INSTALLATION, {}, pages), context)


def _listed_in(body: object) -> object:
    return body if isinstance(body, list) else _OF_INSTALLATION(body)


def _names(response: Response) -> list[tuple[str, str]]:
    rows = _listed_in(response.body)
    if not isinstance(rows, list):
        raise Fatal(message="the answer with repositories has no list of objects")
    return [(str(_OWNER(row)), str(_NAME(row))) for row in rows]


def _request(
    template: str, keys: Mapping[str, str], parameters: tuple[tuple[str, str], ...], bucket: str = "core"
) -> Request:
    return Request(
        template=template,
        path=filled(template, **keys),
        parameters=parameters,
        accept=ACCEPT,
        empty_statuses=_GONE if keys else frozenset(),
        bucket=bucket,
    )
