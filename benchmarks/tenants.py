"""Many tenants on one machine: what a running one weighs, and how long a cold one takes to answer.

The peer is a bare PostgreSQL of the same binaries over one of the same data directories: started, connected to, asked.
`python -m benchmarks.tenants [--tenants 200] [--running 20] [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]

from benchmarks.report import Section, median, percentile, publish
from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from omnisql_server.admin.making import make_tenant
from omnisql_server.app import serve_tenants
from omnisql_server.services import Services, start_services
from omnisql_server.settings import ClusterSettings, DataSettings, ListenerSettings, Settings, TelemetrySettings
from wire.auth import make_verifier

OWNER, PASSWORD = "admin", "benchmark"
COLD_TARGET_S = 1.0
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Times in seconds, memory in bytes."""

    making_s: list[float]
    cold_s: list[float]
    warm_s: list[float]
    bare_s: list[float]
    pss_bytes: list[int]
    server_bytes: int


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--tenants", type=int, default=200)
    line.add_argument("--running", type=int, default=20)
    line.add_argument("--quick", action="store_true", help="30 tenants, 5 running")
    given = line.parse_args()
    tenants, running = (30, 5) if given.quick else (given.tenants, given.running)
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary:
        directory = Path(temporary)
        directory.chmod(0o711)
        publish(_section(asyncio.run(_measure(directory, tenants, running)), tenants, running))


async def _measure(directory: Path, tenants: int, running: int) -> Measured:
    settings = Settings(
        listener=ListenerSettings(port=0),
        data=DataSettings(directory=directory / "data"),
        clusters=ClusterSettings(running_max=running),
        telemetry=TelemetrySettings(log_level="error"),
    )
    names = [f"t{number:03d}" for number in range(tenants)]
    async with start_services(settings) as services:
        verifier = make_verifier(PASSWORD)
        making = []
        for name in names:
            started_s = time.perf_counter()
            await make_tenant(services, name, owner=OWNER, verifier=verifier)
            making.append(time.perf_counter() - started_s)
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        serving = asyncio.create_task(serve_tenants(services, ready=ready.set_result, stop=stop))
        port = await ready
        # The last made still run; the round from the first on finds every one of them cold.
        cold = [await _answer_s(port, name) for name in names]
        warm = [await _answer_s(port, name) for name in names[-running:]]
        await asyncio.sleep(SETTLE_S)
        pss = [_cluster_pss(name) for name in services.clusters.running]
        server_bytes = _pss(psutil.Process())
        stop.set()
        await serving
    bare = [await _bare_s(directory / "data", name) for name in await _clusters(services)]
    return Measured(making_s=making, cold_s=cold, warm_s=warm, bare_s=bare, pss_bytes=pss, server_bytes=server_bytes)


async def _answer_s(port: int, tenant: str) -> float:
    """Time a log-in with its first answer; the session is closed afterwards."""
    started_s = time.perf_counter()
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=OWNER, password=PASSWORD, database=tenant, ssl=False, timeout=60
    )
    await connection.fetchval("SELECT 1")
    elapsed_s = time.perf_counter() - started_s
    await connection.close()
    return elapsed_s


async def _clusters(services: Services) -> list[str]:
    directory = services.settings.data.directory.absolute() / "postgres" / "clusters"
    return sorted(path.name for path in directory.iterdir() if path.is_dir() and path.name.startswith("t"))[:20]


async def _bare_s(data: Path, name: str) -> float:
    """Time the start of PostgreSQL alone, with a connection and an answer."""
    cluster = EmbeddedCluster(name, EmbeddedSettings(data_root=data / "postgres"))
    started_s = time.perf_counter()
    await cluster.start()
    connection = await cluster.connect(cluster.superuser, "postgres")
    await connection.fetchval("SELECT 1")
    elapsed_s = time.perf_counter() - started_s
    await connection.close()
    await cluster.stop()
    return elapsed_s


def _cluster_pss(name: str) -> int:
    """Sum the proportional memory of a cluster's processes, which carry its name in their titles."""
    found = 0
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if f"/clusters/{name}" in words or f"postgres: {name}" in words:
            found += _pss(process)
    return found


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _section(measured: Measured, tenants: int, running: int) -> Section:
    bare = median(measured.bare_s)
    rows = [
        _times("cold tenant: log-in and first answer", measured.cold_s, bare),
        _times("running tenant without session: log-in and first answer", measured.warm_s, bare),
        _times("PostgreSQL alone: start, connection, first answer", measured.bare_s, bare),
        _times("making a tenant", measured.making_s, bare),
    ]
    cold_p95_s = percentile(measured.cold_s, 0.95)
    clusters_mib = sum(measured.pss_bytes) / 2**20
    return Section(
        subject="Many tenants",
        header=("what", "median", "95th percentile", "most", "ratio to PostgreSQL alone"),
        rows=rows,
        notes=[
            f"{tenants} tenants, at most {running} running, each visited in turn, so that every visit finds its tenant "
            f"stopped and stops another. The aim is a cold tenant that answers within {COLD_TARGET_S:.0f} s: "
            f"{'met' if cold_p95_s <= COLD_TARGET_S else 'missed'} at the 95th percentile.",
            f"Memory (proportional set size): {clusters_mib / len(measured.pss_bytes):.1f} MiB for an idle running "
            f"tenant's cluster, {clusters_mib:.0f} MiB for {len(measured.pss_bytes)} of them, "
            f"{measured.server_bytes / 2**20:.0f} MiB for the server with {tenants} tenants visited, which also is the "
            "client here.",
        ],
        peers=("PostgreSQL 18.6",),
    )


def _times(name: str, values: list[float], bare: float) -> list[str]:
    cells = [f"{each * 1000:.0f} ms" for each in (median(values), percentile(values, 0.95), max(values))]
    return [name, *cells, f"{median(values) / bare:.2f}x"]


if __name__ == "__main__":
    main()
    sys.exit(0)
