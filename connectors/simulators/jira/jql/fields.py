"""The searchable fields: what values an issue has in each, how a literal becomes one of them, how to sort by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from connectors.simulators.company import Company, Person
from connectors.simulators.company.model import NamedOption, TrackerIssue
from connectors.simulators.company.tracker_issues import ISSUE_TYPES, PRIORITIES, RESOLUTIONS, STATUSES, TEAM_OPTIONS
from connectors.simulators.jira.jql.errors import JqlError

CATEGORIES = {"new": ("2", "To Do"), "indeterminate": ("4", "In Progress"), "done": ("3", "Done")}
EQUALITY = frozenset({"=", "!=", "in", "not in", "is", "is not"})
ORDERING = EQUALITY | {"<", "<=", ">", ">="}
TEXT = frozenset({"~", "!~", "is", "is not"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a query is evaluated against: the data, the user who asks and that user's time zone."""

    company: Company
    user: Person
    zone: tzinfo

    @property
    def now_ms(self) -> int:
        return int(self.company.epoch.timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field.

    `values` are those of an issue, empty when it has none. `resolve` turns a literal into the values it stands for.
    `rank` makes values comparable with `<`. `sort` is None for an issue without a value.
    """

    name: str
    kind: str
    operators: frozenset[str]
    values: Callable[[TrackerIssue], tuple[Any, ...]]
    resolve: Callable[[Context, str], tuple[Any, ...]] | None = None
    rank: Callable[[Any], Any] | None = None
    sort: Callable[[TrackerIssue], Any] | None = None
    is_descending_by_default: bool = False


def _one(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _no_value(text: str, name: str) -> JqlError:
    return JqlError(f"The value '{text}' does not exist for the field '{name}'.")


def _named(name: str, options: Callable[[Context], Iterable[Any]]) -> Callable[[Context, str], tuple[Any, ...]]:
    """Return a resolver by name without regard to case, or by identifier."""

    def resolve(context: Context, text: str) -> tuple[Any, ...]:
        wanted = text.lower()
        found = tuple(o.id for o in options(context) if o.name.lower() == wanted or str(o.id) == text)
        if not found:
            raise _no_value(text, name)
        return found

    return resolve


def _project(context: Context, text: str) -> tuple[Any, ...]:
    found = tuple(p.key for p in context.company.tracker.projects if text.upper() in {p.key, str(p.id), p.name.upper()})
    if not found:
        raise _no_value(text, "project")
    return found


def _category(_context: Context, text: str) -> tuple[Any, ...]:
    found = tuple(key for key, names in CATEGORIES.items() if text.lower() in {key, *(n.lower() for n in names)})
    if not found:
        raise _no_value(text, "statusCategory")
    return found


def _resolution(context: Context, text: str) -> tuple[Any, ...]:
    if text.lower() == "unresolved":
        return (None,)
    return _named("resolution", lambda _: RESOLUTIONS)(context, text)


def _person(name: str) -> Callable[[Context, str], tuple[Any, ...]]:
    def resolve(context: Context, text: str) -> tuple[Any, ...]:
        wanted = text.lower()
        people = context.company.people
        found = tuple(p.login for p in people if text == p.account_id or wanted == (p.public_email or "").lower())
        if not found:
            raise _no_value(text, name)
        return found

    return resolve


def _key(name: str) -> Callable[[Context, str], tuple[Any, ...]]:
    def resolve(context: Context, text: str) -> tuple[Any, ...]:
        issue = context.company.tracker.issue(text)
        if issue is None:
            raise JqlError(f"An issue with key '{text}' does not exist for field '{name}'.")
        return (issue.key,)

    return resolve


def _id(context: Context, text: str) -> tuple[Any, ...]:
    issue = context.company.tracker.issue(text) if text.isascii() and text.isdigit() else None
    if issue is None:
        raise JqlError(f"A value with ID '{text}' does not exist for the field 'id'.")
    return (issue.id,)


def _label(_context: Context, text: str) -> tuple[Any, ...]:
    # A label that nobody uses is not an error: labels are free text.
    return (text.lower(),)


def _sprint(context: Context, text: str) -> tuple[Any, ...]:
    tracker = context.company.tracker
    sprints = [sprint for board in tracker.boards for sprint in tracker.sprints(board.id)]
    found = tuple(s.id for s in sprints if str(s.id) == text or s.name.lower() == text.lower())
    if not found:
        raise JqlError(f"Sprint with name '{text}' does not exist or you do not have permission to view it.")
    return found


def _number(name: str) -> Callable[[Context, str], tuple[Any, ...]]:
    def resolve(_context: Context, text: str) -> tuple[Any, ...]:
        try:
            number = float(text)
        except ValueError:
            raise JqlError(f"'{text}' is an invalid number for the field '{name}'.") from None
        return (number,)

    return resolve


def _components(context: Context) -> Iterable[NamedOption]:
    return (option for project in context.company.tracker.projects for option in project.components)


def _versions(context: Context) -> Iterable[NamedOption]:
    return (option for project in context.company.tracker.projects for option in project.versions)


def _key_rank(key: str) -> tuple[str, int]:
    project, _, number = key.rpartition("-")
    return project, int(number)


_PRIORITY_RANKS = {priority.id: priority.rank for priority in PRIORITIES}


def _choice(name: str, values: Callable[[TrackerIssue], tuple[Any, ...]], resolve: Any, **more: Any) -> Field:
    return Field(name=name, kind="choice", operators=EQUALITY, values=values, resolve=resolve, **more)


def _moment(name: str, value: Callable[[TrackerIssue], Any], kind: str = "datetime") -> Field:
    return Field(
        name=name,
        kind=kind,
        operators=ORDERING,
        values=lambda issue: _one(value(issue)),
        rank=lambda moment: moment,
        sort=value,
        is_descending_by_default=True,
    )


def _count(name: str, value: Callable[[TrackerIssue], Any]) -> Field:
    return Field(
        name=name,
        kind="number",
        operators=ORDERING,
        values=lambda issue: _one(value(issue)),
        resolve=_number(name),
        rank=lambda number: number,
        sort=value,
    )


def _text(name: str, values: Callable[[TrackerIssue], tuple[Any, ...]], sort: Any = None) -> Field:
    return Field(name=name, kind="text", operators=TEXT, values=values, sort=sort)


_FIELDS: dict[tuple[str, ...], Field] = {
    ("project",): _choice("project", lambda i: (i.project_key,), _project, sort=lambda i: i.project_key),
    ("key", "issuekey", "issue"): Field(
        name="key",
        kind="choice",
        operators=ORDERING,
        values=lambda i: (i.key,),
        resolve=_key("key"),
        rank=_key_rank,
        sort=lambda i: (i.project_key, i.number),
        is_descending_by_default=True,
    ),
    ("id",): _choice("id", lambda i: (i.id,), _id, sort=lambda i: i.id),
    ("status",): _choice(
        "status", lambda i: (i.status.id,), _named("status", lambda _: STATUSES), sort=lambda i: i.status.sequence
    ),
    ("statuscategory",): _choice("statusCategory", lambda i: (i.status.category,), _category),
    ("issuetype", "type"): _choice(
        "issuetype",
        lambda i: (i.issue_type.id,),
        _named("issuetype", lambda _: ISSUE_TYPES),
        sort=lambda i: i.issue_type.sequence,
    ),
    ("priority",): Field(
        name="priority",
        kind="choice",
        operators=ORDERING,
        values=lambda i: _one(i.priority and i.priority.id),
        resolve=_named("priority", lambda _: PRIORITIES),
        rank=_PRIORITY_RANKS.__getitem__,
        sort=lambda i: i.priority and i.priority.rank,
        is_descending_by_default=True,
    ),
    ("resolution",): _choice(
        "resolution",
        lambda i: _one(i.resolution and i.resolution.id),
        _resolution,
        sort=lambda i: i.resolution and i.resolution.id,
    ),
    ("assignee",): _choice("assignee", lambda i: _one(i.assignee), _person("assignee"), sort=lambda i: i.assignee),
    ("reporter",): _choice("reporter", lambda i: _one(i.reporter), _person("reporter"), sort=lambda i: i.reporter),
    ("creator",): _choice("creator", lambda i: (i.creator,), _person("creator"), sort=lambda i: i.creator),
    ("labels",): _choice("labels", lambda i: tuple(label.lower() for label in i.labels), _label),
    ("component", "components"): _choice(
        "component", lambda i: tuple(c.id for c in i.components), _named("component", _components)
    ),
    ("fixversion",): _choice(
        "fixVersion", lambda i: tuple(v.id for v in i.fix_versions), _named("fixVersion", _versions)
    ),
    ("parent",): _choice("parent", lambda i: _one(i.parent_key), _key("parent"), sort=lambda i: i.parent_key),
    ("sprint", "cf[10020]"): _choice("sprint", lambda i: tuple(s.id for s in i.sprints), _sprint),
    ("cf[10001]",): _choice(
        "cf[10001]", lambda i: _one(i.team_option and i.team_option.id), _named("cf[10001]", lambda _: TEAM_OPTIONS)
    ),
    ("qa owner", "cf[10041]"): _choice("QA owner", lambda i: _one(i.quality_owner), _person("QA owner")),
    ("created", "createddate"): _moment("created", lambda i: i.created_ms),
    ("updated", "updateddate"): _moment("updated", lambda i: i.updated_ms),
    ("resolved", "resolutiondate"): _moment("resolved", lambda i: i.resolved_ms),
    ("due", "duedate"): _moment("duedate", lambda i: i.due_date, kind="date"),
    ("target date", "cf[10040]"): _moment("Target date", lambda i: i.target_date, kind="date"),
    ("story point estimate", "cf[10016]"): _count("cf[10016]", lambda i: i.story_points),
    ("votes",): _count("votes", lambda i: i.votes),
    ("watchers",): _count("watchers", lambda i: i.watches),
    ("summary",): _text("summary", lambda i: (i.summary,), sort=lambda i: i.summary.lower()),
    ("description",): _text("description", lambda i: _one(i.description)),
    ("text",): _text("text", lambda i: (i.summary, *_one(i.description))),
    ("cf[10032]",): _text("cf[10032]", lambda i: _one(i.team_note)),
}
FIELDS = {name: field for names, field in _FIELDS.items() for name in names}


def find_field(name: str) -> Field:
    """Find a field by any of its names, without regard to case.

    Raises:
        JqlError: there is no such field.
    """
    field = FIELDS.get(name.lower())
    if field is None:
        raise JqlError(f"Field '{name}' does not exist or you do not have permission to view it.")
    return field
