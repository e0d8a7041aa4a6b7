"""How GitHub authenticates, limits and phrases its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from connectors.simulators.github.errors import error_body, not_found
from connectors.simulators.github.installation import Installation
from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

API_VERSIONS = {"2022-11-28", "2026-03-10"}
_FAULT_MESSAGES = {
    403: "Resource not accessible by personal access token",
    404: "Not Found",
    429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    500: "Server Error",
    502: "Server Error",
    503: "Service unavailable",
}

_OF_USERS = frozenset({"/user", "/user/repos"})
"""What an installation has not, being no user."""


class GitHubRules:
    """Tokens in the header, three buckets of requests for each, entity tags on everything that is read.

    GitHub counts by user; each token here stands for a user of its own.
    """

    main_bucket = "core"
    has_entity_tags = True

    def __init__(self, tokens: frozenset[str], installation: Installation) -> None:
        self.limits: Mapping[str, RateLimit] = {
            "core": RateLimit(limit=5000, window_s=3600),
            "search": RateLimit(limit=30, window_s=60),
            "graphql": RateLimit(limit=5000, window_s=3600),
        }
        self._tokens = tokens
        self._installation = installation

    def holder(self, request: web.Request) -> str:
        """Return the token whose limits a request counts against."""
        return token_of(request)[1]

    def check_access(self, request: web.Request) -> None:
        """Require a user agent and one of the known tokens."""
        if not request.headers.get("User-Agent"):
            raise ApiError(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n",
            )
        scheme, token = token_of(request)
        if not scheme:
            raise ApiError(401, error_body(401, "Requires authentication"))
        if request.path.startswith("/app/"):
            self._installation.check_app(token)
        elif scheme.lower() not in {"bearer", "token"} or not self._is_known(token, request):
            raise ApiError(401, error_body(401, "Bad credentials"))
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in API_VERSIONS:
            raise ApiError(400, error_body(400, f"{version} is not a supported version of the API"))

    def _is_known(self, token: str, request: web.Request) -> bool:
        if not self._installation.is_open_to(token):
            return token in self._tokens
        if request.path in _OF_USERS:
            raise ApiError(403, error_body(403, "Resource not accessible by integration"))
        return True

    def bucket(self, request: web.Request) -> str | None:
        """Count searches and GraphQL queries apart, the rate limit's own endpoint and tokens for Apps not at all."""
        if request.path == "/rate_limit" or request.path.startswith("/app/"):
            return None
        if request.path == "/graphql":
            return "graphql"
        return "search" if request.path.startswith("/search/") else "core"

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:
        """Return the `x-ratelimit` headers; the reset is in epoch seconds."""
        return {
            "x-ratelimit-limit": str(state.limit),
            "x-ratelimit-remaining": str(state.remaining),
            "x-ratelimit-used": str(state.used),
            "x-ratelimit-reset": str(int(state.reset_s)),
            "x-ratelimit-resource": bucket,
        }

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the 403 that ends a primary window, which carries no retry-after."""
        return ApiError(403, error_body(403, "API rate limit exceeded for user ID 10000000."))

    def limited_secondarily(self, retry_after_s: int) -> ApiError:
        """Return the 403 of a secondary limit, which says how long to wait."""
        return ApiError(403, error_body(403, _FAULT_MESSAGES[429]), {"retry-after": str(retry_after_s)})

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""
        return error_body(status, _FAULT_MESSAGES.get(status, "Problem"))

    def not_found(self) -> ApiError:
        """Return the 404 that also hides what one may not see."""
        return not_found()


def token_of(request: web.Request) -> tuple[str, str]:
    """Return the scheme and the token that a request proves itself by."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme, token.strip()
