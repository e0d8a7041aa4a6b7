"""The demo: a tenant `acme` over simulators of GitHub and Jira, with three users, served on loopback.

Everything is real but the two services behind it, and those are real HTTP servers in processes of their own. Accounts
of live services in the environment are added beside them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import structlog

from catalog import control
from catalog.clusters import Cluster
from catalog.clusters.processes import Account, child_command
from catalog.errors import TenantExists
from catalog.quoting import identifier
from catalog.shape import ForeignServer, ForeignTable, install
from connectors.registry import connector_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError
from connectors.sdk.settings import TransportSettings
from omnisql_server.admin.making import make_tenant, put_user
from omnisql_server.app import serve_tenants
from omnisql_server.config import environment_sources
from omnisql_server.errors import OmniSQLError
from omnisql_server.outbound import transport_settings
from omnisql_server.provision import foreign_server, foreign_tables, put_credential, update_database
from omnisql_server.services import Services, start_services
from omnisql_server.settings import NetworkSettings, Settings
from wire.auth import make_verifier

TENANT = DATABASE = "acme"
PASSWORD = "demo"  # noqa: S105 - the demo's own, printed at its start
OWNER = "admin"
USERS: Mapping[str, tuple[str, ...]] = {"ana": ("*",), "eve": ("web",), OWNER: ("*",)}
"""The demo's users and the teams whose rows they see."""
SEARCH_PATH = ("$user", "public", "github", "jira")
SIMULATED_TOKEN = "simulated-token"  # noqa: S105 - opens nothing but the simulator
SIMULATED_EMAIL = "demo@acme.example"
SIMULATED = ("github", "jira")
SIMULATOR_NETWORK = "127.0.0.0/8"
SIMULATOR_HOST = "127.0.0.1"
SIMULATOR_START_TIMEOUT_S = 60.0

_log = structlog.get_logger(__name__)


class SimulatorFailed(OmniSQLError):
    """A simulator did not start."""

    sqlstate = "58000"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSource:
    """A source of the demo: plain options and secrets by name."""

    server: str
    connector: str
    options: Mapping[str, str]
    secrets: Mapping[str, str]


async def run_demo(settings: Settings, *, issues: int, ready_file: Path | None) -> None:
    """Serve the demo until told to stop; `ready_file` is written once queries are answered."""
    policy = resources.files("omnisql_server") / "demo_policy.yaml"
    with resources.as_file(policy) as policy_file:
        if settings.policy.file is None and settings.policy.server_url is None:
            settings = replace(settings, policy=replace(settings.policy, file=policy_file))
        settings = replace(settings, network=reaching_simulators(settings.network))
        async with AsyncExitStack() as stack:
            starting = [stack.enter_async_context(_simulator(name, issues)) for name in SIMULATED]
            services_ready = asyncio.create_task(stack.enter_async_context(start_services(settings)))
            github, jira = await asyncio.gather(*starting)
            services = await services_ready
            await prepare_demo(services, _sources(github, jira))
            await serve_tenants(services, ready=lambda port: _ready(port, {"github": github, "jira": jira}, ready_file))


def reaching_simulators(network: NetworkSettings) -> NetworkSettings:
    """Let the simulators of this machine be reached, by no proxy, besides what is configured."""
    return replace(
        network,
        allowed_networks=",".join(filter(None, (network.allowed_networks, SIMULATOR_NETWORK))),
        no_proxy=",".join(filter(None, (network.no_proxy, SIMULATOR_HOST))),
    )


def _sources(github: str, jira: str) -> tuple[DemoSource, ...]:
    live = environment_sources()
    sources = [
        DemoSource(
            server="github", connector="github", options={"base_url": github}, secrets={"token": SIMULATED_TOKEN}
        ),
        DemoSource(
            server="jira",
            connector="jira",
            options={"base_url": jira, "email": SIMULATED_EMAIL},
            secrets={"api_token": SIMULATED_TOKEN},
        ),
    ]
    if live.github_token is not None:
        secrets = {"token": live.github_token}
        options = {"base_url": "https://api.github.com"}
        sources.append(DemoSource(server="github_live", connector="github", options=options, secrets=secrets))
    if live.jira is not None:
        options = {"base_url": live.jira.base_url, "email": live.jira.email}
        secrets = {"api_token": live.jira.api_token}
        sources.append(DemoSource(server="jira_live", connector="jira", options=options, secrets=secrets))
    return tuple(sources)


async def prepare_demo(services: Services, sources: tuple[DemoSource, ...]) -> None:
    """Make the tenant, its users and its foreign tables, or bring what is there up to date."""
    verifier = make_verifier(PASSWORD)
    try:
        record = await make_tenant(services, TENANT, owner=OWNER, verifier=verifier)
    except TenantExists:
        async with services.control_connection() as connection:
            record = await control.tenant_named(connection, TENANT)
    async with services.clusters.lease(record.cluster, record.dsn) as cluster:
        for user, teams in USERS.items():
            attributes = {"teams": teams}
            await put_user(
                services,
                record,
                cluster,
                user,
                verifier=verifier,
                attributes=attributes,
                search_path=SEARCH_PATH,
            )
        await update_database(cluster, record.database, OWNER)
        await _install(services, record, cluster, sources)


async def _install(
    services: Services, record: control.Tenant, cluster: Cluster, sources: tuple[DemoSource, ...]
) -> None:
    transport = transport_settings(services.settings)
    found = await asyncio.gather(*(_shape(source, transport) for source in sources))
    sources = tuple(source for source, shape in zip(sources, found, strict=True) if shape is not None)
    shapes = [shape for shape in found if shape is not None]
    connection = await cluster.connect(cluster.superuser, record.database)
    try:
        await install(
            connection,
            wrappers=(),
            servers=[server for server, _ in shapes],
            tables=[table for _, some in shapes for table in some],
            grants=list(USERS),
            owner=OWNER,
        )
        await connection.execute(f"GRANT CREATE ON SCHEMA public TO {', '.join(map(identifier, USERS))}")
        async with services.control_connection() as control_connection:
            for source in sources:
                await put_credential(
                    connection,
                    control_connection,
                    services.credentials,
                    tenant=record.id,
                    server=source.server,
                    base_url=source.options["base_url"],
                    secrets=source.secrets,
                )
    finally:
        await connection.close()


async def _shape(
    source: DemoSource, transport: TransportSettings
) -> tuple[ForeignServer, tuple[ForeignTable, ...]] | None:
    """Ask a source for its tables and describe them; None for a live source that does not answer."""
    connector = connector_named(source.connector, transport)
    connection = await connector.connect(
        Source(
            tenant=TENANT,
            server=source.server,
            connector=source.connector,
            options=source.options,
            secrets=source.secrets,
        )
    )
    try:
        tables = await connector.discover(connection)
    except ConnectorError as error:
        if source.server in SIMULATED:
            raise
        _log.warning("live_source_left_out", server=source.server, reason=error.message)
        return None
    finally:
        await connection.disconnect()
    return foreign_server(connector, source.server, source.options), foreign_tables(
        source.server, source.server, tables
    )


@asynccontextmanager
async def _simulator(connector: str, issues: int) -> AsyncIterator[str]:
    """Run a simulator as a child and yield its base URL; it ends with the demo, however that ends."""
    arguments = ["-m", "connectors.simulators", "--connector", connector, "--issues", str(issues)]
    arguments += ["--token", SIMULATED_TOKEN, "--email", SIMULATED_EMAIL]
    ourselves = Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
    child = await asyncio.create_subprocess_exec(
        *child_command(ourselves, Path(sys.executable), arguments, death_signal=signal.SIGTERM),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if child.stdout is None:
            raise SimulatorFailed(message=f"the {connector} simulator has no output")
        async with asyncio.timeout(SIMULATOR_START_TIMEOUT_S):
            line = await child.stdout.readline()
        if not line:
            raise SimulatorFailed(message=f"the {connector} simulator did not start")
        yield str(json.loads(line)["base_url"])
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


def _ready(port: int, simulators: Mapping[str, str], ready_file: Path | None) -> None:
    facts = {
        "port": port,
        "users": dict.fromkeys(USERS, PASSWORD),
        "database": DATABASE,
        "simulators": dict(simulators),
    }
    if ready_file is not None:
        temporary = ready_file.with_name(ready_file.name + ".part")
        temporary.write_text(json.dumps(facts), encoding="utf-8")
        temporary.rename(ready_file)
    sys.stderr.write(
        f'ready: psql "host=127.0.0.1 port={port} dbname={DATABASE} user=ana password={PASSWORD} sslmode=require"\n'
    )
