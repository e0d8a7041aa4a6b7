"""GitLab's listings: filters of each page of the documentation, Link headers by page number, entity tags.

After https://docs.gitlab.com/api, v4 (the description that GitLab published is of v3, and is not used):
- 20 a page without `per_page`, 100 at most; beyond 10,000 rows no totals and no last page: rest/#pagination.
- `RateLimit-..` headers with a reset in epoch seconds, 429 with Retry-After:
  https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits.
- Filters, default orders and states: issues, merge_requests, pipelines, commits, branches, labels, milestones, members.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from yarl import URL

from connectors.simulators.company import Company
from connectors.simulators.gitlab.instance import Instance
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, moment_of, sorted_by, whole
from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response

ROWS_DEFAULT = 20
ROWS_MAX = 100
TOTALS_MAX = 10_000
"""Beyond it totals and the link to the last page are left out, by https://docs.gitlab.com/api/rest/#pagination-response-headers."""
_PAGES = ("page", "per_page")
_ITEMS = (
    "state", "labels", "author_username", "author_id", "assignee_id", "milestone", "created_after", "created_before",
    "updated_after", "updated_before", "iids[]", "order_by", "sort", "search", "scope",
)  # fmt: skip
_FILTERS: dict[str, tuple[str, ...]] = {
    "issues": (*_ITEMS, "confidential", "due_date"),
    "merge_requests": (*_ITEMS, "source_branch", "target_branch", "wip"),
    "pipelines": ("status", "ref", "sha", "source", "updated_after", "updated_before", "order_by", "sort"),
    "commits": ("ref_name", "since", "until", "author", "path"),
    "branches": ("search",), "labels": ("search",), "members": ("query",),
    "milestones": ("state", "title", "iids[]", "search"),
}  # fmt: skip
_STATES = {"opened", "closed", "locked", "merged", "all", "active"}


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one access token."""
    rules = PlainRules(
        accepted=frozenset({("PRIVATE-TOKEN", token), ("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=2000, window_s=60.0),
        error=_error,
        told=_told,
        clock=clock,
        has_entity_tags=True,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Instance(company))
    top = "/api/v4"
    app.router.add_get(f"{top}/user", server.me)
    app.router.add_get(f"{top}/users", server.users)
    app.router.add_get(f"{top}/groups", server.groups)
    app.router.add_get(f"{top}/projects", server.projects)
    app.router.add_get(f"{top}/projects/{{id}}", server.project)
    inside = f"{top}/projects/{{id}}"
    for name in ("issues", "merge_requests", "pipelines", "labels", "milestones"):
        app.router.add_get(f"{inside}/{name}", server.within(name))
    app.router.add_get(f"{inside}/members/all", server.within("members"))
    app.router.add_get(f"{inside}/repository/commits", server.within("commits"))
    app.router.add_get(f"{inside}/repository/branches", server.within("branches"))
    app.router.add_get(f"{inside}/issues/{{iid}}/notes", server.notes)
    app.router.add_get(f"{inside}/pipelines/{{iid}}", server.pipeline)
    return app


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, instance: Instance) -> None:
        self._simulation = simulation
        self._rules = rules
        self._instance = instance

    async def me(self, request: web.Request) -> web.Response:
        """`GET /user`."""
        checked_query(request, (), self._rules.refusal)
        return json_response(self._instance.users[0])

    async def users(self, request: web.Request) -> web.Response:
        """`GET /users`: by name without case, by state."""
        checked_query(request, [*_PAGES, "username", "active", "blocked", "search"], self._rules.refusal)
        rows = self._instance.users
        if name := request.query.get("username"):
            rows = [row for row in rows if row["username"].lower() == name.lower()]
        if request.query.get("active") == "true":
            rows = [row for row in rows if row["state"] == "active"]
        if request.query.get("blocked") == "true":
            rows = [row for row in rows if row["state"] == "blocked"]
        return self._page(request, rows)

    async def groups(self, request: web.Request) -> web.Response:
        """`GET /groups`."""
        checked_query(request, [*_PAGES, "search", "visibility", "order_by", "sort"], self._rules.refusal)
        wanted = request.query.get("visibility")
        return self._page(request, [r for r in self._instance.groups if wanted in {None, r["visibility"]}])

    async def projects(self, request: web.Request) -> web.Response:
        """`GET /projects`."""
        filters = ("membership", "archived", "visibility", "search", "last_activity_after", "last_activity_before")
        checked_query(request, [*_PAGES, *filters, "order_by", "sort"], self._rules.refusal)
        rows = self._instance.projects
        if "archived" in request.query:
            rows = [row for row in rows if row["archived"] is (request.query["archived"] == "true")]
        if "visibility" in request.query:
            rows = [row for row in rows if row["visibility"] == request.query["visibility"]]
        rows = self._in_time(request, rows, "last_activity_at", "last_activity_after", "last_activity_before")
        return self._page(request, self._ordered(request, rows, "created_at"))

    async def project(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}`, the identifier or the encoded path."""
        checked_query(request, (), self._rules.refusal)
        return json_response(self._project(request))

    def within(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /projects/{id}/issues` and the like."""

        async def answer(request: web.Request) -> web.Response:
            checked_query(request, [*_PAGES, *_FILTERS[name]], self._rules.refusal)
            rows: list[Node] = getattr(self._instance, name)[self._project(request)["id"]]
            for field in ("status", "ref", "sha", "source", "source_branch", "target_branch", "title"):
                if field in request.query:
                    rows = [row for row in rows if row[field] == request.query[field]]
            rows = self._items(request, rows)
            rows = self._in_time(request, rows, "created_at", "created_after", "created_before")
            rows = self._in_time(request, rows, "updated_at", "updated_after", "updated_before")
            rows = self._in_time(request, rows, "committed_date", "since", "until")
            if name in {"commits", "branches", "labels", "members", "milestones"}:
                return self._page(request, rows)
            return self._page(request, self._ordered(request, rows, "id" if name == "pipelines" else "created_at"))

        return answer

    def _items(self, request: web.Request, rows: list[Node]) -> list[Node]:
        query = request.query
        state = query.get("state", "all")
        if state not in _STATES:
            raise self._rules.refusal(400, "state does not have a valid value")
        if state != "all":
            rows = [row for row in rows if row["state"] == state]
        if "iids[]" in query:
            rows = [row for row in rows if str(row["iid"]) in query.getall("iids[]")]
        if "labels" in query:
            wanted = {text.lower() for text in query["labels"].split(",")}
            rows = [row for row in rows if wanted <= {label.lower() for label in row["labels"]}]
        if "author_username" in query:
            rows = [row for row in rows if _name(row["author"]) == query["author_username"].lower()]
        if "milestone" in query:
            rows = [row for row in rows if (row["milestone"] or {}).get("title") == query["milestone"]]
        if "confidential" in query:
            rows = [row for row in rows if row["confidential"] is (query["confidential"] == "true")]
        for name, field in (("author_id", "author"), ("assignee_id", "assignee")):
            if name in query:
                rows = [row for row in rows if str((row[field] or {}).get("id")) == query[name]]
        return rows

    async def notes(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/issues/{iid}/notes`."""
        checked_query(request, [*_PAGES, "order_by", "sort"], self._rules.refusal)
        iid = request.match_info["iid"]
        rows = self._instance.notes.get((self._project(request)["id"], int(iid) if iid.isdigit() else 0))
        if rows is None:
            raise self._rules.not_found()
        return self._page(request, self._ordered(request, rows, "created_at"))

    async def pipeline(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/pipelines/{id}`: more than the listing has."""
        checked_query(request, (), self._rules.refusal)
        for row in self._instance.pipelines[self._project(request)["id"]]:
            if str(row["id"]) == request.match_info["iid"]:
                return json_response(row)
        raise self._rules.not_found()

    def _project(self, request: web.Request) -> Node:
        wanted = unquote(request.match_info["id"])
        for row in self._instance.projects:
            if wanted in {str(row["id"]), row["path_with_namespace"]}:
                return row
        raise self._rules.refusal(404, "404 Project Not Found")

    def _in_time(self, request: web.Request, rows: list[Node], field: str, after: str, before: str) -> list[Node]:
        if after in request.query:
            start = moment_of(request.query[after], self._rules.refusal)
            rows = [row for row in rows if datetime.fromisoformat(row[field]) >= start]
        if before in request.query:
            end = moment_of(request.query[before], self._rules.refusal)
            rows = [row for row in rows if datetime.fromisoformat(row[field]) <= end]
        return rows

    def _ordered(self, request: web.Request, rows: list[Node], default: str) -> list[Node]:
        field, direction = request.query.get("order_by", default), request.query.get("sort", "desc")
        if direction not in {"asc", "desc"} or field not in {"id", "created_at", "updated_at", "last_activity_at"}:
            raise self._rules.refusal(400, "order_by does not have a valid value")
        return sorted_by(rows, field, direction == "desc")

    def _page(self, request: web.Request, rows: list[Node]) -> web.Response:
        size = min(whole(request, "per_page", ROWS_DEFAULT, self._rules.refusal), ROWS_MAX)
        number = whole(request, "page", 1, self._rules.refusal)
        size = self._simulation.page_rows(size)
        pages = max(1, -(-len(rows) // size))
        is_counted = len(rows) <= TOTALS_MAX
        links = {
            "first": 1,
            **({"last": pages} if is_counted else {}),
            **({"next": number + 1} if number < pages else {}),
        }
        url = URL(str(request.url), encoded=True)
        targets = {name: url.update_query(page=str(to), per_page=str(size)) for name, to in links.items()}
        header = ", ".join(f'<{target}>; rel="{name}"' for name, target in targets.items())
        headers = {"Link": header, "X-Page": str(number)}
        if is_counted:
            headers |= {"X-Total": str(len(rows)), "X-Total-Pages": str(pages)}
        return json_response([_listed(row) for row in rows[(number - 1) * size : number * size]], headers=headers)


def _listed(row: Node) -> Node:
    """Leave out what only a single pipeline has."""
    hidden = {"duration", "coverage", "started_at", "finished_at", "user"} if "duration" in row else set()
    return {name: value for name, value in row.items() if name not in hidden}


def _name(author: Node | None) -> str | None:
    return None if author is None else str(author["username"]).lower()


def _error(status: int, message: str) -> Any:
    return {"message": f"{status} {message}" if not message.startswith(str(status)) else message}


def _told(state: WindowState, now_s: float) -> dict[str, str]:  # noqa: ARG001 - shared signature
    return {
        "RateLimit-Limit": str(state.limit), "RateLimit-Remaining": str(state.remaining),
        "RateLimit-Reset": str(round(state.reset_s)), "RateLimit-Observed": str(state.used),
    }  # fmt: skip
