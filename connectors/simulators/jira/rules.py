"""How Jira Cloud authenticates, limits and phrases its errors."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

# Requests with an API token are exempt from the hourly quota; what binds them is the burst limit.
BURST_BUCKET = "burst"
NEAR_LIMIT_SHARE = 0.2
_ANONYMOUS_PATHS = {"/rest/api/3/serverInfo", "/rest/api/2/serverInfo"}


class JiraRules:
    """Basic authentication with an API token, a burst limit, no entity tags."""

    main_bucket = BURST_BUCKET
    has_entity_tags = False

    def __init__(self, email: str, api_token: str) -> None:
        self.limits: Mapping[str, RateLimit] = {BURST_BUCKET: RateLimit(limit=350, window_s=1.0)}
        self._credentials = f"{email}:{api_token}"

    def check_access(self, request: web.Request) -> None:
        """Require the one known pair of address and token."""
        if request.path in _ANONYMOUS_PATHS:
            return
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            credentials = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
        if scheme.lower() != "basic" or credentials != self._credentials:
            headers = {
                "WWW-Authenticate": 'OAuth realm="https%3A%2F%2Facme.atlassian.net"',
                "X-Seraph-LoginReason": "AUTHENTICATED_FAILED",
            }
            raise ApiError(401, "Client must be authenticated to access this resource.", headers)

    def bucket(self, request: web.Request) -> str | None:  # noqa: ARG002 - shared signature
        """Count every request in one bucket."""
        return BURST_BUCKET

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:  # noqa: ARG002 - shared signature
        """Return the `X-RateLimit` headers; the reset is ISO 8601 to the minute, rounded up."""
        reset = datetime.fromtimestamp(state.reset_s, tz=UTC) + timedelta(seconds=59, microseconds=999_999)
        return {
            "X-RateLimit-Limit": str(state.limit),
            "X-RateLimit-Remaining": str(state.remaining),
            "X-RateLimit-Reset": reset.strftime("%Y-%m-%dT%H:%MZ"),
            "X-RateLimit-NearLimit": "true" if state.remaining < state.limit * NEAR_LIMIT_SHARE else "false",
        }

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the 429 of a burst, which says how long to wait."""
        return _too_many(max(1, math.ceil(state.reset_s - now_s)), "jira-burst-based")

    def limited_secondarily(self, retry_after_s: int) -> ApiError:
        """Return the 429 of the tenant's quota."""
        return _too_many(retry_after_s, "jira-quota-tenant-based")

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""
        return error_body("Rate limit exceeded." if status == 429 else "Something went wrong on our side.")

    def not_found(self) -> ApiError:
        """Return the answer to a path that does not exist, which is not in the usual shape."""
        return ApiError(404, {"errorMessage": "Oops, you've found a dead link."})


def error_body(*messages: str, errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return an error in Jira's shape."""
    return {"errorMessages": list(messages), "errors": dict(errors or {})}


def bad_request(*messages: str) -> ApiError:
    """Return a 400 with these messages."""
    return ApiError(400, error_body(*messages))


def no_such_issue() -> ApiError:
    """Return the 404 for an issue that does not exist or is hidden."""
    return ApiError(404, error_body("Issue does not exist or you do not have permission to see it."))


def _too_many(retry_after_s: int, reason: str) -> ApiError:
    headers = {"Retry-After": str(retry_after_s), "RateLimit-Reason": reason}
    return ApiError(429, error_body("Rate limit exceeded."), headers)
