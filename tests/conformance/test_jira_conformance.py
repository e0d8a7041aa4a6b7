"""Proves the Jira connector's tables against the Jira simulator."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from answered import Answers
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.expecting import declared_answers
from connectors.declarative.proving import values_of
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Operator, Predicate, Scan, Value
from connectors.sdk.settings import Surroundings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from connectors.sdk.testing import Faults, prove_faults, prove_table
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.jira import create_app

JIRA = manifest_named("jira")
TOKEN = "ATATT_secret_token_value"
EMAIL = "ada@acme.example"
SETTINGS = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2))
HASTY = replace(SETTINGS, read_timeout_s=0.1, total_timeout_s=0.2)


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def source(base_url: str) -> Source:
    return Source(
        tenant="t",
        server="tracker",
        connector="jira",
        options={"base_url": base_url, "email": EMAIL},
        secrets={"api_token": TOKEN},
    )


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def connection(answers: Answers) -> AsyncIterator[DeclarativeConnection]:
    application = create_app(build_company(issues=80), email=EMAIL, api_token=TOKEN)
    answers.keep_from(application)
    simulator = await start_simulator(application)
    opened = await DeclarativeConnector(JIRA, LOCAL_SETTINGS).connect(source(simulator.base_url))
    yield opened
    await opened.disconnect()
    await simulator.stop()


async def tables_of(connection: DeclarativeConnection) -> dict[str, Table]:
    return {table.name: table for table in await DeclarativeConnector(JIRA, LOCAL_SETTINGS).discover(connection)}


async def baseline(connection: DeclarativeConnection, table: Table) -> Scan:
    columns = tuple(column.name for column in table.columns if column.name != "raw")
    if "by_issue" in {path.name for path in table.access_paths}:
        bare = Scan(table=table.name, access_path="by_issue", columns=columns)
        issues = Scan(table="issues", access_path="search", columns=("key",))
        for issue in await read(connection, issues):
            scan = replace(bare, keys={"issue_key": str(issue["key"])})
            if len(await read(connection, scan)) > 1:
                return scan
    if table.name == "sprints":
        return Scan(table=table.name, access_path="by_board", columns=columns, keys={"board_id": 1})
    return Scan(table=table.name, access_path="search" if table.name == "issues" else "all", columns=columns)


NAMES = tuple(sorted(JIRA.tables))


@pytest.mark.parametrize("name", NAMES)
async def test_every_declaration_of_a_table_holds(
    connection: DeclarativeConnection, answers: Answers, name: str
) -> None:
    table = (await tables_of(connection))[name]
    proof = await prove_table(connection, table, await baseline(connection, table), QUIET_CONTEXT)
    assert proof.failures == []
    values = await values_of(JIRA, connection, await baseline(connection, JIRA.tables[name].table), QUIET_CONTEXT)
    assert values.wrong == []
    assert len(values.spoiled) > 1
    assert answers.misfits_of("jira") == set()
    assert proof.check_count >= 3


async def test_sizes_are_those_of_the_tables(connection: DeclarativeConnection) -> None:
    tables = await tables_of(connection)
    told = {name: await connection.measure(name, QUIET_CONTEXT) for name in tables}
    assert {name for name, size in told.items() if size is not None} == {"issues", "projects", "boards"}
    for name in ("issues", "projects", "boards"):
        scan = await baseline(connection, tables[name])
        assert told[name] == TableSize(rows=len(await read(connection, scan)))
        assert tables[name].size_request


async def test_faults_are_taken_by_recovery() -> None:
    application = create_app(build_company(issues=250), email=EMAIL, api_token=TOKEN)
    faults = Faults(application)
    simulator = await start_simulator(application)
    connector = DeclarativeConnector(JIRA, SETTINGS, Surroundings(sleep=no_wait))
    hasty = DeclarativeConnector(JIRA, HASTY, Surroundings(sleep=no_wait))
    scan = Scan(table="issues", access_path="search", columns=("id", "key", "summary", "created", "status"))
    try:
        proof = await prove_faults(
            lambda: connector.connect(source(simulator.base_url)),
            JIRA.tables["issues"].table,
            scan,
            faults,
            QUIET_CONTEXT,
            server="tracker",
            secret=TOKEN,
            answers=declared_answers(JIRA.manifest, JIRA.tables["issues"].paths[scan.access_path]),
            hasty=lambda: hasty.connect(source(simulator.base_url)),
        )
    finally:
        await simulator.stop()
    assert proof.wrong == []
    assert len(proof.taken) > 30


async def read(connection: DeclarativeConnection, scan: Scan) -> list[dict[str, object]]:
    return [row async for page in connection.fetch(scan, QUIET_CONTEXT) for row in page.rows.to_pylist()]


def where(column: str, operator: Operator, value: Value) -> Scan:
    predicate = Predicate(column=column, operator=operator, value=value)
    return Scan(table="issues", access_path="search", columns=("id", "status"), predicates=(predicate,))


async def test_a_value_that_does_not_exist_matches_nothing_and_excludes_nothing(
    connection: DeclarativeConnection,
) -> None:
    everything = await read(connection, Scan(table="issues", access_path="search", columns=("id", "status")))
    done = [row for row in everything if row["status"] == "Done"]
    assert done
    assert await read(connection, where("status", Operator.EQ, "Nope")) == []
    found = await read(connection, where("status", Operator.IN, ("Nope", "Done")))
    assert {row["id"] for row in found} == {row["id"] for row in done}
    assert len(await read(connection, where("status", Operator.NE, "Nope"))) == len(everything)
    assert len(await read(connection, where("status", Operator.NE, "done"))) == len(everything)
    assert len(await read(connection, where("status", Operator.NE, "Done"))) == len(everything) - len(done)


async def test_a_long_query_is_sent_in_a_body(connection: DeclarativeConnection) -> None:
    keys = tuple(f"WEB-{number}" for number in range(1, 600))
    base = Scan(table="issues", access_path="by_key", columns=("key",), keys={"key": keys})
    expected = {
        row["key"]
        for row in await read(connection, Scan(table="issues", access_path="search", columns=("key", "project_key")))
        if str(row["key"]).startswith("WEB-")
    }
    assert {row["key"] for row in await read(connection, base)} == expected


async def test_raw_holds_the_whole_issue(connection: DeclarativeConnection) -> None:
    (row,) = await read(connection, Scan(table="issues", access_path="search", columns=("key", "raw"), limit=1))
    raw = json.loads(str(row["raw"]))
    assert raw["key"] == row["key"]
    assert {"summary", "status", "created"} <= raw["fields"].keys()


async def test_columns_of_a_field_that_is_gone_are_named(connection: DeclarativeConnection) -> None:
    scan = replace(where("status", Operator.EQ, "Done"), columns=("id", "no_such_field"))
    with pytest.raises(Exception, match=r"no field for column issues\.no_such_field"):
        await read(connection, scan)
