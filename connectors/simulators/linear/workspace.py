"""The company's tracker as a Linear workspace: objects with the schema's field names, built once. Pure.

On purpose: some issues have no assignee, estimate, project or cycle, some are archived, one user is disabled, a team
and a project are archived, two teams have states of the same name, titles contain quotes and capitals, and one label
occurs in two spellings. What is archived is listed with `includeArchived` only; lists are ordered by `createdAt` and
give 50 without `first` (https://linear.app/developers/pagination).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.simulators.company import Company, Person
from connectors.simulators.company.model import TrackerIssue

Node = dict[str, Any]
_NAMESPACE = uuid.UUID("6f1c4f5a-3f0b-4f0e-9a53-0c8b1c7d2a11")
_STATES = (
    ("Backlog", "backlog"), ("Todo", "unstarted"), ("In Progress", "started"), ("In Review", "started"),
    ("Done", "completed"), ("Canceled", "canceled"),
)  # fmt: skip
_PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")
_PROJECT_STATUSES = (("Planned", "planned"), ("In Progress", "started"), ("Completed", "completed"))
_LABELS = ("Bug", "bug", "Feature", "Improvement", 'The "core"')
_COMMENTS_PER_ISSUE_MAX = 3


class Workspace:
    """All nodes of a workspace, by type."""

    def __init__(self, company: Company) -> None:
        self._epoch = company.epoch
        tracker = company.tracker
        self.users = [self._user(person, at) for at, person in enumerate(company.people) if not person.is_bot]
        self._by_login = dict(zip((p.login for p in company.people if not p.is_bot), self.users, strict=True))
        self.teams = [
            self._dated(at, id=_id("team", p.key), key=p.key, name=p.name, description=p.description or None,
                        timezone="Europe/Berlin", cyclesEnabled=p.key != "DATA", archivedAt=self._archived(at == 3))
            for at, p in enumerate(tracker.projects)
        ]  # fmt: skip
        self.labels = self._labels()
        self.states = [
            self._dated(at, id=_id("state", team["key"], name), name=name, type=kind, position=float(at),
                        color="#bec2c8", description=f"Work that is {name}" if at % 2 else None, team=team)
            for team in self.teams for at, (name, kind) in enumerate(_STATES)
        ]  # fmt: skip
        self.projects = [self._project(at) for at in range(9)]
        self.cycles = [
            self._dated(at, id=_id("cycle", sprint.id), number=at + 1, name=sprint.name if at % 3 else None,
                        startsAt=_time(sprint.start_ms or sprint.created_ms),
                        endsAt=_time((sprint.start_ms or sprint.created_ms) + 14 * 86_400_000),
                        completedAt=_time(sprint.complete_ms), progress=at / 20,
                        team=next(t for t in self.teams if t["key"] == board.project_key))
            for board in tracker.boards for at, sprint in enumerate(tracker.sprints(board.id))
        ]  # fmt: skip
        self.issues: list[Node] = []
        for at, issue in enumerate(tracker.issues()):
            self.issues.append(self._issue(at, issue))
        self.comments = [
            comment for at, issue in enumerate(tracker.issues()) for comment in self._comments(company, at, issue)
        ]
        self.initiatives = [self._initiative(at) for at in range(7)]
        self.viewer = self.users[0]

    def nodes(self, kind: str) -> list[Node]:
        """Return the nodes of a type."""
        listed: Mapping[str, list[Node]] = {
            "Issue": self.issues, "Comment": self.comments, "Team": self.teams, "User": self.users,
            "WorkflowState": self.states, "Project": self.projects, "Cycle": self.cycles, "IssueLabel": self.labels,
            "Initiative": self.initiatives,
        }  # fmt: skip
        return listed[kind]

    def _dated(self, at: int, **fields: Any) -> Node:
        created = self._epoch - timedelta(days=500 - at, milliseconds=37 * at)
        updated = created + timedelta(days=at % 9, milliseconds=11)
        return {"createdAt": _iso(created), "updatedAt": _iso(updated), "archivedAt": None, **fields}

    def _archived(self, is_archived: bool) -> str | None:
        return _iso(self._epoch - timedelta(days=2)) if is_archived else None

    def _user(self, person: Person, at: int) -> Node:
        return self._dated(
            at, id=_id("user", person.account_id), name=person.name, displayName=person.login, email=person.email,
            active=person.is_active, admin=person.is_admin, guest=at % 13 == 5,
            timezone=person.time_zone if at % 4 else None, archivedAt=self._archived(not person.is_active),
        )  # fmt: skip

    def _labels(self) -> list[Node]:
        shared = [(name, None) for name in _LABELS]
        own = [("Regression", team) for team in self.teams]
        return [
            self._dated(at, id=_id("label", name, team and team["key"]), name=name, color="#eb5757",
                        description=f"All of {name}" if at % 2 else None, isGroup=name == "Feature", team=team)
            for at, (name, team) in enumerate([*shared, *own])
        ]  # fmt: skip

    def _project(self, at: int) -> Node:
        name, kind = _PROJECT_STATUSES[at % 3]
        start = (self._epoch - timedelta(days=90 - at)).date().isoformat()
        return self._dated(
            at, id=_id("project", at), name=f"Project {at}: \"launch\"", description="" if at % 2 else "What we ship",
            status={"id": _id("project status", name), "name": name, "type": kind},
            lead=self.users[at] if at % 3 else None, priority=at % 5, progress=at / 10,
            startDate=start if at % 2 else None, targetDate=None if at % 4 else "2026-06-30",
            completedAt=_iso(self._epoch - timedelta(days=3)) if kind == "completed" else None,
            url=f"https://linear.app/acme/project/p{at}", archivedAt=self._archived(at == 8),
        )  # fmt: skip

    def _initiative(self, at: int) -> Node:
        status = ("Planned", "Active", "Completed", "Proposed")[at % 4]
        started = _iso(self._epoch - timedelta(days=60 + at)) if status in {"Active", "Completed"} else None
        return self._dated(
            at, id=_id("initiative", at), name=f"Initiative {at}", description=f"Why {at}" if at % 2 else None,
            status=status, owner=self.users[at] if at % 3 else None, creator=self.users[at + 1], priority=at % 5,
            health="onTrack" if at % 2 else None, targetDate="2026-09-30" if at % 3 == 1 else None, startedAt=started,
            completedAt=_iso(self._epoch - timedelta(days=4)) if status == "Completed" else None,
            archivedAt=self._archived(at == 6), url=f"https://linear.app/acme/initiative/i{at}",
        )  # fmt: skip

    def _issue(self, at: int, issue: TrackerIssue) -> Node:
        team = next(team for team in self.teams if team["key"] == issue.project_key)
        states = [state for state in self.states if state["team"] is team]
        state = states[at % len(states)] if issue.resolution is None else states[4 + at % 2]
        cycles = [cycle for cycle in self.cycles if cycle["team"] is team]
        labels = [self.labels[at % 5], self.labels[(at + 3) % 5]] if at % 4 else []
        done = _time(issue.resolved_ms)
        parent = self.issues[at - 1] if at % 11 == 7 and self.issues[at - 1]["team"] is team else None
        return {
            "id": _id("issue", issue.key), "identifier": issue.key, "number": issue.number, "title": issue.summary,
            "description": issue.description, "priority": at % 5, "priorityLabel": _PRIORITIES[at % 5],
            "estimate": None if at % 3 == 1 else float(at % 3 + 1) / 2, "state": state, "team": team,
            "assignee": self._by_login.get(issue.assignee or ""), "creator": self._by_login.get(issue.creator),
            "project": self.projects[at % 9] if at % 2 else None,
            "cycle": cycles[at % len(cycles)] if cycles and at % 3 else None, "parent": parent,
            "labels": labels, "labelIds": [label["id"] for label in labels], "dueDate": issue.due_date,
            "createdAt": _time(issue.created_ms), "updatedAt": _time(issue.updated_ms),
            "startedAt": _time(issue.created_ms + 1001) if state["type"] not in {"backlog", "unstarted"} else None,
            "completedAt": done if state["type"] == "completed" else None,
            "canceledAt": done if state["type"] == "canceled" else None,
            "archivedAt": _time(issue.updated_ms + 5) if at % 17 == 3 else None,
            "url": f"https://linear.app/acme/issue/{issue.key}", "branchName": f"{issue.key.lower()}-work",
        }  # fmt: skip

    def _comments(self, company: Company, at: int, issue: TrackerIssue) -> Iterable[Node]:
        earlier: Node | None = None
        for comment in company.tracker.comments(issue)[:_COMMENTS_PER_ISSUE_MAX]:
            node = {
                "id": _id("comment", issue.key, comment.id), "issue": self.issues[at],
                "user": self._by_login.get(comment.author or ""), "parent": earlier if comment.id % 3 == 0 else None,
                "body": comment.body, "createdAt": _time(comment.created_ms), "updatedAt": _time(comment.updated_ms),
                "editedAt": _time(comment.updated_ms) if comment.updated_ms != comment.created_ms else None,
                "resolvedAt": _time(comment.updated_ms + 7) if comment.id % 5 == 1 else None, "archivedAt": None,
                "url": f"https://linear.app/acme/issue/{issue.key}#comment",
            }  # fmt: skip
            earlier = node
            yield node


def _id(*parts: object) -> str:
    return str(uuid.uuid5(_NAMESPACE, repr(parts)))


def _time(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else _iso(datetime.fromtimestamp(epoch_ms / 1000, tz=UTC))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
