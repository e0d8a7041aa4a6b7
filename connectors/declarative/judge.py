"""What an answer means by a manifest's hook and rules, then by GraphQL's errors, then by its status. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.declarative.account import ErrorRule
from connectors.declarative.hooks import NO_HOOKS, Hooks
from connectors.declarative.limits import limits_of, quota_headers
from connectors.declarative.manifest import Manifest
from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import ConnectorError, EmptyResult
from connectors.sdk.extract import path
from connectors.sdk.limits import is_short, quotas_told
from connectors.sdk.quota import QuotaHeaders, retry_after_s
from connectors.sdk.request import Request, Response
from connectors.sdk.verdicts import (
    THROTTLE_DEFAULT_S,
    Judge,
    Setting,
    credentials_rejected,
    judge_by_status,
    permission_denied,
    rate_limited,
    refused,
    unavailable,
)

_ERRORS = path("errors")


def quota_of(manifest: Manifest) -> QuotaHeaders | None:
    """Return where the source tells its quota."""
    declared = manifest.rate_limit
    return None if declared is None else quota_headers(declared, declared.bucket, declared.pays)


def judge_of(manifest: Manifest, hooks: Hooks = NO_HOOKS) -> Judge:
    """Return the judge of a manifest's answers."""
    quota = quota_of(manifest)
    limits = limits_of(manifest)
    hook = None if manifest.judge is None else hooks.judge[manifest.judge]
    is_graphql_at = manifest.graphql_path

    def judge(request: Request, response: Response, setting: Setting) -> ConnectorError | None:
        verdict = None if hook is None else hook(request, response, setting, quota)
        if verdict is not None:
            return verdict
        for rule in manifest.errors:
            if _fits(rule, response):
                told = quotas_told(quota, limits, request, response, setting.now_s)
                return _verdict(rule, request, response, setting, tuple(told))
        by_status = judge_by_status(request, response, setting)
        if by_status is None and request.path == is_graphql_at and _ERRORS(response.body):
            # A part of the data may be there; what is missing is not told row by row.
            return refused(request, response, setting)
        return by_status

    return judge


def _fits(rule: ErrorRule, response: Response) -> bool:
    if rule.status and response.status not in rule.status:
        return False
    if rule.at is None:
        return True
    found = path(rule.at)(response.body)
    return any(_matches(rule, value) for value in (found if isinstance(found, list) else [found]))


def _matches(rule: ErrorRule, value: object) -> bool:
    if value is None:
        return False
    if rule.equals and not any(type(value) is type(each) and value == each for each in rule.equals):
        return False
    return rule.contains is None or rule.contains in str(value).lower()


def _verdict(
    rule: ErrorRule, request: Request, response: Response, setting: Setting, told: Sequence[QuotaObserved]
) -> ConnectorError:
    if rule.action == "rate_limited":
        return rate_limited(request, setting, _wait_s(request, response, setting, told))
    if rule.action == "credentials":
        return credentials_rejected(request, response, setting)
    if rule.action == "denied":
        return permission_denied(request, setting)
    if rule.action == "empty":
        return EmptyResult(message=f'server "{setting.server}" has nothing that matches')
    if rule.action == "retry":
        return unavailable(request, setting, f"it answered {response.status} and says that it cannot answer now")
    return refused(request, response, setting)


def _wait_s(request: Request, response: Response, setting: Setting, told: Sequence[QuotaObserved]) -> float:
    wait_s = retry_after_s(response.headers, setting.now_s)
    if wait_s is not None:
        return wait_s
    return max((each.reset_s or 0.0 for each in told if is_short(each, request)), default=0.0) or THROTTLE_DEFAULT_S
