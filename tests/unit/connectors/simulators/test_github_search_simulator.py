"""Issue search: qualifiers, their errors, and the wall at 1,000 rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from simulated_api import Api, Clock

from connectors.simulators import github as github_simulator
from connectors.simulators import start_simulator
from connectors.simulators.company import Company, build_company
from connectors.simulators.company.model import ForgeItem
from connectors.simulators.github.search_query import Term, parse_query

MOMENT_S = 1_740_000_000
MOMENT = "2025-02-19T21:20:00Z"


async def started(issues: int) -> AsyncIterator[Api]:
    app = github_simulator.create_app(build_company(issues=issues), tokens=frozenset({"t"}))
    simulator = await start_simulator(app)
    try:
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer t"}
            yield Api(base_url=simulator.base_url, session=session, clock=Clock(), headers=headers)
    finally:
        await simulator.stop()


@pytest.fixture
async def large() -> AsyncIterator[Api]:
    async for api in started(1500):
        yield api


@pytest.fixture
async def huge() -> AsyncIterator[Api]:
    async for api in started(7000):
        yield api


@pytest.mark.parametrize(
    ("query", "is_wanted"),
    [
        ("is:issue", lambda i: i.pull_request is None),
        ("type:pr state:closed", lambda i: i.pull_request is not None and i.state == "closed"),
        ("is:merged", lambda i: i.pull_request is not None and i.pull_request.merged_s is not None),
        ("no:assignee no:milestone", lambda i: not i.assignees and i.milestone_number is None),
        ("no:label", lambda _: False),
        ('label:"TEAM:web",bug', lambda i: bool({"team:web", "bug"} & set(i.labels))),
        ('label:"team:web" label:bug', lambda i: {"team:web", "bug"} <= set(i.labels)),
        ("-label:bug", lambda i: "bug" not in i.labels),
        ('milestone:"THE \\"BIG\\" ONE"', lambda i: i.milestone_number == 3),
        (f"created:>={MOMENT}", lambda i: i.created_s >= MOMENT_S),
        (f"updated:<{MOMENT}", lambda i: i.updated_s < MOMENT_S),
        ("created:2025-02-01..2025-02-28", lambda i: 1_738_368_000 <= i.created_s < 1_740_787_200),
        (f"closed:*..{MOMENT}", lambda i: i.closed_s is not None and i.closed_s <= MOMENT_S),
        ("comments:>2", lambda i: i.comments_count > 2),
        ("comments:1..3", lambda i: 1 <= i.comments_count <= 3),
        ('"login redirect" in:title', lambda i: "login redirect" in i.title),
        ("redirec in:title", lambda _: False),
        ("reason:not_planned", lambda i: i.state_reason == "not_planned"),
    ],
)
async def test_qualifiers(github: Api, company: Company, query: str, is_wanted: Callable[[ForgeItem], bool]) -> None:
    body = (await github.get("/search/issues", q=f"repo:acme/web {query}", per_page=100)).body
    wanted = {item.number for item in company.forge.items(company.forge.repositories[0]) if is_wanted(item)}
    assert body["total_count"] == len(wanted)
    assert body["incomplete_results"] is False
    assert {row["number"] for row in body["items"]} <= wanted
    assert all(row["score"] == 1.0 for row in body["items"])


async def test_people_scopes_and_orders(github: Api, company: Company) -> None:
    login = company.people[0].login
    items = [item for r in company.forge.repositories for item in company.forge.items(r)]
    authored = (await github.get("/search/issues", q=f"author:{login.upper()}")).body
    assert authored["total_count"] == sum(item.author == login for item in items)
    others = (await github.get("/search/issues", q="org:acme -author:@me")).body
    assert others["total_count"] == len(items) - authored["total_count"]
    two = (await github.get("/search/issues", q="repo:acme/web repo:acme/api")).body
    assert two["total_count"] == sum(r.items_count for r in company.forge.repositories[:2])
    rows = (await github.get("/search/issues", q="org:acme", sort="updated", order="asc", per_page=100)).body["items"]
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("repo:acme/nope", "cannot be searched"),
        ("author:nobody", "cannot be searched"),
        ("created:soon", "not a recognized date"),
        ("x" * 257, "longer than 256"),
    ],
)
async def test_refused_queries(github: Api, query: str, part: str) -> None:
    answer = await github.get("/search/issues", q=query)
    assert (answer.status, answer.body["message"]) == (422, "Validation Failed")
    assert part in answer.body["errors"][0]["message"]


async def test_an_absent_query_is_missing(github: Api) -> None:
    answer = await github.get("/search/issues")
    assert answer.body["errors"] == [{"resource": "Search", "field": "q", "code": "missing"}]


async def test_only_a_thousand_rows_are_within_reach(large: Api) -> None:
    page = await large.get("/search/issues", q="org:acme", per_page=100, page=10)
    assert (page.status, page.body["total_count"], len(page.body["items"])) == (200, 1500, 100)
    assert 'rel="next"' not in page.headers["link"]
    beyond = await large.get("/search/issues", q="org:acme", per_page=100, page=11)
    assert (beyond.status, beyond.body["message"]) == (422, "Only the first 1000 search results are available")


async def test_incomplete_results_can_be_provoked(github: Api) -> None:
    await github.configure(next=[{"incomplete_results": True}])
    answer = await github.get("/search/issues", q="is:pr")
    assert answer.body["incomplete_results"] is True
    assert answer.body["items"]


def test_queries_are_split_into_terms() -> None:
    assert parse_query('fix -label:"a b",c "x: y" nope:z') == (
        Term(name=None, values=("fix",), is_negated=False),
        Term(name="label", values=("a b", "c"), is_negated=True),
        Term(name=None, values=("x: y",), is_negated=False),
        Term(name=None, values=("nope:z",), is_negated=False),
    )


async def test_filtered_workflow_runs_end_after_a_thousand(huge: Api) -> None:
    path = "/repos/acme/web/actions/runs"
    plain = await huge.get(path, per_page=100, page=11)
    count = plain.body["total_count"]
    assert count > 1050
    assert len(plain.body["workflow_runs"]) == 100
    last = await huge.get(path, per_page=100, page=10, created=">=2020-01-01")
    assert (last.body["total_count"], len(last.body["workflow_runs"])) == (count, 100)
    assert 'rel="next"' not in last.headers["link"]
    beyond = await huge.get(path, per_page=100, page=11, created=">=2020-01-01")
    assert (beyond.status, beyond.body["workflow_runs"]) == (200, [])
