"""How GitHub authenticates, limits and phrases its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

DOCUMENTATION_URL = "https://docs.github.com/rest"
API_VERSIONS = {"2022-11-28", "2026-03-10"}
_FAULT_MESSAGES = {
    403: "Resource not accessible by personal access token",
    404: "Not Found",
    429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    500: "Server Error",
    502: "Server Error",
    503: "Service unavailable",
}


class GitHubRules:
    """Tokens in the header, three buckets of requests, entity tags on everything that is read."""

    main_bucket = "core"
    has_entity_tags = True

    def __init__(self, tokens: frozenset[str]) -> None:
        self.limits: Mapping[str, RateLimit] = {
            "core": RateLimit(limit=5000, window_s=3600),
            "search": RateLimit(limit=30, window_s=60),
            "graphql": RateLimit(limit=5000, window_s=3600),
        }
        self._tokens = tokens

    def check_access(self, request: web.Request) -> None:
        """Require a user agent and one of the known tokens."""
        if not request.headers.get("User-Agent"):
            raise ApiError(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n",
            )
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            raise ApiError(401, error_body(401, "Requires authentication"))
        if scheme.lower() not in {"bearer", "token"} or token.strip() not in self._tokens:
            raise ApiError(401, error_body(401, "Bad credentials"))
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in API_VERSIONS:
            raise ApiError(400, error_body(400, f"{version} is not a supported version of the API"))

    def bucket(self, request: web.Request) -> str | None:
        """Count searches and GraphQL queries apart and the rate limit's own endpoint not at all."""
        if request.path == "/rate_limit":
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


def error_body(status: int, message: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return an error in GitHub's shape."""
    body: dict[str, Any] = {"message": message}
    if errors is not None:
        body["errors"] = errors
    return {**body, "documentation_url": DOCUMENTATION_URL, "status": str(status)}


def not_found() -> ApiError:
    """Return the 404 for everything that does not exist."""
    return ApiError(404, error_body(404, "Not Found"))


def invalid(resource: str, field: str, value: str, code: str = "invalid") -> ApiError:
    """Return the 422 for a parameter whose value GitHub does not accept."""
    errors = [{"value": value, "resource": resource, "field": field, "code": code}]
    return ApiError(422, error_body(422, "Validation Failed", errors))
