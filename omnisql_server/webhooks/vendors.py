"""What GitHub, Jira and Linear sign, and what their webhooks say has changed. Pure.

Signatures are HMAC-SHA256 (RFC 2104) of the body as it came: GitHub "Validating webhook deliveries", Jira Cloud
"Webhooks", section "Secure admin webhooks", Linear "Webhooks", section "Securing webhooks".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnisql_server.model.freshness import Change

AGE_MAX_S = 60.0
"""How old a webhook may be that says when it was sent: as old as Linear advises."""

Headers = Mapping[str, str]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor's webhooks: the header with the signature, what stands before it, and what a body says.

    `changes` gives None where nothing has changed that a table shows. `sent_s` is the time at which one was sent, None
    where it does not say.
    """

    header: str
    prefix: str
    changes: Callable[[Headers, Body], Change | None]
    sent_s: Callable[[Body], float | None] = lambda _: None

    def signature(self, headers: Headers) -> str:
        """Return the signature of a webhook, empty without one."""
        given = headers.get(self.header, "")
        return given.removeprefix(self.prefix) if given.startswith(self.prefix) else ""

    def is_recent(self, body: Body, now_s: float) -> bool:
        """Say whether a webhook was sent a moment ago, as far as it says when."""
        sent_s = self.sent_s(body)
        return sent_s is None or abs(now_s - sent_s) <= AGE_MAX_S


def is_signed(content: bytes, signature: str, secrets: tuple[bytes, ...]) -> bool:
    """Say whether one of the secrets made a signature, in a time that tells nothing of which."""
    given = signature.lower().encode("ascii", "replace")
    verdicts = [
        hmac.compare_digest(hmac.new(secret, content, hashlib.sha256).hexdigest().encode(), given) for secret in secrets
    ]
    return any(verdicts)


_GITHUB = {
    "issues": ("issues",),
    "issue_comment": ("issue_comments", "issues"),
    "pull_request": ("pull_requests", "issues"),
    "pull_request_review": ("pull_requests", "issues"),
    "pull_request_review_comment": ("pull_requests", "issues"),
    "push": ("commits", "pull_requests", "repositories"),
    "release": ("releases",),
    "workflow_run": ("workflow_runs",),
    "label": ("labels", "issues", "pull_requests"),
}
"""Tables that show what an event is about; any other event may be about every table."""


def _of_github(headers: Headers, body: Body) -> Change | None:
    event = headers.get("X-GitHub-Event", "")
    if event == "ping":
        return None
    tables = frozenset(_GITHUB.get(event, ()))
    repository = _object(body, "repository")
    keys = {"owner": _text(_object(repository, "owner"), "login"), "repo": _text(repository, "name")}
    if body.get("action") in ("transferred", "renamed") or not tables:
        # What it was called before is not told everywhere.
        keys = {}
    number = _object(body, "issue").get("number") or _object(body, "pull_request").get("number")
    if isinstance(number, int) and keys:
        keys |= {"number": str(number), "issue_number": str(number)}
    return Change(tables=tables, keys={name: value for name, value in keys.items() if value})


_JIRA = {
    "jira:issue_": ("issues", "issue_changelog"),
    "comment_": ("issue_comments", "issues"),
    "worklog_": ("issue_worklogs", "issues"),
    "jira:worklog_": ("issue_worklogs", "issues"),
    "issuelink_": ("issues",),
    "project_": ("projects", "issues"),
    "user_": ("users",),
    "board_": ("boards",),
    "sprint_": ("sprints", "issues"),
}


def _of_jira(_: Headers, body: Body) -> Change | None:
    event = body.get("webhookEvent")
    name = event if isinstance(event, str) else ""
    tables = frozenset(next((tables for start, tables in _JIRA.items() if name.startswith(start)), ()))
    issue = _object(body, "issue")
    key, project = _text(issue, "key"), _text(_object(_object(issue, "fields"), "project"), "key")
    items = _object(body, "changelog").get("items")
    changed = {each.get("field") for each in items if isinstance(each, dict)} if isinstance(items, list) else set()
    if changed & {"project", "Key"} or not tables:
        # It was moved: both projects have changed, and it has two keys.
        key = project = ""
    keys = {"key": key, "issue_key": key, "project_key": project}
    return Change(tables=tables, keys={column: value for column, value in keys.items() if value})


_LINEAR = {
    "Issue": ("issues",),
    "Comment": ("comments",),
    "Project": ("projects", "issues"),
    "Cycle": ("cycles", "issues"),
    "IssueLabel": ("issue_labels", "issues"),
    "User": ("users", "issues"),
}


def _of_linear(_: Headers, body: Body) -> Change | None:
    kind = body.get("type")
    return Change(tables=frozenset(_LINEAR.get(kind, ()) if isinstance(kind, str) else ()))


def _sent_by_linear(body: Body) -> float | None:
    sent_ms = body.get("webhookTimestamp")
    # One that does not say when it was sent was sent by nobody.
    return sent_ms / 1000 if isinstance(sent_ms, int | float) else 0.0


VENDORS: Mapping[str, Vendor] = {
    "github": Vendor(header="X-Hub-Signature-256", prefix="sha256=", changes=_of_github),
    "jira": Vendor(header="X-Hub-Signature", prefix="sha256=", changes=_of_jira),
    "linear": Vendor(header="Linear-Signature", prefix="", changes=_of_linear, sent_s=_sent_by_linear),
}
"""Vendors by the connector of their servers."""


def _object(body: Body, name: str) -> Body:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _text(body: Body, name: str) -> str:
    found = body.get(name)
    return found if isinstance(found, str) else ""
