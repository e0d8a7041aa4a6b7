"""The drift of GitHub and Jira from their manifests, where an API drops a field, adds one or gives it another type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import Loaded
from connectors.drift import Answers, Drift, drift_of
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.settings import Surroundings
from connectors.sdk.testing import Fault, Faults
from connectors.simulators import github, jira, start_simulator
from connectors.simulators.company import build_company

TOKEN = "drift-secret-7f3a"
EMAIL = "ada@acme.example"
APPLICATIONS: dict[str, Callable[[], web.Application]] = {
    "github": lambda: github.create_app(build_company(issues=50), tokens=frozenset({TOKEN})),
    "jira": lambda: jira.create_app(build_company(issues=50), email=EMAIL, api_token=TOKEN),
}
SOURCES = {
    "github": Source(tenant="t", server="drift", connector="github", secrets={"token": TOKEN}),
    "jira": Source(
        tenant="t", server="drift", connector="jira", options={"email": EMAIL}, secrets={"api_token": TOKEN}
    ),
}


async def drifted(name: str, fault: Fault = Fault.NONE, place: str = "", *, warns: bool = False) -> list[Drift]:
    """Return the drift of an API every answer of which is spoiled."""
    loaded = manifest_named(name)
    if warns:
        tables = {
            table: replace(found, table=replace(found.table, misfits_are_null=True))
            for table, found in loaded.tables.items()
        }
        loaded = Loaded(manifest=loaded.manifest, tables=tables, hooks=loaded.hooks)
    application = APPLICATIONS[name]()
    faults = Faults(application)
    simulator = await start_simulator(application)
    answers = Answers()
    source = SOURCES[name]
    source = replace(source, options={**source.options, "base_url": simulator.base_url})
    connection = await DeclarativeConnector(loaded, LOCAL_SETTINGS, Surroundings(witness=answers.see)).connect(source)
    faults.arrange(always=fault, place=tuple(place.split(".")))
    try:
        return await drift_of(loaded, connection, QUIET_CONTEXT, answers)
    finally:
        await connection.disconnect()
        await simulator.stop()


def breaking(found: list[Drift], table: str) -> list[str]:
    return [each.text for each in found if each.is_breaking and each.table == table]


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
async def test_an_api_that_is_as_declared_contradicts_nothing(name: str) -> None:
    assert [each for each in await drifted(name) if each.is_breaking] == []


@pytest.mark.parametrize(
    ("name", "table", "place", "column"),
    [("github", "repositories", "pushed_at", "pushed_at"), ("jira", "issues", "fields.resolutiondate", "resolved")],
)
async def test_a_field_of_another_type_is_told(name: str, table: str, place: str, column: str) -> None:
    found = breaking(await drifted(name, Fault.RETYPED, place), table)
    assert found == [f"a value of {table}.{column} does not fit type timestamptz"]
    (counted,) = breaking(await drifted(name, Fault.RETYPED, place, warns=True), table)
    assert f"values of {column} do not fit its type, the first at {place}, row" in counted


@pytest.mark.parametrize(
    ("name", "table", "place", "column"),
    [("github", "repositories", "updated_at", "updated_at"), ("jira", "issues", "fields.updated", "updated")],
)
async def test_a_field_that_is_gone_is_told(name: str, table: str, place: str, column: str) -> None:
    found = breaking(await drifted(name, Fault.MISSING, place), table)
    assert [text for text in found if text.startswith(f"{column} is never null, and is in ")] == found != []


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
async def test_a_field_that_is_new_is_told_and_breaks_nothing(name: str) -> None:
    found = await drifted(name, Fault.EXTENDED)
    assert any(each.is_new and "field_of_tomorrow" in each.text for each in found)
    assert not any(each.is_breaking for each in found)
