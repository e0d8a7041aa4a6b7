"""Puts the company together: people first, then the code host and the tracker, which refer to them by login."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.simulators.company.forge import Forge
from connectors.simulators.company.model import Person, Team
from connectors.simulators.company.people import TEAMS, build_people
from connectors.simulators.company.repositories import build_repositories
from connectors.simulators.company.tracker import Tracker

ORGANIZATION = "acme"
ISSUES_MIN = 50
ISSUES_MAX = 200_000
SPAN_S = 2 * 365 * 24 * 3600
DEFAULT_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Everything the simulators serve; `epoch` is the company's present, later than every timestamp in it."""

    organization: str
    issues: int
    seed: int
    epoch: datetime
    teams: tuple[Team, ...]
    people: tuple[Person, ...]
    forge: Forge
    tracker: Tracker
    by_login: dict[str, Person] = field(repr=False)

    def person(self, login: str) -> Person | None:
        """Find a person by login without regard to case."""
        return self.by_login.get(login.lower())


def build_company(*, issues: int = 5000, seed: int = 1, epoch: datetime = DEFAULT_EPOCH) -> Company:
    """Build a company whose tracker has `issues` issues and whose code host has as many issues and pull requests.

    Records are generated when first asked for, one repository or project at a time, and are the same for the same
    arguments in every process.

    Raises:
        ValueError: `issues` is outside 50 to 200,000, or `epoch` has no time zone.
    """
    if not ISSUES_MIN <= issues <= ISSUES_MAX:
        raise ValueError(f"issues must be between {ISSUES_MIN} and {ISSUES_MAX}, not {issues}")
    if epoch.tzinfo is None:
        raise ValueError("epoch must have a time zone")
    people = build_people(seed)
    end_s = int(epoch.timestamp())
    start_s = end_s - SPAN_S
    tracker = Tracker(seed=seed, issues=issues, start_s=start_s, end_s=end_s, people=people)
    repositories = build_repositories(seed, ORGANIZATION, issues, start_s, people)
    counts = {project.team: (project.key, project.issues_count) for project in tracker.projects}
    forge = Forge(
        seed=seed,
        organization=ORGANIZATION,
        repositories=repositories,
        start_s=start_s,
        end_s=end_s,
        people=people,
        tracker_keys=counts,
    )
    return Company(
        organization=ORGANIZATION,
        issues=issues,
        seed=seed,
        epoch=epoch,
        teams=TEAMS,
        people=people,
        forge=forge,
        tracker=tracker,
        by_login={person.login.lower(): person for person in people},
    )
