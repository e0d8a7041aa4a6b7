"""Errors with the project's vocabulary, built in one place, and the verdict on an answer by its status alone. Pure.

Nothing here takes a token, a URL with values or a row: what a message can say is the server, the template, the status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sdk.errors import (
    ConnectorError,
    CredentialsRejected,
    EmptyResult,
    Fatal,
    RateLimited,
    Retryable,
    SourceTimeout,
)
from connectors.sdk.quota import retry_after_s
from connectors.sdk.request import Request, Response

THROTTLE_DEFAULT_S = 60.0
"""How long to stay away when a source refuses without saying for how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where an answer came from: the server's name and the wall clock when it arrived."""

    server: str
    now_s: float


Judge = Callable[[Request, Response, Setting], ConnectorError | None]
"""Decides what an answer means; None means that it is a good one."""


def judge_by_status(request: Request, response: Response, setting: Setting) -> ConnectorError | None:
    """Judge an answer by its status, for an API that follows RFC 9110."""
    status = response.status
    if status < 300 or status == 304:
        return None
    if status in request.empty_statuses:
        return EmptyResult(message=f'server "{setting.server}" has nothing at {request.template}')
    if status == 401:
        return credentials_rejected(request, response, setting)
    if status == 429:
        wait_s = retry_after_s(response.headers, setting.now_s)
        return rate_limited(request, setting, THROTTLE_DEFAULT_S if wait_s is None else wait_s)
    if status == 503 and (wait_s := retry_after_s(response.headers, setting.now_s)) is not None:
        return rate_limited(request, setting, wait_s)
    if status == 408 or status >= 500:
        return unavailable(request, setting, f"it answered {status}")
    if status == 403:
        return permission_denied(request, setting)
    return refused(request, response, setting)


def credentials_rejected(request: Request, response: Response, setting: Setting) -> CredentialsRejected:
    """Say that the server does not accept the credentials."""
    return CredentialsRejected(
        message=f'CREDENTIALS_REJECTED: server "{setting.server}" does not accept its credentials',
        detail=f"{request.method} {request.template} was answered {response.status}.",
        hint="Renew the credentials in the user mapping of this server.",
    )


def permission_denied(request: Request, setting: Setting, hint: str | None = None) -> Fatal:
    """Say that the credentials are good but may not read this."""
    return Fatal(
        message=f'server "{setting.server}" denies access to {request.template}',
        hint=hint or "Grant the credentials the permission to read this, or leave the table out of the query.",
        sqlstate="42501",
    )


def rate_limited(request: Request, setting: Setting, wait_s: float, reason: str | None = None) -> RateLimited:
    """Say that the server refuses for now, and for how long."""
    because = f" ({reason})" if reason else ""
    return RateLimited(
        message=f'RATE_LIMIT_EXHAUSTED: server "{setting.server}" refuses further requests for now',
        retry_after_s=wait_s,
        detail=f"Limit {request.bucket}{because} allows the next request in {wait_s:.0f} seconds.",
        hint="Run the statement again after that, or make it need fewer requests.",
    )


def unavailable(request: Request, setting: Setting, reason: str) -> Retryable:
    """Say that the server cannot be used at the moment."""
    return Retryable(
        message=f'SOURCE_UNAVAILABLE: server "{setting.server}" cannot be read at the moment',
        detail=f"{request.method} {request.template}: {reason}.",
        hint="Run the statement again later.",
    )


def timed_out(request: Request, setting: Setting, timeout_s: float) -> SourceTimeout:
    """Say that the server did not answer in time."""
    return SourceTimeout(
        message=f'SOURCE_TIMEOUT: server "{setting.server}" did not answer in time',
        detail=f"{request.method} {request.template} got no complete answer within {timeout_s:.0f} seconds.",
        hint="Run the statement again later.",
    )


def refused(request: Request, response: Response, setting: Setting) -> Fatal:
    """Say that the server did not accept the request itself."""
    return Fatal(
        message=f'server "{setting.server}" refused a request',
        detail=f"{request.method} {request.template} was answered {response.status}.",
    )


def repeats_a_page(table: str) -> Fatal:
    """Say that pages never end."""
    return Fatal(
        message=f"the listing of {table} repeats a page",
        detail="Reading on would never end; rows read so far are not complete.",
    )
