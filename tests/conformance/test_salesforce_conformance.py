"""Proves the Salesforce connector's tables, discovered and standard ones, against the Salesforce simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.salesforce.connector import SalesforceConnection, SalesforceConnector
from connectors.salesforce.judge import judge
from connectors.salesforce.requests import composite, following, query
from connectors.salesforce.standard import MODELS
from connectors.sdk.connector import Source
from connectors.sdk.errors import (
    ConnectorError,
    CredentialsRejected,
    Fatal,
    OptionInvalid,
    RateLimited,
    Retryable,
    SourceTimeout,
)
from connectors.sdk.grades import grade_of
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Response
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Operator, Predicate, Scan, Value
from connectors.sdk.settings import Surroundings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import AccessPath, Disjunctions, Grade, Table
from connectors.sdk.testing import Faults, prove_faults, prove_table
from connectors.sdk.verdicts import Setting
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.salesforce import JOBS, ORGANIZATION, create_app
from connectors.simulators.salesforce.identifiers import record_id
from connectors.simulators.salesforce.jobs import Jobs
from connectors.simulators.salesforce.org import Organization
from connectors.simulators.toolkit import SIMULATION, Simulation

TOKEN = "00D_secret_session_value"
NAMES = ("accounts", "contacts", "leads", "opportunities", "cases", "users", "tasks", "invoice__c")
"""Tables that have every kind of field between them; the other standard ones are read, but not proved as long."""

SETTINGS = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2))
HASTY = replace(SETTINGS, read_timeout_s=0.1, total_timeout_s=0.2)


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def source(base_url: str, **options: str) -> Source:
    return Source(
        tenant="t",
        server="crm",
        connector="salesforce",
        options={"base_url": base_url, **options},
        secrets={"access_token": TOKEN},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A simulator and what connects to it."""

    base_url: str
    simulation: Simulation
    organization: Organization
    jobs: Jobs
    connection: SalesforceConnection


async def opened(application: web.Application) -> AsyncIterator[World]:
    simulator = await start_simulator(application)
    connection = await SalesforceConnector(LOCAL_SETTINGS, Surroundings(sleep=no_wait)).connect(
        source(simulator.base_url)
    )
    yield World(
        base_url=simulator.base_url,
        simulation=application[SIMULATION],
        organization=application[ORGANIZATION],
        jobs=application[JOBS],
        connection=connection,
    )
    await connection.disconnect()
    await simulator.stop()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async for each in opened(create_app(build_company(issues=50), access_token=TOKEN, size=60)):
        yield each


async def tables_of(connection: SalesforceConnection) -> dict[str, Table]:
    return {table.name: table for table in await SalesforceConnector().discover(connection)}


def with_its_conditions_once(table: Table) -> Table:
    """Return a table of whose paths the query alone is proven with every condition and OR: they write them alike.

    One path by keys is proven with some.
    """
    some = dict(list(table.access_paths[1].operators.items())[:4])
    below_or = Disjunctions(columns=frozenset(some))
    paths = {
        "query": table.access_paths[1],
        "by_id": replace(table.access_paths[0], operators=some, disjunctions=below_or),
    }
    return replace(
        table, access_paths=tuple(paths.get(path.name, without_conditions(path)) for path in table.access_paths)
    )


def without_conditions(path: AccessPath) -> AccessPath:
    return replace(path, operators={}, disjunctions=None)


def whole(table: Table) -> Scan:
    return Scan(table=table.name, access_path="query", columns=tuple(column.name for column in table.columns))


async def read(connection: SalesforceConnection, scan: Scan) -> list[dict[str, Any]]:
    return [row async for page in connection.fetch(scan, QUIET_CONTEXT) for row in page.rows.to_pylist()]


@pytest.mark.parametrize("name", NAMES)
async def test_every_declaration_of_a_discovered_table_holds(world: World, name: str) -> None:
    table = with_its_conditions_once((await tables_of(world.connection))[name])
    proof = await prove_table(world.connection, table, whole(table), QUIET_CONTEXT)
    assert proof.failures == []
    assert proof.check_count > 100


@pytest.mark.parametrize("name", sorted(MODELS))
async def test_standard_tables_are_read_without_asking_what_they_are(world: World, name: str) -> None:
    table = MODELS[name].table
    table = replace(table, access_paths=tuple(map(without_conditions, table.access_paths)))
    proof = await prove_table(world.connection, table, whole(table), QUIET_CONTEXT)
    assert proof.failures == []
    assert not [each for each in world.simulation.log.to_json() if "sobjects" in each["path"]]


async def test_sizes_and_counts_are_those_of_the_tables(world: World) -> None:
    for name, table in (await tables_of(world.connection)).items():
        rows = len(await read(world.connection, whole(table)))
        assert await world.connection.measure(name, QUIET_CONTEXT) == TableSize(rows=rows)


async def test_faults_are_taken_by_recovery() -> None:
    application = create_app(build_company(issues=50), access_token=TOKEN, size=60)
    faults = Faults(application)
    simulator = await start_simulator(application)
    application[SIMULATION].configure({"page_rows_max": 20})
    connector = SalesforceConnector(SETTINGS, Surroundings(sleep=no_wait))
    hasty = SalesforceConnector(HASTY, Surroundings(sleep=no_wait))
    scan = Scan(table="opportunities", access_path="query", columns=("id", "name", "amount"))
    try:
        proof = await prove_faults(
            lambda: connector.connect(source(simulator.base_url)),
            (await tables_of(await connector.connect(source(simulator.base_url))))["opportunities"],
            scan,
            faults,
            QUIET_CONTEXT,
            server="crm",
            secret=TOKEN,
            hasty=lambda: hasty.connect(source(simulator.base_url)),
        )
    finally:
        await simulator.stop()
    assert proof.wrong == []
    assert len(proof.taken) > 30


async def test_pages_are_followed_to_the_end(world: World) -> None:
    scan = Scan(table="opportunities", access_path="query", columns=("id",))
    at_once = await read(world.connection, scan)
    world.simulation.configure({"page_rows_max": 7})
    assert await read(world.connection, scan) == at_once
    paths = [record["path"] for record in world.simulation.log.to_json()]
    assert len([path for path in paths if "/query/01g" in path]) == (len(at_once) - 1) // 7


def where(table: str, column: str, operator: Operator, value: Value) -> Scan:
    predicate = Predicate(column=column, operator=operator, value=value)
    return Scan(table=table, access_path="query", columns=("id", column), predicates=(predicate,))


HOSTILE = (
    "' OR Name != '",
    "\\' OR Name != \\'",
    "x') OR (Name != 'y",
    "\\",
    "a\nb\tc\rd\x07e\x1b",
    "%_\\%",
    "@{r0.records[0].Id}",
    "} {x} ${y} %27 %5C",
    "\u2028\ufffe\U0001f600",
    "-- /* */ ;",
    '" OR ""="',
    "null",
    "TRUE",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("many", [False, True])
async def test_every_text_arrives_as_the_one_value_that_it_is(world: World, text: str, many: bool) -> None:
    record = world.organization.records["account"][0]
    record["Name"] = text
    # The one account of this very name is found, and no other.
    fillers = tuple(f"filler {at:04d} '" for at in range(400))
    scan = where("accounts", "name", *((Operator.IN, (text, *fillers)) if many else (Operator.EQ, text)))
    assert await read(world.connection, scan) == [{"id": record["Id"], "name": text}]
    assert [each["method"] for each in world.simulation.log.to_json()] == ["POST" if many else "GET"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_every_text_is_a_pattern_of_itself(world: World, text: str) -> None:
    record = world.organization.records["account"][0]
    record["Name"] = text
    escaped = "".join(f"\\{character}" if character in "\\%_" else character for character in text)
    predicate = Predicate(column="name", operator=Operator.LIKE, value=f"{escaped}%")
    (path,) = (path for path in MODELS["accounts"].table.access_paths if path.name == "query")
    # As a character, a backslash is not sent.
    assert (grade_of(path, predicate) is Grade.NONE) == ("\\" in text)
    if "\\" not in text:
        found = await read(world.connection, where("accounts", "name", Operator.LIKE, f"{escaped}%"))
        assert found == [{"id": record["Id"], "name": text}]


async def test_keys_that_are_no_identifiers_need_no_call(world: World) -> None:
    known = str(world.organization.records["account"][0]["Id"])
    wrong = ("", "x", "' OR Id != '", known[:15], known.swapcase(), known[:15] + "AAA"[::-1].lower())
    scan = Scan(table="accounts", access_path="by_id", columns=("id",), keys={"id": wrong})
    assert await read(world.connection, scan) == []
    assert world.simulation.log.to_json() == []
    assert await read(world.connection, replace(scan, keys={"id": (*wrong, known)})) == [{"id": known}]


async def test_many_keys_are_one_call(world: World) -> None:
    known = [str(record["Id"]) for record in world.organization.records["opportunity"] if not record["IsDeleted"]]
    scan = Scan(table="opportunities", access_path="by_id", columns=("id",))
    others = tuple(record_id("006", at) for at in range(10_000, 10_500 - len(known)))
    found = await read(world.connection, replace(scan, keys={"id": (*others, *known)}))
    assert {row["id"] for row in found} == set(known)
    (record,) = world.simulation.log.to_json()
    assert record["path"] == "/services/data/v66.0/composite"


async def test_a_query_that_is_too_long_is_not_sent(world: World) -> None:
    values = tuple(f"{at:0900d}" for at in range(120))
    with pytest.raises(Fatal, match="longer than the source takes") as raised:
        await read(world.connection, where("accounts", "name", Operator.IN, values))
    assert raised.value.sqlstate == "54001"
    assert world.simulation.log.to_json() == []


async def test_a_field_that_is_hidden_is_named_and_is_no_column() -> None:
    application = create_app(build_company(issues=50), access_token=TOKEN, size=60, hidden=frozenset({"Account.Phone"}))
    async for world in opened(application):
        with pytest.raises(Fatal, match="has no field Phone of Account for these credentials") as raised:
            await read(world.connection, Scan(table="accounts", access_path="query", columns=("id", "phone")))
        assert raised.value.sqlstate == "HV005"
        assert "phone" not in {column.name for column in (await tables_of(world.connection))["accounts"].columns}


async def test_names_that_snake_case_would_make_one_stay_two(world: World) -> None:
    columns = {column.name: column.path for column in (await tables_of(world.connection))["accounts"].columns}
    assert columns["same_name__c"] == "Same_Name__c"
    assert columns["samename__c"] == "SameName__c"


async def test_describing_everything_takes_two_calls(world: World) -> None:
    await tables_of(world.connection)
    assert [record["path"].rpartition("/")[2] for record in world.simulation.log.to_json()] == ["sobjects", "composite"]


async def test_the_option_objects_chooses_the_tables(world: World) -> None:
    connector = SalesforceConnector(LOCAL_SETTINGS)
    chosen = await connector.connect(source(world.base_url, objects="Invoice__c, account"))
    assert set(await tables_of(chosen)) == {"invoice__c", "accounts"}
    await chosen.disconnect()
    missing = await connector.connect(source(world.base_url, objects="Account,AccountChangeEvent"))
    with pytest.raises(OptionInvalid, match="no object AccountChangeEvent that can be queried"):
        await missing.learn()
    await missing.disconnect()
    with pytest.raises(OptionInvalid, match="not a list of objects"):
        await connector.connect(source(world.base_url, objects="Account;DROP"))


async def test_an_allowance_that_is_used_up_is_said(world: World) -> None:
    world.simulation.configure({"rate_limit": {"limit": 1, "window_s": 86_400}})
    scan = Scan(table="users", access_path="query", columns=("id",))
    await read(world.connection, scan)
    with pytest.raises(RateLimited, match="RATE_LIMIT_EXHAUSTED") as raised:
        await read(world.connection, scan)
    assert raised.value.sqlstate == "53400"
    assert "calls of the last 24 hours" in str(raised.value.detail)


async def test_too_many_requests_at_a_time_are_waited_for(world: World) -> None:
    body = [{"message": "ConcurrentPerOrgLongTxn Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    world.simulation.configure({"next": [{"status": 403, "body": body}]})
    assert await read(world.connection, Scan(table="users", access_path="query", columns=("id",)))


REFUSALS = (
    (400, "QUERY_TIMEOUT", SourceTimeout, "08006"),
    (400, "MALFORMED_QUERY", Fatal, "HV000"),
    (400, "OPERATION_TOO_LARGE", Fatal, "54001"),
    (400, "INVALID_QUERY_LOCATOR", Fatal, "HV000"),
    (403, "API_DISABLED_FOR_ORG", Fatal, "42501"),
    (414, "", Fatal, "54001"),
    (431, "", Fatal, "54001"),
    (401, "INVALID_SESSION_ID", CredentialsRejected, "28000"),
    (503, "SERVER_UNAVAILABLE", Retryable, "08006"),
    (400, "UNABLE_TO_LOCK_ROW", Retryable, "08006"),
)


@pytest.mark.parametrize(("status", "code", "kind", "sqlstate"), REFUSALS)
async def test_refusals_are_told_by_recovery_and_without_values(
    world: World, status: int, code: str, kind: type[ConnectorError], sqlstate: str
) -> None:
    body = [{"message": "\nWHERE Name = 'secret value'\n ^\nERROR at Row:1:Column:8", "errorCode": code}]
    world.simulation.configure({"next": [{"status": status, "body": body}] * 5})
    with pytest.raises(kind) as raised:
        await read(world.connection, where("accounts", "name", Operator.EQ, "secret value"))
    assert raised.value.sqlstate == sqlstate
    shown = f"{raised.value.message} {raised.value.detail} {raised.value.hint}"
    assert "secret value" not in shown
    assert TOKEN not in shown


async def test_a_refusal_within_a_composite_answer_is_one(world: World) -> None:
    values = tuple(f"{at:030d}" for at in range(300))
    scan = replace(where("accounts", "name", Operator.IN, values), columns=("id", "name"))
    assert await read(world.connection, scan) == []
    inner = [{"message": "Your query request was running for too long.", "errorCode": "QUERY_TIMEOUT"}]
    body = {"compositeResponse": [{"httpStatusCode": 400, "body": inner, "httpHeaders": {}, "referenceId": "r0"}]}
    verdict = judge(
        composite(["/services/data/v66.0/query?q=x"], "66.0"),
        Response(status=200, headers={}, body=body, url="http://127.0.0.1/"),
        Setting(server="crm", now_s=0.0),
    )
    assert isinstance(verdict, SourceTimeout)


async def test_a_result_that_goes_on_elsewhere_is_not_followed(world: World) -> None:
    for address in ("/services/data/v66.0/sobjects", "https://evil.example/query/01gDn00000000001AA-200", "//x/y"):
        with pytest.raises(Fatal, match="none of its results"):
            following(query("SELECT Id FROM User", "66.0"), address)
    assert following(query("SELECT Id FROM User", "66.0"), "/services/data/v66.0/query/01gDn00000000001AA-200").path


def in_bulk(table: Table) -> Scan:
    (path,) = (path for path in table.access_paths if path.name == "bulk")
    names = [column.name for column in table.columns if path.columns is None or column.name in path.columns]
    return Scan(table=table.name, access_path="bulk", columns=tuple(names))


@pytest.mark.parametrize("name", NAMES)
async def test_a_job_gives_the_rows_that_queries_give(world: World, name: str) -> None:
    scan = in_bulk((await tables_of(world.connection))[name])
    queried = await read(world.connection, replace(scan, access_path="query"))
    world.simulation.configure({"page_rows_max": 23})
    assert await read(world.connection, scan) == queried
    assert world.jobs.all == {}


async def test_a_job_that_fails_or_is_left_is_ended(world: World) -> None:
    scan = in_bulk((await tables_of(world.connection))["opportunities"])
    world.simulation.configure({"page_rows_max": 23})
    pages = world.connection.fetch(scan, QUIET_CONTEXT)
    assert (await anext(pages)).rows.num_rows == 23
    await pages.aclose()
    assert world.jobs.all == {}
    world.jobs.fails = True
    with pytest.raises(Fatal, match="ended in state Failed"):
        await read(world.connection, scan)
    assert [job.state for job in world.jobs.all.values()] == ["Aborted"]


async def test_a_result_that_is_cut_is_no_answer(world: World) -> None:
    world.jobs.cuts = True
    with pytest.raises(Retryable, match="a part of a result is missing"):
        await read(world.connection, in_bulk((await tables_of(world.connection))["users"]))
    assert world.jobs.all == {}
