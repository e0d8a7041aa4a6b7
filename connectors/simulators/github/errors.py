"""Errors in GitHub's shape."""

from __future__ import annotations

from typing import Any

from connectors.simulators.vendor import ApiError

DOCUMENTATION_URL = "https://docs.github.com/rest"


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
