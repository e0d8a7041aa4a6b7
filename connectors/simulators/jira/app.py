"""The routes of the Jira simulator, after https://developer.atlassian.com/cloud/jira/platform/rest/v3.

- Searches: `nextPageToken` until there is none, short pages, `id` alone without `fields`, a query that is bounded, at
  most seven fields of order: api-group-issue-search. Lists with `startAt`, `total`, `isLast`: intro#pagination.
- Limits by burst and quota, `X-RateLimit-..` with an ISO time, 429 with Retry-After and RateLimit-Reason:
  https://developer.atlassian.com/cloud/jira/platform/rate-limiting.
- An unknown value in JQL is a 400 with `errorMessages`; texts are compared without case, times to the minute:
  https://support.atlassian.com/jira-software-cloud/docs/jql-fields.
- Boards and sprints, 50 a page: https://developer.atlassian.com/cloud/jira/software/rest/api-group-board.

Every answer of the platform's API fits Atlassian's own description.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta, timezone, tzinfo

from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.jira import directory, search, threads
from connectors.simulators.jira.exchange import SITE, Site
from connectors.simulators.jira.rules import JiraRules
from connectors.simulators.toolkit import create_simulator

# The owner of the token lives in Phoenix, which has no daylight saving time: a wrong zone always shows.
USER_ZONE = timezone(timedelta(hours=-7))


def create_app(
    company: Company,
    *,
    email: str,
    api_token: str,
    zone: tzinfo = USER_ZONE,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Return Jira's API over a company, open to one address and token; `clock` is the time of rate limits."""
    app = create_simulator(JiraRules(email, api_token), clock)
    app[SITE] = Site(company=company, user=company.people[0], zone=zone)
    api, agile = "/rest/api/3", "/rest/agile/1.0"
    app.router.add_get(f"{api}/search/jql", search.search_by_query)
    app.router.add_post(f"{api}/search/jql", search.search_by_body)
    app.router.add_post(f"{api}/search/approximate-count", search.count_approximately)
    app.router.add_get(f"{api}/search", search.removed_search)
    app.router.add_post(f"{api}/search", search.removed_search)
    app.router.add_post(f"{api}/issue/bulkfetch", search.fetch_issues)
    app.router.add_get(f"{api}/issue/{{issue}}", search.show_issue)
    app.router.add_get(f"{api}/issue/{{issue}}/comment", threads.list_comments)
    app.router.add_get(f"{api}/issue/{{issue}}/worklog", threads.list_worklogs)
    app.router.add_get(f"{api}/issue/{{issue}}/changelog", threads.list_changes)
    app.router.add_post(f"{api}/changelog/bulkfetch", threads.fetch_changes)
    app.router.add_get(f"{api}/project/search", directory.search_projects)
    app.router.add_get(f"{api}/users/search", directory.list_users)
    app.router.add_get(f"{api}/users", directory.list_users)
    app.router.add_get(f"{api}/user/search", directory.find_users)
    app.router.add_get(f"{api}/myself", directory.show_own_user)
    app.router.add_get(f"{api}/field", directory.list_fields)
    app.router.add_get(f"{api}/status", directory.list_statuses)
    app.router.add_get(f"{api}/priority", directory.list_priorities)
    app.router.add_get(f"{api}/issuetype", directory.list_issue_types)
    app.router.add_get(f"{api}/resolution", directory.list_resolutions)
    app.router.add_get(f"{api}/serverInfo", directory.show_server)
    app.router.add_get(f"{agile}/board", directory.list_boards)
    app.router.add_get(rf"{agile}/board/{{board:\d+}}/sprint", directory.list_sprints)
    return app
