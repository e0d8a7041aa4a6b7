"""What GitHub's answers mean: two kinds of rate limits behind 403 and 429, and validation errors that mean no rows.

After GitHub's documentation of rate limits and troubleshooting for the REST API, version 2022-11-28. Pure.
"""

from __future__ import annotations

from connectors.github.counts import BUCKET
from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import ConnectorError, EmptyResult
from connectors.sdk.extract import path
from connectors.sdk.quota import QuotaHeaders, retry_after_s
from connectors.sdk.request import Request, Response
from connectors.sdk.verdicts import (
    THROTTLE_DEFAULT_S,
    Setting,
    permission_denied,
    rate_limited,
    refused,
    unavailable,
)

# Fields of a listing that name something which may not exist; the listing is empty then.
_LOOKED_UP = frozenset({"assignee", "creator", "mentioned", "milestone"})
_MESSAGE, _ERRORS, _INCOMPLETE = path("message"), path("errors"), path("incomplete_results")
_SEARCH = "/search/issues"
_OWN = "/user/repos"


def judge(request: Request, response: Response, setting: Setting, quota: QuotaHeaders | None) -> ConnectorError | None:
    """Judge an answer of GitHub; None where its status says it all."""
    told = None if quota is None else quota.read(response.headers, bucket=request.bucket, now_s=setting.now_s)
    if response.status in {403, 429}:
        return _refusal(request, response, setting, told)
    if response.status == 422 and _names_unknown(response.body):
        return EmptyResult(message="a value of a filter does not exist on GitHub")
    if request.template == _SEARCH and response.status == 200 and _INCOMPLETE(response.body) is True:
        return unavailable(request, setting, "the search ran out of time before it had found everything")
    if request.bucket == BUCKET and response.status == 200 and (kinds := _graphql_errors(response.body)):
        return _graphql_refusal(request, response, setting, kinds, told)
    return None


def _refusal(request: Request, response: Response, setting: Setting, quota: QuotaObserved | None) -> ConnectorError:
    wait_s = retry_after_s(response.headers, setting.now_s)
    message = str(_MESSAGE(response.body) or "").lower()
    if wait_s is not None:
        return rate_limited(request, setting, wait_s, "secondary" if "secondary" in message else None)
    if quota is not None and quota.remaining == 0:
        return rate_limited(request, setting, quota.reset_s or THROTTLE_DEFAULT_S)
    if request.template == _OWN and "not accessible by integration" in message:
        return EmptyResult(message="an installation has no repositories of its own")
    if response.status == 429 or "rate limit" in message:
        return rate_limited(request, setting, THROTTLE_DEFAULT_S, "secondary")
    hint = None
    if "x-github-sso" in response.headers:
        hint = "Authorize the token for the organization's single sign-on."
    return permission_denied(request, setting, hint)


def _graphql_errors(body: object) -> set[str]:
    """Return the kinds of a GraphQL answer's errors, less the one that says that a repository does not exist."""
    errors = _ERRORS(body)
    found = errors if isinstance(errors, list) else []
    return {str(error.get("type")) if isinstance(error, dict) else "" for error in found} - {"NOT_FOUND"}


def _graphql_refusal(
    request: Request, response: Response, setting: Setting, kinds: set[str], quota: QuotaObserved | None
) -> ConnectorError:
    if "RATE_LIMITED" in kinds:
        wait_s = quota.reset_s if quota is not None else None
        return rate_limited(request, setting, THROTTLE_DEFAULT_S if wait_s is None else wait_s)
    if "FORBIDDEN" in kinds:
        return permission_denied(request, setting)
    return refused(request, response, setting)


def _names_unknown(body: object) -> bool:
    errors = _ERRORS(body)
    if not isinstance(errors, list) or not errors:
        return False
    return all(
        isinstance(error, dict) and error.get("code") == "invalid" and error.get("field") in _LOOKED_UP
        for error in errors
    )
