"""The routes of the GitHub simulator, after https://docs.github.com/en/rest, version 2022-11-28.

- Pages, `per_page` of at most 100 (30 without), Link headers: using-the-rest-api/using-pagination-in-the-rest-api.
- Limits, their headers, 403 and 429, Retry-After: using-the-rest-api/rate-limits-for-the-rest-api.
- Entity tags, a 304 that is not counted: using-the-rest-api/best-practices-for-using-the-rest-api.
- Issues are open ones unless `state` says otherwise, pull requests among them: issues/issues.
- A filtered list of runs ends at 1,000: actions/workflow-runs. A search too, with 30 calls a minute: search/search.
- An App's installation: apps/creating-github-apps/authenticating-with-a-github-app, `apps/apps`, `apps/installations`.
- A star's time needs a media type of its own: activity/starring.

Every answer fits GitHub's own description (`@octokit/openapi`), but that its limits' headers are misspelled there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from connectors.simulators.company import Company
from connectors.simulators.github import graphql, history, issues, pulls, repositories, search
from connectors.simulators.github.installation import INSTALLATION, Installation
from connectors.simulators.github.listing import COMPANY
from connectors.simulators.github.rules import GitHubRules
from connectors.simulators.rate_limit import WindowState
from connectors.simulators.toolkit import SIMULATION, Handler, create_simulator
from connectors.simulators.vendor import json_response

_ROUTES: tuple[tuple[str, Handler], ...] = (
    ("/user", repositories.show_own_user),
    ("/user/repos", repositories.list_own_repositories),
    ("/installation/repositories", repositories.list_repositories_of_installation),
    ("/users/{username}/repos", repositories.list_user_repositories),
    ("/orgs/{org}/repos", repositories.list_organization_repositories),
    ("/orgs/{org}/members", repositories.list_members),
    ("/search/issues", search.search_issues),
)
# These are reached by the name of the repository and, which survives renames, by its number.
_REPOSITORY_ROUTES: tuple[tuple[str, Handler], ...] = (
    ("", repositories.show_repository),
    ("/issues", issues.list_issues),
    ("/issues/comments", issues.list_repository_comments),
    (r"/issues/{number:\d+}", issues.show_issue),
    (r"/issues/{number:\d+}/comments", issues.list_issue_comments),
    ("/labels", issues.list_labels),
    ("/milestones", issues.list_milestones),
    ("/pulls", pulls.list_pulls),
    ("/stargazers", repositories.list_stargazers),
    (r"/pulls/{number:\d+}", pulls.show_pull),
    ("/commits", history.list_commits),
    ("/commits/{ref}", history.show_commit),
    ("/releases", history.list_releases),
    ("/actions/runs", history.list_runs),
)


def create_app(
    company: Company,
    *,
    tokens: frozenset[str],
    clock: Callable[[], float] = time.time,
    app_key: RSAPublicKey | None = None,
) -> web.Application:
    """Return GitHub's API over a company, open to the given tokens; `clock` is the time of rate limits.

    With a public key, an App is installed that signs by the private one, and gets tokens of its installation.
    """
    installation = Installation(app_key, clock)
    rules = GitHubRules(tokens, installation)
    app = create_simulator(rules, clock, rules.holder)
    app[COMPANY] = company
    app[INSTALLATION] = installation
    app.router.add_post("/app/installations/{installation_id}/access_tokens", installation.grant)
    app.router.add_delete("/installation/token", installation.revoke)
    app.router.add_get("/rate_limit", _show_rate_limit)
    app.router.add_post("/graphql", graphql.answer_query)
    for path, handler in _ROUTES:
        app.router.add_get(path, handler)
    for path, handler in _REPOSITORY_ROUTES:
        app.router.add_get(f"/repos/{{owner}}/{{repo}}{path}", handler)
        app.router.add_get(rf"/repositories/{{repository_id:\d+}}{path}", handler)
    return app


async def _show_rate_limit(request: web.Request) -> web.Response:
    """`GET /rate_limit`, which does not count itself."""
    simulation = request.app[SIMULATION]
    resources = {name: _window(simulation.window_state(request, name)) for name in simulation.rules.limits}
    return json_response({"resources": resources, "rate": resources["core"]})


def _window(state: WindowState) -> dict[str, int]:
    return {"limit": state.limit, "used": state.used, "remaining": state.remaining, "reset": int(state.reset_s)}
