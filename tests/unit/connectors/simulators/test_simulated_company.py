"""The company is the same for the same arguments, has the promised size and hangs together."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from connectors.simulators.company import Company, build_company


def test_the_same_arguments_give_the_same_company() -> None:
    first, second = build_company(issues=120, seed=9), build_company(issues=120, seed=9)
    repository = first.forge.repositories[0]
    assert first.people == second.people
    assert first.forge.comments(repository) == second.forge.comments(repository)
    assert first.forge.runs(repository) == second.forge.runs(repository)
    assert first.tracker.issues() == second.tracker.issues()
    assert first.tracker.changes(first.tracker.issues()[1]) == second.tracker.changes(second.tracker.issues()[1])


def test_another_seed_gives_another_company() -> None:
    first, second = build_company(issues=50, seed=1), build_company(issues=50, seed=2)
    assert first.tracker.issues() != second.tracker.issues()


@pytest.mark.parametrize("issues", [50, 333, 1000])
def test_both_sides_have_exactly_the_size_asked_for(issues: int) -> None:
    company = build_company(issues=issues)
    assert sum(len(company.forge.items(r)) for r in company.forge.repositories) == issues
    assert len(company.tracker.issues()) == issues


@pytest.mark.parametrize("issues", [49, 200_001])
def test_a_size_out_of_range_is_refused(issues: int) -> None:
    with pytest.raises(ValueError, match="between 50 and 200000"):
        build_company(issues=issues)


def test_an_epoch_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        build_company(issues=50, epoch=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_building_a_large_company_generates_nothing_yet() -> None:
    company = build_company(issues=200_000)
    assert sum(r.items_count for r in company.forge.repositories) == 200_000
    assert not company.forge._kept


def test_a_third_are_pull_requests_and_their_titles_name_existing_issues(company: Company) -> None:
    items = [i for r in company.forge.repositories for i in company.forge.items(r)]
    pulls = [item for item in items if item.pull_request]
    assert 0.22 < len(pulls) / len(items) < 0.38
    keys = [match.group(1) for p in pulls if (match := re.match(r"([A-Z]+-\d+): ", p.title))]
    assert len(keys) > 0.8 * len(pulls)
    assert [key for key in keys if company.tracker.issue(key) is None] == []


def test_every_item_has_a_team_label_and_letter_case_varies(company: Company) -> None:
    labels = [
        [label for label in item.labels if label.lower().startswith("team:")]
        for repository in company.forge.repositories
        for item in company.forge.items(repository)
    ]
    assert {len(found) for found in labels} == {1}
    assert {"team:web", "Team:Web", "TEAM:DATA"} <= {found[0] for found in labels}


def test_times_are_in_order_and_before_the_epoch() -> None:
    epoch = datetime(2020, 5, 1, tzinfo=UTC)
    company = build_company(issues=200, epoch=epoch)
    end_s = epoch.timestamp()
    for repository in company.forge.repositories:
        for item in company.forge.items(repository):
            assert end_s - 2 * 366 * 86_400 < item.created_s <= (item.closed_s or item.updated_s) <= item.updated_s
            assert item.updated_s < end_s
    for issue in company.tracker.issues():
        resolved_ms = issue.resolved_ms or issue.updated_ms
        assert issue.created_ms <= resolved_ms <= issue.updated_ms < end_s * 1000


def test_hostile_and_missing_values_occur(company: Company) -> None:
    items = [i for r in company.forge.repositories for i in company.forge.items(r)]
    titles = "".join(item.title for item in items)
    assert all(character in titles for character in "\"'\\é日🚀%")
    assert {None, ""} <= {item.body for item in items}
    assert any("\n" in (item.body or "") for item in items)
    assert None in {item.author for item in items}
    issues = company.tracker.issues()
    assert None in {issue.description for issue in issues}
    assert None in {issue.priority for issue in issues}
    assert None in {issue.reporter for issue in issues}


def test_people_differ_in_what_they_show(company: Company) -> None:
    assert len(company.people) == 41
    assert len({person.login.lower() for person in company.people}) == 41
    assert sum(person.public_email is None for person in company.people) == 11
    assert [person.is_active for person in company.people].count(False) == 1
    assert company.person("DEPENDABOT[bot]") == company.people[-1]
