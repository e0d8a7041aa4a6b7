"""What GitHub's answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.declarative.judge import judge_of
from connectors.registry import manifest_named
from connectors.sdk.errors import ConnectorError, CredentialsRejected, EmptyResult, Fatal, RateLimited, Retryable
from connectors.sdk.request import Request, Response
from connectors.sdk.verdicts import Setting

GITHUB = manifest_named("github")
judge = judge_of(GITHUB.manifest, GITHUB.hooks)
LISTING = Request(
    template="/repos/{owner}/{repo}/issues", path="/repos/a/b/issues", empty_statuses=frozenset({404, 410})
)


def judged(status: int, body: Any = None, headers: dict[str, str] | None = None) -> ConnectorError | None:
    response = Response(status=status, headers=headers or {}, body=body, url="http://x")
    return judge(LISTING, response, Setting(server="forge", now_s=1_000.0))


def invalid(field: str, code: str = "invalid") -> dict[str, Any]:
    return {"message": "Validation Failed", "errors": [{"resource": "Issue", "field": field, "code": code}]}


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait_s"),
    [
        (403, {}, {"retry-after": "12"}, 12.0),
        (429, {}, {"retry-after": "12"}, 12.0),
        (403, {}, {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "60", "x-ratelimit-reset": "1030"}, 30.0),
        (403, {"message": "You have exceeded a secondary rate limit."}, {"x-ratelimit-remaining": "9"}, 60.0),
        (429, {}, {}, 60.0),
    ],
)
def test_refusals_for_now(status: int, body: Any, headers: dict[str, str], wait_s: float) -> None:
    error = judged(status, body, headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


def test_a_403_with_quota_left_is_a_matter_of_permission() -> None:
    error = judged(
        403, {"message": "Resource not accessible"}, {"x-ratelimit-remaining": "9", "x-github-sso": "required"}
    )
    assert isinstance(error, Fatal)
    assert error.sqlstate == "42501"
    assert "single sign-on" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, [], None),
        (401, {}, CredentialsRejected),
        (404, {}, EmptyResult),
        (410, {}, EmptyResult),
        (409, {}, Fatal),
        (422, invalid("assignee"), EmptyResult),
        (422, invalid("since"), Fatal),
        (422, invalid("assignee", "missing"), Fatal),
        (422, {"message": "Validation Failed"}, Fatal),
        (502, None, Retryable),
    ],
)
def test_answers_by_status_and_body(status: int, body: Any, kind: type[ConnectorError] | None) -> None:
    error = judged(status, body)
    assert (type(error) if error is not None else None) is kind
