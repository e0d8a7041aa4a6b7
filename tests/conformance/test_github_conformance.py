"""Proves the GitHub connector's tables against the GitHub simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from answered import Answers
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.expecting import declared_answers
from connectors.declarative.proving import values_of
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import Retryable
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.settings import Surroundings
from connectors.sdk.sizes import TableSize
from connectors.sdk.testing import Faults, prove_faults, prove_table
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.github import create_app
from connectors.simulators.toolkit import SIMULATION

GITHUB = manifest_named("github")
TABLES = [each.table for each in GITHUB.tables.values()]
TOKEN = "ghp_secret_token_value"
BY_NAME = {table.name: table for table in TABLES}
REPOSITORY = {"owner": "acme", "repo": "web"}
SETTINGS = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2))
HASTY = replace(SETTINGS, read_timeout_s=0.1, total_timeout_s=0.2)


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def source(base_url: str, token: str = TOKEN) -> Source:
    return Source(
        tenant="t", server="forge", connector="github", options={"base_url": base_url}, secrets={"token": token}
    )


def baseline(table: str) -> Scan:
    found = BY_NAME[table]
    columns = tuple(column.name for column in found.columns if column.hydrate is None)
    if table == "repositories":
        return Scan(table=table, access_path="mine", columns=columns)
    if table == "search_issues":
        return Scan(table=table, access_path="by_query", columns=columns, keys={"query": "repo:acme/web is:open"})
    if table == "org_members":
        return Scan(table=table, access_path="by_org", columns=columns, keys={"org": "acme"})
    return Scan(table=table, access_path="by_repository", columns=columns, keys=REPOSITORY)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def base_url(answers: Answers) -> AsyncIterator[str]:
    application = create_app(build_company(issues=300), tokens=frozenset({TOKEN}))
    answers.keep_from(application)
    simulator = await start_simulator(application)
    yield simulator.base_url
    await simulator.stop()


@pytest.fixture
async def connection(base_url: str) -> AsyncIterator[DeclarativeConnection]:
    opened = await DeclarativeConnector(GITHUB, LOCAL_SETTINGS).connect(source(base_url))
    yield opened
    await opened.disconnect()


@pytest.mark.parametrize("name", sorted(BY_NAME))
async def test_every_declaration_of_a_table_holds(
    connection: DeclarativeConnection, answers: Answers, name: str
) -> None:
    proof = await prove_table(connection, BY_NAME[name], baseline(name), QUIET_CONTEXT)
    assert proof.failures == []
    values = await values_of(GITHUB, connection, baseline(name), QUIET_CONTEXT)
    assert values.wrong == []
    assert len(values.spoiled) > 4
    assert {*values.spoiled, *values.unfilled} >= {each.name for each in BY_NAME[name].columns if each.hydrate}
    assert answers.misfits_of("github") == set()
    assert proof.check_count > 5


async def test_faults_are_taken_by_recovery() -> None:
    application = create_app(build_company(issues=300), tokens=frozenset({TOKEN}))
    faults = Faults(application)
    simulator = await start_simulator(application)
    connector = DeclarativeConnector(GITHUB, SETTINGS, Surroundings(sleep=no_wait))
    hasty = DeclarativeConnector(GITHUB, HASTY, Surroundings(sleep=no_wait))
    scan = baseline("issue_comments")
    try:
        proof = await prove_faults(
            lambda: connector.connect(source(simulator.base_url)),
            BY_NAME["issue_comments"],
            scan,
            faults,
            QUIET_CONTEXT,
            server="forge",
            secret=TOKEN,
            answers=declared_answers(GITHUB.manifest, GITHUB.tables["issue_comments"].paths[scan.access_path]),
            hasty=lambda: hasty.connect(source(simulator.base_url)),
        )
    finally:
        await simulator.stop()
    assert proof.wrong == []
    assert len(proof.taken) > 30


async def read(connection: DeclarativeConnection, scan: Scan) -> list[dict[str, object]]:
    return [row async for page in connection.fetch(scan, QUIET_CONTEXT) for row in page.rows.to_pylist()]


async def test_rows_carry_the_spelling_of_the_api_whatever_was_asked(connection: DeclarativeConnection) -> None:
    scan = Scan(
        table="labels", access_path="by_repository", columns=("owner", "repo"), keys={"owner": "ACME", "repo": "WEB"}
    )
    rows = await read(connection, scan)
    assert {(row["owner"], row["repo"]) for row in rows} == {("acme", "web")}


async def test_hydrate_columns_of_a_list_equal_those_of_the_single_object(connection: DeclarativeConnection) -> None:
    columns = ("number", "merged", "mergeable", "additions", "deletions", "changed_files", "commits")
    listed = await read(
        connection,
        Scan(table="pull_requests", access_path="by_repository", columns=columns, keys=REPOSITORY, limit=5),
    )
    assert len(listed) == 5
    known = pa.RecordBatch.from_pylist([{"owner": "acme", "repo": "web", "number": row["number"]} for row in listed])
    scan = Scan(table="pull_requests", access_path="by_repository", columns=columns[1:])
    pages = [page.rows.to_pylist() async for page in connection.hydrate(scan, known, QUIET_CONTEXT)]
    assert [row for page in pages for row in page] == [{name: row[name] for name in columns[1:]} for row in listed]
    for row in listed:
        keys = {**REPOSITORY, "number": row["number"]}
        scan = Scan(table="pull_requests", access_path="by_number", columns=columns, keys=keys)  # type: ignore[arg-type]
        assert await read(connection, scan) == [row]


async def test_sizes_are_those_of_the_tables(connection: DeclarativeConnection) -> None:
    forge = build_company(issues=300).forge
    own = [repository for repository in forge.repositories if repository.owner == "acme"]
    mean = sum(len(forge.items(repository)) for repository in own) / len(own)
    assert await connection.measure("repositories", QUIET_CONTEXT) == TableSize(rows=len(own))
    assert await connection.measure("issues", QUIET_CONTEXT) == TableSize(rows=mean, keys=("owner", "repo"))
    sampled = await connection.measure("commits", QUIET_CONTEXT)
    assert sampled is not None
    assert (sampled.keys, sampled.sampled) == (("owner", "repo"), True)
    assert sampled.rows > 0
    for table in TABLES:
        assert (await connection.measure(table.name, QUIET_CONTEXT) is not None) == bool(table.size_request)


async def test_a_capped_listing_says_that_it_is_truncated() -> None:
    simulator = await start_simulator(create_app(build_company(issues=7000), tokens=frozenset({TOKEN})))
    connection = await DeclarativeConnector(GITHUB, LOCAL_SETTINGS).connect(source(simulator.base_url))
    ever = Predicate(column="created_at", operator=Operator.GE, value=datetime(2001, 1, 1, tzinfo=UTC))
    scan = Scan(
        table="workflow_runs",
        access_path="by_repository_filtered",
        columns=("id",),
        keys=REPOSITORY,
        predicates=(ever,),
    )
    try:
        pages = [page async for page in connection.fetch(scan, QUIET_CONTEXT)]
        everything = await read(connection, replace(scan, access_path="by_repository", predicates=()))
    finally:
        await connection.disconnect()
        await simulator.stop()
    assert len(everything) > 1000
    assert sum(page.rows.num_rows for page in pages) == 1000
    assert [page.truncated for page in pages if page.truncated] == [
        f"GitHub gives 1000 of {len(everything)} filtered rows at most"
    ]


async def test_a_search_that_ran_out_of_time_is_no_answer(connection: DeclarativeConnection) -> None:
    scan = replace(baseline("search_issues"), columns=("id",))
    assert await read(connection, scan)
    application = create_app(build_company(issues=60), tokens=frozenset({TOKEN}))
    application[SIMULATION].configure({"next": [{"incomplete_results": True}] * 9})
    simulator = await start_simulator(application)
    opened = await DeclarativeConnector(GITHUB, SETTINGS, Surroundings(sleep=no_wait)).connect(
        source(simulator.base_url)
    )
    try:
        with pytest.raises(Retryable, match="SOURCE_UNAVAILABLE"):
            await read(opened, scan)
    finally:
        await opened.disconnect()
        await simulator.stop()
