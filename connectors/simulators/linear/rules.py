"""How Linear authenticates, limits and phrases its errors: what it refuses it says in `errors[].extensions.code`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

REQUESTS = "requests"
COMPLEXITY = "complexity"
REQUESTS_PER_HOUR = 5000
POINTS_PER_HOUR = 3_000_000
POINTS_PER_REQUEST = POINTS_PER_HOUR // REQUESTS_PER_HOUR
_CODES = {401: "AUTHENTICATION_ERROR", 403: "FORBIDDEN", 429: "RATELIMITED"}


class LinearRules:
    """A personal API key without a scheme, an hourly number of requests and one of points, no entity tags."""

    main_bucket = REQUESTS
    has_entity_tags = False

    def __init__(self, api_key: str, points_per_hour: int = POINTS_PER_HOUR) -> None:
        self.limits: Mapping[str, RateLimit] = {
            REQUESTS: RateLimit(limit=REQUESTS_PER_HOUR, window_s=3600.0),
            COMPLEXITY: RateLimit(limit=points_per_hour, window_s=3600.0),
        }
        self._accepted = {api_key, f"Bearer {api_key}"}

    def check_access(self, request: web.Request) -> None:
        """Require the one known key."""
        if request.headers.get("Authorization") not in self._accepted:
            raise refusal(401, "Authentication required, not authenticated", "AUTHENTICATION_ERROR")

    def bucket(self, request: web.Request) -> str | None:  # noqa: ARG002 - shared signature
        """Count every request in one bucket."""
        return REQUESTS

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:  # noqa: ARG002 - shared signature
        """Return the headers of the requests' limit; the reset is in epoch milliseconds."""
        return {
            "X-RateLimit-Requests-Limit": str(state.limit),
            "X-RateLimit-Requests-Remaining": str(state.remaining),
            "X-RateLimit-Requests-Reset": str(round(state.reset_s * 1000)),
        }

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the refusal beyond the limit, which is a 400."""
        return refusal(400, "Rate limit exceeded", "RATELIMITED")

    def limited_secondarily(self, retry_after_s: int) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the same refusal: Linear does not say how long to wait but by its headers."""
        return refusal(400, "Rate limit exceeded", "RATELIMITED")

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""
        return _body("Something went wrong", _CODES.get(status, "INTERNAL_SERVER_ERROR"))

    def not_found(self) -> ApiError:
        """Return the answer to a path that does not exist."""
        return ApiError(404, {"error": "Not found"})


def complexity_headers(points: int, state: WindowState) -> dict[str, str]:
    """Return the headers that tell the points of a query, and what is left of those of the hour."""
    return {
        "X-Complexity": str(points),
        "X-RateLimit-Complexity-Limit": str(state.limit),
        "X-RateLimit-Complexity-Remaining": str(state.remaining),
        "X-RateLimit-Complexity-Reset": str(round(state.reset_s * 1000)),
    }


def refusal(
    status: int, message: str, code: str, *, told: str | None = None, headers: Mapping[str, str] | None = None
) -> ApiError:
    """Return an error in GraphQL's shape; `told` is what a person is to read."""
    return ApiError(status, _body(message, code, told), headers)


def _body(message: str, code: str, told: str | None = None) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, "userPresentableMessage": told or message}}]}
