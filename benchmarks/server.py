"""The measured server: the whole of it in a process of its own, with one more source whose rows are ready in memory.

Run as a module it is that process; `serving` starts it and a simulator of GitHub, and yields where they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import uvloop

from benchmarks import connector
from catalog.clusters import Cluster
from catalog.control import tenant_named
from catalog.shape import ForeignServer, install
from omnisql_server import app
from omnisql_server.app import serve_tenants
from omnisql_server.demo import (
    DATABASE,
    OWNER,
    PASSWORD,
    SIMULATED_TOKEN,
    TENANT,
    USERS,
    DemoSource,
    prepare_demo,
    reaching_simulators,
)
from omnisql_server.model.run import StatementRunner
from omnisql_server.provision import foreign_tables, wrapper_shape
from omnisql_server.services import start_services
from omnisql_server.settings import (
    ClusterSettings,
    DataSettings,
    ListenerSettings,
    NetworkSettings,
    SessionSettings,
    Settings,
    TelemetrySettings,
)

START_TIMEOUT_S = 120.0
SCHEMA = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where the server is: a DSN for clients, one that leads to the tenant's PostgreSQL directly, its process id."""

    dsn: str
    backend_dsn: str
    pid: int
    simulator: str


@contextmanager
def serving(
    directory: Path,
    rows_file: Path,
    *,
    issues: int = 5000,
    clients_max: int = 500,
    park_after_s: float = 30.0,
    audited: bool = True,
) -> Iterator[Serving]:
    """Run the server and the simulator until the block ends; idle sessions park after `park_after_s`.

    Without `audited` statements are not put on record, which no server but this one can be told.
    """
    with ExitStack() as stack:
        simulator_ready = directory / "simulator.json"
        command = ["connectors.simulators", "--connector", "github", "--issues", str(issues)]
        command += ["--token", SIMULATED_TOKEN, "--ready-file", str(simulator_ready)]
        simulator = stack.enter_context(_child(command, simulator_ready, directory / "simulator.log"))
        ready_file = directory / "server.json"
        command = ["benchmarks.server", "--data", str(directory / "data"), "--rows-file", str(rows_file)]
        command += ["--github", str(simulator["base_url"]), "--ready-file", str(ready_file)]
        command += ["--clients-max", str(clients_max), "--park-after-s", str(park_after_s)]
        command += [] if audited else ["--unaudited"]
        facts = stack.enter_context(_child(command, ready_file, directory / "server.log"))
        yield Serving(
            dsn=f"host=127.0.0.1 port={facts['port']} dbname={DATABASE} user=ana password={PASSWORD} sslmode=disable",
            backend_dsn=f"host={facts['socket_directory']} port={facts['backend_port']} dbname={DATABASE} user=ana",
            pid=int(str(facts["pid"])),
            simulator=str(simulator["base_url"]),
        )


def write_rows(directory: Path, batches: Sequence[pa.RecordBatch]) -> Path:
    """Write the rows of the source in memory into an Arrow file and return its path."""
    rows_file = directory / "rows.arrow"
    with pa.OSFile(str(rows_file), "wb") as sink, pa.ipc.new_file(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return rows_file


@contextmanager
def _child(command: list[str], ready_file: Path, log_file: Path) -> Iterator[dict[str, object]]:
    with log_file.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log_file.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield {"pid": process.pid, **json.loads(ready_file.read_text(encoding="utf-8"))}
    finally:
        process.terminate()
        process.wait()


async def _serve(arguments: argparse.Namespace) -> None:
    settings = Settings(
        listener=ListenerSettings(port=0, connections_max=arguments.clients_max),
        clusters=ClusterSettings(sessions_max=arguments.clients_max),
        sessions=SessionSettings(park_after_s=arguments.park_after_s),
        data=DataSettings(directory=arguments.data),
        network=reaching_simulators(NetworkSettings()),
        telemetry=TelemetrySettings(log_level="warning"),
    )
    source = DemoSource(
        server="github",
        connector="github",
        options={"base_url": arguments.github},
        secrets={"token": SIMULATED_TOKEN},
    )
    memory = connector.MemoryConnector(arguments.rows_file)
    async with start_services(settings) as services:
        await prepare_demo(services, (source,))
        async with services.control_connection() as control_connection:
            tenant = await tenant_named(control_connection, TENANT)
        async with services.clusters.lease(tenant.cluster) as cluster:
            await _install(cluster, memory)

            def ready(port: int) -> None:
                facts = {
                    "port": port,
                    "socket_directory": str(cluster.socket_directory),
                    "backend_port": cluster.port,
                }
                part = arguments.ready_file.with_suffix(".part")
                part.write_text(json.dumps(facts), encoding="utf-8")
                part.rename(arguments.ready_file)

            await serve_tenants(services, ready=ready, connectors={memory.name: memory})


async def _install(cluster: Cluster, memory: connector.MemoryConnector) -> None:
    connection = await cluster.connect(cluster.superuser, DATABASE)
    try:
        await install(
            connection,
            wrappers=[wrapper_shape(memory)],
            servers=[ForeignServer(name=memory.name, wrapper=memory.name)],
            tables=foreign_tables(SCHEMA, memory.name, memory.tables),
            grants=list(USERS),
            owner=OWNER,
        )
    finally:
        await connection.close()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--data", type=Path, required=True)
    line.add_argument("--rows-file", type=Path, required=True)
    line.add_argument("--github", required=True)
    line.add_argument("--ready-file", type=Path, required=True)
    line.add_argument("--clients-max", type=int, required=True)
    line.add_argument("--park-after-s", type=float, required=True)
    line.add_argument("--unaudited", action="store_true")
    arguments = line.parse_args()
    if arguments.unaudited:
        app.AuditedRunner = _unaudited  # type: ignore[attr-defined, assignment]
    uvloop.run(_serve(arguments))


def _unaudited(*, runner: StatementRunner, session: object) -> StatementRunner:  # noqa: ARG001 - AuditedRunner's own
    return runner


if __name__ == "__main__":
    main()
