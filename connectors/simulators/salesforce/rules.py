"""How Salesforce authenticates, limits and phrases its errors, and the sessions that are open.

After the REST API Developer Guide: status codes and error responses, API request limits, the header Sforce-Limit-Info.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

CALLS = "calls"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_DAY_S = 86_400.0
_CODES = {
    400: "MALFORMED_QUERY", 401: "INVALID_SESSION_ID", 403: "INSUFFICIENT_ACCESS", 404: "NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED", 500: "UNKNOWN_EXCEPTION", 503: "SERVER_UNAVAILABLE",
}  # fmt: skip


class Sessions:
    """Access tokens that are good, each until it is ended."""

    def __init__(self, token: str) -> None:
        self._open = {token}
        self._opened = 0

    def open(self) -> str:
        """Return a new access token."""
        self._opened += 1
        token = f"00DDn000000SiMU!AQ{self._opened:06d}.session"
        self._open.add(token)
        return token

    def end_all(self) -> None:
        """End every session."""
        self._open.clear()

    def has(self, header: str) -> bool:
        """Tell whether an Authorization header holds a good token."""
        scheme, _, token = header.partition(" ")
        return scheme.lower() in {"bearer", "oauth"} and token in self._open


class SalesforceRules:
    """Bearer tokens of sessions, an allowance of calls for a day, no entity tags."""

    main_bucket = CALLS
    has_entity_tags = False

    def __init__(self, sessions: Sessions) -> None:
        self.limits: Mapping[str, RateLimit] = {CALLS: RateLimit(limit=100_000, window_s=_DAY_S)}
        self._sessions = sessions

    def check_access(self, request: web.Request) -> None:
        """Require an open session, but where one is opened and where the versions are listed."""
        if request.path in {TOKEN_PATH, "/services/data"}:
            return
        if not self._sessions.has(request.headers.get("Authorization", "")):
            raise refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def bucket(self, request: web.Request) -> str | None:
        """Count every call but those for a token."""
        return None if request.path == TOKEN_PATH else CALLS

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:  # noqa: ARG002 - shared signature
        """Return the header that tells the allowance; the app's own part of it comes after a semicolon."""
        usage = f"{min(state.used, state.limit)}/{state.limit}"
        return {"Sforce-Limit-Info": f"api-usage={usage}; per-app-api-usage=1/7(appName=simulated)"}

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the refusal beyond the allowance."""
        return refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    def limited_secondarily(self, retry_after_s: int) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the refusal of too many long requests at a time; it does not say how long to wait."""
        return refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""
        return [{"message": "Something went wrong", "errorCode": _CODES.get(status, "UNKNOWN_EXCEPTION")}]

    def not_found(self) -> ApiError:
        """Return the answer to a path that does not exist."""
        return refusal(404, "NOT_FOUND", "The requested resource does not exist")


def refusal(status: int, code: str, message: str) -> ApiError:
    """Return an error in Salesforce's shape: a list of one."""
    return ApiError(status, [{"message": message, "errorCode": code}])
