"""Proves every table of every REST manifest against its simulator, and how faults and credentials are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from answered import Answers
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.expecting import declared_answers
from connectors.declarative.proving import SMALL_PAGE_ROWS, TableProof, prove_one, prove_pages, trial_source, whole
from connectors.registry import manifest_named
from connectors.sdk.errors import CredentialsRejected
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.settings import Surroundings
from connectors.sdk.testing import Faults, Proof, prove_faults
from connectors.simulators import start_simulator
from connectors.simulators.catalogue import PLAIN, simulator_of
from connectors.simulators.company import build_company
from connectors.simulators.company.build import DEFAULT_EPOCH
from connectors.simulators.toolkit import SIMULATION

TOKEN = "a-secret-value"
SETTINGS = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2))
HASTY = replace(SETTINGS, read_timeout_s=0.1, total_timeout_s=0.2)
TABLES = [(name, table) for name in PLAIN for table in sorted(manifest_named(name).tables)]
LISTED = {
    "gitlab": "users",
    "hubspot": "contacts",
    "notion": "users",
    "pagerduty": "incidents",
    "slack": "users",
    "stripe": "charges",
    "zendesk": "tickets",
}
"""A table of each vendor that has several pages."""


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


AT_EPOCH = Surroundings(now_s=DEFAULT_EPOCH.timestamp)


@asynccontextmanager
async def opened(
    name: str, secret: str = TOKEN, answers: Answers | None = None, page_rows_max: int | None = None
) -> AsyncIterator[DeclarativeConnection]:
    application = simulator_of(name, build_company(issues=60), token=TOKEN)
    if answers is not None:
        answers.keep_from(application)
    limit = {"limit": 1_000_000, "window_s": 60}
    application[SIMULATION].configure({"page_rows_max": page_rows_max, "rate_limit": limit})
    simulator = await start_simulator(application)
    loaded = manifest_named(name)
    connector = DeclarativeConnector(loaded, LOCAL_SETTINGS, AT_EPOCH)
    connection = await connector.connect(trial_source(loaded, simulator.base_url, secret))
    try:
        yield connection
    finally:
        await connection.disconnect()
        await simulator.stop()


@pytest.mark.parametrize(("name", "table"), TABLES)
async def test_every_declaration_of_a_rest_table_holds(name: str, table: str) -> None:
    answers = Answers()
    async with opened(name, answers=answers) as connection:
        found = await prove_one(manifest_named(name), connection, table, QUIET_CONTEXT)
    assert found.proof.failures == []
    assert answers.misfits_of(name) == set()
    assert found.gaps == ()
    assert found.row_count > 0
    assert found.proof.check_count > 5


@pytest.mark.parametrize("name", PLAIN)
async def test_every_listing_of_a_vendor_goes_on_after_a_page(name: str) -> None:
    loaded = manifest_named(name)
    async with opened(name) as connection, opened(name, page_rows_max=SMALL_PAGE_ROWS) as in_pages:
        for table in loaded.tables:
            found = TableProof(table=table, row_count=0, proof=Proof())
            proof = await prove_pages(loaded, connection, in_pages, found, QUIET_CONTEXT)
            assert (proof.proof.failures, proof.gaps) == ([], ())


@pytest.mark.parametrize("name", PLAIN)
async def test_a_vendor_accepts_its_credential_and_no_other(name: str) -> None:
    async with opened(name) as connection:
        assert await connection.check()
    async with opened(name, "another") as connection:
        with pytest.raises(CredentialsRejected):
            await connection.check()


@pytest.mark.parametrize("name", PLAIN)
async def test_faults_of_a_vendor_are_taken_by_recovery(name: str) -> None:
    loaded = manifest_named(name)
    application = simulator_of(name, build_company(issues=60), token=TOKEN)
    application[SIMULATION].configure({"page_rows_max": 20, "rate_limit": {"limit": 1_000_000, "window_s": 60}})
    faults = Faults(application)
    simulator = await start_simulator(application)
    connector = DeclarativeConnector(loaded, SETTINGS, Surroundings(sleep=no_wait))
    hasty = DeclarativeConnector(loaded, HASTY, Surroundings(sleep=no_wait))
    table = loaded.tables[LISTED[name]]
    path = next(path for path in table.table.access_paths if not path.keys and not path.counts)
    try:
        proof = await prove_faults(
            lambda: connector.connect(trial_source(loaded, simulator.base_url, TOKEN, server="plan")),
            table.table,
            whole(table, path),
            faults,
            QUIET_CONTEXT,
            server="plan",
            secret=TOKEN,
            answers=declared_answers(loaded.manifest, table.paths[path.name]),
            hasty=lambda: hasty.connect(trial_source(loaded, simulator.base_url, TOKEN, server="plan")),
        )
    finally:
        await simulator.stop()
    assert proof.wrong == []
    assert len(proof.taken) > 30
