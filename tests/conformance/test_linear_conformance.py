"""Proves the Linear manifest's tables against the Linear simulator, and its queries against the vendor's schema."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import GraphQLSchema, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from graphql.language import OperationDefinitionNode
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.expecting import declared_answers
from connectors.declarative.proving import prove_one
from connectors.declarative.requests import first_request, with_cursor
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import CredentialsRejected, Fatal, RateLimited
from connectors.sdk.grades import grade_of
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.settings import Surroundings
from connectors.sdk.table import AccessPath, Grade, Table
from connectors.sdk.testing import Faults, prove_faults
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.linear import create_app
from connectors.simulators.linear.schema import served_schema
from connectors.simulators.toolkit import SIMULATION

IDENTIFIER = "0b1f3c5e-8a8d-4d5c-9d0e-5f3a2b1c0d9e"
SAMPLES: dict[str, list[Value]] = {
    "text": ["started", IDENTIFIER, "two words%", "%end", 'quote " and \\ and \U0001f600'],
    "text[]": [("bug", "Bug")],
    "bool": [True, False],
    "int4": [3],
    "float8": [3.5],
    "timestamptz": [datetime(2026, 1, 2, 3, 4, 5, 600_700, tzinfo=UTC)],
    "date": [date(2026, 1, 2)],
}
KEY = "lin_api_secret_value"
LOADED = manifest_named("linear")
SPECIFICATION = Path(__file__).parents[3] / "shared" / "specs" / "linear.graphql.gz"
SETTINGS = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2))
HASTY = replace(SETTINGS, read_timeout_s=0.1, total_timeout_s=0.2)


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def source(base_url: str, secret: str = KEY) -> Source:
    return Source(
        tenant="t", server="plan", connector="linear", options={"base_url": base_url}, secrets={"api_key": secret}
    )


@pytest.fixture
async def connection() -> AsyncIterator[DeclarativeConnection]:
    application = create_app(build_company(issues=50), api_key=KEY)
    application[SIMULATION].configure({"rate_limit": {"limit": 1_000_000, "window_s": 60}})
    simulator = await start_simulator(application)
    opened = await DeclarativeConnector(LOADED, LOCAL_SETTINGS).connect(source(simulator.base_url))
    yield opened
    await opened.disconnect()
    await simulator.stop()


def whole(table: str) -> Scan:
    names = tuple(column.name for column in LOADED.tables[table].table.columns)
    return Scan(table=table, access_path="all", columns=names)


@pytest.mark.parametrize("name", sorted(LOADED.tables))
async def test_every_declaration_of_a_table_holds(connection: DeclarativeConnection, name: str) -> None:
    found = await prove_one(LOADED, connection, name, QUIET_CONTEXT)
    assert found.proof.failures == []
    assert found.gaps == ()
    assert found.proof.check_count > 20


async def test_faults_are_taken_by_recovery() -> None:
    application = create_app(build_company(issues=150), api_key=KEY)
    faults = Faults(application)
    simulator = await start_simulator(application)
    connector = DeclarativeConnector(LOADED, SETTINGS, Surroundings(sleep=no_wait))
    hasty = DeclarativeConnector(LOADED, HASTY, Surroundings(sleep=no_wait))
    try:
        proof = await prove_faults(
            lambda: connector.connect(source(simulator.base_url)),
            LOADED.tables["issues"].table,
            whole("issues"),
            faults,
            QUIET_CONTEXT,
            server="plan",
            secret=KEY,
            answers=declared_answers(LOADED.manifest, LOADED.tables["issues"].paths["all"]),
            hasty=lambda: hasty.connect(source(simulator.base_url)),
        )
    finally:
        await simulator.stop()
    assert proof.wrong == []
    assert len(proof.taken) > 30


async def test_a_credential_is_told_whose_it_is_and_a_wrong_one_is_refused() -> None:
    company = build_company(issues=50)
    simulator = await start_simulator(create_app(company, api_key=KEY))
    connector = DeclarativeConnector(LOADED, LOCAL_SETTINGS)
    right = await connector.connect(source(simulator.base_url))
    wrong = await connector.connect(source(simulator.base_url, "nope"))
    try:
        assert await right.check() == company.people[0].name
        with pytest.raises(CredentialsRejected):
            await wrong.check()
    finally:
        await right.disconnect()
        await wrong.disconnect()
        await simulator.stop()


async def test_a_limit_that_is_refused_by_a_400_says_when_to_come_back() -> None:
    application = create_app(build_company(issues=50), api_key=KEY)
    application[SIMULATION].configure({"rate_limit": {"limit": 1, "window_s": 900}})
    simulator = await start_simulator(application)
    connection = await DeclarativeConnector(LOADED, LOCAL_SETTINGS).connect(source(simulator.base_url))
    try:
        await connection.check()
        with pytest.raises(RateLimited) as refused:
            await connection.check()
    finally:
        await connection.disconnect()
        await simulator.stop()
    assert 600 < refused.value.retry_after_s <= 901


def test_a_list_that_the_source_cut_is_an_error_and_no_value() -> None:
    row: dict[str, object] = {
        "id": "1", "labels": {"nodes": [{"name": "Bug"}], "pageInfo": {"hasNextPage": True}}
    }  # fmt: skip
    decoder = LOADED.tables["issues"].decoder(("label_names",), "all")
    with pytest.raises(Fatal, match="longer than the API gives"):
        decoder.batch([row])


def emitted() -> list[dict[str, Any]]:
    """Return what is posted for every access path alone, each pushdown, each order and a limit."""
    posted = []
    for name, readable in LOADED.tables.items():
        for path in readable.table.access_paths:
            keys: dict[str, Value] = dict.fromkeys(path.keys, IDENTIFIER)
            bare = replace(whole(name), access_path=path.name, keys=keys)
            scans = [bare, replace(bare, limit=3)]
            if path.batch is not None:
                scans.append(replace(bare, keys={path.batch: (IDENTIFIER, IDENTIFIER)}))
            scans += [replace(bare, predicates=(each,)) for each in predicates(readable.table, path)]
            for column, directions in path.order.items():
                scans += [replace(bare, order=(SortKey(column=column, direction=each),)) for each in directions]
            for scan in scans:
                request = first_request(LOADED.manifest, readable, scan, {})
                posted.append(msgspec.json.decode(request.body or b""))
                following = with_cursor(readable.paths[path.name], "after")(request, "cursor")
                posted.append(msgspec.json.decode(following.body))
    return posted


def predicates(table: Table, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator in operators:
            for sample in SAMPLES[table.column(name).type_name]:
                value: Value = (sample,) if operator in {Operator.IN, Operator.NOT_IN} else sample
                if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
                    value = None
                predicate = Predicate(column=name, operator=operator, value=value)
                if grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


def described() -> GraphQLSchema | None:
    """Read the vendor's schema, a third-party file that is not part of the project."""
    if not SPECIFICATION.is_file():
        warnings.warn(f"no schema at {SPECIFICATION}: the gate is inactive", stacklevel=1)
        return None
    return build_schema(gzip.decompress(SPECIFICATION.read_bytes()).decode())


def test_every_query_is_legal_in_the_schema_of_the_vendor() -> None:
    schemas = {"served": served_schema(), "the vendor's": described()}
    posted = emitted()
    assert len(posted) > 300
    for which, schema in schemas.items():
        if schema is None:
            continue
        documents = {each["query"]: parse(each["query"]) for each in posted}
        problems = {
            f"{which}: {error.message}" for document in documents.values() for error in validate(schema, document)
        }
        for each in posted:
            operation = documents[each["query"]].definitions[0]
            assert isinstance(operation, OperationDefinitionNode)
            given = get_variable_values(schema, list(operation.variable_definitions), each["variables"])
            if isinstance(given, list):
                problems |= {f"{which}: {error.message}" for error in given}
        assert problems == set()


def test_the_simulator_serves_a_part_of_the_schema_of_the_vendor() -> None:
    vendor = described()
    if vendor is None:
        return
    for name, served in served_schema().type_map.items():
        theirs = vendor.type_map.get(name)
        if name.startswith("__") or not hasattr(served, "fields"):
            continue
        assert theirs is not None, name
        for field, declared in served.fields.items():
            assert str(theirs.fields[field].type) == str(declared.type), f"{name}.{field}"  # type: ignore[attr-defined]
