"""The company's issue tracker: projects, boards, sprints and, generated on first use and then kept, their issues."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.simulators.company.model import (
    Board,
    Change,
    NamedOption,
    Person,
    Project,
    Sprint,
    TrackerComment,
    TrackerIssue,
    Worklog,
)
from connectors.simulators.company.people import TEAMS
from connectors.simulators.company.tracker_issues import IssueContext, build_issues
from connectors.simulators.company.tracker_threads import build_changes, build_comments, build_worklogs
from connectors.simulators.company.vocabulary import seeded

# Shares in percent, in the order of the teams.
_SHARES = (40, 30, 15, 15)
_COMPONENTS = ("Frontend", "Backend", "Import/Export", 'The "core"')
_VERSIONS = ("1.0", "1.1", "2.0 beta")
_SPRINT_COUNT = 20
_WEEK_MS = 7 * 86_400_000


class Tracker:
    """Reads of the tracker; every method is deterministic and its result must not be changed."""

    def __init__(self, *, seed: int, issues: int, start_s: int, end_s: int, people: Sequence[Person]) -> None:
        self._seed = seed
        self._start_ms = start_s * 1000
        self._end_ms = end_s * 1000
        self._people = tuple(people)
        counts = [issues * share // 100 for share in _SHARES]
        counts[0] += issues - sum(counts)
        self.projects = tuple(self._project(index, count) for index, count in enumerate(counts))
        self.boards = tuple(
            Board(
                id=index + 1,
                name=f"{project.key} board",
                kind="kanban" if project.key == "DATA" else "scrum",
                project_key=project.key,
            )
            for index, project in enumerate(self.projects)
        )
        self._sprints = {board.id: self._board_sprints(board) for board in self.boards}
        self._issues: dict[str, tuple[TrackerIssue, ...]] = {}
        self._all_issues: tuple[TrackerIssue, ...] = ()

    def project(self, key_or_id: str) -> Project | None:
        """Find a project by key without regard to case, or by identifier."""
        wanted = key_or_id.upper()
        return next((p for p in self.projects if wanted in {p.key, str(p.id)}), None)

    def sprints(self, board_id: int) -> tuple[Sprint, ...]:
        """Return the sprints of a board, oldest first; a kanban board has none."""
        return self._sprints.get(board_id, ())

    def project_issues(self, key: str) -> tuple[TrackerIssue, ...]:
        """Return the issues of a project by number."""
        if key not in self._issues:
            project = next(p for p in self.projects if p.key == key)
            board = next(b for b in self.boards if b.project_key == key)
            self._issues[key] = build_issues(
                IssueContext(
                    seed=self._seed,
                    project=project,
                    people=self._people,
                    sprints=self._sprints[board.id],
                    start_ms=self._start_ms,
                    end_ms=self._end_ms,
                )
            )
        return self._issues[key]

    def issues(self) -> tuple[TrackerIssue, ...]:
        """Return the issues of all projects."""
        if not self._all_issues:
            self._all_issues = tuple(i for project in self.projects for i in self.project_issues(project.key))
        return self._all_issues

    def issue(self, key_or_id: str) -> TrackerIssue | None:
        """Find an issue by key without regard to case, or by identifier."""
        if key_or_id.isascii() and key_or_id.isdigit() and len(key_or_id) < 19:
            return self._issue_by_id(int(key_or_id))
        key, _, number = key_or_id.upper().rpartition("-")
        if not any(project.key == key for project in self.projects):
            return None
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        if not is_number or str(int(number)) != number:
            return None
        issues = self.project_issues(key)
        return issues[int(number) - 1] if 1 <= int(number) <= len(issues) else None

    def comments(self, issue: TrackerIssue) -> tuple[TrackerComment, ...]:
        """Return the comments of an issue, oldest first."""
        return build_comments(self._seed, issue, self._people)

    def worklogs(self, issue: TrackerIssue) -> tuple[Worklog, ...]:
        """Return the work logged on an issue, oldest first."""
        return build_worklogs(self._seed, issue, self._people)

    def changes(self, issue: TrackerIssue) -> tuple[Change, ...]:
        """Return the history of an issue, oldest first."""
        return build_changes(self._seed, issue, self._people)

    def _issue_by_id(self, issue_id: int) -> TrackerIssue | None:
        project_index, number = divmod(issue_id - 10_000, 1_000_000)
        if not 0 <= project_index < len(self.projects):
            return None
        issues = self.project_issues(self.projects[project_index].key)
        return issues[number - 1] if 1 <= number <= len(issues) else None

    def _project(self, index: int, count: int) -> Project:
        team = TEAMS[index]
        base = 10_000 + index
        return Project(
            id=base,
            key=team.project_key,
            name=f"{team.title} platform",
            description=f'Work of team {team.title} — "plans" & bugs',
            lead=self._people[index].login,
            team=team.name,
            issues_count=count,
            components=tuple(
                NamedOption(id=str(base * 10 + n), name=name) for n, name in enumerate(_COMPONENTS, start=1)
            ),
            versions=tuple(NamedOption(id=str(base * 10 + 5 + n), name=name) for n, name in enumerate(_VERSIONS)),
        )

    def _board_sprints(self, board: Board) -> tuple[Sprint, ...]:
        if board.kind != "scrum":
            return ()
        random = seeded(self._seed, "sprints", board.id)
        sprints = []
        for index in range(_SPRINT_COUNT):
            # The last sprint is planned only, the one before it runs over the epoch.
            start_ms = self._end_ms - (_SPRINT_COUNT - 1 - index) * 2 * _WEEK_MS + _WEEK_MS
            state = ("closed", "active", "future")[max(0, index - (_SPRINT_COUNT - 3))]
            sprints.append(
                Sprint(
                    id=board.id * 100 + index,
                    name=f"{board.project_key} Sprint {index + 1}",
                    state=state,
                    board_id=board.id,
                    goal=random.choice(("", "Ship it", 'Reach "zero" bugs')),
                    start_ms=start_ms if state != "future" else None,
                    end_ms=start_ms + 2 * _WEEK_MS if state != "future" else None,
                    complete_ms=start_ms + 2 * _WEEK_MS + 3_600_000 if state == "closed" else None,
                    created_ms=min(start_ms, self._end_ms) - _WEEK_MS,
                )
            )
        return tuple(sprints)
