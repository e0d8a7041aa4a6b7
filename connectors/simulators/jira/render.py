"""Users, statuses and the other small things of Jira in its own shapes; pure functions of a view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.simulators.company import Person
from connectors.simulators.company.model import IssueType, NamedOption, Priority, Project, Sprint, Status
from connectors.simulators.company.vocabulary import hex_digest
from connectors.simulators.jira.exchange import View
from connectors.simulators.jira.jql.fields import CATEGORIES

# The account that stands for people whose account was deleted.
FORMER_USER_ID = "unknown"
_COLORS = {"new": "blue-gray", "indeterminate": "yellow", "done": "green"}


def timestamp(view: View, time_ms: int | None) -> str | None:
    """Return a time as Jira writes it: in the user's zone, with milliseconds and an offset without a colon."""
    if time_ms is None:
        return None
    moment = datetime.fromtimestamp(time_ms // 1000, tz=view.site.zone)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}{moment:%z}"


def link(view: View, path: str) -> str:
    """Return an address in the API."""
    return f"{view.base}/rest/api/3/{path}"


def user(view: View, login: str | None) -> dict[str, Any] | None:
    """Return a user by login; None stays None."""
    if login is None:
        return None
    person = view.site.company.person(login)
    return former_user(view) if person is None else account(view, person)


def account(view: View, person: Person) -> dict[str, Any]:
    """Return a user; the address is left out when it is hidden."""
    icon = f"https://secure.gravatar.com/avatar/{hex_digest(person.login)[:32]}"
    body: dict[str, Any] = {
        "self": link(view, f"user?accountId={person.account_id}"),
        "accountId": person.account_id,
        "accountType": person.account_type,
        "avatarUrls": {size: f"{icon}?s={size[:2]}" for size in ("16x16", "24x24", "32x32", "48x48")},
        "displayName": person.name,
        "active": person.is_active,
        "timeZone": person.time_zone,
    }
    if person.public_email is not None:
        body["emailAddress"] = person.public_email
    return body


def former_user(view: View) -> dict[str, Any]:
    """Return the account of somebody who was deleted."""
    return {
        "self": link(view, f"user?accountId={FORMER_USER_ID}"),
        "accountId": FORMER_USER_ID,
        "accountType": "unknown",
        "displayName": "Former user",
        "active": False,
    }


def status(view: View, found: Status) -> dict[str, Any]:
    """Return a status with its category."""
    return {
        "self": link(view, f"status/{found.id}"),
        "description": "",
        "iconUrl": f"{view.base}/images/icons/statuses/generic.png",
        "name": found.name,
        "id": found.id,
        "statusCategory": category(view, found.category),
    }


def category(view: View, key: str) -> dict[str, Any]:
    """Return a status category."""
    number, name = CATEGORIES[key]
    return {
        "self": link(view, f"statuscategory/{number}"),
        "id": int(number),
        "key": key,
        "colorName": _COLORS[key],
        "name": name,
    }


def priority(view: View, found: Priority) -> dict[str, Any]:
    """Return a priority as issues show it."""
    return {
        "self": link(view, f"priority/{found.id}"),
        "iconUrl": f"{view.base}/images/icons/priorities/{found.name.lower()}.svg",
        "name": found.name,
        "id": found.id,
    }


def issue_type(view: View, found: IssueType) -> dict[str, Any]:
    """Return an issue type."""
    return {
        "self": link(view, f"issuetype/{found.id}"),
        "id": found.id,
        "description": f"A {found.name.lower()}.",
        "iconUrl": f"{view.base}/images/icons/issuetypes/{found.id}.svg",
        "name": found.name,
        "subtask": found.is_subtask,
        "avatarId": 10_300 + found.sequence,
        "hierarchyLevel": found.hierarchy_level,
    }


def named(view: View, kind: str, found: NamedOption) -> dict[str, Any]:
    """Return a component, a resolution or anything else that is an identifier and a name."""
    return {"self": link(view, f"{kind}/{found.id}"), "id": found.id, "name": found.name, "description": ""}


def version(view: View, found: NamedOption) -> dict[str, Any]:
    """Return a version."""
    return {**named(view, "version", found), "archived": False, "released": found.name == "1.0"}


def option(view: View, found: NamedOption) -> dict[str, Any]:
    """Return the option of a select field."""
    return {"self": link(view, f"customFieldOption/{found.id}"), "value": found.name, "id": found.id}


def project(view: View, found: Project) -> dict[str, Any]:
    """Return a project as issues and lists show it."""
    return {
        "self": link(view, f"project/{found.id}"),
        "id": str(found.id),
        "key": found.key,
        "name": found.name,
        "projectTypeKey": "software",
        "simplified": False,
        "avatarUrls": {"48x48": link(view, f"universal_avatar/view/type/project/avatar/{found.id}")},
    }


def sprint(view: View, found: Sprint) -> dict[str, Any]:
    """Return a sprint; the agile API writes times in UTC with a Z, unlike the rest of Jira."""
    body: dict[str, Any] = {
        "id": found.id,
        "self": f"{view.base}/rest/agile/1.0/sprint/{found.id}",
        "state": found.state,
        "name": found.name,
        "createdDate": utc(found.created_ms),
        "originBoardId": found.board_id,
        "goal": found.goal,
    }
    times = {"startDate": found.start_ms, "endDate": found.end_ms, "completeDate": found.complete_ms}
    return {**body, **{name: utc(time_ms) for name, time_ms in times.items() if time_ms is not None}}


def utc(time_ms: int) -> str:
    """Return a time as the agile API writes it."""
    moment = datetime.fromtimestamp(time_ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
