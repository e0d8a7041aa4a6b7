"""How a Salesforce source proves who it is: every grant against the simulator's token endpoint, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS
from rsa_keys import pem_of, rsa_key
from structlog.testing import capture_logs

from connectors.salesforce.connector import SalesforceConnector
from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError, CredentialsRejected, DestinationRefused, OptionInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.salesforce import SESSIONS, create_app
from connectors.simulators.salesforce.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, USERNAME
from connectors.simulators.toolkit import SIMULATION

KEY, OTHER_KEY = rsa_key(), rsa_key(1)
TOKEN = "00D_secret_session_value"
USERS = Scan(table="users", access_path="query", columns=("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A simulator, and a connector that has nothing of it yet."""

    base_url: str
    application: web.Application
    connector: SalesforceConnector

    def source(self, secrets: dict[str, str], **options: str) -> Source:
        return Source(
            tenant="t",
            server="crm",
            connector="salesforce",
            options={"base_url": self.base_url, **options},
            secrets=secrets,
        )

    async def check(self, secrets: dict[str, str], **options: str) -> str:
        connection = await self.connector.connect(self.source(secrets, **options))
        try:
            return await connection.check()
        finally:
            await connection.disconnect()

    def grants(self) -> list[str]:
        """Return what tokens were asked for with, in order."""
        told = self.application[SIMULATION].log.to_json()
        return [str(record["body"]["grant_type"]) for record in told if record["path"] == "/services/oauth2/token"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    application = create_app(build_company(issues=50), access_token=TOKEN, size=60, public_key=KEY.public_key())
    simulator = await start_simulator(application)
    yield World(base_url=simulator.base_url, application=application, connector=SalesforceConnector(LOCAL_SETTINGS))
    await simulator.stop()


JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CREDENTIALS: tuple[tuple[str | None, dict[str, str], dict[str, str]], ...] = (
    (None, {"access_token": TOKEN}, {}),
    ("refresh_token", {"refresh_token": REFRESH_TOKEN}, {"client_id": CLIENT_ID}),
    ("refresh_token", {"refresh_token": REFRESH_TOKEN, "client_secret": CLIENT_SECRET}, {"client_id": CLIENT_ID}),
    ("client_credentials", {"client_secret": CLIENT_SECRET}, {"client_id": CLIENT_ID}),
    (JWT, {"private_key": pem_of(KEY)}, {"client_id": CLIENT_ID, "username": USERNAME}),
)


@pytest.mark.parametrize(("grant", "secrets", "options"), CREDENTIALS)
async def test_every_credential_is_good_for_an_account(
    world: World, grant: str | None, secrets: dict[str, str], options: dict[str, str]
) -> None:
    assert "@" in await world.check(secrets, **options)
    assert world.grants() == ([] if grant is None else [grant])
    told = str(world.application[SIMULATION].log.to_json())
    assert not [secret for secret in secrets.values() if secret in told]


WRONG: tuple[tuple[dict[str, str], dict[str, str], type[ConnectorError], str], ...] = (
    ({}, {}, OptionInvalid, 'server "crm" has no credential'),
    ({"refresh_token": "mistyped"}, {"client_id": CLIENT_ID}, CredentialsRejected, "does not renew"),
    ({"refresh_token": REFRESH_TOKEN}, {"client_id": "other"}, CredentialsRejected, "does not renew"),
    ({"refresh_token": REFRESH_TOKEN}, {}, OptionInvalid, "lacks option client_id"),
    ({"client_secret": "mistyped"}, {"client_id": CLIENT_ID}, CredentialsRejected, "does not renew"),
    ({"private_key": pem_of(KEY)}, {"client_id": CLIENT_ID}, OptionInvalid, "lacks option username"),
    ({"private_key": "mistyped"}, {"client_id": CLIENT_ID, "username": USERNAME}, OptionInvalid, "not an RSA"),
    ({"private_key": pem_of(OTHER_KEY)}, {"client_id": CLIENT_ID, "username": USERNAME}, CredentialsRejected, "renew"),
    ({"private_key": pem_of(KEY)}, {"client_id": CLIENT_ID, "username": "eve"}, CredentialsRejected, "renew"),
    (
        {"private_key": pem_of(KEY)},
        {"client_id": CLIENT_ID, "username": USERNAME, "login_url": "https://elsewhere.example"},
        CredentialsRejected,
        "does not renew",
    ),
    ({"access_token": "mistyped"}, {}, CredentialsRejected, "does not accept its credentials"),
    ({"access_token": TOKEN}, {"api_version": "latest"}, OptionInvalid, "not a version"),
    ({"access_token": TOKEN}, {"api_version": "30.0"}, OptionInvalid, "not a version"),
)


@pytest.mark.parametrize(("secrets", "options", "kind", "words"), WRONG)
async def test_what_is_wrong_with_a_credential_is_said_without_showing_it(
    world: World, secrets: dict[str, str], options: dict[str, str], kind: type[ConnectorError], words: str
) -> None:
    with capture_logs() as logged, pytest.raises(kind, match=words) as raised:
        await world.check(secrets, **options)
    shown = f"{raised.value.message} {raised.value.detail} {raised.value.hint} {logged}"
    assert not [secret for secret in secrets.values() if secret in shown]


async def test_many_readings_share_one_token_and_one_renewal(world: World) -> None:
    source = world.source({"refresh_token": REFRESH_TOKEN}, client_id=CLIENT_ID)
    connections = [await world.connector.connect(source) for _ in range(3)]

    async def read() -> int:
        readings = (connection.fetch(USERS, QUIET_CONTEXT) for connection in connections for _ in range(4))
        counts = await asyncio.gather(*(_count(reading) for reading in readings))
        return min(counts)

    assert await read() > 0
    assert len(world.grants()) == 1
    world.application[SESSIONS].end_all()
    assert await read() > 0
    assert len(world.grants()) == 2
    for connection in connections:
        await connection.disconnect()
    assert await world.check({"refresh_token": REFRESH_TOKEN}, client_id=CLIENT_ID)
    assert len(world.grants()) == 2


async def test_an_account_at_another_address_gets_nothing(world: World) -> None:
    # The token is for the address that the token endpoint names, and was asked for under another one.
    elsewhere = world.base_url.replace("127.0.0.1", "localhost")
    connector = SalesforceConnector(LOCAL_SETTINGS)

    async def moved(request: web.Request) -> web.Response:
        return web.json_response({"access_token": "moved", "instance_url": elsewhere})

    application = web.Application()
    application.router.add_post("/services/oauth2/token", moved)
    simulator = await start_simulator(application)
    try:
        source = Source(
            tenant="t",
            server="crm",
            connector="salesforce",
            options={"base_url": simulator.base_url, "client_id": CLIENT_ID},
            secrets={"refresh_token": REFRESH_TOKEN},
        )
        connection = await connector.connect(source)
        with pytest.raises(CredentialsRejected, match="at another address than its base_url") as raised:
            await connection.check()
        await connection.disconnect()
    finally:
        await simulator.stop()
    assert elsewhere in str(raised.value.hint)


async def test_the_token_endpoint_stands_behind_the_fence(world: World) -> None:
    connection = await SalesforceConnector().connect(
        world.source({"refresh_token": REFRESH_TOKEN}, client_id=CLIENT_ID)
    )
    with pytest.raises(DestinationRefused):
        await connection.check()
    await connection.disconnect()
    assert world.grants() == []


async def _count(pages: object) -> int:
    return sum([page.rows.num_rows async for page in pages])  # type: ignore[attr-defined]
