"""A declaration that says more than its source does is found: what vendors read otherwise, their simulators do, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.load import Loaded
from connectors.declarative.proving import trial_source
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan, Value
from connectors.sdk.table import Grade, Pushdown, Table
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
