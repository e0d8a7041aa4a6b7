"""What Jira's answers mean: refused queries with the values they do not know, limits, and silent anonymity. Pure.

After Atlassian's documentation of status codes and rate limiting for Jira Cloud.
"""

from __future__ import annotations

import re
from collections import defaultdict

from connectors.sdk.errors import ConnectorError, Fatal
from connectors.sdk.extract import path
from connectors.sdk.quota import QuotaHeaders, retry_after_s
from connectors.sdk.request import Request, Response
from connectors.sdk.verdicts import Setting, credentials_rejected, rate_limited

SEARCH = "/rest/api/3/search/jql"
_BURST_PAUSE_S = 5.0
_UNKNOWN = (
    re.compile(r"The value '(?P<value>.*)' does not exist for the field '(?P<field>.*)'\.", re.DOTALL),
    re.compile(r"An issue with key '(?P<value>.*)' does not exist for field '(?P<field>.*)'\.", re.DOTALL),
    re.compile(r"The option '(?P<value>.*)' for field '(?P<field>.*)' does not exist\.", re.DOTALL),
)
_MESSAGES = path("errorMessages")


class QueryRefused(Fatal):
    """Jira does not accept a JQL query.

    `unknown` holds the values that do not exist, in lower case by field, if nothing else is wrong with the query.
    """

    def __init__(self, *, server: str, unknown: dict[str, frozenset[str]]) -> None:
        super().__init__(message=f'server "{server}" refused a query', detail=f"GET {SEARCH} was answered 400.")
        self.unknown = unknown


def judge(
    request: Request,
    response: Response,
    setting: Setting,
    quota: QuotaHeaders | None,  # noqa: ARG001 - the protocol's signature
) -> ConnectorError | None:
    """Judge an answer of Jira; None where rules and status say it all."""
    # A failed login is no error to some resources: they answer with what anybody may see, which is often nothing.
    if "AUTHENTICATED_FAILED" in response.headers.get("x-seraph-loginreason", ""):
        return credentials_rejected(request, response, setting)
    if response.status == 400 and request.template == SEARCH:
        return QueryRefused(server=setting.server, unknown=unknown_values(response.body))
    if response.status == 429:
        wait_s = retry_after_s(response.headers, setting.now_s)
        reason = response.headers.get("ratelimit-reason")
        return rate_limited(request, setting, _BURST_PAUSE_S if wait_s is None else wait_s, reason)
    return None


def unknown_values(body: object) -> dict[str, frozenset[str]]:
    """Return the values that a refusal names as not existing; empty when anything else is wrong as well."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for message in _messages(body):
        match = next((match for known in _UNKNOWN if (match := known.fullmatch(message))), None)
        if match is None:
            return {}
        found[match["field"].lower()].add(match["value"].lower())
    return {name: frozenset(values) for name, values in found.items()}


def _messages(body: object) -> list[str]:
    messages = _MESSAGES(body)
    return [str(message) for message in messages] if isinstance(messages, list) else []
