"""The server under fuzz, a plain connection to its tenant's PostgreSQL, and a bystander that must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from streams import API_TABLE, COPY
from target import USER, Target

MIB = 1024 * 1024
MEMORY_GROWTH_MAX_BYTES = 64 * MIB


@pytest.fixture(scope="module")
def target(demo: DemoServer, request: pytest.FixtureRequest) -> Iterator[Target]:
    """Give the server a copy of the API table, watch a bystander; at the end look at memory and say what was sent."""
    postmaster = (demo.cluster / "postmaster.pid").read_text().splitlines()
    made = Target(demo=demo, socket_directory=Path(postmaster[4].strip()), backend_port=int(postmaster[3]))
    with psycopg.connect(**demo.arguments(USER), dbname=DATABASE, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {COPY} AS SELECT * FROM {API_TABLE}")
        connection.execute(f"ANALYZE {COPY}")
        yield made
        made.forget()
        assert demo.process.poll() is None
        first, last = made.memory_bytes, made.resident_bytes()
        said = f"{made.messages:,} messages sent, memory {first / MIB:.0f} MiB at first, {last / MIB:.0f} MiB at last"
        request.config.get_terminal_writer().line(f"{said} ({request.module.__name__})")
        if first:
            assert last - first < MEMORY_GROWTH_MAX_BYTES, f"{last - first} bytes more after {made.messages} messages"
        connection.execute(f"DROP TABLE {COPY}")


@pytest.fixture
def bystander(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Keep a transaction open meanwhile, and look at its end whether it is as it was."""
    with psycopg.connect(**demo.arguments(USER), dbname=DATABASE) as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 42 AS n")
        connection.execute("SET LOCAL work_mem = '5MB'")
        yield connection
        assert connection.execute("SELECT n, current_setting('work_mem') FROM mine").fetchone() == (42, "5MB")
        connection.rollback()
