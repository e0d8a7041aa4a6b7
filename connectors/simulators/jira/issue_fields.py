"""The fields of an issue: which a request asks for, how each is rendered, and the catalog that `/field` shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.jira import render
from connectors.simulators.jira.adf import document
from connectors.simulators.jira.exchange import View
from connectors.simulators.jira.threads import comment, worklog

# A search shows only the first comments and work logs of an issue; `total` tells the truth.
EMBEDDED_ROWS_MAX = 20
_GREENHOPPER = "com.pyxis.greenhopper.jira:gh-sprint"
_STANDARD = "com.atlassian.jira.plugin.system.customfieldtypes:"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueField:
    """One field; `custom` is the type of a custom field and None for those of the system."""

    id: str
    name: str
    clauses: tuple[str, ...]
    type: str
    render: Callable[[View, TrackerIssue], Any]
    items: str | None = None
    custom: str | None = None
    is_navigable: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        """Return the type as `/field` and the expansion `schema` show it."""
        schema: dict[str, Any] = {"type": self.type}
        if self.items is not None:
            schema["items"] = self.items
        if self.custom is None:
            return {**schema, "system": self.id}
        return {**schema, "custom": self.custom, "customId": int(self.id.removeprefix("customfield_"))}

    def to_json(self) -> dict[str, Any]:
        """Return the field as `/field` shows it."""
        return {
            "id": self.id,
            "key": self.id,
            "name": self.name,
            "custom": self.custom is not None,
            "orderable": True,
            "navigable": self.is_navigable,
            "searchable": bool(self.clauses),
            "clauseNames": list(self.clauses),
            "schema": self.schema,
        }


def chosen_fields(wanted: Sequence[str]) -> list[IssueField]:
    """Return the fields that a list of names, `*all`, `*navigable` and exclusions stands for; unknown names nothing."""
    names = {name for name in wanted if not name.startswith("-")}
    excluded = {name.removeprefix("-") for name in wanted if name.startswith("-")}
    if not names and excluded:
        names = {"*navigable"}
    return [
        field
        for field in ISSUE_FIELDS
        if field.id not in excluded
        and (field.id in names or "*all" in names or ("*navigable" in names and field.is_navigable))
    ]


def issue_bean(view: View, issue: TrackerIssue, fields: Sequence[IssueField]) -> dict[str, Any]:
    """Return an issue with the given fields."""
    bean: dict[str, Any] = {
        "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
        "id": str(issue.id),
        "self": render.link(view, f"issue/{issue.id}"),
        "key": issue.key,
    }
    if fields:
        rendered = {field.id: field.render(view, issue) for field in fields}
        # Only an issue that has a parent has the key.
        bean["fields"] = {name: value for name, value in rendered.items() if name != "parent" or value is not None}
    return bean


def _parent(view: View, issue: TrackerIssue) -> dict[str, Any] | None:
    parent = view.site.company.tracker.issue(issue.parent_key) if issue.parent_key else None
    if parent is None:
        return None
    return {
        "id": str(parent.id),
        "key": parent.key,
        "self": render.link(view, f"issue/{parent.id}"),
        "fields": {
            "summary": parent.summary,
            "status": render.status(view, parent.status),
            "priority": parent.priority and render.priority(view, parent.priority),
            "issuetype": render.issue_type(view, parent.issue_type),
        },
    }


def _project(view: View, issue: TrackerIssue) -> dict[str, Any] | None:
    project = view.site.company.tracker.project(issue.project_key)
    return None if project is None else render.project(view, project)


def _sprints(view: View, issue: TrackerIssue) -> list[dict[str, Any]] | None:
    sprints = [render.sprint(view, sprint) for sprint in issue.sprints]
    # In issues a sprint names its board otherwise than in the agile API.
    return [{**sprint, "boardId": sprint["originBoardId"]} for sprint in sprints] or None


def _comments(view: View, issue: TrackerIssue) -> dict[str, Any]:
    comments = view.site.company.tracker.comments(issue)
    return {
        "comments": [comment(view, issue, found) for found in comments[:EMBEDDED_ROWS_MAX]],
        "self": render.link(view, f"issue/{issue.id}/comment"),
        "maxResults": min(len(comments), EMBEDDED_ROWS_MAX),
        "total": len(comments),
        "startAt": 0,
    }


def _worklogs(view: View, issue: TrackerIssue) -> dict[str, Any]:
    worklogs = view.site.company.tracker.worklogs(issue)
    return {
        "startAt": 0,
        "maxResults": EMBEDDED_ROWS_MAX,
        "total": len(worklogs),
        "worklogs": [worklog(view, issue, found) for found in worklogs[:EMBEDDED_ROWS_MAX]],
    }


def _votes(view: View, issue: TrackerIssue) -> dict[str, Any]:
    return {"self": render.link(view, f"issue/{issue.key}/votes"), "votes": issue.votes, "hasVoted": False}


def _watches(view: View, issue: TrackerIssue) -> dict[str, Any]:
    link = render.link(view, f"issue/{issue.key}/watchers")
    return {"self": link, "watchCount": issue.watches, "isWatching": False}


def _system(field_id: str, name: str, kind: str, value: Callable[[View, TrackerIssue], Any], **more: Any) -> IssueField:
    clauses = more.pop("clauses", (field_id,))
    return IssueField(id=field_id, name=name, clauses=clauses, type=kind, render=value, **more)


def _custom(number: int, name: str, kind: str, value: Callable[[View, TrackerIssue], Any], **more: Any) -> IssueField:
    clauses = (f"cf[{number}]", name)
    return IssueField(id=f"customfield_{number}", name=name, clauses=clauses, type=kind, render=value, **more)


ISSUE_FIELDS: tuple[IssueField, ...] = (
    _system("summary", "Summary", "string", lambda _, i: i.summary),
    _system("description", "Description", "string", lambda _, i: document(i.description)),
    _system("issuetype", "Issue Type", "issuetype", lambda v, i: render.issue_type(v, i.issue_type)),
    _system("project", "Project", "project", _project),
    _system("status", "Status", "status", lambda v, i: render.status(v, i.status)),
    _system("statusCategory", "Status Category", "statusCategory", lambda v, i: render.category(v, i.status.category)),
    _system("priority", "Priority", "priority", lambda v, i: i.priority and render.priority(v, i.priority)),
    _system(
        "resolution",
        "Resolution",
        "resolution",
        lambda v, i: i.resolution and render.named(v, "resolution", i.resolution),
    ),
    _system("assignee", "Assignee", "user", lambda v, i: render.user(v, i.assignee)),
    _system("reporter", "Reporter", "user", lambda v, i: render.user(v, i.reporter)),
    _system("creator", "Creator", "user", lambda v, i: render.user(v, i.creator)),
    _system("labels", "Labels", "array", lambda _, i: list(i.labels), items="string"),
    _system(
        "components",
        "Components",
        "array",
        lambda v, i: [render.named(v, "component", c) for c in i.components],
        items="component",
        clauses=("component",),
    ),
    _system(
        "fixVersions",
        "Fix versions",
        "array",
        lambda v, i: [render.version(v, found) for found in i.fix_versions],
        items="version",
        clauses=("fixVersion",),
    ),
    _system("parent", "Parent", "issuelink", _parent),
    _system("created", "Created", "datetime", lambda v, i: render.timestamp(v, i.created_ms)),
    _system("updated", "Updated", "datetime", lambda v, i: render.timestamp(v, i.updated_ms)),
    _system(
        "resolutiondate",
        "Resolved",
        "datetime",
        lambda v, i: render.timestamp(v, i.resolved_ms),
        clauses=("resolutiondate", "resolved"),
    ),
    _system("duedate", "Due date", "date", lambda _, i: i.due_date, clauses=("due", "duedate")),
    _system("timespent", "Time Spent", "number", lambda _, i: i.time_spent_s, clauses=()),
    _system("votes", "Votes", "votes", _votes),
    _system("watches", "Watchers", "watches", _watches, clauses=("watchers",)),
    _system("comment", "Comment", "comments-page", _comments, is_navigable=False),
    _system("worklog", "Log Work", "array", _worklogs, items="worklog", is_navigable=False, clauses=()),
    _custom(
        10001,
        "Team",
        "option",
        lambda v, i: i.team_option and render.option(v, i.team_option),
        custom=f"{_STANDARD}select",
    ),
    _custom(10016, "Story point estimate", "number", lambda _, i: i.story_points, custom=f"{_STANDARD}float"),
    _custom(10020, "Sprint", "array", _sprints, items="json", custom=_GREENHOPPER),
    # Names of custom fields need not be unique: this one is called like the select field above.
    _custom(10032, "Team", "string", lambda _, i: i.team_note, custom=f"{_STANDARD}textfield"),
    _custom(10040, "Target date", "date", lambda _, i: i.target_date, custom=f"{_STANDARD}datepicker"),
    _custom(10041, "QA owner", "user", lambda v, i: render.user(v, i.quality_owner), custom=f"{_STANDARD}userpicker"),
)
