"""What JQL finds, in which order, and what it refuses, on the company's issues."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest

from connectors.simulators.company import Company
from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.jira.jql import Context, JqlError, compile_query, parse

MOMENT_MS = 1_740_000_000_000
MINUTE_MS = 60_000
Wanted = Callable[[TrackerIssue], bool]


def found(company: Company, jql: str) -> list[TrackerIssue]:
    context = Context(company=company, user=company.people[0], zone=timezone(timedelta(hours=-7)))
    return compile_query(parse(jql), context).run(company.tracker.issues())


def refusal(company: Company, jql: str) -> tuple[str, ...]:
    with pytest.raises(JqlError) as caught:
        found(company, jql)
    return caught.value.messages


def wanted_open(issue: TrackerIssue) -> bool:
    return issue.project_key == "WEB" and issue.status.name != "Done" and issue.assignee is not None


def wanted_precedence(issue: TrackerIssue) -> bool:
    return issue.project_key == "API" or (issue.project_key == "WEB" and issue.issue_type.name == "Epic")


@pytest.mark.parametrize(
    ("jql", "is_wanted"),
    [
        ("project = web", lambda i: i.project_key == "WEB"),
        ('project in (10001, "Data platform")', lambda i: i.project_key in {"API", "DATA"}),
        ("key in (WEB-1, api-2)", lambda i: i.key in {"WEB-1", "API-2"}),
        ("id = 10003", lambda i: i.key == "WEB-3"),
        ("key > WEB-10", lambda i: i.project_key == "WEB" and i.number > 10),
        ('status = "in progress"', lambda i: i.status.name == "In Progress"),
        ("status not in (Done, Backlog)", lambda i: i.status.name not in {"Done", "Backlog"}),
        ("statusCategory = Done", lambda i: i.status.category == "done"),
        ("issuetype = Bug", lambda i: i.issue_type.name == "Bug"),
        ("priority >= High", lambda i: i.priority is not None and i.priority.name in {"High", "Highest"}),
        ("priority is EMPTY", lambda i: i.priority is None),
        ("resolution = Unresolved", lambda i: i.resolution is None),
        ("resolution is not EMPTY", lambda i: i.resolution is not None),
        ("assignee is EMPTY", lambda i: i.assignee is None),
        ("labels = CUSTOMER", lambda i: "Customer" in i.labels),
        ('labels = "say\\"what"', lambda i: 'say"what' in i.labels),
        ('labels = "back\\\\slash"', lambda i: "back\\slash" in i.labels),
        ("labels != customer", lambda i: bool(i.labels) and "Customer" not in i.labels),
        ("labels = nobody-uses-this", lambda _: False),
        ("component = Frontend", lambda i: "Frontend" in {c.name for c in i.components}),
        ('fixVersion = "2.0 beta"', lambda i: "2.0 beta" in {v.name for v in i.fix_versions}),
        ("parent = WEB-1", lambda i: i.parent_key == "WEB-1"),
        ("sprint in openSprints()", lambda i: any(s.state == "active" for s in i.sprints)),
        ('sprint = "WEB Sprint 3"', lambda i: "WEB Sprint 3" in {s.name for s in i.sprints}),
        ("cf[10016] >= 3", lambda i: i.story_points is not None and i.story_points >= 3),
        ("cf[10016] = 0.5", lambda i: i.story_points == 0.5),
        ("cf[10001] = mobile", lambda i: i.team_option is not None and i.team_option.name == "Mobile"),
        ('due = "2025-02-19"', lambda i: i.due_date == "2025-02-19"),
        ('duedate >= "2025/02/19"', lambda i: i.due_date is not None and i.due_date >= "2025-02-19"),
        ("summary is EMPTY", lambda _: False),
        ("description is EMPTY", lambda i: i.description is None),
        ("project = WEB AND NOT (status = Done OR assignee is EMPTY)", wanted_open),
        ("project = WEB && !(status = Done || assignee is null)", wanted_open),
        ("not not project = DATA", lambda i: i.project_key == "DATA"),
        ("project = API or project = WEB and issuetype = Epic", wanted_precedence),
    ],
)
def test_clauses(company: Company, jql: str, is_wanted: Wanted) -> None:
    wanted = {issue.key for issue in company.tracker.issues() if is_wanted(issue)}
    assert {issue.key for issue in found(company, jql)} == wanted


def test_people_by_account_address_and_function(company: Company) -> None:
    person = company.people[1]
    wanted = {issue.key for issue in company.tracker.issues() if issue.assignee == person.login}
    for literal in (person.account_id, person.email.upper()):
        assert {issue.key for issue in found(company, f'assignee = "{literal}"')} == wanted
    own = {issue.key for issue in company.tracker.issues() if issue.reporter == company.people[0].login}
    assert {issue.key for issue in found(company, "reporter in (currentUser())")} == own


def test_inequality_and_negation_leave_out_what_is_empty(company: Company) -> None:
    account = company.people[1].account_id
    wanted = {i.key for i in company.tracker.issues() if i.assignee not in {None, company.people[1].login}}
    assert {issue.key for issue in found(company, f'assignee != "{account}"')} == wanted
    assert {issue.key for issue in found(company, f'NOT assignee = "{account}"')} == wanted
    assert {issue.key for issue in found(company, f'assignee not in ("{account}")')} == wanted


def test_numbers_are_epoch_milliseconds_cut_to_the_minute(company: Company) -> None:
    issue = company.tracker.issues()[40]
    floor_ms = issue.created_ms // MINUTE_MS * MINUTE_MS
    keys = {i.key for i in found(company, f"created >= {floor_ms + 59_999} AND created < {floor_ms + MINUTE_MS}")}
    assert issue.key in keys
    assert issue.key in {i.key for i in found(company, f"created = {floor_ms + 1}")}
    later = {i.key for i in found(company, f"updated > {MOMENT_MS}")}
    assert later == {i.key for i in company.tracker.issues() if i.updated_ms > MOMENT_MS // MINUTE_MS * MINUTE_MS}


def test_quoted_times_are_in_the_zone_of_the_user(company: Company) -> None:
    # 1,740,000,000 seconds are 2025-02-19 21:20 UTC, which is 14:20 in the user's zone.
    by_text = found(company, 'created >= "2025-02-19 14:20"')
    assert [i.key for i in by_text] == [i.key for i in found(company, f"created >= {MOMENT_MS}")]
    assert by_text


def test_periods_count_back_from_the_present_of_the_company(company: Company) -> None:
    now_ms = int(company.epoch.timestamp() * 1000)
    wanted = {i.key for i in company.tracker.issues() if i.created_ms >= now_ms - 15 * 86_400_000}
    assert {i.key for i in found(company, "created >= -15d")} == wanted
    assert {i.key for i in found(company, 'created >= "-2w 1d"')} == wanted
    assert len(found(company, "created <= now()")) == 600


@pytest.mark.parametrize(
    ("query", "is_wanted"),
    [
        ("redirect", lambda text: "redirect" in text),
        ("REDIRECT login", lambda text: "login redirect" in text),
        ("redir", lambda _: False),
        ("redir*", lambda text: "redirect" in text),
        ('\\"login redirect\\"', lambda text: "login redirect" in text),
        ('\\"redirect login\\"', lambda _: False),
        ("日本語の件名", lambda text: "日本語の件名" in text),
    ],
)
def test_text_is_searched_by_word_prefix_and_phrase(
    company: Company, query: str, is_wanted: Callable[[str], bool]
) -> None:
    wanted = {i.key for i in company.tracker.issues() if is_wanted(i.summary)}
    assert {i.key for i in found(company, f'summary ~ "{query}"')} == wanted
    assert {i.key for i in found(company, f'summary !~ "{query}"')} == {
        i.key for i in company.tracker.issues()
    } - wanted


def test_orders(company: Company) -> None:
    by_key = [i.key for i in found(company, "project in (WEB, API) ORDER BY key ASC")]
    assert by_key[0] == "API-1"
    assert by_key.index("WEB-2") + 8 == by_key.index("WEB-10")
    dues = [i.due_date for i in found(company, "project = WEB ORDER BY due ASC")]
    dated = [due for due in dues if due]
    assert dues == sorted(dated) + [None] * (len(dues) - len(dated))
    ranks = [i.priority.rank for i in found(company, "priority is not EMPTY ORDER BY priority") if i.priority]
    assert ranks == sorted(ranks, reverse=True)
    two = [(i.status.sequence, i.created_ms) for i in found(company, "project = API ORDER BY status ASC, created ASC")]
    assert two == sorted(two)
    default = [i.created_ms for i in found(company, "project = WEB")]
    assert default == sorted(default, reverse=True)


@pytest.mark.parametrize(
    ("jql", "message"),
    [
        ("status = Nope", "The value 'Nope' does not exist for the field 'status'."),
        ("project = NOPE", "The value 'NOPE' does not exist for the field 'project'."),
        ("assignee = nobody", "The value 'nobody' does not exist for the field 'assignee'."),
        ("key = WEB-99999", "An issue with key 'WEB-99999' does not exist for field 'key'."),
        ("nofield = 1", "Field 'nofield' does not exist or you do not have permission to view it."),
        ("cf[99] = 1", "Field 'cf[99]' does not exist or you do not have permission to view it."),
        ("summary = x", "The operator '=' is not supported by the 'summary' field."),
        ("status ~ x", "The operator '~' is not supported by the 'status' field."),
        ("labels > x", "The operator '>' is not supported by the 'labels' field."),
        ("cf[10016] > big", "'big' is an invalid number for the field 'cf[10016]'."),
        ("assignee in (who())", "Unable to find JQL function 'who()'."),
        ("project = WEB ORDER BY labels", "Not able to sort using field 'labels'."),
        (
            'summary ~ "*end"',
            "The text query '*end' for field 'summary' is not allowed to start with character '*'.",
        ),
    ],
)
def test_refused_values(company: Company, jql: str, message: str) -> None:
    assert refusal(company, jql) == (message,)


def test_an_invalid_date_names_the_formats(company: Company) -> None:
    (message,) = refusal(company, "created > soon")
    assert message.startswith("Date value 'soon' for field 'created' is invalid. Valid formats include:")


def test_every_unknown_value_is_reported(company: Company) -> None:
    messages = refusal(company, "status in (Done, A, B) AND priority = C")
    assert messages == (
        "The value 'A' does not exist for the field 'status'.",
        "The value 'B' does not exist for the field 'status'.",
        "The value 'C' does not exist for the field 'priority'.",
    )
