"""The issues of one tracker project and the closed sets of values they use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from connectors.simulators.company.model import (
    IssueType,
    NamedOption,
    Person,
    Priority,
    Project,
    Sprint,
    Status,
    TrackerIssue,
)
from connectors.simulators.company.people import TEAMS
from connectors.simulators.company.vocabulary import body, seeded, title

STATUSES = (
    Status(id="10000", name="Backlog", category="new", sequence=1),
    Status(id="10001", name="To Do", category="new", sequence=2),
    Status(id="3", name="In Progress", category="indeterminate", sequence=3),
    Status(id="10002", name="In Review", category="indeterminate", sequence=4),
    Status(id="10003", name="Done", category="done", sequence=5),
    Status(id="10004", name="Won't Do", category="done", sequence=6),
)
PRIORITIES = (
    Priority(id="1", name="Highest", color="#d04437", rank=5),
    Priority(id="2", name="High", color="#f15C75", rank=4),
    Priority(id="3", name="Medium", color="#f79232", rank=3),
    Priority(id="4", name="Low", color="#707070", rank=2),
    Priority(id="5", name="Lowest", color="#999999", rank=1),
)
EPIC = IssueType(id="10000", name="Epic", is_subtask=False, hierarchy_level=1, sequence=1)
STORY = IssueType(id="10001", name="Story", is_subtask=False, hierarchy_level=0, sequence=2)
TASK = IssueType(id="10002", name="Task", is_subtask=False, hierarchy_level=0, sequence=3)
BUG = IssueType(id="10004", name="Bug", is_subtask=False, hierarchy_level=0, sequence=4)
SUBTASK = IssueType(id="10003", name="Sub-task", is_subtask=True, hierarchy_level=-1, sequence=5)
ISSUE_TYPES = (EPIC, STORY, TASK, BUG, SUBTASK)
RESOLUTIONS = (
    NamedOption(id="10000", name="Done"),
    NamedOption(id="10001", name="Won't Do"),
    NamedOption(id="10002", name="Duplicate"),
)
TEAM_OPTIONS = tuple(NamedOption(id=str(10_020 + n), name=team.title) for n, team in enumerate(TEAMS))
LABELS = ("regression", "Customer", "tech-debt", "größe-xl", 'say"what', "back\\slash", "quick_win")
# One issue per project is so lively that its comments and its history need a second page of 100.
BUSY_NUMBER = 2
BUSY_COUNT = 130
_DAY_MS = 86_400_000
_POINTS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueContext:
    """All that the issues of a project depend on."""

    seed: int
    project: Project
    people: tuple[Person, ...]
    sprints: tuple[Sprint, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """The times of an issue and where it stands."""

    created_ms: int
    updated_ms: int
    resolved_ms: int | None
    status: Status
    resolution: NamedOption | None


def build_issues(context: IssueContext) -> tuple[TrackerIssue, ...]:
    """Return the issues of a project numbered from 1; times of creation never decrease."""
    count = context.project.issues_count
    random = seeded(context.seed, "tracker", context.project.key)
    step_ms = (context.end_ms - context.start_ms - _DAY_MS) / max(count, 1)
    issues: list[TrackerIssue] = []
    epics: list[str] = []
    for number in range(1, count + 1):
        created_ms = context.start_ms + int((number - random.random()) * step_ms)
        issue = _issue(context, random, number, created_ms, epics)
        issues.append(issue)
        if issue.issue_type is EPIC:
            epics.append(issue.key)
    return tuple(issues)


def _issue(context: IssueContext, random: Random, number: int, created_ms: int, epics: list[str]) -> TrackerIssue:
    project = context.project
    issue_type = EPIC if number == 1 else random.choices(ISSUE_TYPES, weights=(4, 36, 25, 25, 10))[0]
    progress = _progress(context, random, created_ms)
    people = context.people[:-1]
    is_busy = number == BUSY_NUMBER
    worklogs_count = random.choice((0, 0, 0, 0, 1, 2))
    day = datetime.fromtimestamp(created_ms / 1000, tz=UTC).date()
    return TrackerIssue(
        id=10_000 + (project.id - 10_000) * 1_000_000 + number,
        number=number,
        key=f"{project.key}-{number}",
        project_key=project.key,
        summary=title(random).strip().replace("\t", " "),
        description=body(random) or None,
        issue_type=issue_type,
        status=progress.status,
        priority=random.choices((*PRIORITIES, None), weights=(5, 20, 45, 20, 7, 3))[0],
        resolution=progress.resolution,
        assignee=None if random.random() < 0.2 else random.choice(people).login,
        reporter=None if random.random() < 0.02 else random.choice(people).login,
        creator=context.people[-1].login if random.random() < 0.05 else random.choice(people).login,
        labels=tuple(random.sample(LABELS, random.choice((0, 0, 1, 1, 2)))),
        components=tuple(random.sample(project.components, random.choice((0, 1, 1, 2)))),
        fix_versions=tuple(random.sample(project.versions, random.choice((0, 0, 1)))),
        parent_key=None if issue_type is EPIC or random.random() < 0.4 else random.choice(epics),
        sprints=_sprints(context, random, issue_type),
        story_points=None if issue_type in (EPIC, SUBTASK) or random.random() < 0.3 else random.choice(_POINTS),
        team_option=_team_option(random, project),
        team_note="filled in twice" if random.random() < 0.1 else None,
        target_date=str(day + timedelta(days=random.randint(1, 300))) if random.random() < 0.15 else None,
        quality_owner=random.choice(people).login if random.random() < 0.25 else None,
        due_date=str(day + timedelta(days=random.randint(-2, 120))) if random.random() < 0.35 else None,
        created_ms=progress.created_ms,
        updated_ms=progress.updated_ms,
        resolved_ms=progress.resolved_ms,
        comments_count=BUSY_COUNT if is_busy else random.choice((0, 0, 0, 1, 2, 4)),
        worklogs_count=worklogs_count,
        changes_count=BUSY_COUNT if is_busy else random.choice((0, 1, 1, 2, 3)),
        time_spent_s=worklogs_count * 3_600 or None,
        votes=random.choice((0, 0, 0, 1, 7)),
        watches=random.randint(0, 9),
    )


def _progress(context: IssueContext, random: Random, created_ms: int) -> _Progress:
    updated_ms = min(created_ms + int(random.expovariate(1 / (25 * _DAY_MS))), context.end_ms - 1)
    status = random.choices(STATUSES, weights=(12, 16, 15, 9, 40, 8))[0]
    if status.category != "done":
        return _Progress(created_ms=created_ms, updated_ms=updated_ms, resolved_ms=None, status=status, resolution=None)
    # A few closed issues lost their resolution: real workflows forget to set it.
    resolution = None if random.random() < 0.03 else _resolution(random, status)
    resolved_ms = created_ms + int((updated_ms - created_ms) * random.uniform(0.3, 1.0)) if resolution else None
    return _Progress(
        created_ms=created_ms, updated_ms=updated_ms, resolved_ms=resolved_ms, status=status, resolution=resolution
    )


def _resolution(random: Random, status: Status) -> NamedOption:
    if status.name == "Done":
        return RESOLUTIONS[0]
    return random.choice(RESOLUTIONS[1:])


def _sprints(context: IssueContext, random: Random, issue_type: IssueType) -> tuple[Sprint, ...]:
    if not context.sprints or issue_type in (EPIC, SUBTASK) or random.random() < 0.5:
        return ()
    first = random.randrange(len(context.sprints))
    return context.sprints[first : first + random.choice((1, 1, 1, 2))]


def _team_option(random: Random, project: Project) -> NamedOption | None:
    draw = random.random()
    if draw < 0.1:
        return None
    if draw < 0.2:
        return random.choice(TEAM_OPTIONS)
    return next(option for option, team in zip(TEAM_OPTIONS, TEAMS, strict=True) if team.name == project.team)
