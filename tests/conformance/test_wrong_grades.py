"""A declaration that says more than its source does is found: what vendors read otherwise, their simulators do, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.hooks import Condition, Either
from connectors.declarative.load import Loaded
from connectors.declarative.proving import trial_source
from connectors.jira import jql
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import Fatal
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Direction, Scan, Value
from connectors.sdk.table import AccessPath, Grade, Pushdown, Table
from connectors.sdk.testing import prove_table
from connectors.simulators import github, jira, start_simulator
from connectors.simulators.catalogue import simulator_of
from connectors.simulators.company import build_company

TOKEN = "a-secret-value"
EMAIL = "ada@acme.example"
GITHUB = manifest_named("github")
ISSUES = Scan(
    table="issues",
    access_path="by_repository",
    columns=("id", "owner", "repo", "number", "state", "labels", "user_login", "updated_at"),
    keys={"owner": "acme", "repo": "web"},
)
TICKETS = Scan(table="issues", access_path="search", columns=("id", "key", "summary", "status", "labels", "created"))
REQUESTS = Scan(table="tickets", access_path="all", columns=("id", "subject", "tags", "status", "created_at"))


def application(vendor: str) -> web.Application:
    company = build_company(issues=80)
    if vendor == "github":
        return github.create_app(company, tokens=frozenset({TOKEN}))
    return (
        jira.create_app(company, email=EMAIL, api_token=TOKEN)
        if vendor == "jira"
        else simulator_of(vendor, company, token=TOKEN)
    )


def source(vendor: str, base_url: str) -> Source:
    if vendor == "jira":
        options = {"base_url": base_url, "email": EMAIL}
        return Source(tenant="t", server="s", connector="jira", options=options, secrets={"api_token": TOKEN})
    if vendor == "github":
        options = {"base_url": base_url}
        return Source(tenant="t", server="s", connector="github", options=options, secrets={"token": TOKEN})
    return trial_source(manifest_named(vendor), base_url, TOKEN)


@asynccontextmanager
async def opened(vendor: str, loaded: Loaded) -> AsyncIterator[DeclarativeConnection]:
    simulator = await start_simulator(application(vendor))
    connection = await DeclarativeConnector(loaded, LOCAL_SETTINGS).connect(source(vendor, simulator.base_url))
    try:
        yield connection
    finally:
        await connection.disconnect()
        await simulator.stop()


def claimed_exact(table: Table, path: str) -> Table:
    """Return the table with one path, which claims to evaluate exactly whatever it evaluates at all."""
    alone = _alone(table, path)
    (found,) = alone.access_paths
    operators = {
        column: {operator: _exact(pushdown) for operator, pushdown in given.items()}
        for column, given in found.operators.items()
    }
    return replace(alone, access_paths=(replace(found, operators=operators),))


def _exact(pushdown: Pushdown) -> Pushdown:
    def accepts(value: Value) -> Grade:
        grade = pushdown.grade if pushdown.accepts is None else pushdown.accepts(value)
        return Grade.NONE if grade is Grade.NONE else Grade.EXACT

    return replace(pushdown, grade=Grade.EXACT, accepts=accepts)


@pytest.mark.parametrize(
    ("vendor", "baseline", "path", "wrong"),
    [
        # Labels and logins regardless of case, times in whole seconds.
        ("github", ISSUES, "by_repository", ("labels @>", "user_login =", "updated_at >")),
        # Texts by their words, names regardless of case, times in whole minutes.
        (
            "jira",
            TICKETS,
            "search",
            ("summary like", "summary =", "labels @>", "status =", "created >="),
        ),
        ("zendesk", REQUESTS, "search", ("subject =", "tags @>", "status =", "created_at >")),
    ],
)
async def test_a_superset_that_is_claimed_exact_is_found(
    vendor: str, baseline: Scan, path: str, wrong: tuple[str, ...]
) -> None:
    loaded = manifest_named(vendor)
    table = loaded.tables[baseline.table].table
    async with opened(vendor, loaded) as connection:
        claimed = await prove_table(connection, claimed_exact(table, path), baseline, QUIET_CONTEXT)
    missed = [each for each in wrong if not any(f" evaluates {each} " in failure for failure in claimed.failures)]
    assert missed == []


def _alone(table: Table, path: str) -> Table:
    found = next(each for each in table.access_paths if each.name == path)
    return replace(table, access_paths=(replace(found, order={}),))


async def test_a_listing_that_shows_what_is_open_unless_asked_for_all_is_found() -> None:
    issues = GITHUB.tables["issues"]
    listing = issues.paths["by_repository"]
    silent = replace(listing, inputs={name: value for name, value in listing.inputs.items() if name != "state"})
    loaded = replace(
        GITHUB, tables={**GITHUB.tables, "issues": replace(issues, paths={**issues.paths, "by_repository": silent})}
    )
    async with opened("github", loaded) as connection:
        proof = await prove_table(connection, _alone(issues.table, "by_repository"), ISSUES, QUIET_CONTEXT)
    assert any(" state = 'closed'" in failure for failure in proof.failures)


FEW = replace(TICKETS, columns=("id", "key", "status", "priority", "project_key", "assignee_account_id"))


async def proven_below_or(vendor: str, loaded: Loaded, scan: Scan, found: AccessPath) -> list[str]:
    """Prove what a path says of OR, and nothing else of it."""
    table = loaded.tables[scan.table].table
    alone = replace(table, access_paths=(replace(found, order={}),))
    async with opened(vendor, loaded) as connection:
        proof = await prove_table(connection, alone, scan, QUIET_CONTEXT)
    return [failure for failure in proof.failures if " OR " in failure]


def search_of(loaded: Loaded, scan: Scan) -> AccessPath:
    return next(path for path in loaded.tables[scan.table].table.access_paths if path.name == scan.access_path)


async def test_a_superset_below_or_that_is_claimed_exact_is_found() -> None:
    loaded = manifest_named("jira")
    claimed = claimed_exact(loaded.tables["issues"].table, "search").access_paths[0]
    wrong = await proven_below_or("jira", loaded, FEW, claimed)
    assert any(" evaluates (" in failure and "status =" in failure for failure in wrong)


async def test_an_or_that_is_written_as_and_is_found() -> None:
    jira = manifest_named("jira")
    issues = jira.tables["issues"]
    search = issues.paths["search"]

    def written(always: str, asked: Sequence[Condition | Either], order: Sequence[tuple[str, Direction]]) -> str:
        flat = [one for each in asked for one in ([each] if isinstance(each, Condition) else sum(each.branches, ()))]
        return jql.written(always, flat, order)

    lying = replace(search, dialect=replace(jql.JQL, written=written))
    loaded = replace(jira, tables={**jira.tables, "issues": replace(issues, paths={**issues.paths, "search": lying})})
    wrong = await proven_below_or("jira", loaded, FEW, search_of(loaded, FEW))
    assert any(" returns a superset for (" in failure for failure in wrong)


async def test_what_stands_beside_an_or_and_is_lost_is_found() -> None:
    hubspot = manifest_named("hubspot")
    contacts = hubspot.tables["contacts"]
    search = contacts.paths["search"]
    assert search.dialect is not None
    plain = search.dialect.written

    def written(always: str, asked: Sequence[Condition | Either], order: Sequence[tuple[str, Direction]]) -> object:
        either = [each for each in asked if isinstance(each, Either)]
        return plain(always, either or asked, order)

    lying = replace(search, dialect=replace(search.dialect, written=written))
    loaded = replace(
        hubspot, tables={**hubspot.tables, "contacts": replace(contacts, paths={**contacts.paths, "search": lying})}
    )
    scan = Scan(table="contacts", access_path="search", columns=("id", "email", "lifecycle_stage"))
    claimed = claimed_exact(loaded.tables["contacts"].table, "search").access_paths[0]
    wrong = await proven_below_or("hubspot", loaded, scan, claimed)
    assert any(" beside (" in failure for failure in wrong)


async def test_more_alternatives_than_the_source_takes_are_refused() -> None:
    hubspot = manifest_named("hubspot")
    scan = Scan(table="contacts", access_path="search", columns=("id", "email", "lifecycle_stage"))
    found = search_of(hubspot, scan)
    assert found.disjunctions is not None
    assert await proven_below_or("hubspot", hubspot, scan, found) == []
    for wrong in (
        replace(found.disjunctions, branches_max=6),
        replace(found.disjunctions, branches_max=2, branch_predicates_max=7),
        replace(found.disjunctions, predicates_max=20),
    ):
        with pytest.raises(Fatal):
            await proven_below_or("hubspot", hubspot, scan, replace(found, disjunctions=wrong))
