"""The peers: PostgreSQL from the same binaries as the server's own, and buenavista in an environment of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from benchmarks.rows import COLUMNS
from catalog.clusters.processes import account_for, child_command, child_environment, make_reachable, program

START_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 300.0
BUENAVISTA = "buenavista==0.5.0"
_BUENAVISTA_NEEDS = (f"duckdb=={version('duckdb')}", "pyarrow", "pytz", "python-dateutil")
"""What its wheel needs and does not ask for."""

_BUENAVISTA_SERVER = """
import sys
import duckdb
from buenavista.backends.duckdb import DuckDBConnection
from buenavista.postgres import BuenaVistaServer

database = duckdb.connect(sys.argv[1], read_only=True)
server = BuenaVistaServer(("127.0.0.1", int(sys.argv[2])), DuckDBConnection(database))
server.serve_forever()
"""


class PeerUnavailable(Exception):
    """A peer could not be installed or started."""


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(
    directory: Path, *, password: str | None = None, options: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run PostgreSQL with its default settings and `options` on loopback TCP and yield a DSN of its superuser.

    With a `password` it asks for it by SCRAM-SHA-256; without one it trusts everybody.
    """
    account = account_for(None)
    data = directory / "postgres-peer"
    data.mkdir(mode=0o700)
    make_reachable(data, account)
    make_reachable(program("postgres"), account)
    if account.switch:
        data.chmod(0o777)
    port = free_port()
    cluster = data / "cluster"
    arguments = ["-D", str(cluster), "--username=peer", "--encoding=UTF8", "--locale=C", "--no-sync"]
    if password is None:
        arguments.append("--auth=trust")
    else:
        password_file = data / "password"
        password_file.write_text(password, encoding="utf-8")
        arguments += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    initdb = child_command(account, program("initdb"), arguments, death_signal=None)
    subprocess.run(initdb, env=child_environment(), cwd="/", check=True, capture_output=True)
    chosen = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
    chosen.update(options or {})
    serve = ["-D", str(cluster)] + [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
    process = subprocess.Popen(
        child_command(account, program("postgres"), serve, death_signal=None),
        env=child_environment(),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        dsn = f"host=127.0.0.1 port={port} user=peer dbname=postgres sslmode=disable"
        dsn += f" password={password}" if password is not None else ""
        _wait_for(dsn, process)
        yield dsn
    finally:
        # A fast shutdown: SIGTERM would wait for clients to leave.
        process.send_signal(signal.SIGINT)
        process.wait()


def load_postgres(dsn: str, batches: list[pa.RecordBatch]) -> None:
    """Copy the rows into a table `facts` that has been vacuumed, as a settled table would be."""
    columns = ", ".join(f'"{name}" {type_name}' for name, type_name in COLUMNS)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE facts ({columns})")
        with connection.cursor() as cursor, cursor.copy("COPY facts FROM STDIN (FORMAT csv)") as copy:
            for batch in batches:
                sink = pa.BufferOutputStream()
                pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=False))
                copy.write(sink.getvalue().to_pybytes())
        connection.execute("VACUUM (FREEZE, ANALYZE) facts")


@contextmanager
def pgbouncer(directory: Path, *, backend: str) -> Iterator[str]:
    """Run PgBouncer in session mode before the cluster that `backend` (a keyword DSN) leads to, and yield a DSN.

    Raises:
        PeerUnavailable: it is not installed or did not start.
    """
    executable = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if executable is None:
        raise PeerUnavailable("pgbouncer is not installed")
    port = free_port()
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\npostgres = {backend}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        "unix_socket_dir =\nauth_type = any\npool_mode = session\nmax_client_conn = 100\n"
        "ignore_startup_parameters = extra_float_digits\nlogfile =\npidfile =\n",
        encoding="utf-8",
    )
    account = account_for(None)
    make_reachable(configuration, account)
    command = child_command(account, Path(executable), ["--quiet", str(configuration)], death_signal=None)
    with (directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, env=child_environment(), cwd="/", stdout=log, stderr=log)
    try:
        dsn = f"host=127.0.0.1 port={port} user=peer dbname=postgres sslmode=disable"
        _wait_for(dsn, process)
        yield dsn
    finally:
        process.terminate()
        process.wait()


@contextmanager
def buenavista(directory: Path, rows_file: Path) -> Iterator[str]:
    """Install and run buenavista over the rows in a DuckDB file; yield a DSN.

    Raises:
        PeerUnavailable: it could not be installed or started.
    """
    python = _install_buenavista(directory)
    database = directory / "buenavista.duckdb"
    load = (
        "import duckdb, sys, pyarrow as pa\n"
        "rows = pa.ipc.open_file(sys.argv[2]).read_all()\n"
        "database = duckdb.connect(sys.argv[1])\n"
        "database.execute('CREATE TABLE facts AS SELECT * FROM rows')\n"
    )
    loading = [sys.executable, "-c", load, str(database), str(rows_file)]
    subprocess.run(loading, check=True, timeout=START_TIMEOUT_S, capture_output=True)
    port = free_port()
    log_file = directory / "buenavista.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [python, "-c", _BUENAVISTA_SERVER, str(database), str(port)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        dsn = f"host=127.0.0.1 port={port} user=peer password=peer dbname=memory sslmode=disable"
        try:
            _wait_for(dsn, process)
        except PeerUnavailable as error:
            last = log_file.read_text(errors="replace").strip().splitlines()[-1:]
            raise PeerUnavailable(f"{error}: {' '.join(last)[:200]}") from error
        yield dsn
    finally:
        process.terminate()
        process.wait()


def _install_buenavista(directory: Path) -> str:
    environment = directory / "buenavista-venv"
    python = str(environment / "bin" / "python")
    commands = (
        [sys.executable, "-m", "venv", str(environment)],
        [python, "-m", "pip", "install", "--quiet", BUENAVISTA, *_BUENAVISTA_NEEDS],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            last = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
            raise PeerUnavailable(f"{BUENAVISTA} cannot be installed: {' '.join(last)[:200]}") from error
    return python


def _wait_for(dsn: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            connection = psycopg.pq.PGconn.connect(f"{dsn} connect_timeout=5".encode())
            ready = connection.status == psycopg.pq.ConnStatus.OK
            message = connection.error_message.decode(errors="replace").strip()
            connection.finish()
        except psycopg.OperationalError as error:
            ready, message = False, str(error)
        if ready:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise PeerUnavailable(f"the peer did not start: {message[:200]}")
        time.sleep(0.05)
