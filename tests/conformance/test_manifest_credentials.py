"""Tokens that are got from an OAuth 2.0 endpoint: once for many requests, again when refused, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.proving import rows_of
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import CredentialsRejected, OptionInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan
from connectors.simulators import start_simulator
from connectors.simulators.catalogue import simulator_of
from connectors.simulators.company import build_company
from connectors.simulators.toolkit import SIMULATION

TOKEN = "an-access-token"
GRANTS = {
    "hubspot": ({"client_id": "app"}, {"client_secret": "shh", "refresh_token": "refresh"}, "owners"),
    "zendesk": ({"client_id": "app"}, {"client_secret": "shh"}, "users"),
}


@asynccontextmanager
async def opened(
    name: str, options: Mapping[str, str], secrets: Mapping[str, str]
) -> AsyncIterator[tuple[DeclarativeConnection, web.Application]]:
    application = simulator_of(name, build_company(issues=60), token=TOKEN)
    simulator = await start_simulator(application)
    source = Source(
        tenant="t",
        server="desk",
        connector=name,
        options={"base_url": simulator.base_url, **options},
        secrets=dict(secrets),
    )
    connection = await DeclarativeConnector(manifest_named(name), LOCAL_SETTINGS).connect(source)
    try:
        yield connection, application
    finally:
        await connection.disconnect()
        await simulator.stop()


def asked(application: web.Application) -> list[str]:
    found: list[dict[str, Any]] = application[SIMULATION].log.to_json()
    return [str(each["path"]) for each in found]


@pytest.mark.parametrize("name", sorted(GRANTS))
async def test_a_token_is_got_once_and_again_when_it_is_refused(name: str) -> None:
    options, secrets, table = GRANTS[name]
    async with opened(name, options, secrets) as (connection, application):
        scan = Scan(table=table, access_path="all", columns=("id",))
        assert await rows_of(connection, scan, QUIET_CONTEXT)
        await connection.check()
        tokens = [path for path in asked(application) if "oauth" in path]
        assert len(tokens) == 1
        application[SIMULATION].configure({"next": [{"status": 401}]})
        await connection.check()
        assert len([path for path in asked(application) if "oauth" in path]) == 2


@pytest.mark.parametrize("name", sorted(GRANTS))
async def test_a_grant_that_is_refused_says_whose_and_keeps_the_secret(name: str) -> None:
    options, secrets, _ = GRANTS[name]
    async with opened(name, options, {**secrets, "client_secret": "wrong-one"}) as (connection, _):
        with pytest.raises(CredentialsRejected) as refused:
            await connection.check()
    shown = f"{refused.value.message} {refused.value.detail} {refused.value.hint}"
    assert 'server "desk" does not renew its credentials' in shown
    assert "wrong-one" not in shown


async def test_a_fixed_token_is_used_before_a_grant() -> None:
    async with opened("hubspot", {}, {"access_token": TOKEN}) as (connection, application):
        assert await connection.check() == "12345678"
        assert not [path for path in asked(application) if "oauth" in path]


async def test_half_a_grant_is_no_credential() -> None:
    source = Source(tenant="t", server="desk", connector="hubspot", secrets={"refresh_token": "refresh"})
    with pytest.raises(OptionInvalid, match='server "desk" has no credential') as refused:
        await DeclarativeConnector(manifest_named("hubspot"), LOCAL_SETTINGS).connect(source)
    assert "client_id" in (refused.value.hint or "")


async def test_a_token_endpoint_that_fails_can_be_asked_again() -> None:
    options, secrets, _ = GRANTS["hubspot"]
    async with opened("hubspot", options, secrets) as (connection, application):
        application[SIMULATION].configure({"next": [{"status": 503}]})
        assert await connection.check() == "12345678"
        assert asked(application).count("/oauth/v1/token") == 2
