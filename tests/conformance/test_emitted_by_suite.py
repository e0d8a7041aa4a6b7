"""What is noted of the requests that the suite makes, and that a request nobody knows does not fall through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from emitted_by_suite import illegal, noted
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Request
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.github import create_app

TOKEN = "ghp_first"


@pytest.fixture
async def connection() -> AsyncIterator[DeclarativeConnection]:
    """Connect to a simulator of GitHub."""
    simulator = await start_simulator(create_app(build_company(issues=50), tokens=frozenset({TOKEN})))
    options = {"base_url": simulator.base_url}
    source = Source(tenant="t", server="forge", connector="github", options=options, secrets={"token": TOKEN})
    opened = await DeclarativeConnector(manifest_named("github"), LOCAL_SETTINGS).connect(source)
    yield opened
    await opened.disconnect()
    await simulator.stop()


async def test_what_a_connector_sends_is_noted_and_judged(connection: DeclarativeConnection) -> None:
    with noted() as made:
        await connection.check()
        assert [(each.method, each.path) for each in made.values()] == [("GET", "/user")]
        assert illegal(made) == set()
        for path, parameters in (("/repos/acme/web/made-up", ()), ("/repos/acme/web/issues", (("made_up", "1"),))):
            with suppress(ConnectorError):
                await connection.transport.send(Request(template=path, path=path, parameters=parameters), QUIET_CONTEXT)
    told = illegal(made)
    assert {problem.split()[2] for problem in told} == {"/repos/acme/web/made-up", "/repos/acme/web/issues"}
    assert "/repos/acme/web/made-up is known to none of" in str(told)
    assert "/repos/acme/web/issues has no parameter made_up" in str(told)
