"""The repositories of the company: how the issues are spread over them, and the odd ones that clients trip over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.simulators.company.model import Person, Repository
from connectors.simulators.company.vocabulary import seeded

# A repository that was renamed: requests for the old name are redirected.
RENAMED = {"website": "web"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    name: str
    team: str
    language: str | None
    weight: int
    label_style: str = "lower"
    is_private: bool = False
    is_archived: bool = False
    has_issues: bool = True
    is_empty: bool = False


# Weights sum to 100. Label styles differ because label names keep their case but are matched without it.
OUTLINES = (
    Outline(name="web", team="web", language="TypeScript", weight=28),
    Outline(name="api", team="api", language="Python", weight=22, is_private=True),
    Outline(name="data-pipeline", team="data", language="Python", weight=13),
    Outline(name="mobile-app", team="mobile", language="Kotlin", weight=15, label_style="title"),
    Outline(name="design-system", team="web", language="TypeScript", weight=7, label_style="title"),
    Outline(name="billing", team="api", language="Go", weight=8, is_private=True),
    Outline(name="warehouse", team="data", language="SQL", weight=4, label_style="upper"),
    Outline(name="mobile-sdk", team="mobile", language="Swift", weight=3, is_archived=True),
    Outline(name="sandbox", team="web", language=None, weight=0, is_empty=True),
    Outline(name="mirror", team="api", language="C", weight=0, has_issues=False),
)
_LICENSES = ("mit", "apache-2.0", None)


def build_repositories(
    seed: int, organization: str, items: int, start_s: int, people: Sequence[Person]
) -> tuple[Repository, ...]:
    """Return the organization's repositories, whose item counts sum to `items`, and one personal fork."""
    counts = [items * outline.weight // 100 for outline in OUTLINES]
    counts[0] += items - sum(counts)
    repositories = [
        _repository(seed, organization, index, outline, items_count=count, start_s=start_s)
        for index, (outline, count) in enumerate(zip(OUTLINES, counts, strict=True))
    ]
    fork = Outline(name="web", team="web", language="TypeScript", weight=0, has_issues=False)
    repositories.append(
        _repository(seed, people[1].login, len(OUTLINES), fork, items_count=0, start_s=start_s, is_fork=True)
    )
    return tuple(repositories)


def _repository(
    seed: int, owner: str, index: int, outline: Outline, *, items_count: int, start_s: int, is_fork: bool = False
) -> Repository:
    random = seeded(seed, "repository", owner, outline.name)
    return Repository(
        id=700_000_000 + index * 1_001,
        owner=owner,
        name=outline.name,
        team=outline.team,
        description=None if outline.is_empty else f'The "{outline.name}" of team {outline.team} — maintained daily',
        language=outline.language,
        topics=() if outline.is_empty else (outline.team, "acme"),
        license_key=None if outline.is_empty else _LICENSES[index % len(_LICENSES)],
        default_branch="main",
        is_private=outline.is_private,
        is_fork=is_fork,
        is_archived=outline.is_archived,
        has_issues=outline.has_issues,
        is_empty=outline.is_empty,
        stars=random.randint(0, 4000),
        forks=random.randint(0, 300),
        created_s=start_s - random.randint(1, 400) * 86_400,
        items_count=items_count,
        team_label_style=outline.label_style,
    )
