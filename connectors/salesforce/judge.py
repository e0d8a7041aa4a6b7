"""What Salesforce's answers mean: codes of errors, the answer within a composite one, and the allowance. Pure.

After the REST API Developer Guide (status codes and error responses, the header Sforce-Limit-Info), API 66.0. An
error's text may quote the query with its values, so that none of it but a field's or an object's name is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.salesforce.requests import COMPOSITE
from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import ConnectorError, Fatal, SourceTimeout
from connectors.sdk.request import Request, Response
from connectors.sdk.verdicts import (
    Setting,
    credentials_rejected,
    judge_by_status,
    permission_denied,
    rate_limited,
    refused,
    unavailable,
)

ALLOWANCE_PAUSE_S = 900.0
"""The allowance is that of the last 24 hours: it comes back little by little, at no time that is told."""

CONCURRENCY_PAUSE_S = 5.0
_USAGE = re.compile(r"(?:^|[\s;,])api-usage=([0-9]{1,15})/([0-9]{1,15})", re.ASCII)
_NO_FIELD = re.compile(r"No such column '([A-Za-z0-9_.]{1,200})' on entity '([A-Za-z0-9_]{1,100})'", re.ASCII)
_NO_OBJECT = re.compile(r"sObject type '([A-Za-z0-9_]{1,100})' is not supported", re.ASCII)
_TOO_MUCH = frozenset({"OPERATION_TOO_LARGE", "QUERY_TOO_COMPLICATED", "EXCEEDED_MAX_SEMIJOIN_SUBSELECTS"})


class UsageHeader:
    """Reads the calls of the last 24 hours and how many there may be from `Sforce-Limit-Info`."""

    def read(self, headers: Mapping[str, str], *, bucket: str, now_s: float) -> QuotaObserved | None:  # noqa: ARG002
        """Return what the header tells, None when there is none."""
        found = _USAGE.search(headers.get("sforce-limit-info", ""))
        if found is None:
            return None
        used, limit = int(found[1]), int(found[2])
        return QuotaObserved(bucket=bucket, limit=limit, remaining=max(0, limit - used), reset_s=None)


QUOTA = UsageHeader()


def judge(request: Request, response: Response, setting: Setting) -> ConnectorError | None:
    """Judge an answer of Salesforce."""
    if request.template.endswith(COMPOSITE) and response.status == 200:
        return next((verdict for each in parts(response) if (verdict := judge_one(request, each, setting))), None)
    return judge_one(request, response, setting)


def parts(response: Response) -> list[Response]:
    """Return the answers within a composite one, in the order of what was asked.

    Raises:
        Fatal: SQLSTATE HV000, the answer has another form.
    """
    listed = response.body.get("compositeResponse") if isinstance(response.body, dict) else None
    if not isinstance(listed, list) or not listed or not all(map(_is_part, listed)):
        raise Fatal(message=f"the answer of {COMPOSITE} does not have the parts that were asked for")
    return [
        Response(status=each["httpStatusCode"], headers=response.headers, body=each["body"], url=response.url)
        for each in listed
    ]


def judge_one(request: Request, response: Response, setting: Setting) -> ConnectorError | None:
    """Judge the answer to one request, or to one within a composite one, by its code and then by its status."""
    if response.status < 300 or response.status == 304:
        return None
    code, text = _error(response.body)
    if code in {"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"}:
        return credentials_rejected(request, response, setting)
    if code == "REQUEST_LIMIT_EXCEEDED":
        concurrent = "concurrent" in text.lower()
        wait_s = CONCURRENCY_PAUSE_S if concurrent else ALLOWANCE_PAUSE_S
        reason = "long requests at the same time" if concurrent else "calls of the last 24 hours"
        return rate_limited(request, setting, wait_s, reason)
    if code in {"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"}:
        return permission_denied(request, setting, "Let an administrator permit the API to this user and edition.")
    if code == "QUERY_TIMEOUT":
        return SourceTimeout(
            message=f'SOURCE_TIMEOUT: server "{setting.server}" gave a query up after two minutes',
            detail=f"{request.method} {request.template} was answered {response.status}.",
            hint="Restrict the query by a field that the source has an index of, such as an id or a date.",
        )
    if code in {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE"}:
        return unavailable(request, setting, f"it answered {response.status}")
    return _refusal(request, response, setting, code, text) or judge_by_status(request, response, setting)


def _refusal(request: Request, response: Response, setting: Setting, code: str, text: str) -> ConnectorError | None:
    """Say of a request that was refused for good what there is to say of it."""
    if code == "INVALID_FIELD" and (field := _NO_FIELD.search(text)):
        return Fatal(
            message=f'server "{setting.server}" has no field {field[1]} of {field[2]} for these credentials',
            detail="It does not exist any more, or the account may not see it.",
            hint="Import the foreign schema again, or leave the column out of the query.",
            sqlstate="HV005",
        )
    if code == "INVALID_TYPE" and (found := _NO_OBJECT.search(text)):
        return Fatal(
            message=f'server "{setting.server}" has no object {found[1]} for these credentials',
            detail="It does not exist any more, or the account may not see it.",
            hint="Import the foreign schema again.",
            sqlstate="HV00R",
        )
    if code in _TOO_MUCH or response.status in {414, 431}:
        return Fatal(
            message=f'server "{setting.server}" finds a query too large',
            detail=f"{request.method} {request.template} was answered {response.status}.",
            hint="Ask for fewer columns, or restrict the query more.",
            sqlstate="54001",
        )
    if code == "INVALID_QUERY_LOCATOR":
        return Fatal(message=f'server "{setting.server}" lost the rest of a result', hint="Run the statement again.")
    if code == "MALFORMED_QUERY":
        return refused(request, response, setting)
    return None


def _error(body: object) -> tuple[str, str]:
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return "", ""
    return str(first.get("errorCode", "")), str(first.get("message", ""))


def _is_part(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("httpStatusCode"), int) and "body" in part
