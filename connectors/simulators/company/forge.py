"""The company's code host: repositories and, generated on first use and then kept, everything inside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from connectors.simulators.company.forge_history import build_commits, build_releases, build_runs
from connectors.simulators.company.forge_items import ItemContext, build_comments, build_items
from connectors.simulators.company.model import (
    Commit,
    ForgeComment,
    ForgeItem,
    Label,
    Milestone,
    Person,
    Release,
    Repository,
    WorkflowRun,
)
from connectors.simulators.company.people import TEAMS
from connectors.simulators.company.repositories import RENAMED
from connectors.simulators.company.vocabulary import seeded

Records = TypeVar("Records")

PLAIN_LABELS = (
    ("bug", "d73a4a", "Something does not work", True),
    ("enhancement", "a2eeef", "New feature or request", True),
    ("documentation", "0075ca", None, True),
    ("good first issue", "7057ff", None, True),
    ("P1: urgent", "b60205", 'Say "now"', False),
    ("needs/triage", "ededed", None, False),
    ("größe:XL 🐘", "fbca04", None, False),
)
MILESTONES_COUNT = 4
DAY_S = 86_400


def styled(name: str, style: str) -> str:
    """Return a label name in the letter case that a repository uses."""
    return {"lower": name, "title": name.title(), "upper": name.upper()}[style]


class Forge:
    """Reads of the code host; every method is deterministic and its result must not be changed."""

    def __init__(
        self,
        *,
        seed: int,
        organization: str,
        repositories: Sequence[Repository],
        start_s: int,
        end_s: int,
        people: Sequence[Person],
        tracker_keys: Mapping[str, tuple[str, int]],
    ) -> None:
        self.organization = organization
        self.repositories = tuple(repositories)
        self._seed = seed
        self._start_s = start_s
        self._end_s = end_s
        self._people = tuple(people)
        self._tracker_keys = tracker_keys
        self._by_name = {repository.full_name.lower(): repository for repository in repositories}
        self._by_id = {repository.id: repository for repository in repositories}
        self._kept: dict[tuple[str, int], object] = {}

    def repository(self, owner: str, name: str) -> Repository | None:
        """Find a repository by owner and current name, both without regard to case."""
        return self._by_name.get(f"{owner}/{name}".lower())

    def repository_by_id(self, repository_id: int) -> Repository | None:
        """Find a repository by its number, which survives renames."""
        return self._by_id.get(repository_id)

    def renamed(self, owner: str, name: str) -> Repository | None:
        """Find the repository that once had this name."""
        if owner.lower() != self.organization or name.lower() not in RENAMED:
            return None
        return self.repository(owner, RENAMED[name.lower()])

    def labels(self, repository: Repository) -> tuple[Label, ...]:
        """Return the labels of a repository: the plain ones and one for each team."""
        return self._keep("labels", repository, self._build_labels)

    def milestones(self, repository: Repository) -> tuple[Milestone, ...]:
        """Return the milestones of a repository by number."""
        return self._keep("milestones", repository, self._build_milestones)

    def items(self, repository: Repository) -> tuple[ForgeItem, ...]:
        """Return issues and pull requests by number, which is also their order of creation."""
        return self._keep("items", repository, lambda r: build_items(self._context(r)))

    def item(self, repository: Repository, number: int) -> ForgeItem | None:
        """Find one issue or pull request."""
        items = self.items(repository)
        return items[number - 1] if 1 <= number <= len(items) else None

    def comments(self, repository: Repository) -> tuple[ForgeComment, ...]:
        """Return all comments of a repository by identifier, which is also their order of creation."""
        return self._keep("comments", repository, lambda r: build_comments(self._context(r), self.items(r)))

    def item_comments(self, repository: Repository, number: int) -> tuple[ForgeComment, ...]:
        """Return the comments of one issue or pull request, oldest first."""
        return tuple(self._keep("by item", repository, self._comments_by_item).get(number, ()))

    def open_items_count(self, repository: Repository) -> int:
        """Return how many issues and pull requests are open."""
        return self._keep("open", repository, lambda r: sum(item.state == "open" for item in self.items(r)))

    def milestone_counts(self, repository: Repository) -> Counter[tuple[int | None, str]]:
        """Return how many issues each milestone has in each state."""
        return self._keep(
            "counts", repository, lambda r: Counter((item.milestone_number, item.state) for item in self.items(r))
        )

    def commits(self, repository: Repository) -> tuple[Commit, ...]:
        """Return the commits of the default branch, newest first."""
        return self._keep("commits", repository, lambda r: build_commits(self._context(r)))

    def releases(self, repository: Repository) -> tuple[Release, ...]:
        """Return the releases, newest first; the newest is an unpublished draft."""
        return self._keep("releases", repository, lambda r: build_releases(self._context(r), self.commits(r)))

    def runs(self, repository: Repository) -> tuple[WorkflowRun, ...]:
        """Return the workflow runs, newest first."""
        return self._keep("runs", repository, lambda r: build_runs(self._context(r), self.commits(r)))

    def _comments_by_item(self, repository: Repository) -> dict[int, list[ForgeComment]]:
        grouped: dict[int, list[ForgeComment]] = {}
        for comment in self.comments(repository):
            grouped.setdefault(comment.item_number, []).append(comment)
        return grouped

    def _keep(self, kind: str, repository: Repository, build: Callable[[Repository], Records]) -> Records:
        key = (kind, repository.id)
        if key not in self._kept:
            self._kept[key] = build(repository)
        return cast("Records", self._kept[key])

    def _context(self, repository: Repository) -> ItemContext:
        key, issues_count = self._tracker_keys[repository.team]
        return ItemContext(
            seed=self._seed,
            repository=repository,
            people=self._people,
            milestones_count=len(self.milestones(repository)),
            label_names=tuple(label.name for label in self.labels(repository)),
            start_s=self._start_s,
            end_s=self._end_s,
            project_key=key,
            project_issues_count=issues_count,
        )

    def _build_labels(self, repository: Repository) -> tuple[Label, ...]:
        base = 1_500_000_000 + (repository.id - 700_000_000) * 100
        style = repository.team_label_style
        plain = tuple(
            Label(id=base + index, name=styled(name, style), color=color, description=text, is_default=default)
            for index, (name, color, text, default) in enumerate(PLAIN_LABELS)
        )
        teams = tuple(
            Label(
                id=base + 50 + index,
                name=styled(f"team:{team.name}", style),
                color="5319e7",
                description=f"Owned by {team.title}",
                is_default=False,
            )
            for index, team in enumerate(TEAMS)
        )
        return plain + teams

    def _build_milestones(self, repository: Repository) -> tuple[Milestone, ...]:
        if repository.is_empty or not repository.has_issues:
            return ()
        random = seeded(self._seed, "milestones", repository.id)
        step_s = (self._end_s - self._start_s) // (MILESTONES_COUNT + 1)
        milestones = []
        for number in range(1, MILESTONES_COUNT + 1):
            created_s = self._start_s + (number - 1) * step_s
            closed_s = created_s + step_s if number < MILESTONES_COUNT - 1 else None
            milestones.append(
                Milestone(
                    id=8_000_000 + (repository.id - 700_000_000) * 10 + number,
                    number=number,
                    title=f"v{number}.0" if number != 3 else 'The "big" one',
                    description=None if number == 2 else f"Planned for quarter {number}",
                    state="closed" if closed_s else "open",
                    creator=random.choice(self._people[:-1]).login,
                    created_s=created_s,
                    updated_s=closed_s or created_s + DAY_S,
                    closed_s=closed_s,
                    due_s=None if number == MILESTONES_COUNT else created_s + step_s,
                )
            )
        return tuple(milestones)
